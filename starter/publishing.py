"""Publishing a catalogue from files: what is new, what speaks against it, whom it concerns (SPEC 4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.base import Command, Key, Text
from domain.definition_checks import DefinitionFinding, Severity, findings
from domain.definitions import ApprovalDefinition, OnChange, content_hash
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.organisations import Permission
from domain.rollouts import DefinitionChange, of_offer, of_update
from starter.faults import database_errors
from starter.files import validated
from storage import catalogue, directory
from storage import definitions as stored
from storage.catalogue import Version
from storage.database import Database

LOCAL_ADMINISTRATOR = "local administrator"
"""Recorded where no person is named: whoever has the command line and the database. No key is spelled so."""


class Responsible(Command):
    """Who changes what is published, and why (SPEC 4.7).

    Attributes:
        actor: A person's key; None for the local administrator, who sets up before there are any people.
    """

    actor: Key | None = None
    reason: Text | None = None

    @property
    def recorded(self) -> str:
        """Who it was, as it is kept with the version."""
        return self.actor or LOCAL_ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class Change:
    """A version that is new.

    Attributes:
        reference: `name@version`.
        diff: What differs from the version before; empty for the first.
    """

    reference: str
    diff: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something an author should know of a definition that was published all the same."""

    reference: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new version means for requests that are open.

    Attributes:
        reference: The new version, `name@version`.
        of_offer: Whether it is an offer's, not a definition's.
        changes: What it changes, in the order in which requests are told.
    """

    reference: str
    of_offer: bool
    changes: tuple[DefinitionChange, ...]

    @property
    def acting(self) -> tuple[DefinitionChange, ...]:
        """The changes that requests have to be told of; the others go on as they are."""
        return tuple(each for each in self.changes if each.mode is not OnChange.CONTINUE)


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing came to, or would have."""

    new: tuple[Change, ...]
    unchanged: tuple[str, ...]
    warnings: tuple[Warned, ...]
    plans: tuple[Plan, ...]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Before:
    """What was published before."""

    versions: dict[type[Offer | ApprovalDefinition], tuple[Version, ...]]
    offers: dict[str, tuple[Offer, str]]
    definitions: dict[str, tuple[ApprovalDefinition, str]]


async def publish(
    database: Database,
    offers: Sequence[Offer],
    definitions: Sequence[ApprovalDefinition],
    at: datetime,
    *,
    actor: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Published:
    """Publishes offers and approval definitions; doing it again changes nothing.

    Open requests are left to whoever carries out the plans (`starter/definitions.py`).

    Args:
        database: Migrated.
        offers: Offers, each with its version.
        definitions: Approval definitions, each with its version.
        at: The time of publication.
        actor: Who publishes; the local administrator if nobody is named.
        reason: Why, in their words.
        dry_run: Say what would change, and change nothing.

    Raises:
        Refusal: VERSION_CONFLICT with the difference; INVALID_INPUT naming the place of everything that must
            not be published; NOT_PERMITTED; UNAVAILABLE.
    """
    with database_errors():
        async with database.session() as session:
            responsible = await permitted(session, actor, reason, "publish")
            before = _Before(
                versions={
                    kind: await catalogue.list_versions(session, kind) for kind in (Offer, ApprovalDefinition)
                },
                offers=await catalogue.current_offers(session),
                definitions=await catalogue.current_definitions(session),
            )
            done = await catalogue.publish(
                session,
                offers,
                definitions,
                at,
                by=responsible.recorded,
                reason=responsible.reason,
                dry_run=dry_run,
            )
            new_definitions = [each for each in definitions if each.reference in done.new]
            people = await stored.people(session)
            found = {
                each.reference: findings(each, people, await stored.most_seats(session, each))
                for each in new_definitions
            }
            _refuse_blocking(found)
    new_offers = [each for each in offers if each.reference in done.new]
    new: list[Offer | ApprovalDefinition] = [*new_definitions, *new_offers]
    return Published(
        new=tuple(_change(each, before.versions[type(each)]) for each in new),
        unchanged=done.unchanged,
        warnings=tuple(
            Warned(reference, each.path, each.message) for reference, said in found.items() for each in said
        ),
        plans=tuple(_plans(before, new_offers, new_definitions)),
        dry_run=dry_run,
    )


async def permitted(session: AsyncSession, actor: str | None, reason: str | None, what: str) -> Responsible:
    """Whoever is to change what is published, once it is certain that they may.

    Args:
        session: Where to look.
        actor: A person's key; None for the local administrator.
        reason: Why, in their words.
        what: The command in words.

    Raises:
        Refusal: NOT_PERMITTED for who may not operate at the provider; NOT_FOUND if a person is named and the
            directory names no provider; INVALID_INPUT for what is no key, or no text.
    """
    responsible = validated(Responsible, {"actor": actor, "reason": reason})
    if responsible.actor is not None:
        provider = await directory.provider(session)
        if not await directory.may(session, responsible.actor, provider.key, Permission.OPERATE):
            raise Refusal(
                Code.NOT_PERMITTED, f"actor: {actor} may not {what}; it takes operate at {provider.key}"
            )
    return responsible


def _refuse_blocking(found: dict[str, tuple[DefinitionFinding, ...]]) -> None:
    blocking = [
        f"definition {reference}, {each}"
        for reference, said in found.items()
        for each in said
        if each.severity is Severity.BLOCKING
    ]
    if blocking:
        raise Refusal(Code.INVALID_INPUT, "\n".join(blocking))


def _plans(
    before: _Before, offers: Iterable[Offer], definitions: Iterable[ApprovalDefinition]
) -> Iterator[Plan]:
    current = dict(before.definitions)
    for definition in sorted(definitions, key=lambda each: each.version):
        older = current.get(definition.name)
        if older is None or older[0].version < definition.version:
            current[definition.name] = (definition, content_hash(definition))
    for name, (definition, hash_) in current.items():
        had_others = any(each.name == name for each in before.versions[ApprovalDefinition])
        if current[name] != before.definitions.get(name) and had_others:
            yield Plan(definition.reference, False, (of_update(definition, hash_),))
    newest = {each.name: each for each in sorted(offers, key=lambda each: each.version)}
    for offer in newest.values():
        was = before.offers.get(offer.name)
        if was is not None and was[0].version < offer.version:
            changes = of_offer(was[0], offer, current)
            if changes:
                yield Plan(offer.reference, True, changes)


def _change(body: Offer | ApprovalDefinition, published: Sequence[Version]) -> Change:
    older = [each for each in published if each.name == body.name and each.version < body.version]
    newest = max(older, key=lambda each: each.version, default=None)
    return Change(body.reference, catalogue.diff(newest.body, body) if newest else "")
