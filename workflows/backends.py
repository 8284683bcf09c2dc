"""What backends do for a line, and taking it back if the line ends (SPEC 5.7; L15, L21, L23)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain import wire
from domain.line import CancelTask, Hold, LineState
from domain.mail import Template
from domain.orders import LineCommand, OrderLine
from domain.provisioning import Provisioned
from workflows.course import LineCourse
from workflows.process import let_go, refusals
from workflows.steps import LATE_LOOKS, STEP_PATIENCE, BackendRefused, Step, preparation_of, provision_of


class Backends(LineCourse):
    """Steps forward, and the same steps back."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__(order_line)
        self.answers: dict[str, str] = {}

    async def be_prepared(self) -> None:
        """Has everything reserved that the offer wants before its point of no return."""
        for step in preparation_of(self.order_line):
            self.note("line.preparing", data={"step": step.name, "adapter": step.adapter})
            await self.announce()
            await self._run_step(step)

    async def be_provisioned(self) -> None:
        """Hands the service to its backend, if the offer names one, which reads it back (L15, L16)."""
        reference = ""
        if self.offer.adapter is not None:
            self.note("line.executing", data={"adapter": self.offer.adapter})
            await self.announce()
            step = provision_of(self.order_line, self.offer.adapter, self.answers)
            reference = (await self._run_step(step)).reference
        self.move(LineState.PROVISIONED)
        order = self.context.id
        summary = f"countersign order summary {order} --pdf order-{order}.pdf"
        done = self.tell_concerned(Template.PROVISIONED, command=summary)
        self.note(
            "line.provisioned", notices=(done,), services=self.service_change(), data={"reference": reference}
        )

    async def _run_step(self, step: Step) -> Provisioned:
        """Has a step taken; if its backend refuses, an operator may have it tried again (L23)."""
        while True:
            try:
                return await self._attempt(step)
            except BackendRefused as refusal:
                await self._be_retried(step, f"the backend refused: {refusal}")
                step = replace(step, retries=step.retries + 1)

    async def _attempt(self, step: Step) -> Provisioned:
        """Waits for a backend; if the line is cancelled meanwhile, the step may still finish (L21)."""
        running = asyncio.create_task(self.steps.take(step, self.context.parties))
        try:
            await self.until(lambda: running.done() or self.is_stopped)
            if self.cancelled_by is not None and not running.done():
                self.is_unwinding = True
                self.begin_cancelling(self.cancelled_by)
                await self.announce()
                await self.until(running.done, workflow.now() + STEP_PATIENCE)
        finally:
            if not running.done():  # Out of patience, or ended from outside: it may succeed all the same.
                self.steps.given_up.append(step)
            let_go(running)
        self.heed_cancel()
        return running.result()

    async def _be_retried(self, step: Step, reason: str) -> None:
        """Waits until an operator has a refused step tried again, as long as the offer allows (L23)."""
        if self.offer.retry_for is None:
            self.unwind(LineState.FAILED, reason, Template.FAILED)
        hold = self.progress.hold = Hold(reason, workflow.now() + self.offer.retry_for)
        command = f"countersign order retry {self.context.id} --line {self.order_line.line.number}"
        facts: dict[str, Any] = {"reason": reason, "deadline": hold.until, "command": command}
        self.note(
            "line.refused",
            reason=reason,
            data={"step": step.name, "adapter": step.adapter},
            notices=(
                self.tell_operators(Template.LINE_HELD, **facts),
                self.tell_owners(Template.LINE_HELD, **facts),
            ),
        )
        await self.announce()
        retried = await self.until(lambda: self.is_stopped or self.progress.hold is None, hold.until)
        self.progress.hold = None
        self.heed_cancel()
        if not retried:
            self.unwind(LineState.FAILED, reason, Template.FAILED)

    @workflow.update(name=wire.RETRY_LINE)
    async def retry(self, command: LineCommand) -> LineState:
        """Has what a backend refused tried again (L23)."""
        self.progress.hold = None
        self.note("line.retried", actor=command.actor, reason=command.reason)
        await self.announce()
        return self.progress.state

    @retry.validator
    def _may_retry(self, command: LineCommand) -> None:  # noqa: ARG002 - takes what the update takes
        with refusals():
            self.progress.check_retry()

    async def take_back_steps(self) -> None:
        """Takes back what was done, the newest first; what a backend will not undo is for operators."""
        self.cancel_task = CancelTask.IN_PROGRESS
        while self.steps.taken:
            step = self.steps.taken.pop()
            await self.announce()
            await self._take_back(step, "line.compensated")

    async def look_for_late_steps(self) -> None:
        """Takes back what a backend did after it was given up; the line stays as it ended."""
        for look, after in enumerate(LATE_LOOKS if self.steps.given_up else (), 1):
            await self.announce()
            await self.until(lambda: False, workflow.now() + after)
            for step in self.steps.given_up:
                await self._take_back(step, "line.compensated_late", look)

    async def _take_back(self, step: Step, action: str, look: int = 0) -> None:
        """Takes one step back; a later look is told of only if it found something."""
        data = {"step": step.name, "adapter": step.adapter}
        try:
            removed = await self.steps.take_back(step, self.context.parties, look)
        except ActivityError as error:
            reason = f"{step.title} could not be taken back: {error.cause}"
            tell = self.tell_operators(Template.FAILED, reason=reason)
            self.cancel_task = CancelTask.TERMINATED_WITH_ERROR
            data |= self.cancel_task_data()
            self.note("line.not_compensated", reason=reason, data=data, notices=(tell,))
            return
        if removed.was_there or not look:
            data["was_there"] = "yes" if removed.was_there else "no"
            self.note(action, data=data | self.cancel_task_data())
