"""Takes down what happens in a simulation, from what the line announces and what its callers are told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.errors import Code, Refusal
from domain.transitions import OpenApproval, ProcessView
from starter.simulation.script import Condition, Step
from starter.simulation.story import SimulatedStep
from storage.processes import TimelineEntry

NO_NEWS = "answered as before; nothing was changed"
_SHOWN_ELSEWHERE = frozenset({"definition", "definition_hash", "stage", "round"})


class Record:
    """What has happened, in order."""

    def __init__(self) -> None:
        self.steps: list[SimulatedStep] = []
        self._seen = 0
        self._waiting_for = ""
        self._approval: OpenApproval | None = None

    @property
    def started_at(self) -> datetime:
        """When the line began; times of a script count from there."""
        return self.steps[0].at

    @property
    def latest(self) -> datetime:
        """When something happened last."""
        return self.steps[-1].at

    def take_down(self, timeline: Iterable[TimelineEntry], view: ProcessView) -> list[TimelineEntry]:
        """Adds what is new on the timeline and whom the line waits for now; returns the new entries."""
        self._approval = view.approval
        new = [entry for entry in timeline if entry.seq > self._seen]
        for entry in new:
            self.steps.append(self._told(entry))
            self._seen = entry.seq
        if new and view.waiting_for != self._waiting_for:
            self._waiting_for = view.waiting_for
            state = {"waiting_for": view.waiting_for, "until": view.until, "what_then": view.what_then}
            self.steps[-1] = self.steps[-1].model_copy(update=state)
        return new

    def take_answer(
        self, number: int, step: Step, refusal: Refusal | None, *, before: int, at: datetime
    ) -> None:
        """Adds what a step of the script was answered.

        Args:
            number: Its place in the script, from 1.
            step: What was done.
            refusal: Why not, if it was refused.
            before: How many steps there were before; what it caused came after.
            at: When it was done, in case the line itself kept no trace of it.
        """
        actor = _actor(step)
        code = refusal.code if refusal else None
        caused = [
            index
            for index, each in enumerate(self.steps[before:], before)
            if (each.code, each.actor) == (code, actor) or (code is None and isinstance(step, Condition))
        ]
        if not caused:
            caused = [len(self.steps)]
            self.steps.append(self._unheard(step, refusal, at))
        answer = {
            "script": number,
            "message": refusal.message if refusal else self.steps[caused[0]].message,
            "complaint": _complaint(step.expect, code),
        }
        self.steps[caused[0]] = self.steps[caused[0]].model_copy(update=answer)

    def since_start(self, at: datetime) -> timedelta:
        """Time since the start, in whole seconds."""
        start = self.started_at if self.steps else at
        return timedelta(seconds=(at - start) // timedelta(seconds=1))

    def _told(self, entry: TimelineEntry) -> SimulatedStep:
        return SimulatedStep(
            after=self.since_start(entry.at),
            at=entry.at,
            seq=entry.seq,
            action=entry.action,
            stage=entry.data.get("stage"),
            round=int(entry.data["round"]) if "round" in entry.data else None,
            actor=entry.actor,
            on_behalf_of=entry.on_behalf_of,
            reason=entry.reason,
            data={name: text for name, text in entry.data.items() if name not in _SHOWN_ELSEWHERE},
            code=Code(entry.code) if entry.code else None,
        )

    def _unheard(self, step: Step, refusal: Refusal | None, at: datetime) -> SimulatedStep:
        """A command that left no trace: refused before it was accepted, or answered as before."""
        meant = self._approval
        return SimulatedStep(
            after=self.since_start(at),
            at=at,
            seq=None,
            action=f"approval.{step.do}",
            stage=step.stage or (meant.stage if meant else None),
            round=step.round or (meant.round if meant else None),
            actor=_actor(step),
            code=refusal.code if refusal else None,
            message=None if refusal else NO_NEWS,
        )


def _actor(step: Step) -> str:
    return "outside system" if isinstance(step, Condition) else step.who


def _complaint(expected: Code | None, code: Code | None) -> str | None:
    if expected is code:
        return None
    if expected is None:
        return "was to be accepted"
    return f"was to be refused as {expected}"
