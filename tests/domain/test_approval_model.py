"""The approval against a second opinion: random definitions, people, clocks and orders of events.

Whatever happens goes through the pure gate and into the model, and after every step both tell the same story.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.acting import ACTIONS
from domain.decisions import Decide
from domain.definitions import ApprovalDefinition
from domain.errors import Refusal
from tests.domain.approval_moves import WholeApproval
from tests.domain.approval_sheet import Rules
from tests.domain.approval_world import (
    BENEFICIARY,
    EVERYBODY,
    GHOST,
    NAMES,
    OPERATOR,
    OTHERS,
    REQUESTER,
    STAFF,
    PureGate,
    Register,
    definitions,
    often,
)

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
PEOPLE = st.sampled_from([*STAFF, *STAFF, *EVERYBODY])
COMMANDS = {action.action: action for action in ACTIONS}
Move = Callable[[st.DataObject], None]


def outcome_of(command: Callable[[], Any]) -> tuple[str | None, Any]:
    """The code a command is refused with, or what it is answered with."""
    try:
        return None, command()
    except Refusal as refusal:
        return str(refusal.code), None


class Votes(RuleBasedStateMachine):
    """Whatever is said of one request after the other, in any order, at any time.

    One rule draws from all that can happen, so that each of the steps counts: among many rules Hypothesis
    switches most off in a run.
    """

    rich = False

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.register = Register()

    @initialize(data=st.data())
    def begins(self, data: st.DataObject) -> None:
        self.said: list[Rules] = []
        self.waiting: list[Rules] = []
        definition = data.draw(definitions(rich=self.rich))
        beneficiary = data.draw(st.sampled_from([None, BENEFICIARY]))
        self.real = PureGate(ApprovalDefinition.model_validate(definition), beneficiary, self.register)
        self.model = WholeApproval(
            definition,
            REQUESTER,
            beneficiary,
            self.register.who,
            exists=self.register.exists,
            may_approve=self.register.may_approve,
        )
        self.model.is_away = self.register.is_away
        if data.draw(often(True, False)):
            self._goes_on()

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        moves = [move for move, weight in self.moves() for _ in range(weight)]
        move = data.draw(st.sampled_from(moves), label="move")
        note(move.__name__)
        move(data)

    def moves(self) -> list[tuple[Move, int]]:
        """What can happen now, and how often it does."""
        return [
            (self.those_who_are_asked_decide_at_once, 6 if self.model.waiting_for else 0),
            (self.somebody_decides, 2),
            (self.a_decision_comes_again, 2 if self.said else 0),
            (self.the_request_is_withdrawn, 1),
            (self.time_passes, 2),
            (self.time_passes_to_about_the_next_due, 3 if self.model.next_due else 0),
            (self.the_directory_changes, 2),
            (self.another_request_follows, 0 if self.model.is_pending else 12),
        ]

    def another_request_follows(self, data: st.DataObject) -> None:
        event(f"ends {self.model.status}")
        self.begins(data)

    # Decisions

    def those_who_are_asked_decide_at_once(self, data: st.DataObject) -> None:
        """Some of them may find the stage decided by the one before, who won the race."""
        where = {"stage": self.model.stage, "round": self.model.round}
        verdicts = data.draw(st.lists(often("approve", "deny"), min_size=1, max_size=2))
        for actor, verdict in zip(self.model.waiting_for, verdicts, strict=False):
            self._say({**where, "verdict": verdict, "actor": actor, "reason": "because", "received_at": None})

    def somebody_decides(self, data: st.DataObject) -> None:
        decision = {
            **self._somewhere(data),
            "verdict": data.draw(often("approve", "deny")),
            "actor": data.draw(PEOPLE),
            "reason": data.draw(often("too dear", None, "  ")),
        }
        self._say(decision)

    def a_decision_comes_again(self, data: st.DataObject) -> None:
        decision = dict(self.said[-1 - data.draw(st.integers(0, 9)) % len(self.said)])
        if data.draw(st.booleans()):
            decision["verdict"] = {"approve": "deny", "deny": "approve"}[decision["verdict"]]
        self._say(decision)

    def the_request_is_withdrawn(self, data: st.DataObject) -> None:
        if not data.draw(often(False, False, True)):
            return
        actor, pending = data.draw(PEOPLE), self.model.is_pending
        code, _ = outcome_of(lambda: self.real.approval.withdraw(actor, "no longer needed"))
        assert code == (None if pending else "NOT_PENDING")
        if pending:
            self.model.happened("is_taken_back", self.now, actor)

    # Time

    def time_passes(self, data: st.DataObject) -> None:
        self.now += timedelta(seconds=data.draw(st.integers(0, 4 * 3_600)))
        self._goes_on()

    def time_passes_to_about_the_next_due(self, data: st.DataObject) -> None:
        due = self.model.next_due
        assert due is not None
        self.now = max(self.now, due + timedelta(seconds=data.draw(st.sampled_from([-1, 0, 1]))))
        if data.draw(often(True, False)):
            self._goes_on()
            if not self.model.is_over:
                reminded = self.real.look_at_the_clock(self.now)
                assert reminded == self.model.looks_at_the_clock(self.now)
                self._goes_on()

    # The directory

    def the_directory_changes(self, data: st.DataObject) -> None:
        """People come by the role and lose it; now and then nobody answers."""
        person, there = data.draw(st.sampled_from(STAFF)), data.draw(often(True, False))
        (self.register.staff.add if there else self.register.staff.discard)(person)
        away = data.draw(often(False, True))
        self.register.is_away = self.model.is_away = away
        if away:
            return
        self.real.come_back(self.now)
        self.model.comes_back(self.now)
        waiting, self.waiting = self.waiting, []
        for decision in waiting:
            self._say(decision)
        self._goes_on()

    # Both tell the same story

    @invariant()
    def they_agree(self) -> None:
        real, model = self.real.approval, self.model
        assert (real.status, real.is_pending) == (model.status, model.is_pending)
        assert (real.stage.name, real.round) == (model.stage, model.round)
        assert [(v.stage, v.round, v.actor, v.verdict, v.at, v.automatic) for v in real.votes] == [
            (*fact.more["in"], fact.who[0], fact.more["verdict"], fact.at, "by_rule" in fact.more)
            for fact in model.votes
        ]
        assert [person.key for person in real.waiting_for] == model.waiting_for
        assert (real.deadline, real.next_due()) == (model.deadline, model.next_due)
        assert (real.stage_is_over, real.ended_by) == (model.is_over, model.winner)
        if model.sheet is not None:
            self._sheets_agree()

    def _sheets_agree(self) -> None:
        real, sheet = self.real.approval, self.model.open_sheet
        roster = [(seat.key, seat.part, seat.level, seat.stands_for) for seat in real.roster or ()]
        assert roster == [(chair.who, chair.part, chair.level, chair.owner) for chair in sheet.chairs or []]
        assert real.opening.level == sheet.level
        if self.model.is_pending:
            assert real.passed == self.model.through
            assert {each.number: each.asked.key for each in real.open_inquiries} == {
                number: fact.who[1] for number, fact in sheet.pending.items()
            }
        if not self.model.is_over:
            assert real.lacks_approvers is sheet.is_stuck
            assert self.real.is_held is self.model.is_held

    # What stands behind

    def _goes_on(self) -> None:
        self.real.go_on(self.now)
        self.model.goes_on(self.now)

    def _somewhere(self, data: st.DataObject) -> Rules:
        """The stage and round that are meant, and when it was received: mostly how things stand."""
        received = data.draw(st.sampled_from([None, None, "now", "deadline"]))
        moment = {"now": self.now, "deadline": self.model.deadline or self.now}.get(received or "")
        offset = timedelta(seconds=data.draw(st.sampled_from([-86_400, -1, 0, 1, 3_600]))) if moment else None
        return {
            "stage": data.draw(often(self.model.stage, *NAMES)),
            "round": self.model.round + data.draw(often(0, -1, 1)),
            "received_at": moment + offset if moment and offset is not None else None,
        }

    def _say(self, decision: Rules) -> None:
        self.said.append(decision)
        code, answer = outcome_of(lambda: self.real.decide(Decide.model_validate(decision), self.now))
        stored = self.model.stored(decision)
        if stored is not None:
            assert answer.model_dump() == stored
            event("answered again")
            return
        expected = self.model.refusal(decision, self.now)
        unseated = self.model.sheet is None or self.model.sheet.chairs is None
        if expected is None and not unseated and not self.model.is_away:
            expected = None if self.model.is_entitled(decision["actor"]) else "NOT_PERMITTED"
        assert code == expected
        if code is not None:
            event(f"decision refused {code}")
        elif unseated:
            self.waiting.append(decision)
        else:
            assert answer.model_dump() == self.model.count(decision, self.now)
            event(f"counted, then {answer.status}")


class Actions(Votes):
    """The whole language: every action, in definitions that use everything there is."""

    rich = True

    def moves(self) -> list[tuple[Move, int]]:
        sheet = self.model.sheet
        waits = sheet is not None and sheet.rule["wait"] is not None and not self.model.is_over
        return [
            *super().moves(),
            (self.somebody_acts, 3),
            (self.somebody_does_what_is_allowed, 10 if self._ways() else 0),
            (self.the_outside_system_answers, 4 if waits else 0),
            (self.the_definition_changes, 1 if self.model.is_pending else 0),
        ]

    def _ways(self) -> list[tuple[str, list[str]]]:
        """What is allowed now, and to whom."""
        sheet = self.model.sheet
        if sheet is None or sheet.chairs is None or self.model.is_over:
            return []
        asked, questions = self.model.waiting_for, list(sheet.pending.values())
        delegates = [chair.who for chair in sheet.silent if chair.owner]
        ways = [(kind, asked) for kind in sheet.rule["allow"]]
        ways += [("hand_back", delegates)] * 4 + [("escalate", asked), ("undo", list(sheet.said))]
        ways += [("answer", [fact.who[1] for fact in questions])] * 2
        ways += [("recall_inquiry", [fact.who[0] for fact in questions]), ("refresh_roster", [OPERATOR])]
        return [(kind, actors) for kind, actors in ways if actors]

    def somebody_acts(self, data: st.DataObject) -> None:
        kind, actor = data.draw(st.sampled_from(sorted(COMMANDS))), data.draw(PEOPLE)
        self._act(kind, {"actor": actor, **self._somewhere(data), **data.draw(self._particulars(kind))})

    def somebody_does_what_is_allowed(self, data: st.DataObject) -> None:
        kind, actors = data.draw(st.sampled_from(self._ways()))
        actor = data.draw(st.sampled_from(actors))
        here = {"stage": self.model.stage, "round": self.model.round, "received_at": None}
        self._act(kind, {"actor": actor, **here, **data.draw(self._particulars(kind))})

    def the_outside_system_answers(self, data: st.DataObject) -> None:
        fulfilled = data.draw(st.booleans())
        self.real.approval.settle_condition(fulfilled=fulfilled)
        self.model.the_condition_is(fulfilled, self.now)
        self._goes_on()

    def the_definition_changes(self, data: st.DataObject) -> None:
        definition, mode = data.draw(definitions(version=2, rich=True)), data.draw(often("reset", "abort"))
        parsed = ApprovalDefinition.model_validate(definition)
        if self.real.approval.runs_on(parsed):
            return
        void = self.real.change(parsed, mode, OPERATOR, self.now)
        assert void == self.model.change(definition, mode, OPERATOR, self.now)
        self.model.goes_on(self.now)
        event(f"definition changed: {mode}")

    def _particulars(self, kind: str) -> st.SearchStrategy[Rules]:
        """What an action says besides who acts where."""
        person = st.sampled_from([*OTHERS * 4, *EVERYBODY, GHOST])
        targets = self.model.sheet.rule["reroute_to"] if self.model.sheet else ()
        inquiry = st.integers(1, max(1, len(self.model.sheet.questions))) if self.model.sheet else st.just(1)
        fields: dict[str, dict[str, st.SearchStrategy[Any]]] = {
            "delegate": {"to": person},
            "add_approver": {"person": person},
            "inquire": {"asked": person, "question": st.just("Why?")},
            "answer": {"inquiry": inquiry, "answer": st.just("Because.")},
            "recall_inquiry": {"inquiry": inquiry},
            "reroute": {"to": st.sampled_from([*targets, *targets, *targets, *NAMES])},
        }
        return st.fixed_dictionaries(fields.get(kind, {}))

    def _act(self, kind: str, command: Rules) -> None:
        expected = self.model.action_refusal(kind, command, self.now)
        unseated = self.model.sheet is None or self.model.sheet.chairs is None
        if expected is None and not unseated:
            is_operator = command["actor"] == OPERATOR
            expected = self.model.directory_refusal(kind, command, is_operator=is_operator)
        code, answer = outcome_of(lambda: self.real.act(COMMANDS[kind].model_validate(command), self.now))
        assert code == expected, kind
        if code is not None:
            event(f"{kind} refused {code}")
        elif not unseated:
            assert answer.model_dump(exclude={"status"}) == self.model.act(kind, command, self.now)
            self.model.goes_on(self.now)
            event(f"{kind} done")


pytestmark = pytest.mark.timeout(300)
BOUNDS = settings(
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
TestVotes = Votes.TestCase
TestVotes.settings = settings(BOUNDS, max_examples=30)
TestActions = Actions.TestCase
TestActions.settings = settings(BOUNDS, max_examples=200)
