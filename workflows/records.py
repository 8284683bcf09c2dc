"""Watching a line's DNS records: one activity whose retries are the poll loop (SPEC D7)."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.workflow import ActivityHandle

from domain.checks import RecordsSeen, WatchRecords
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement, render_requirements
from domain.orders import OrderLine
from workflows.names import PATIENT_RETRY, SILENT_AFTER
from workflows.process import let_go

with workflow.unsafe.imports_passed_through():
    from activities.records import Records

LAST_CHECK_PATIENCE = 24
"""For how many hours an UNKNOWN last check is repeated before the line closes all the same (L17)."""


class RecordsWatch:
    """What is known of a line's records, and the activity that waits for it to change.

    Attributes:
        seen: The latest look, None before the first.
    """

    def __init__(self, line: OrderLine) -> None:
        domain, token = line.context.domain, line.context.token
        self.seen: RecordsSeen | None = None
        self._organisation = line.context.parties.customer
        self._domain: DomainName | None = domain
        self._token = token
        self._requirements: tuple[Requirement, ...] = (
            render_requirements(line.line.offer.records, domain, token or "") if domain else ()
        )
        self._watch: ActivityHandle[RecordsSeen] | None = None
        self._open: frozenset[tuple[str, str]] = frozenset()

    @property
    def are_wanted(self) -> bool:
        """Whether the offer asks for records at all."""
        return bool(self._requirements)

    @property
    def has_news(self) -> bool:
        """Whether the watch has ended because something changed."""
        return self._watch is not None and self._watch.done()

    def start(self, closes_at: datetime | None) -> None:
        """Starts watching, quickly at first; what was seen last is what a change is measured against."""
        self.stop()
        self._watch = workflow.start_activity_method(
            Records.watch,
            self._request(closes_at=closes_at),
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary="watch the DNS records until they change",
        )

    def take_news(self) -> bool:
        """Takes in what the watch, or a look in between, saw; the watch has to be started anew afterwards.

        Returns:
            Whether other records are open than when this was last asked.
        """
        if self._watch is not None and self._watch.done():
            self.seen = self._watch.result()
            self._watch = None
        before, self._open = (
            self._open,
            frozenset((fact.owner, fact.rrtype) for fact in self.seen.open) if self.seen else frozenset(),
        )
        return before != self._open

    def stop(self) -> None:
        """Ends the watch, if one is running."""
        if self._watch is not None and not self._watch.done():
            let_go(self._watch)
        self._watch = None

    async def look(self) -> RecordsSeen:
        """Looks once, at once; doubts that only the running watch had are started anew by the next."""
        self.seen = await self.start_look()
        return self.seen

    def start_look(self, patience: int = 0) -> ActivityHandle[RecordsSeen]:
        """Starts looking once.

        Args:
            patience: For how many hours UNKNOWN answers are asked again before one is given back.
        """
        return workflow.start_activity_method(
            Records.look,
            self._request(patience=patience),
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary="look at the DNS records once",
        )

    def _request(self, *, closes_at: datetime | None = None, patience: int = 0) -> WatchRecords:
        assert self._domain is not None
        return WatchRecords(
            process=workflow.info().workflow_id,
            organisation=self._organisation,
            domain=self._domain,
            requirements=self._requirements,
            at=workflow.now(),
            known=self.seen.digest if self.seen else None,
            doubts=self.seen.doubts if self.seen else (),
            closes_at=closes_at,
            patience=patience,
            token=self._token,
        )
