"""Definitions while requests are open: publishing, usage, retiring, rollouts (SPEC 4.6; approvals.md a4)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy

from domain import wire
from domain.base import Message
from domain.definitions import ApprovalDefinition, OnChange
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.rollouts import (
    PER_SECOND,
    SETTLE,
    DefinitionChange,
    OpenRequest,
    Rollout,
    RolloutProgress,
    of_offer,
    of_update,
)
from domain.transitions import SYSTEM
from starter.engine import housekeeping_queue
from starter.faults import NotRunning, temporal_errors
from starter.gateway import Gateway, utc_now
from starter.publishing import Change, Plan, Warned, permitted, publish
from storage import catalogue
from storage import definitions as stored
from storage.catalogue import Version
from storage.definitions import CastVote, Standing, Usage
from storage.requests import open_requests

OFFER_VERSION = SearchAttributeKey.for_keyword(wire.OFFER_VERSION)
DEFINITION_VERSION = SearchAttributeKey.for_keyword(wire.DEFINITION_VERSION)


@dataclass(frozen=True, slots=True)
class Fate:
    """What a change would do to one open request.

    Attributes:
        definition: The version it runs on now.
        stage: The stage it has come to; None before the first.
        votes: What would be lost by a reset.
        becomes: None if its approval is over, so that it is passed by.
    """

    process: str
    definition: str
    stage: str | None
    votes: tuple[CastVote, ...]
    becomes: OnChange | None


@dataclass(frozen=True, slots=True)
class PlannedRollout:
    """A rollout that was started, or would be.

    Attributes:
        reference: The version that brings the changes.
        rollout: The rollout's workflow id; None if every request goes on as it is, or nothing was started.
        fates: What would become of each open request; only after a dry run.
    """

    reference: str
    rollout: str | None
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing came to, or would have."""

    new: tuple[Change, ...]
    unchanged: tuple[str, ...]
    warnings: tuple[Warned, ...]
    rollouts: tuple[PlannedRollout, ...]
    dry_run: bool


class RolloutStatus(Message):
    """How far a rollout has come.

    Attributes:
        state: `running`, `completed`, or how it ended otherwise, in Temporal's words.
        progress: None before the first requests were told.
    """

    rollout: str
    state: str
    progress: RolloutProgress | None


