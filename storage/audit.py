"""Writing and reading the audit, each process's entries chained by their hashes (SPEC 4.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, bindparam, func, select, union, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import col

from domain.audit import START, AuditEntry, ChainedEntry, chained, facts, link, refused_by
from domain.errors import Code
from domain.transitions import ProcessView, Transition
from storage.statements import dialect, insert
from storage.tables import ProcessRow, TransitionRow, metadata
from storage.tables.columns import storable

_TABLE = metadata.tables["transition"]
_KEYS = {"process", "seq"}

LATER = 2**31 - 1
"""No chain gets so long."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The audit of one process.

    Attributes:
        last: The last step the projection has heard of; the audit must reach it.
        entries: In the order of `seq`.
    """

    process: str
    last: int
    entries: tuple[ChainedEntry, ...]


@dataclass(frozen=True, slots=True)
class RefusedCommand:
    """A command that a process has refused without noting it itself (`refused_by`).

    Attributes:
        action: The command's wire name.
        actor: Who gave it; None for whoever holds a link to complete the line.
        at: When it was received.
        message: Why it was refused.
        reason: What its sender gave as reason.
        generation: Of the contact whose link it is.
    """

    process: str
    action: str
    actor: str | None
    at: datetime
    code: Code
    message: str
    reason: str | None = None
    on_behalf_of: str | None = None
    generation: int | None = None


async def refuse(session: AsyncSession, command: RefusedCommand) -> None:
    """Notes a refused command beside the audit of its process; nothing of a process nobody has heard of."""
    process = select(col(ProcessRow.view)).where(col(ProcessRow.id) == command.process).with_for_update()
    view = await session.scalar(process)
    if view is None:
        return
    chain = refused_by(command.process)
    there = await _tail(session, chain, LATER)
    last, before = next(((entry.seq, entry.hash) for entry in there.values()), (0, None))
    entry = AuditEntry(
        process=chain,
        seq=last + 1,
        order=view.order,
        at=command.at,
        action=command.action,
        from_state=view.state,
        to_state=view.state,
        actor=storable(command.actor or _holder(view, command.generation)) or "",
        on_behalf_of=storable(command.on_behalf_of),
        reason=storable(command.message),
        accepted=False,
        code=command.code,
        definition=view.definition,
        data={"reason": storable(command.reason) or ""} if command.reason else {},
    )
    values = _values(entry, link(before or START, entry))
    await session.execute(insert(dialect(session), "transition"), [values])


def _holder(view: ProcessView, generation: int | None) -> str:
    """Who holds a link: the contact of that generation, whose name nobody keeps once there is another."""
    if view.contact is not None and view.contact.generation == generation:
        return view.contact.contact.email
    return "a former contact"


async def record(session: AsyncSession, transitions: Sequence[Transition]) -> tuple[Transition, ...]:
    """Writes the audit and returns the transitions that had not been heard before.

    A decision that was refused because its actor lacked the permission, but which the process counted
    because that answer never reached it, replaces the refusal: the process is the truth (SPEC D1).

    Whatever the order in which transitions are told, the chain comes out the same: an entry is hashed with
    the one that closes the last gap before it. The session must hold the process's lock.
    """
    told = {each.seq: _entry(each) for each in transitions}
    there = await _tail(session, transitions[0].process, min(told))
    new = {seq: entry for seq, entry in told.items() if seq not in there or _replaces(entry, there[seq])}
    if not new:
        return ()
    hashes = _rehashed(there, new)
    heard = await session.execute(
        _recording(dialect(session)), [_values(entry, hashes[seq]) for seq, entry in new.items()]
    )
    moved = [
        {"of": entry.process, "at_seq": seq, "to": hashes[seq]}
        for seq, entry in there.items()
        if seq not in new and hashes.get(seq, entry.hash) != entry.hash
    ]
    if moved:
        await (await session.connection()).execute(_REHASHING, moved)
    written = set(heard.scalars())
    return tuple(each for each in transitions if each.seq in written)


async def chains(
    session: AsyncSession,
    *,
    process: str | None = None,
    order: str | None = None,
    after: str = "",
    limit: int = 100,
) -> tuple[Chain, ...]:
    """Whole chains, in the order of their processes' ids.

    Args:
        session: Where to look.
        process: Of this process only, with what it refused.
        order: Of this order and its lines only.
        after: Only processes that come after this one.
        limit: At most so many.
    """
    either = union(
        select(col(ProcessRow.id).label("process"), col(ProcessRow.order_id)),
        select(col(TransitionRow.process), col(TransitionRow.order_id)),
    ).subquery()
    wanted = select(either.c.process).distinct().where(either.c.process > after)
    if process is not None:
        wanted = wanted.where(either.c.process.in_((process, refused_by(process))))
    if order is not None:
        wanted = wanted.where(either.c.order_id == order)
    found = (await session.scalars(wanted.order_by(either.c.process).limit(limit))).all()
    # The projection first: a step that is announced meanwhile is then in the audit and not the reverse.
    heard = await session.execute(
        select(col(ProcessRow.id), col(ProcessRow.seq)).where(col(ProcessRow.id).in_(found))
    )
    last = {row.id: row.seq for row in heard}
    entries: dict[str, list[ChainedEntry]] = {each: [] for each in found}
    for row in await session.execute(
        select(_TABLE).where(_TABLE.c.process.in_(found)).order_by(_TABLE.c.process, _TABLE.c.seq)
    ):
        entries[row.process].append(_read(row))
    return tuple(Chain(each, last.get(each, 0), tuple(entries[each])) for each in found)


# What stands behind

_SEALED = (
    select(func.coalesce(func.max(_TABLE.c.seq), 0))
    .where(_TABLE.c.process == bindparam("of"), _TABLE.c.seq < bindparam("first"), _TABLE.c.hash.is_not(None))
    .scalar_subquery()
)
_READING_TAIL = (
    select(_TABLE).where(_TABLE.c.process == bindparam("of"), _TABLE.c.seq >= _SEALED).order_by(_TABLE.c.seq)
)
_REHASHING = (
    update(_TABLE)
    .where(_TABLE.c.process == bindparam("of"), _TABLE.c.seq == bindparam("at_seq"))
    .values(hash=bindparam("to"))
)


@cache
def _recording(dialect: str) -> ReturningInsert[int]:
    statement = insert(dialect, "transition")
    given, there = statement.excluded, statement.table.c
    return statement.on_conflict_do_update(
        index_elements=["process", "seq"],
        set_={column.name: given[column.name] for column in there if column.name not in _KEYS},
        where=(there.code == Code.NOT_PERMITTED) & given.accepted,
    ).returning(there.seq)


async def _tail(session: AsyncSession, process: str, first: int) -> dict[int, ChainedEntry]:
    """The last hashed entry before `first` and all that follow it: in good order just the one before."""
    rows = await session.execute(_READING_TAIL, {"of": process, "first": first})
    return {row.seq: _read(row) for row in rows}


def _replaces(entry: AuditEntry, there: AuditEntry) -> bool:
    return there.code == Code.NOT_PERMITTED and entry.accepted


def _rehashed(there: Mapping[int, ChainedEntry], new: Mapping[int, AuditEntry]) -> dict[int, str | None]:
    """The hashes of new entries and of all that follow the first of them."""
    first = min(new)
    sealed = max((seq for seq, entry in there.items() if seq < first and entry.hash is not None), default=0)
    following = {seq: entry for seq, entry in {**there, **new}.items() if seq > sealed}
    previous = there[sealed].hash if sealed else None
    return chained(sealed, previous or START, (following[seq] for seq in sorted(following)))


def _entry(transition: Transition) -> AuditEntry:
    """What will be read back: the hash is taken over it."""
    return AuditEntry(
        process=transition.process,
        seq=transition.seq,
        order=transition.view.order,
        at=transition.at,
        action=transition.action,
        from_state=transition.from_state,
        to_state=transition.to_state,
        actor=storable(transition.actor) or "",
        on_behalf_of=storable(transition.on_behalf_of),
        reason=storable(transition.reason),
        accepted=transition.accepted,
        code=transition.code,
        definition=transition.view.definition,
        data=facts(transition),
    )


def _values(entry: AuditEntry, hash_: str | None) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in AuditEntry.model_fields if name != "order"}
    return {**values, "order_id": entry.order, "hash": hash_}


def _read(row: Row[Any]) -> ChainedEntry:
    values = dict(row._mapping)
    return ChainedEntry(order=values.pop("order_id"), **values)
