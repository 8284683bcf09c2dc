"""The real gate against the second opinion: random traces on the real server, compared after every step.

The rules are held to the model by many more traces without a server (`tests/domain/test_approval_model.py`);
here it is workflow, clock and announcements that have to tell the same story.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from temporalio import activity
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain import wire
from domain.acting import ACTIONS
from domain.actions import ActionRecorded, ChangeDefinition, DefinitionChanged
from domain.decisions import Decide, DecisionRecorded, Verdict
from domain.definitions import ApprovalDefinition, content_hash
from domain.lookups import LookedUp, LookUp
from domain.offers import Deployment
from domain.orders import OrderLine
from domain.transitions import Announced, Announcement, OpenApproval, ProcessView
from starter.dev.temporal import VirtualTime
from tests.domain.approval_moves import WholeApproval
from tests.domain.approval_sheet import Rules
from tests.domain.approval_world import (
    EVERYBODY,
    OPERATOR,
    OTHERS,
    REQUESTER,
    STAFF,
    Register,
    definitions,
    often,
    seats,
)
from tests.workflows.conftest import Scene
from tests.workflows.world import World, context, line

STEPS = 15
UPDATES = {action: f"approval.{action.action}" for action in ACTIONS}
BY_NAME = {action.action: action for action in ACTIONS}
CLOSE = timedelta(minutes=3)
"""The model's clock stands between steps, the run's does not; all that falls due is hours apart."""

Run = WorkflowHandle[object, object]


class Registry(World):
    """A world whose directory is the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.register = Register()

    @activity.defn(name=wire.ANNOUNCE)
    async def announce(self, announcement: Announcement) -> Announced:
        """Seats whom the register names; says no to whoever has lost the role."""
        question = LookUp(parties=_PARTIES, authorise=announcement.authorise)
        found = self.register.look_up(question)
        if found is None or not found.authorised:
            return Announced(authorised=False)
        announced = await super().announce(announcement.model_copy(update={"authorise": None}))
        if announcement.seat is None:
            return announced
        people = self.register.who(announcement.seat.approvers.model_dump())
        return Announced(roster=seats(*(key for key in people if key not in announcement.seat.excluding)))

    @activity.defn(name=wire.LOOK_UP)
    async def look_up(self, question: LookUp) -> LookedUp:
        """Answers as the register does."""
        found = self.register.look_up(question)
        assert found is not None
        return found


_PARTIES = context("any").parties


@pytest.fixture
async def registry(virtual_time: VirtualTime) -> AsyncIterator[tuple[Registry, Scene]]:
    world = Registry()
    scene = Scene(world, virtual_time, f"test-model-{id(world)}")
    async with world.worker(virtual_time.client, scene.queue):
        yield world, scene


