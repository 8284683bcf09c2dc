"""Publishing offers and approval definitions: versions are immutable once they are out (SPEC 4.1, D8)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import yaml
from pydantic import BaseModel
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.definitions import ApprovalDefinition, content_hash
from domain.errors import Code, Refusal
from domain.offers import Offer
from storage.statements import dialect, insert
from storage.tables import DefinitionVersionRow, OfferVersionRow, VersionRow


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing comes to, as `name@version`."""

    new: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of an offer or a definition."""

    name: str
    version: int
    hash: str
    published_at: datetime
    body: Offer | ApprovalDefinition


async def publish(
    session: AsyncSession,
    offers: Sequence[Offer],
    definitions: Sequence[ApprovalDefinition],
    at: datetime,
    *,
    dry_run: bool = False,
) -> Publication:
    """Publishes what is new; publishing the same again changes nothing.

    Args:
        session: The transaction; after a refusal it must be rolled back.
        offers: Offers, each with its version.
        definitions: Approval definitions, each with its version.
        at: The time of publication.
        dry_run: Answer, and refuse, as if, but publish nothing.

    Raises:
        Refusal: VERSION_CONFLICT with the differences, if a published version would change; INVALID_INPUT, if
            an offer names an approval or another offer that does not exist.
    """
    async with session.begin_nested() as attempt:
        new = await _add(session, DefinitionVersionRow, definitions, at)
        new += await _add(session, OfferVersionRow, offers, at)
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
    """The highest version of a definition with its hash.

    Raises:
        Refusal: NOT_FOUND.
    """
    row = await session.scalar(
        select(DefinitionVersionRow)
        .where(col(DefinitionVersionRow.name) == name)
        .order_by(col(DefinitionVersionRow.version).desc())
        .limit(1)
    )
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"definition: there is no {name}")
    return row.body, row.hash


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
    return tuple(
        Version(
            name=row.name, version=row.version, hash=row.hash, published_at=row.published_at, body=row.body
        )
        for row in await session.scalars(query)
    )


def diff(old: BaseModel, new: BaseModel) -> str:
    """What changed between two versions, as a unified diff of their YAML; empty if nothing did."""
    lines = difflib.unified_diff(_yaml(old), _yaml(new), "published", "given", lineterm="", n=1)
    return "\n".join(lines)


def _yaml(model: BaseModel) -> list[str]:
    text = yaml.safe_dump(model.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text.splitlines()


async def _add(
    session: AsyncSession,
    table: type[VersionRow],
    bodies: Sequence[Offer] | Sequence[ApprovalDefinition],
    at: datetime,
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
            "published_at": at,
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


async def _check_references(session: AsyncSession, offers: Iterable[Offer]) -> None:
    known = set(await session.scalars(select(col(OfferVersionRow.name)).distinct()))
    approvals = set(await session.scalars(select(col(DefinitionVersionRow.name)).distinct()))
    for offer in offers:
        if offer.approval is not None and offer.approval not in approvals:
            raise Refusal(
                Code.INVALID_INPUT,
                f"offer {offer.name}, approval: there is no definition {offer.approval}; publish it first",
            )
        for field in ("includes", "requires", "excludes"):
            unknown = [name for name in getattr(offer, field) if name not in known]
            if unknown:
                raise Refusal(
                    Code.INVALID_INPUT,
                    f"offer {offer.name}, {field}: there is no offer {unknown[0]}; publish it first",
                )