class Definitions(Gateway):
    """Authors' and operators' commands to definitions."""

    async def publish_catalogue(
        self,
        offers: Sequence[Offer],
        definitions: Sequence[ApprovalDefinition],
        *,
        actor: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> Publication:
        """Publishes what is new, and starts the rollouts that follow from it without waiting for them.

        Args:
            offers: Offers, each with its version.
            definitions: Approval definitions, each with its version.
            actor: Who publishes, kept with the versions and told to the requests concerned; the local
                administrator if nobody is named.
            reason: Why, for the same.
            dry_run: Say what would change and what would become of each open request, and change nothing.

        Raises:
            Refusal: As `starter.publishing.publish`. UNAVAILABLE after publishing, if a rollout could not be
                started; `start_rollout` does so later.
        """
        done = await publish(
            self.database, offers, definitions, utc_now(), actor=actor, reason=reason, dry_run=dry_run
        )
        rollouts = [await self._begin(plan, actor or SYSTEM, reason, dry_run=dry_run) for plan in done.plans]
        return Publication(done.new, done.unchanged, done.warnings, tuple(rollouts), dry_run)

    async def definition_versions(self, name: str | None = None) -> tuple[Usage, ...]:
        """Every version with what uses it, newest first under each name.

        Raises:
            Refusal: UNAVAILABLE.
        """
        async with self._reading() as session:
            return await stored.usage(session, name)

    async def definition_usage(self, name: str, version: int | None = None) -> tuple[Usage, ...]:
        """Open processes and offers by version.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            found = await stored.usage(session, name, version)
        if not found:
            reference = name if version is None else f"{name}@{version}"
            raise Refusal(Code.NOT_FOUND, f"definition: there is no {reference}")
        return found

    async def definition_diff(self, old: tuple[str, int], new: tuple[str, int]) -> str:
        """What differs between two versions, as a unified diff of their YAML; empty if nothing does.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            before = (await stored.find(session, *old)).body
            after = (await stored.find(session, *new)).body
        return catalogue.diff(before, after, before.reference, after.reference)

    async def retire_definition(
        self, name: str, version: int, *, actor: str | None = None, reason: str | None = None
    ) -> datetime:
        """Lets no new request take a version any more; requests that run on it go on.

        Args:
            name: Of the definition.
            version: Its version.
            actor: Who retires it, kept with it; the local administrator if nobody is named.
            reason: Why, for the same.

        Raises:
            Refusal: NOT_FOUND, IN_USE or UNAVAILABLE, or as `starter.publishing.permitted`.
        """
        async with self._writing() as session:
            by = await permitted(session, actor, reason, "retire definitions")
            return await stored.retire(session, name, version, utc_now(), by=by.recorded, reason=by.reason)

    # Rollouts

    async def preview_rollout(self, name: str, version: int, *, of_offer: bool = False) -> PlannedRollout:
        """What a rollout would do to each open request.

        Raises:
            Refusal: NOT_FOUND, VERSION_CONFLICT or UNAVAILABLE.
        """
        plan = await self._plan(name, version, of_offer=of_offer)
        return PlannedRollout(plan.reference, None, await self._fates(plan))

    async def start_rollout(
        self,
        name: str,
        version: int,
        *,
        of_offer: bool = False,
        actor: str | None = None,
        reason: str | None = None,
        per_second: float = PER_SECOND,
        settle: timedelta = SETTLE,
    ) -> str:
        """Starts a rollout, or finds it running; requests that were told before answer as they did.

        Args:
            name: Of the definition, or of the offer.
            version: The version that new requests take.
            of_offer: Whether an offer is meant.
            actor: Who asks for it, for the audit; the local administrator if nobody is named.
            reason: Why, for the audit and the mails.
            per_second: At most so many requests are told in a second.
            settle: How long to wait before the requests are listed.

        Returns:
            Its workflow id.

        Raises:
            Refusal: NOT_FOUND; VERSION_CONFLICT for a version that another one replaced; INVALID_INPUT if the
                definition lets open requests go on; UNAVAILABLE; or as `starter.publishing.permitted`.
        """
        async with self._reading() as session:
            by = await permitted(session, actor, reason, "roll definitions out")
        plan = await self._plan(name, version, of_offer=of_offer)
        if not plan.acting:
            raise Refusal(
                Code.INVALID_INPUT, f"definition: {plan.reference} lets open requests continue as they are"
            )
        order = Rollout(
            changes=plan.acting,
            actor=by.actor or SYSTEM,
            reason=by.reason,
            task_queue=self._task_queue,
            per_second=per_second,
            settle=settle,
        )
        return await self._launch(plan, order)

    async def rollout(self, name: str, version: int, *, of_offer: bool = False) -> RolloutStatus:
        """How far a rollout has come.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        rollout = self._rollout_id(f"{name}@{version}", of_offer=of_offer)
        handle = self.client.get_workflow_handle(rollout, result_type=RolloutProgress)
        try:
            with temporal_errors(f"{rollout}: its description"):
                described = await handle.describe()
                status = described.status or WorkflowExecutionStatus.RUNNING
                progress: RolloutProgress | None = None
                if status is WorkflowExecutionStatus.COMPLETED:
                    progress = await handle.result()
                for pending in described.raw_description.pending_activities:
                    kept = pending.heartbeat_details.payloads
                    if kept:
                        [progress] = await self.client.data_converter.decode(kept, [RolloutProgress])
        except NotRunning:
            raise Refusal(Code.NOT_FOUND, f"rollout: there is no {rollout}") from None
        return RolloutStatus(rollout=rollout, state=status.name.lower(), progress=progress)

    # What stands behind

    def _rollout_id(self, reference: str, *, of_offer: bool) -> str:
        name = wire.offer_rollout_id if of_offer else wire.rollout_id
        return name(reference, self._task_queue)

    async def _begin(self, plan: Plan, actor: str, reason: str | None, *, dry_run: bool) -> PlannedRollout:
        if dry_run:
            return PlannedRollout(plan.reference, None, await self._fates(plan))
        if not plan.acting:
            return PlannedRollout(plan.reference, None)
        order = Rollout(changes=plan.acting, actor=actor, reason=reason, task_queue=self._task_queue)
        try:
            return PlannedRollout(plan.reference, await self._launch(plan, order))
        except Refusal as refusal:
            option = " --offer" if plan.of_offer else ""
            raise Refusal(
                refusal.code,
                f"{plan.reference} is published, but its rollout was not started: {refusal.message}; "
                f"start it later with `countersign definitions rollout{option} {plan.reference}`",
            ) from None

    async def _plan(self, name: str, version: int, *, of_offer: bool) -> Plan:
        """The plan of a version that was published before.

        Raises:
            Refusal: NOT_FOUND, or VERSION_CONFLICT if new requests take another version.
        """
        async with self._reading() as session:
            current = await catalogue.current_definitions(session)
            versions = await catalogue.list_versions(session, Offer if of_offer else ApprovalDefinition, name)
        reference = f"{name}@{version}"
        wanted = next((each for each in versions if each.version == version), None)
        if wanted is None:
            kind = "offer" if of_offer else "definition"
            raise Refusal(Code.NOT_FOUND, f"{kind}: there is no {reference}")
        newest = next((each for each in versions if each.retired_at is None), None)
        if wanted != newest:
            taken = f"new requests take {name}@{newest.version}" if newest else "it is retired"
            raise Refusal(Code.VERSION_CONFLICT, f"{reference} cannot be rolled out: {taken}")
        return Plan(reference, of_offer, _changes(wanted, versions, current))

    async def _launch(self, plan: Plan, order: Rollout) -> str:
        rollout = self._rollout_id(plan.reference, of_offer=plan.of_offer)
        await self._stop_older(plan)
        with temporal_errors(f"the start of {rollout}"):
            await self.client.start_workflow(
                wire.DEFINITION_ROLLOUT,
                order,
                id=rollout,
                task_queue=housekeeping_queue(self._task_queue),
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"tells open requests of {plan.reference}",
            )
        return rollout

    async def _stop_older(self, plan: Plan) -> None:
        """Ends rollouts of earlier versions: they would lead requests back to what is replaced now."""
        name, _, version = plan.reference.rpartition("@")
        async with self._reading() as session:
            kind = Offer if plan.of_offer else ApprovalDefinition
            versions = await catalogue.list_versions(session, kind, name)
        older = [
            self._rollout_id(f"{name}@{each.version}", of_offer=plan.of_offer)
            for each in versions
            if each.version < int(version)
        ]
        await asyncio.gather(*(self._stop(each) for each in older))

    async def _stop(self, rollout: str) -> None:
        with suppress(NotRunning), temporal_errors(f"the end of {rollout}"):
            await self.client.get_workflow_handle(rollout).cancel()

    async def _fates(self, plan: Plan) -> tuple[Fate, ...]:
        found: dict[str, Fate] = {}
        for change in plan.changes:
            concerned = await self._concerned(change)
            async with self._reading() as session:
                known = await stored.standings(session, list(concerned))
            for process, request in concerned.items():
                found[process] = _fate(process, request.definition, known.get(process), change)
        return tuple(fate for _, fate in sorted(found.items()))

    async def _concerned(self, change: DefinitionChange) -> dict[str, OpenRequest]:
        """The open requests that a change concerns, as the rollout will find them."""
        async with self._reading() as session:
            known = await open_requests(session)
        listed = []
        with temporal_errors("the list of open requests"):
            async for run in self.client.list_workflows(change.query(self._task_queue)):
                attributes = run.typed_search_attributes
                offer, definition = attributes.get(OFFER_VERSION), attributes.get(DEFINITION_VERSION)
                listed.append(OpenRequest(run.id, change.kind, offer or "", definition or ""))
        return change.among(listed, known)


def _changes(
    wanted: Version, versions: Sequence[Version], current: dict[str, tuple[ApprovalDefinition, str]]
) -> tuple[DefinitionChange, ...]:
    if isinstance(wanted.body, ApprovalDefinition):
        return (of_update(wanted.body, wanted.hash),)
    before = next((each.body for each in versions if each.version < wanted.version), None)
    return of_offer(before, wanted.body, current) if isinstance(before, Offer) else ()


def _fate(process: str, definition: str, known: Standing | None, change: DefinitionChange) -> Fate:
    """What becomes of a request; one that the projection does not know yet has not been decided."""
    if known is None:
        return Fate(process, definition, None, (), change.mode)
    becomes = change.mode if known.is_pending else None
    return Fate(process, known.definition or definition, known.stage, known.votes, becomes)