class Trace:
    """One request in the real gate and in the model."""

    def __init__(self, world: Registry, scene: Scene, run: Run, model: WholeApproval) -> None:
        self.world, self.scene, self.run, self.model = world, scene, run, model

    async def now(self) -> datetime:
        return await self.scene.time.now(self.run.id)

    async def step(self, data: st.DataObject) -> None:
        sheet = self.model.sheet
        moves = [self.somebody_decides] * 5 + [self.somebody_acts] * 7 + [self.time_passes] * 3
        moves += [self.the_directory_changes] * 2 + [self.the_definition_changes]
        assert sheet is not None
        move = data.draw(st.sampled_from(moves))
        note(move.__name__)
        await move(data)
        await self.they_agree()

    # What happens

    async def somebody_decides(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from([*self.model.waiting_for * 3, *EVERYBODY]))
        decision = {
            "stage": self.model.stage,
            "round": self.model.round,
            "verdict": data.draw(often("approve", "deny")),
            "actor": actor,
            "reason": "because",
            "received_at": None,
        }
        code, answer = await self.update(wire.DECIDE, Decide.model_validate(decision), DecisionRecorded)
        stored, now = self.model.stored(decision), await self.now()
        if stored is not None:
            assert {**stored, "at": None} == {**answer.model_dump(), "at": None}
            return
        expected = self.model.refusal(decision, now)
        if expected is None and not self.model.is_entitled(actor):
            expected = "NOT_PERMITTED"
        assert code == expected
        if code is None:
            self.model.count(decision, answer.at)
            assert answer.status == self.model.status
            self.model.goes_on(answer.at)

    async def somebody_acts(self, data: st.DataObject) -> None:
        sheet = self.model.open_sheet
        asked, questions = self.model.waiting_for, list(sheet.pending.values())
        ways = [*sheet.rule["allow"], "escalate", "refresh_roster", "hand_back", "undo"]
        kind = data.draw(st.sampled_from(ways + ["answer", "recall_inquiry"] * bool(questions)))
        likely = {
            "refresh_roster": [OPERATOR],
            "undo": list(sheet.said),
            "hand_back": [chair.who for chair in sheet.silent if chair.owner],
            "answer": [fact.who[1] for fact in questions],
            "recall_inquiry": [fact.who[0] for fact in questions],
        }.get(kind, asked)
        command = {
            "actor": data.draw(st.sampled_from([*likely * 5, *EVERYBODY])),
            "stage": self.model.stage,
            "round": self.model.round,
            "received_at": None,
            **data.draw(self._particulars(kind)),
        }
        note(f"{kind} {command}")
        now = await self.now()
        expected = self.model.action_refusal(kind, command, now)
        if expected is None:
            is_operator = command["actor"] == OPERATOR
            expected = self.model.directory_refusal(kind, command, is_operator=is_operator)
        parsed = BY_NAME[kind].model_validate(command)
        code, answer = await self.update(UPDATES[BY_NAME[kind]], parsed, ActionRecorded)
        assert code == expected
        if code is None:
            done = self.model.act(kind, command, answer.at)
            assert (done["stage"], done["round"], done["inquiry"]) == (
                answer.stage,
                answer.round,
                answer.inquiry,
            )
            self.model.goes_on(answer.at)

    def _particulars(self, kind: str) -> st.SearchStrategy[Rules]:
        person = st.sampled_from([*OTHERS * 3, *EVERYBODY])
        targets = st.sampled_from([*self.model.open_sheet.rule["reroute_to"], "first"])
        inquiry = st.integers(1, max(1, len(self.model.open_sheet.questions)))
        fields: dict[str, dict[str, st.SearchStrategy[Any]]] = {
            "delegate": {"to": person},
            "add_approver": {"person": person},
            "inquire": {"asked": person, "question": st.just("Why?")},
            "answer": {"inquiry": inquiry, "answer": st.just("So.")},
            "recall_inquiry": {"inquiry": inquiry},
            "reroute": {"to": targets},
        }
        return st.fixed_dictionaries(fields.get(kind, {}))

    async def time_passes(self, data: st.DataObject) -> None:
        """A while, or until just after something falls due; what does on the way happens in its order."""
        due = self.model.next_due
        assert due is not None
        target = await self.now() + timedelta(minutes=17)
        if data.draw(st.booleans()):
            target = max(target, due + CLOSE)
        while abs(target - (self.model.next_due or target + 2 * CLOSE)) < CLOSE:
            target += CLOSE
        await self.scene.time.skip_until(self.run.id, target)
        while self.model.is_pending and (due := self.model.next_due) is not None and due <= target:
            self.model.looks_at_the_clock(due)
            self.model.goes_on(due)

    async def the_directory_changes(self, data: st.DataObject) -> None:
        person, there = data.draw(st.sampled_from(STAFF)), data.draw(st.booleans())
        (self.world.register.staff.add if there else self.world.register.staff.discard)(person)

    async def the_definition_changes(self, data: st.DataObject) -> None:
        rules, parsed = data.draw(drawn(version=2))
        mode = data.draw(often("reset", "abort"))
        command = ChangeDefinition.model_validate(
            {
                "definition": parsed,
                "definition_hash": content_hash(parsed),
                "mode": mode,
                "actor": OPERATOR,
            }
        )
        code, answer = await self.update(wire.CHANGE_DEFINITION, command, DefinitionChanged)
        assert code is None
        if answer.changed:
            now = await self.now()
            assert answer.voided == self.model.change(rules, mode, OPERATOR, now)
            self.model.goes_on(now)

    async def update(self, name: str, command: Any, answer: type[Any]) -> tuple[str | None, Any]:
        try:
            return None, await self.run.execute_update(name, command, result_type=answer)
        except WorkflowUpdateFailedError as error:
            return str(getattr(error.cause, "type", error.cause)), None

    # What they agree on

    async def they_agree(self) -> None:
        """Waits until the gate has done what follows by itself; the story it tells then is the model's."""
        expected: Any = self._modelled()
        try:
            async with asyncio.timeout(80):
                while await self._observed() != expected:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            assert await self._observed() == expected
        self._votes_agree()
        deadline, view = self.model.deadline, await self._approval()
        if deadline is not None:
            assert view is not None
            assert view.deadline is not None
            assert abs(view.deadline - deadline) < CLOSE

    def _modelled(self) -> Rules:
        sheet = self.model.open_sheet
        if not self.model.is_pending:
            return {"status": self.model.status}
        return {
            "status": "PENDING",
            "definition": f"random@{self.model.definition['version']}",
            "stage": self.model.stage,
            "round": self.model.round,
            "roster": [(chair.who, chair.part, chair.level, chair.owner) for chair in sheet.chairs or []],
            "decided": list(sheet.said),
            "asked": [fact.who[1] for fact in sheet.pending.values()],
            "level": sheet.level,
        }

    async def _observed(self) -> Rules:
        view = await self._approval()
        if view is None:
            return {}
        if view.status != "PENDING":
            return {"status": view.status}
        return {
            "status": "PENDING",
            "definition": view.definition,
            "stage": view.stage,
            "round": view.round,
            "roster": [(seat.key, seat.part, seat.level, seat.stands_for) for seat in view.roster or ()],
            "decided": list(view.decided),
            "asked": [person.key for person in view.asked],
            "level": view.level,
        }

    async def _approval(self) -> OpenApproval | None:
        view: ProcessView = await self.run.query(wire.VIEW, result_type=ProcessView)
        return view.approval

    def _votes_agree(self) -> None:
        """Every vote that ever counted was announced, in its order, and no other."""
        steps = sorted(self.world.announced.get(self.run.id, []), key=lambda step: step.seq)
        told = [
            (v.stage, v.round, v.actor, v.verdict, v.automatic) for s in steps if (v := s.vote) and s.accepted
        ]
        assert told == [
            (*fact.more["in"], fact.who[0], Verdict(fact.more["verdict"]), "by_rule" in fact.more)
            for fact in self.model.log
            if fact.what == "votes"
        ]


