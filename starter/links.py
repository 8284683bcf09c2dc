"""What is behind the links in mails: looking at one never changes anything (SPEC 5.4, 11; seed 003)."""

from __future__ import annotations

from datetime import datetime

from domain.base import Message
from domain.errors import Code, Refusal
from domain.links import LinkClaims, LinkPurpose
from domain.transitions import ProcessView
from starter.faults import NotRunning
from starter.gateway import Gateway, utc_now
from storage import mails


class LinkShown(Message):
    """What a link is for, to be shown before anything is done through it.

    Attributes:
        process: The line's workflow id.
        title: What is ordered for whom, in one line.
        offer: `name@version`.
        contact: The address the link was made for, as far as a mail to it is in the archive.
        generation: Of the contact; commands through the link carry it.
        expires_at: Until when the link can be used.
        state: Of the line.
        ponr_at: When the line was bound to its organisations, after which only the set-up is left.
    """

    purpose: LinkPurpose
    process: str
    order: str
    line: int | None
    title: str
    offer: str | None
    contact: str | None
    generation: int
    expires_at: datetime
    state: str
    ponr_at: datetime | None

    @property
    def actor(self) -> str:
        """Who acts through it, for the audit."""
        return self.contact or f"{self.purpose} link {self.generation}"


class Links(Gateway):
    """Links, for those who have one; a link is all they need, and all it is good for is its purpose."""

    async def show_link(self, token: str) -> LinkShown:
        """What a link is for. Mail scanners may look as often as they like.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED or UNAVAILABLE.
        """
        claims = self._read(token)
        view = await self._view_behind(claims)
        if _is_revoked(claims, view):
            raise Refusal(
                Code.LINK_REVOKED, "link: somebody else has been asked to complete this order meanwhile"
            )
        async with self._reading() as session:
            addresses = await mails.recipients(session, claims.process)
        return LinkShown(
            purpose=claims.purpose,
            process=claims.process,
            order=view.order,
            line=view.line,
            title=view.title,
            offer=view.offer,
            contact=next(filter(claims.is_for, addresses), None),
            generation=claims.generation,
            expires_at=claims.expires_at,
            state=view.state,
            ponr_at=view.ponr_at,
        )

    def redeem(self, token: str, *purposes: LinkPurpose) -> LinkClaims:
        """What a command through a link may go on: process and generation of its contact.

        The process itself refuses a generation that has been replaced, and everything after its point of no
        return; a link may be used any number of times until then.

        Args:
            token: The link's.
            purposes: What the command needs; a link made for anything else does not do.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED or UNAVAILABLE.
        """
        claims = self._read(token)
        if claims.purpose not in purposes:
            raise Refusal(
                Code.LINK_INVALID,
                f"link: it is for {claims.purpose}, and this takes one for {' or '.join(purposes)}",
            )
        return claims

    def _read(self, token: str) -> LinkClaims:
        if self._links is None:
            raise Refusal(
                Code.UNAVAILABLE,
                "link: none can be read here; COUNTERSIGN_LINK_KEYS has the keys of the workers",
            )
        return self._links.read(token, self._clock() or utc_now())

    async def _view_behind(self, claims: LinkClaims) -> ProcessView:
        """The line by its own word, as the projection may not know of the newest contact yet."""
        try:
            return await self._ask(claims.process)
        except NotRunning:
            return await self._view(claims.process)


def _is_revoked(claims: LinkClaims, view: ProcessView) -> bool:
    """Whether somebody else has been asked in the place of whom the link was made for."""
    asked = view.contact if claims.purpose is LinkPurpose.PROVISION else view.customer_admin
    return asked is not None and asked.generation != claims.generation
