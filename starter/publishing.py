"""Publishing a catalogue from files, and saying what it changes (SPEC 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.definitions import ApprovalDefinition
from domain.offers import Offer
from starter.gateway import database_errors
from storage import catalogue
from storage.catalogue import Version
from storage.database import Database


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
class Published:
    """What publishing came to, or would have."""

    new: tuple[Change, ...]
    unchanged: tuple[str, ...]
    dry_run: bool


async def publish(
    database: Database,
    offers: Sequence[Offer],
    definitions: Sequence[ApprovalDefinition],
    at: datetime,
    *,
    dry_run: bool = False,
) -> Published:
    """Publishes offers and approval definitions; doing it again changes nothing.

    Args:
        database: Migrated.
        offers: Offers, each with its version.
        definitions: Approval definitions, each with its version.
        at: The time of publication.
        dry_run: Say what would change, and change nothing.

    Raises:
        Refusal: VERSION_CONFLICT with the difference, INVALID_INPUT or UNAVAILABLE.
    """
    given: list[Offer | ApprovalDefinition] = [*definitions, *offers]
    bodies = {each.reference: each for each in given}
    with database_errors():
        async with database.session() as session:
            before = {
                kind: await catalogue.list_versions(session, kind) for kind in (Offer, ApprovalDefinition)
            }
            done = await catalogue.publish(session, offers, definitions, at, dry_run=dry_run)
    changes = (_change(bodies[each], before[type(bodies[each])]) for each in done.new)
    return Published(new=tuple(changes), unchanged=done.unchanged, dry_run=dry_run)


def _change(body: Offer | ApprovalDefinition, published: Sequence[Version]) -> Change:
    older = [each for each in published if each.name == body.name and each.version < body.version]
    newest = max(older, key=lambda each: each.version, default=None)
    return Change(body.reference, catalogue.diff(newest.body, body) if newest else "")
