"""What backends do for a line, and taking it back if the line ends (SPEC 5.7; L15, L21, L23)."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain import wire
from domain.line import LineState
from domain.mail import Template
from domain.orders import OrderLine
from domain.provisioning import Provisioned
from workflows.course import LineCourse
from workflows.process import let_go
from workflows.steps import LATE_LOOKS, STEP_PATIENCE, Step, preparation_of, provision_of


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
        done = self.tell_owners(Template.PROVISIONED)
        self.note(
            "line.provisioned", notices=(done,), services=self.service_change(), data={"reference": reference}
        )

    async def _run_step(self, step: Step) -> Provisioned:
        """Waits for a backend; if the line is cancelled meanwhile, the step may still finish (L21)."""
        running = asyncio.create_task(self.steps.take(step, self.context.parties))
        await self.until(lambda: running.done() or self.is_stopped)
        if not running.done():
            await self.until(running.done, workflow.now() + STEP_PATIENCE)
        if not running.done():
            let_go(running)
            self.steps.given_up.append(step)
        self.heed_cancel()
        try:
            return running.result()
        except ActivityError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != wire.ADAPTER_REFUSED:
                raise
            self.steps.taken.remove(step)
            self.unwind(LineState.FAILED, f"the backend refused: {cause.message}", Template.FAILED)

    async def take_back_steps(self) -> None:
        """Takes back what was done, the newest first; what a backend will not undo is for operators."""
        while self.steps.taken:
            step = self.steps.taken.pop()
            await self.announce()
            await self._take_back(step, "line.compensated")

    async def look_for_late_steps(self) -> None:
        """Takes back what a backend did after it was given up; the line stays as it ended."""
        for after in LATE_LOOKS if self.steps.given_up else ():
            await self.announce()
            await self.until(lambda: False, workflow.now() + after)
            for step in self.steps.given_up:
                await self._take_back(step, "line.compensated_late", quiet=True)

    async def _take_back(self, step: Step, action: str, *, quiet: bool = False) -> None:
        data = {"step": step.name, "adapter": step.adapter}
        try:
            removed = await self.steps.take_back(step, self.context.parties)
        except ActivityError as error:
            reason = f"{step.title} could not be taken back: {error.cause}"
            tell = self.tell_operators(Template.FAILED, reason=reason)
            self.note("line.not_compensated", reason=reason, data=data, notices=(tell,))
            return
        if removed.was_there or not quiet:
            self.note(action, data=data | {"was_there": "yes" if removed.was_there else "no"})
