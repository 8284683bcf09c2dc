"""The audit: who did what, decided under which rules, and whether the record is still what was written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from domain.audit import ChainedEntry, Problem, verify
from domain.errors import Code, Refusal
from starter.gateway import Gateway
from storage import audit
from storage.audit import Chain

MOST_TOLD = 50
"""So many problems are named; how many more there are is counted."""


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A chain that holds.

    Attributes:
        entries: How many it has.
        hash: The last one's; kept elsewhere, it shows later whether everything up to it was rewritten.
    """

    process: str
    entries: int
    hash: str | None


class Audit(Gateway):
    """Reading and checking the audit (SPEC 4.7)."""

    async def audit(self, of: str) -> tuple[ChainedEntry, ...]:
        """What happened, oldest first.

        Args:
            of: A process, or an order with all its lines.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        chains = await self._chains_of(of)
        entries = [entry for chain in chains for entry in chain.entries]
        return tuple(sorted(entries, key=lambda entry: (entry.at, entry.process, entry.seq)))

    async def export_audit(
        self, *, process: str | None = None, order: str | None = None
    ) -> AsyncIterator[ChainedEntry]:
        """Every entry, process by process; all there are if nothing is given.

        Args:
            process: Of this process only.
            order: Of this order and its lines only.

        Raises:
            Refusal: NOT_FOUND if there is no such process or order, or UNAVAILABLE.
        """
        found = False
        async for chain in self._chains(process, order):
            found = True
            for entry in chain.entries:
                yield entry
        if not found and (process or order):
            raise Refusal(Code.NOT_FOUND, f"audit: there is nothing of {process or order}")

    async def verify_audit(self, of: str | None = None) -> tuple[VerifiedChain, ...]:
        """Checks that every entry is there, in its place, and as it was written.

        Args:
            of: A process, or an order with all its lines; everything if left out.

        Raises:
            Refusal: AUDIT_BROKEN, naming each process, entry and what is wrong; NOT_FOUND or UNAVAILABLE.
        """
        verified: list[VerifiedChain] = []
        problems: list[Problem] = []
        async for chain in self._chains() if of is None else _each(await self._chains_of(of)):
            problems += verify(chain.process, chain.entries, chain.last)
            last = chain.entries[-1].hash if chain.entries else None
            verified.append(VerifiedChain(chain.process, len(chain.entries), last))
        if problems:
            raise _broken(problems)
        return tuple(verified)

    async def _chains_of(self, of: str) -> tuple[Chain, ...]:
        chains = [chain async for chain in self._chains(process=of)]
        chains = chains or [chain async for chain in self._chains(order=of)]
        if not chains:
            raise Refusal(Code.NOT_FOUND, f"audit: there is no process or order {of}")
        return tuple(chains)

    async def _chains(self, process: str | None = None, order: str | None = None) -> AsyncIterator[Chain]:
        """Chains in pages, each read in a transaction of its own: nobody waits for a long export."""
        after = ""
        while True:
            async with self._reading() as session:
                page = await audit.chains(session, process=process, order=order, after=after)
            if not page:
                return
            for chain in page:
                yield chain
            after = page[-1].process


async def _each(chains: Sequence[Chain]) -> AsyncIterator[Chain]:
    for chain in chains:
        yield chain


def _broken(problems: Sequence[Problem]) -> Refusal:
    told = [f"{problem.process}: {problem.what} ({problem.fault})" for problem in problems[:MOST_TOLD]]
    if len(problems) > MOST_TOLD:
        told.append(f"and {len(problems) - MOST_TOLD} more")
    return Refusal(Code.AUDIT_BROKEN, "; ".join(told))
