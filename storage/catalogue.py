"""Publishing offers and approval definitions: versions are immutable once they are out (SPEC 4.1, D8)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import yaml
from pydantic import BaseModel
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.definitions import ApprovalDefinition, Purpose, content_hash
from domain.errors import Code, Refusal
from domain.offers import Offer
from storage.statements import dialect, insert
from storage.tables import DefinitionVersionRow, OfferVersionRow, RemovedDefinitionRow, VersionRow


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing comes to, as `name@version`."""

    new: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of an offer or a definition.

    Attributes:
        retired_at: Since when no new request takes it; offers are never retired.
        published_by: Who published it, and under `published_reason` why; None if nobody wrote that down.
    """

    name: str
    version: int
    hash: str
    published_at: datetime
    body: Offer | ApprovalDefinition
    retired_at: datetime | None = None
    published_by: str | None = None
    published_reason: str | None = None


async def publish(
    session: AsyncSession,
    offers: Sequence[Offer],
    definitions: Sequence[ApprovalDefinition],
    at: datetime,
    *,
    by: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Publication:
    """Publishes what is new; publishing the same again changes nothing.

    Args:
        session: The transaction; after a refusal it must be rolled back.
        offers: Offers, each with its version.
        definitions: Approval definitions, each with its version.
        at: The time of publication.
        by: Who publishes; of what was published before, it stays who that was.
        reason: Why, in their words.
        dry_run: Answer, and refuse, as if, but publish nothing.

    Raises:
        Refusal: VERSION_CONFLICT with the differences, if a published version would change; INVALID_INPUT, if
            an offer names a definition or another offer that does not exist, or one of another purpose.
    """
    async with session.begin_nested() as attempt:
        wanted = await _never_removed(session, definitions)
        publication = {"published_at": at, "published_by": by, "published_reason": reason}
        new = await _add(session, DefinitionVersionRow, wanted, publication)
        await _check_purposes(session, wanted)
        new += await _add(session, OfferVersionRow, offers, publication)
        await _check_references(session, offers)
        if dry_run:
            await attempt.rollback()
    given = [each.reference for each in definitions] + [each.reference for each in offers]
    return Publication(new=tuple(new), unchanged=tuple(name for name in given if name not in new))


async def current_offers(session: AsyncSession) -> dict[str, tuple[Offer, str]]:
    """The highest version of every offer with its hash, by name."""
    rows = await session.scalars(select(OfferVersionRow).order_by(col(OfferVersionRow.version)))
    return {row.name: (row.body, row.hash) for row in rows}


async def current_definition(session: AsyncSession, name: str) -> tuple[ApprovalDefinition, str]:
    """The highest version of a definition that is not retired, with its hash: what new requests take.

    Raises:
        Refusal: NOT_FOUND.
    """
    row = await session.scalar(
        select(DefinitionVersionRow)
        .where(col(DefinitionVersionRow.name) == name, col(DefinitionVersionRow.retired_at).is_(None))
        .order_by(col(DefinitionVersionRow.version).desc())
        .limit(1)
    )
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"definition: there is no {name}")
    return row.body, row.hash


async def current_definitions(session: AsyncSession) -> dict[str, tuple[ApprovalDefinition, str]]:
    """What new requests take of every definition, with its hash, by name; none that is retired altogether."""
    rows = await session.scalars(
        select(DefinitionVersionRow)
        .where(col(DefinitionVersionRow.retired_at).is_(None))
        .order_by(col(DefinitionVersionRow.version))
    )
    return {row.name: (row.body, row.hash) for row in rows}


async def list_versions(
    session: AsyncSession, kind: type[Offer | ApprovalDefinition], name: str | None = None
) -> tuple[Version, ...]:
    """Every published version of offers or of definitions, newest first under each name.

    Args:
        session: Where to look.
        kind: `Offer` or `ApprovalDefinition`.
        name: Only those of this name.
    """
    table: type[VersionRow] = OfferVersionRow if kind is Offer else DefinitionVersionRow
    query = select(table).order_by(col(table.name), col(table.version).desc())
    if name is not None:
        query = query.where(col(table.name) == name)
    return tuple(_version(row) for row in await session.scalars(query))


def _version(row: VersionRow) -> Version:
    return Version(
        name=row.name,
        version=row.version,
        hash=row.hash,
        published_at=row.published_at,
        body=row.body,
        retired_at=row.retired_at if isinstance(row, DefinitionVersionRow) else None,
        published_by=row.published_by,
        published_reason=row.published_reason,
    )


def diff(old: BaseModel, new: BaseModel, before: str = "published", after: str = "given") -> str:
    """What changed between two versions, called `before` and `after`, as a unified diff of their YAML.

    It is empty if nothing did.
    """
    lines = difflib.unified_diff(_yaml(old), _yaml(new), before, after, lineterm="", n=1)
    return "\n".join(lines)


def _yaml(model: BaseModel) -> list[str]:
    text = yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text.splitlines()


async def _add(
    session: AsyncSession,
    table: type[VersionRow],
    bodies: Sequence[Offer] | Sequence[ApprovalDefinition],
    publication: Mapping[str, object],
) -> list[str]:
    """Inserts the versions that are not there yet and returns their references."""
    if not bodies:
        return []
    rows = [
        {
            "name": body.name,
            "version": body.version,
            "hash": content_hash(body),
            "body": body,
            **publication,
        }
        for body in bodies
    ]
    # Inserting first makes two publishers at once agree on who was first.
    statement = insert(dialect(session), str(table.__tablename__))
    added = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["name", "version"]).returning(
            statement.table.c.name, statement.table.c.version
        ),
        rows,
    )
    new = {f"{name}@{version}" for name, version in added}
    await _check_unchanged(session, table, bodies)
    return [body.reference for body in bodies if body.reference in new]


async def _check_unchanged(
    session: AsyncSession,
    table: type[VersionRow],
    bodies: Iterable[Offer | ApprovalDefinition],
) -> None:
    keys = {(body.name, body.version): body for body in bodies}
    rows = await session.scalars(
        select(table).where(tuple_(col(table.name), col(table.version)).in_(list(keys)))
    )
    published = {(row.name, row.version): row.body for row in rows}
    # Models are compared, not hashes: a field that a later release added with its old behaviour as the
    # default is no change of the definition (SPEC 10).
    for body in bodies:
        stored = published[body.name, body.version]
        if stored != body:
            kind = "offer" if isinstance(body, Offer) else "approval definition"
            raise Refusal(
                Code.VERSION_CONFLICT,
                f"{kind} {body.name}: version {body.version} is published and differs:\n{diff(stored, body)}",
            )


async def _never_removed(
    session: AsyncSession, definitions: Sequence[ApprovalDefinition]
) -> list[ApprovalDefinition]:
    """Those that were not published before and removed as unused; a number never means another content."""
    removed = {
        (row.name, row.version): row.hash for row in await session.scalars(select(RemovedDefinitionRow))
    }
    for body in definitions:
        if removed.get((body.name, body.version)) not in {None, content_hash(body)}:
            raise Refusal(
                Code.VERSION_CONFLICT,
                f"approval definition {body.name}: version {body.version} was published before, with another "
                "content, and removed as unused",
            )
    return [body for body in definitions if (body.name, body.version) not in removed]


async def _check_purposes(session: AsyncSession, definitions: Sequence[ApprovalDefinition]) -> None:
    """Refuses a definition that would change what offers have named it for."""
    names = {body.name for body in definitions}
    query = select(DefinitionVersionRow).where(col(DefinitionVersionRow.name).in_(names))
    published = [row.body for row in await session.scalars(query)]
    for body in definitions:
        same_name = (each for each in published if each.name == body.name)
        other = next((each for each in same_name if each.purpose is not body.purpose), None)
        if other is not None:
            raise Refusal(
                Code.INVALID_INPUT,
                f"approval definition {body.name}, purpose: is {body.purpose}, but {other.reference} is for "
                f"{other.purpose}; give it another name",
            )


async def _check_references(session: AsyncSession, offers: Iterable[Offer]) -> None:
    known = set(await session.scalars(select(col(OfferVersionRow.name)).distinct()))
    current = await current_definitions(session)
    purposes = {name: definition.purpose for name, (definition, _) in current.items()}
    for offer in offers:
        for purpose, name in offer.definitions.items():
            field = "approval" if purpose is Purpose.REQUEST else str(purpose)
            if name not in purposes:
                problem = f"there is no definition {name}; publish it first"
            elif purposes[name] is not purpose:
                problem = f"definition {name} is for {purposes[name]}, not for {purpose}"
            else:
                continue
            raise Refusal(Code.INVALID_INPUT, f"offer {offer.name}, {field}: {problem}")
        for field in ("includes", "requires", "excludes"):
            unknown = [name for name in getattr(offer, field) if name not in known]
            if unknown:
                raise Refusal(
                    Code.INVALID_INPUT,
                    f"offer {offer.name}, {field}: there is no offer {unknown[0]}; publish it first",
                )