@st.composite
def drawn(draw: st.DrawFn, version: int = 1) -> tuple[Rules, ApprovalDefinition]:
    """A definition for the model, and the same for the gate: real conditions, and no outside systems."""
    rules = draw(definitions(version=version, rich=True))
    for rule in rules["stages"]:
        rule.update(wait=None, calendar=None, approvers=rule["approvers"] or _ANYBODY)
    real = {"true": 'request.offer != ""', "false": 'request.offer == ""', None: None}
    parsed = {**rules, "stages": [{**rule, "when": real[rule["when"]]} for rule in rules["stages"]]}
    return rules, ApprovalDefinition.model_validate(parsed)


_ANYBODY = {"people": (), "party": "provider", "permission": "approve", "role": None}


@given(data=st.data())
@settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_the_gate_tells_the_models_story(data: st.DataObject, registry: tuple[Registry, Scene]) -> None:
    world, scene = registry
    register = world.register = Register()  # the same world serves every example
    rules, parsed = data.draw(drawn())
    wanted = line(approval=parsed, deployment=Deployment.ON_DEMAND)
    order, now = scene.new_order(), datetime.now(UTC)
    asked = context(order, at=now).model_copy(update={"requested_by": REQUESTER})
    run = await scene.client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=asked, line=wanted, checked_at=now),
        id=wire.line_id(order, 1),
        task_queue=scene.queue,
    )
    model = WholeApproval(
        rules, REQUESTER, None, register.who, exists=register.exists, may_approve=register.may_approve
    )
    model.goes_on(now)
    trace = Trace(world, scene, run, model)
    if model.sheet is not None:
        await trace.they_agree()
    for _ in range(STEPS):
        if not model.is_pending:
            break
        await trace.step(data)
    if model.is_pending:
        await scene.command(run, wire.CANCEL_LINE)
