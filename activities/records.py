"""Looking at a line's DNS records, and keeping what was seen (SPEC 5.6, D7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.dns import Checker
from activities.heartbeat import heartbeating
from activities.polling import not_yet, time_waited
from domain import wire
from domain.checks import Claim, RecordsSeen, WatchRecords
from domain.dns.names import relative_owner
from domain.dns.polling import poll_delay
from domain.dns.requirements import Requirement, Rule
from domain.dns.verdicts import Doubt, Overall, Report, RequirementResult, Settled, Verdict, settle
from domain.mail import RecordFact
from storage import inventory, reports
from storage.database import Database

ASK_AGAIN = timedelta(hours=1)
"""How long a last look that learnt nothing waits before it is repeated (L17)."""


class Records:
    """The DNS activities of an order line.

    Args:
        checker: Asks the servers.
        database: Where evidence and domain claims are kept.
    """

    def __init__(self, checker: Checker, database: Database) -> None:
        self._checker = checker
        self._database = database

    @activity.defn(name=wire.WATCH_RECORDS)
    async def watch(self, watch: WatchRecords) -> RecordsSeen:
        """Looks until something changes; Temporal's retry is the poll loop, and costs no history.

        Raises:
            ApplicationError: NOT_YET, with the delay until the next look.
        """
        waited, doubts = time_waited(), _doubts(watch)
        async with heartbeating(doubts):
            report = await self._look(watch, watch.at + waited)
            settled = settle(watch.known, report, doubts, _proofs(watch))
            if not settled.is_news(watch.known) and not await self._is_taken(watch):
                activity.heartbeat(settled.doubts)
                raise not_yet(summary(watch, report), poll_delay(waited, watch.closes_after, watch.process))
            return await self._keep(watch, settled)

    @activity.defn(name=wire.SEE_RECORDS)
    async def look(self, watch: WatchRecords) -> RecordsSeen:
        """Looks once and reports whatever is seen; UNKNOWN only once the caller's patience is used up.

        Raises:
            ApplicationError: NOT_YET, with an hour's delay, while nothing could be learnt.
        """
        waited = time_waited()
        async with heartbeating():
            report = await self._look(watch, watch.at + waited)
            unknown = report.overall is Overall.UNKNOWN and not await self._is_taken(watch)
            if unknown and waited < watch.patience * ASK_AGAIN:
                raise not_yet(summary(watch, report), ASK_AGAIN)
            return await self._keep(watch, settle(watch.known, report, watch.doubts, _proofs(watch)))

    async def _look(self, watch: WatchRecords, at: datetime) -> Report:
        return await self._checker.check(watch.domain, watch.requirements, checked_at=at)

    async def _is_taken(self, watch: WatchRecords) -> bool:
        """Whether somebody else has verified the domain meanwhile."""
        async with self._database.reading() as session:
            return await self._is_held_by_another(session, watch)

    @staticmethod
    async def _is_held_by_another(session: AsyncSession, watch: WatchRecords) -> bool:
        owns = any(requirement.rule is Rule.TXT_TOKEN for requirement in watch.requirements)
        return owns and await inventory.holder(session, watch.domain.key) not in {None, watch.organisation}

    async def _keep(self, watch: WatchRecords, settled: Settled) -> RecordsSeen:
        """Keeps the evidence and, if it proves ownership, binds the domain in the same transaction."""
        report = settled.report
        async with self._database.session() as session:
            kept = await reports.save_dns_report(session, watch.process, report)
            claim = Claim.TAKEN if await self._is_held_by_another(session, watch) else Claim.OPEN
            if proves_ownership(watch, report):
                token = watch.token or _proof(watch)
                held = await inventory.verify_claim(
                    session, watch.domain.key, watch.organisation, token, report.checked_at
                )
                claim = Claim.HELD if held else Claim.TAKEN
        return RecordsSeen(
            report=kept,
            at=report.checked_at,
            state=report.overall,
            digest=report.digest,
            open=record_facts(watch, report),
            claim=claim,
            summary=summary(watch, report, settled.doubts),
            doubts=settled.doubts,
        )


def proves_ownership(watch: WatchRecords, report: Report) -> bool:
    """Whether everything is verified and the customer's own token was found among it (SPEC 5.6)."""
    tokens = _proofs(watch)
    found = any(result.id in tokens and result.verdict is Verdict.PASS for result in report.results)
    return found and report.overall is Overall.VERIFIED


_DOUBTS = TypeAdapter(tuple[Doubt, ...])


def _doubts(watch: WatchRecords) -> tuple[Doubt, ...]:
    """What the last look left in doubt: the watch keeps it in its heartbeats, which write no history."""
    kept = activity.info().heartbeat_details
    return _DOUBTS.validate_python(kept[0]) if kept else watch.doubts


def _proofs(watch: WatchRecords) -> frozenset[str]:
    """The requirements that prove ownership."""
    return frozenset(each.id for each in watch.requirements if each.rule is Rule.TXT_TOKEN)


def _proof(watch: WatchRecords) -> str:
    """The text that proved ownership, as secret as the token in it: requests of old have no other."""
    return next(each.expected for each in watch.requirements if each.rule is Rule.TXT_TOKEN)


def record_facts(watch: WatchRecords, report: Report) -> tuple[RecordFact, ...]:
    """The records that still have to be set, as mails show them."""
    wanted = {requirement.id: requirement for requirement in watch.requirements}
    still_open = set(report.open_ids)
    return tuple(_fact(watch, wanted[r.id], r) for r in report.results if r.id in still_open)


def summary(watch: WatchRecords, report: Report, doubts: Sequence[Doubt] = ()) -> str:
    """What is waited for in one line, and what is in doubt, for the Temporal UI and the CLI."""
    wanted = {requirement.id: requirement for requirement in watch.requirements}
    parts = [
        f"{wanted[r.id].rrtype} {wanted[r.id].owner} {r.verdict}"
        for r in report.results
        if r.counts and r.verdict is not Verdict.PASS
    ]
    parts += [
        f"{wanted[doubt.id].rrtype} {wanted[doubt.id].owner} not found since {doubt.since:%Y-%m-%d %H:%M} UTC"
        for doubt in doubts
    ]
    return "; ".join(parts) or "all records are in place"


def _fact(watch: WatchRecords, requirement: Requirement, result: RequirementResult) -> RecordFact:
    return RecordFact(
        owner=requirement.owner,
        relative_owner=relative_owner(requirement.owner, watch.domain),
        rrtype=requirement.rrtype,
        value=requirement.expected,
        purpose=requirement.purpose,
        verdict=result.verdict,
        found=", ".join(result.found),
        hint=" ".join(hint.message for hint in result.hints),
    )
