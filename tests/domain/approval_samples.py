"""Short ways to act on an approval as the gate does, and to be refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from domain import actions
from domain.actions import ActionRecorded, ChangeDefinition, StageCommand
from domain.approval import Approval
from domain.decisions import Part, Vote
from domain.definitions import ApprovalDefinition, OnChange, content_hash
from domain.errors import Refusal
from domain.lookups import LookedUp
from tests.domain.samples import NOW, people

EVERYTHING = ("delegate", "add_approver", "inquire")


def wants(approval: Approval, kind: type[StageCommand], actor: str, **more: Any) -> StageCommand:
    """A command on the stage that is open now."""
    here = {"stage": approval.stage.name, "round": approval.round, "actor": actor}
    return kind.model_validate({**here, **more})


def do(
    approval: Approval,
    kind: type[StageCommand],
    actor: str,
    *,
    at: datetime = NOW,
    roster: Sequence[str] = (),
    found: LookedUp | None = None,
    **more: Any,
) -> ActionRecorded:
    """Acts as if the command came through the gate and the directory had nothing against it."""
    command = wants(approval, kind, actor, **more)
    person = more.get("to") or more.get("person") or more.get("asked")
    knows = LookedUp(
        person=people(person)[0] if person else None,
        person_may_approve=True,
        is_operator=True,
        roster=people(*roster),
    )
    approval.check_action(command, at)
    return approval.act(command, at, found or knows)


def code_of_action(
    approval: Approval, kind: type[StageCommand], actor: str, at: datetime = NOW, **more: Any
) -> str:
    """The code an action is refused with."""
    with pytest.raises(Refusal) as caught:
        do(approval, kind, actor, at=at, **more)
    return str(caught.value.code)


def message_of_action(approval: Approval, kind: type[StageCommand], actor: str, **more: Any) -> str:
    """What an action is refused with, in words."""
    with pytest.raises(Refusal) as caught:
        do(approval, kind, actor, **more)
    return caught.value.message


def delegate(approval: Approval, actor: str, to: str, **more: Any) -> ActionRecorded:
    return do(approval, actions.Delegate, actor, to=to, **more)


def inquire(approval: Approval, actor: str, asked: str, **more: Any) -> ActionRecorded:
    return do(approval, actions.Inquire, actor, asked=asked, question="Why so many?", **more)


def refresh(approval: Approval, *roster: str, **more: Any) -> ActionRecorded:
    return do(approval, actions.RefreshRoster, "otto", roster=roster, **more)


def changes_to(
    approval: Approval, definition: ApprovalDefinition, mode: OnChange = OnChange.RESET
) -> tuple[Vote, ...]:
    """Has the definition changed, as the rollout does."""
    command = ChangeDefinition(
        definition=definition, definition_hash=content_hash(definition), mode=mode, actor="otto"
    )
    return approval.change_definition(command)


def sits(approval: Approval, part: Part) -> list[str]:
    """Who has a seat of that kind in the open stage."""
    return [seat.key for seat in approval.roster or () if seat.part is part]


def asked(approval: Approval) -> list[str]:
    """Who is to decide the open stage."""
    return [seat.key for seat in approval.waiting_for]
