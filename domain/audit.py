"""The audit as a hash chain: what an entry says, and whether anybody has touched it since (SPEC 4.7).

Each process has a chain of its own, in the order of `seq`: `h_n = SHA-256(h_{n-1} || canonical(entry n))`,
hashes written in hexadecimal (engineering.md 2.7). A chain shows that entries were changed, moved or
removed, unless somebody rewrites all that follows; whoever keeps the last hash elsewhere, from an export or
a verification, finds that as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

from pydantic import Field, field_serializer

from domain import content
from domain.base import Message, UtcDatetime
from domain.transitions import Transition

START = "0" * 64
"""What every chain starts from: the hash before its first entry."""

_REFUSED = "/refused"

MOST_EXPLAINED = 30
"""So many entries that do not fit are searched for where they came from; further ones count as changed."""


class AuditEntry(Message):
    """One step of a process or one refused command; the fields are those of `Transition`.

    Attributes:
        definition: The approval definition in force, as `name@version`.
        data: Further facts; of a decision also the definition, its hash, the stage and its round.
    """

    process: str
    seq: int
    order: str
    at: UtcDatetime
    action: str
    from_state: str
    to_state: str
    actor: str
    on_behalf_of: str | None = None
    reason: str | None = None
    accepted: bool
    code: str | None = None
    definition: str | None = None
    data: dict[str, str] = Field(default_factory=dict)

    @field_serializer("at")
    def _microseconds(self, at: UtcDatetime) -> str:
        """One spelling of each instant, whoever writes it: the hash depends on it."""
        return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


class ChainedEntry(AuditEntry):
    """An entry with its hash; None while an earlier entry has not been heard of."""

    hash: str | None


class Fault(StrEnum):
    """What can be wrong with an entry."""

    CHANGED = "changed"
    REORDERED = "reordered"
    MISSING = "missing"
    GAP = "gap"


class Problem(Message):
    """Something wrong with a chain.

    Attributes:
        seq: The entry, or the first of several that are not there.
        what: A sentence for people.
    """

    process: str
    seq: int
    fault: Fault
    what: str


def refused_by(process: str) -> str:
    """The chain of what a process has refused without noting it itself.

    The validator of an update leaves nothing in the history (SPEC D5). Whoever brought the command notes the
    refusal instead, beside the process's own chain, in which every step has its number already.
    """
    return process + _REFUSED


def canonical(entry: AuditEntry) -> bytes:
    """An entry as the one JSON text that is hashed (RFC 8785), without its hash.

    A field that a release adds is marked `ADDED_LATER`, or the chains of older ones would seem broken.
    """
    body = content.canonical(entry)
    body.pop("hash", None)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link(previous: str, entry: AuditEntry) -> str:
    """The hash of an entry that follows another.

    Args:
        previous: The hash of the entry before, or `START`.
        entry: What follows it.
    """
    return hashlib.sha256(previous.encode() + canonical(entry)).hexdigest()


def chained(after: int, previous: str, entries: Iterable[AuditEntry]) -> dict[int, str | None]:
    """The hashes of entries, by `seq`.

    Args:
        after: The last entry before them that has a hash; 0 if they start the chain.
        previous: Its hash.
        entries: In the order of `seq`; those behind a gap get no hash.
    """
    hashes: dict[int, str | None] = {}
    for entry in entries:
        if entry.seq == after + 1:
            after, previous = entry.seq, link(previous, entry)
            hashes[entry.seq] = previous
        else:
            hashes[entry.seq] = None
    return hashes


def facts(transition: Transition) -> dict[str, str]:
    """What the audit keeps of a transition besides its fields: of a decision, what was decided under."""
    view, vote = transition.view, transition.vote
    if view.approval is None or not (vote or transition.action.startswith("approval.")):
        return transition.data
    decided = vote or view.approval
    under = {
        "definition": view.approval.definition,
        "stage": decided.stage,
        "round": str(decided.round),
    }
    if view.definition_hash is not None:
        under["definition_hash"] = view.definition_hash
    return under | transition.data


def verify(process: str, entries: Sequence[ChainedEntry], last: int = 0) -> tuple[Problem, ...]:
    """Everything that is wrong with a process's chain, in the order of `seq`.

    Args:
        process: Whose chain it is.
        entries: All of its entries, in the order of `seq`.
        last: The last `seq` that is known to have been written.
    """
    found = _absent(process, entries, last)
    unfit: list[tuple[ChainedEntry, str]] = []
    after, previous = 0, START
    known = True
    for entry in entries:
        known = known and entry.seq == after + 1
        if known and entry.hash is None:
            found.append(_problem(entry, Fault.CHANGED, "has lost its hash"))
        elif known and entry.hash != (right := link(previous, entry)):
            unfit.append((entry, right))
        after, previous, known = entry.seq, entry.hash or previous, entry.hash is not None
    found += _explained(unfit, entries)
    return tuple(sorted(found, key=lambda problem: problem.seq))


# What stands behind


def _absent(process: str, entries: Sequence[ChainedEntry], last: int) -> list[Problem]:
    """The entries that are not there: removed, or perhaps just late if nothing behind them has a hash yet."""
    sealed = max((entry.seq for entry in entries if entry.hash is not None), default=0)
    there = [0, *(entry.seq for entry in entries)]
    problems = []
    for before, behind in pairwise([*there, max(last, there[-1]) + 1]):
        if behind == before + 1:
            continue
        first, until = before + 1, behind - 1
        which = f"entry {first} is" if first == until else f"entries {first} to {until} are"
        if sealed < behind <= there[-1]:
            fault, what = Fault.GAP, f"{which} not there: not written yet, or removed"
        else:
            fault, what = Fault.MISSING, f"{which} missing"
        problems.append(Problem(process=process, seq=first, fault=fault, what=what))
    return problems


def _explained(
    unfit: Sequence[tuple[ChainedEntry, str]], entries: Sequence[ChainedEntry]
) -> Iterator[Problem]:
    """Tells entries that were moved from those that were changed, and leaves out those that only follow them.

    Args:
        unfit: The entries that do not fit where they stand, with the hashes that would.
        entries: The whole chain.
    """
    hashes = {entry.hash for entry in entries}
    places = {entry.seq for entry, _ in unfit[:MOST_EXPLAINED]}
    before = {START} | {right for entry, right in unfit if entry.seq in places}
    before |= {entry.hash for entry in entries if entry.hash and {entry.seq, entry.seq + 1} & places}
    for entry, _ in unfit:
        if any(link(previous, entry) == entry.hash for previous in before):
            continue  # it is whole, and only what stood before it is not
        moved = [entry.model_copy(update={"seq": place}) for place in places - {entry.seq}]
        if entry.seq in places and any(link(each, there) in hashes for there in moved for each in before):
            yield _problem(entry, Fault.REORDERED, "is another entry, moved")
        else:
            yield _problem(entry, Fault.CHANGED, "or the one before it was changed")


def _problem(entry: ChainedEntry, fault: Fault, what: str) -> Problem:
    return Problem(process=entry.process, seq=entry.seq, fault=fault, what=f"entry {entry.seq} {what}")
