"""Acting on approvals besides deciding: an operation for each action of SPEC 4.4."""

from __future__ import annotations

from typing import Any, Unpack

from domain import actions, wire
from domain.actions import ActionRecorded, StageCommand
from domain.errors import Code, Refusal
from starter.faults import NotRunning
from starter.files import validated
from starter.pending import Meant, Pending, too_late
from storage import inquiries
from storage.inquiries import OpenInquiry

UPDATES: dict[type[StageCommand], str] = {
    actions.Delegate: wire.DELEGATE,
    actions.HandBack: wire.HAND_BACK,
    actions.AddApprover: wire.ADD_APPROVER,
    actions.Escalate: wire.ESCALATE,
    actions.Inquire: wire.INQUIRE,
    actions.Answer: wire.ANSWER,
    actions.RecallInquiry: wire.RECALL_INQUIRY,
    actions.Reroute: wire.REROUTE,
    actions.Undo: wire.UNDO,
    actions.RefreshRoster: wire.REFRESH_ROSTER,
}
"""The update that carries each action."""


class Acting(Pending):
    """Actions on the open stage; who may take them is the gate's business alone.

    Each takes the workflow id, who acts, and what `Meant` lists, and raises any refusal of the gate,
    NOT_FOUND, PROCESS_ENDED or UNAVAILABLE; after the end of the process the refusals are those of decisions.
    """

    async def delegate(self, process: str, actor: str, to: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Lets somebody else decide instead of the actor."""
        return await self._act(process, actions.Delegate, actor, meant, to=to)

    async def hand_back(self, process: str, actor: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Returns a decision to whoever delegated it to the actor."""
        return await self._act(process, actions.HandBack, actor, meant)

    async def add_approver(
        self, process: str, actor: str, person: str, **meant: Unpack[Meant]
    ) -> ActionRecorded:
        """Wants somebody's approval in addition."""
        return await self._act(process, actions.AddApprover, actor, meant, person=person)

    async def escalate(self, process: str, actor: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Asks the next level, or the escalation team, without waiting for the deadline."""
        return await self._act(process, actions.Escalate, actor, meant)

    async def inquire(
        self, process: str, actor: str, asked: str, question: str, **meant: Unpack[Meant]
    ) -> ActionRecorded:
        """Asks somebody a question; deciding waits for the answer, the clock does not."""
        return await self._act(process, actions.Inquire, actor, meant, asked=asked, question=question)

    async def answer(
        self, process: str, actor: str, answer: str, inquiry: int | None = None, **meant: Unpack[Meant]
    ) -> ActionRecorded:
        """Answers a question.

        Args:
            process: The workflow id.
            actor: Who was asked.
            answer: What they say.
            inquiry: The question's number; by default the only open one, or the only one for the actor.
            meant: What `Meant` lists.
        """
        number = inquiry or await self._only_inquiry(process, actor, meant)
        return await self._act(process, actions.Answer, actor, meant, inquiry=number, answer=answer)

    async def recall_inquiry(
        self, process: str, actor: str, inquiry: int | None = None, **meant: Unpack[Meant]
    ) -> ActionRecorded:
        """Takes a question back; `inquiry` as in `answer`, or the only one of the actor."""
        number = inquiry or await self._only_inquiry(process, actor, meant)
        return await self._act(process, actions.RecallInquiry, actor, meant, inquiry=number)

    async def reroute(self, process: str, actor: str, to: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Goes on at another stage that the definition allows."""
        return await self._act(process, actions.Reroute, actor, meant, to=to)

    async def undo(self, process: str, actor: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Takes the actor's own vote back while nothing has followed from it."""
        return await self._act(process, actions.Undo, actor, meant)

    async def refresh_roster(self, process: str, actor: str, **meant: Unpack[Meant]) -> ActionRecorded:
        """Has the directory asked anew who may decide the open stage; for the provider's operators."""
        return await self._act(process, actions.RefreshRoster, actor, meant)

    async def open_inquiries(self, process: str) -> tuple[OpenInquiry, ...]:
        """The questions of a process that wait for an answer, the oldest first."""
        async with self._reading() as session:
            return await inquiries.open_inquiries(session, [process])

    async def _act(
        self, process: str, kind: type[StageCommand], actor: str, meant: Meant, **more: Any
    ) -> ActionRecorded:
        stage, round_ = await self._meant(process, meant.get("stage"), meant.get("round"))
        said = {
            "actor": actor,
            "stage": stage,
            "round": round_,
            "reason": meant.get("reason"),
            "received_at": self._clock(),
        }
        command = validated(kind, said | more)
        try:
            return await self._say(process, UPDATES[kind], command, ActionRecorded, meant.get("request_id"))
        except NotRunning:
            refusal = await self._refusal_after_end(process)
            raise await self._refused(process, UPDATES[kind], command, refusal) from None

    async def _refusal_after_end(self, process: str) -> Refusal:
        view = await self._view(process)
        return await self._has_ended(process) if view.approval is None else too_late(process, view)

    async def _only_inquiry(self, process: str, actor: str, meant: Meant) -> int:
        """The number of the question that can only be meant.

        Raises:
            Refusal: NOT_PENDING if none is open, INVALID_INPUT if it could be any of several, or what comes
                after the end of the process.
        """
        opening = await self._meant(process, meant.get("stage"), meant.get("round"))
        if (await self._view(process)).ended:
            raise await self._refusal_after_end(process)
        waiting = [each for each in await self.open_inquiries(process) if (each.stage, each.round) == opening]
        own = [each for each in waiting if actor in {each.asker, each.asked}]
        could_be = own if len(waiting) > 1 else waiting
        if len(could_be) == 1:
            return could_be[0].number
        if not waiting:
            raise Refusal(
                Code.NOT_PENDING, f"inquiry: no question is open in stage {opening[0]} of {process}"
            )
        numbers = ", ".join(str(each.number) for each in waiting)
        raise Refusal(Code.INVALID_INPUT, f"inquiry: {numbers} are open; say which is meant")
