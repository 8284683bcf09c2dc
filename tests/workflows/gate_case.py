"""One request before the real gate, and short ways to act on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.actions import ActionRecorded, ChangeDefinition, DefinitionChanged, StageCommand
from domain.decisions import DecisionRecorded, Verdict
from domain.definitions import ApprovalDefinition, OnChange, Stage, content_hash
from domain.orders import LineOutcome
from domain.transitions import OpenApproval, ProcessView, Transition
from tests.workflows.conftest import Scene
from tests.workflows.world import PEOPLE, definition, line, stage
from workflows.names import PROCESS_STATE

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVERYTHING = ("delegate", "add_approver", "inquire")


def of(*stages: Stage, **more: Any) -> ApprovalDefinition:
    """A definition with settings of its own."""
    return ApprovalDefinition.model_validate({**definition(*stages).model_dump(), **more})


def free(name: str = "sales", **more: Any) -> Stage:
    """A stage of ann and bob, both of whom must approve and may do everything."""
    return stage(name, **{"combine": "all", "allow": EVERYTHING, **more})


class Case:
    """A line whose approval is open."""

    def __init__(self, scene: Scene, handle: Any) -> None:
        self.scene, self.world, self.handle = scene, scene.world, handle
        self.id: str = handle.id

    @classmethod
    async def opens(cls, scene: Scene, *stages: Stage, first: str = "approval.opened", **more: Any) -> Case:
        """Starts a line under a definition and waits for what it announces first."""
        case = cls(scene, await scene.start(line(approval=of(*(stages or (free(),)), **more))))
        await case.told(first)
        return case

    def seat(self, *people: str) -> None:
        """Who has the permission from now on."""
        self.world.roster = tuple(PEOPLE[key] for key in people)

    async def told(self, action: str, times: int = 1) -> Transition:
        return await self.world.told(self.id, action, times)

    async def act(self, kind: type[StageCommand], actor: str, **more: Any) -> ActionRecorded:
        """Acts on the stage that is open."""
        seen = await self.approval()
        command = kind.model_validate({"stage": seen.stage, "round": seen.round, "actor": actor, **more})
        answer: ActionRecorded = await self.handle.execute_update(
            f"approval.{kind.action}", command, result_type=ActionRecorded
        )
        return answer

    async def decide(self, actor: str, verdict: Verdict = Verdict.APPROVE, **more: Any) -> DecisionRecorded:
        return await self.scene.decide(self.handle, actor, verdict, **more)

    async def change(
        self, to: ApprovalDefinition, mode: OnChange = OnChange.RESET, **more: Any
    ) -> DefinitionChanged:
        command = {"definition": to, "definition_hash": content_hash(to), "mode": mode, "actor": "otto"}
        answer: DefinitionChanged = await self.handle.execute_update(
            wire.CHANGE_DEFINITION,
            ChangeDefinition.model_validate({**command, **more}),
            result_type=DefinitionChanged,
        )
        return answer

    async def view(self) -> ProcessView:
        seen: ProcessView = await self.handle.query(wire.VIEW, result_type=ProcessView)
        return seen

    async def approval(self) -> OpenApproval:
        seen = (await self.view()).approval
        assert seen is not None
        return seen

    async def shows(self, stage: str) -> OpenApproval:
        """Waits until a stage is open, announced or not."""
        async with asyncio.timeout(80):
            while (seen := (await self.view()).approval) is None or seen.stage != stage:
                await asyncio.sleep(0.01)
        return seen

    async def skip(self, span: timedelta) -> None:
        await self.scene.skip(self.handle, span)

    async def cancel(self) -> None:
        await self.scene.command(self.handle, wire.CANCEL_LINE)

    async def ends(self) -> str:
        """The state the line ends in."""
        return str(LineOutcome.model_validate(await self.handle.result()).state)

    async def listed_as(self) -> str | None:
        """The `ProcessState` by which lists of runs find the line, once its workflow task is over."""
        await self.handle.query(wire.VIEW)
        attributes = (await self.handle.describe()).typed_search_attributes
        return attributes.get(PROCESS_STATE)

    def actions(self) -> list[str]:
        """What was announced of the approval, in order."""
        return [
            action.removeprefix("approval.")
            for action in self.world.actions(self.id)
            if action.startswith("approval.")
        ]


def mailed(step: Transition) -> dict[str, tuple[str, ...]]:
    """Who is mailed with a step, by template."""
    return {str(notice.template): notice.audience.people for notice in step.notices}


async def refusal_of(update: Awaitable[Any]) -> tuple[str, str]:
    """The code and the words an update is refused with."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await update
    assert isinstance(failure.value.cause, ApplicationError)
    return str(failure.value.cause.type), failure.value.cause.message


async def code_of(update: Awaitable[Any]) -> str:
    """The code an update is refused with."""
    return (await refusal_of(update))[0]
