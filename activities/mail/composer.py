"""Turns a mail of the outbox into the bytes that are sent: its facts, the ways out of it, its wording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import quote

from activities.mail.delivery import MailSettings
from activities.mail.message import compose
from activities.mail.render import Ways, render
from domain import wire
from domain.links import LinkClaims, LinkPurpose, LinkSigner, link_url, recipient_digest
from domain.mail import OUTSIDERS, ApprovalFact, MailFacts, ServiceFact
from domain.notifications import choice_counts
from storage.mails import Mail

Facts = TypeVar("Facts", MailFacts, ApprovalFact, ServiceFact)
Listed = TypeVar("Listed", ApprovalFact, ServiceFact)

LOOKS = "countersign order summary "
"""A command that only looks: like all that do, it does not ask who somebody is."""


class Composer:
    """Composes mails, each for its one reader.

    Args:
        settings: Whom mails come from.
        public_url: Where people find their processes; mails then link to a page that shows, never acts.
        signer: Signs the links of those who cannot sign in; without it, their mails say whom to ask instead.

    Without a `public_url` no mail has the address of a page: it names the command that does the same.
    """

    def __init__(self, settings: MailSettings, public_url: str | None, signer: LinkSigner | None) -> None:
        self._settings = settings
        self._public_url = public_url
        self._signer = signer

    def compose(self, mail: Mail) -> bytes:
        """The mail, ready for SMTP.

        Raises:
            Refusal: An address is not a single plain one.
            ValueError: The mail is not one that can be written.
        """
        facts = mail.facts
        if facts.approvals or facts.services:
            facts = facts.model_copy(
                update={
                    "approvals": self._each_with_ways(facts.approvals, mail.person),
                    "services": self._each_with_ways(facts.services, mail.person),
                }
            )
        elif mail.process != wire.RELAY_ID:  # What the relay itself says is about no one process.
            facts = self._with_ways(facts, mail.process, mail.person)
        rendered = render(
            mail.template,
            mail.language,
            facts,
            mail.why,
            action_links=mail.action_links,
            ways=self._ways(mail),
        )
        return compose(
            mail_id=mail.id,
            sender=self._settings.sender,
            sender_name=self._settings.sender_name,
            recipient=mail.recipient,
            at=mail.at,
            rendered=rendered,
            group=mail.group,
            process=mail.process,
            unsubscribe=self._unsubscribe(mail),
        )

    def _each_with_ways(self, listed: Sequence[Listed], person: str) -> tuple[Listed, ...]:
        return tuple(self._with_ways(each, each.process, person) for each in listed)

    def _with_ways(self, facts: Facts, process: str | None, person: str) -> Facts:
        """The facts with a page to look at, and with a command as this reader can give it."""
        if self._public_url and process and facts.url is None:
            facts = facts.model_copy(update={"url": f"{self._public_url}/processes/{process}"})
        if facts.command and not facts.command.startswith(LOOKS) and "--as" not in facts.command:
            facts = facts.model_copy(update={"command": f"{facts.command} --as {person}"})
        return facts

    def _ways(self, mail: Mail) -> Ways:
        """What the reader can do: by pages where these are served, else by commands."""
        token = self._signed(mail)
        choices = self._choices_page(mail) or f"countersign people notifications {mail.person}"
        return Ways(
            link=link_url(self._public_url, token) if token and self._public_url else None,
            link_command=f"countersign link show {token}" if token and not self._public_url else None,
            choices=choices if choice_counts(mail.template, mail.why) else None,
        )

    def _choices_page(self, mail: Mail) -> str | None:
        if self._public_url is None:
            return None
        return f"{self._public_url}/people/{mail.person}/notifications?group={mail.group}"

    def _unsubscribe(self, mail: Mail) -> str | None:
        """Where the reader can switch the mail's group off; None if it is not up to the reader."""
        if not choice_counts(mail.template, mail.why):
            return None
        if (page := self._choices_page(mail)) is not None:
            return page
        if self._settings.unsubscribe is not None:
            subject = quote(f"notifications {mail.person} {mail.group} off")
            return f"mailto:{self._settings.unsubscribe}?subject={subject}"
        return None

    def _signed(self, mail: Mail) -> str | None:
        """The token of a mail's link: for the address it goes to, and for none that only reads along."""
        fact = mail.facts.link
        if fact is None or mail.why not in OUTSIDERS or self._signer is None:
            return None
        claims = LinkClaims(
            process=mail.process,
            purpose=LinkPurpose(fact.purpose),
            generation=fact.generation,
            recipient=recipient_digest(mail.process, mail.recipient),
            expires_at=fact.expires_at,
        )
        return self._signer.sign(claims)
