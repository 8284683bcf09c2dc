"""The approval against a second opinion: random definitions, people, clocks and orders of events.

The machine does what the gate does (`workflows/gate.py`): it buffers decisions until the roster is seated
and opens the next stage at once when the clock or the want of approvers has passed one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.approval import Approval
from domain.decisions import Approver, Decide
from domain.definitions import ApprovalDefinition
from domain.errors import Refusal
from tests.domain.models import ApprovalModel

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
REQUESTER, BENEFICIARY, STRANGER = "requester", "beneficiary", "stranger"
STAFF = ["ann", "ben", "cas", "dee"]
PEOPLE = [*STAFF, *STAFF, REQUESTER, BENEFICIARY, STRANGER]
HOURS = st.integers(1, 60).map(lambda hours: timedelta(hours=hours))
CANDIDATES = st.lists(st.sampled_from(PEOPLE), max_size=7)


@st.composite
def stages(draw: st.DrawFn, name: str) -> dict[str, Any]:
    combine = draw(st.sampled_from(["any", "all", "quorum"]))
    deadline = draw(HOURS)
    before = [timedelta(hours=h) for h in (1, 2, 5, 8, 13) if timedelta(hours=h) < deadline]
    return {
        "name": name,
        "title": name.title(),
        "approvers": {"permission": "approve"},
        "combine": combine,
        "quorum": draw(st.integers(1, 3)) if combine == "quorum" else None,
        "denials": draw(st.integers(1, 3)),
        "deadline": deadline,
        "on_deadline": draw(st.sampled_from(["expire", "approve", "deny"])),
        "reminders": draw(st.lists(st.sampled_from(before), max_size=3)) if before else [],
        "on_nobody": draw(st.sampled_from(["hold", "skip", "deny"])),
        "self_approval": draw(st.booleans()),
        "reason_required": draw(st.booleans()),
    }


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    names = ["first", "second", "third"][: draw(st.integers(1, 3))]
    parts = [draw(stages(name)) for name in names]
    return {"name": "random", "version": 1, "title": "Random", "stages": parts}


@st.composite
def utterances(draw: st.DrawFn) -> dict[str, Any]:
    """A decision as somebody words it; stage and time of receipt are relative to how things stand."""
    return {
        "stage": draw(st.sampled_from(["open"] * 6 + ["first", "second", "third", "nowhere"])),
        "round": draw(st.sampled_from([1] * 9 + [0, 2])),
        "verdict": draw(st.sampled_from(["approve"] * 3 + ["deny"])),
        "actor": draw(st.sampled_from(PEOPLE)),
        "reason": draw(st.sampled_from(["too dear", "too dear", None, "  "])),
        "received": draw(st.sampled_from([None, "now", "deadline"])),
        "seconds": draw(st.sampled_from([-86_400, -1, 0, 1, 3_600])),
    }


def code_of(command: Callable[[], None]) -> str | None:
    """The code a command is refused with, None if it is not."""
    try:
        command()
    except Refusal as refusal:
        return refusal.code
    return None


class ApprovalMachine(RuleBasedStateMachine):
    """Whatever happens to an approval, in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.said: list[dict[str, Any]] = []
        self.buffered: list[dict[str, Any]] = []

    @initialize(definition=definitions(), beneficiary=st.sampled_from([None, BENEFICIARY]))
    def begins(self, definition: dict[str, Any], beneficiary: str | None) -> None:
        self.real = Approval(ApprovalDefinition.model_validate(definition), REQUESTER, beneficiary)
        self.model = ApprovalModel(definition, {REQUESTER} | ({beneficiary} if beneficiary else set()))

    # Stages

    @rule(people=st.none() | CANDIDATES)
    def the_process_goes_on(self, people: list[str] | None) -> None:
        """Opens a stage, seats its roster at once or later, or looks at the clock."""
        if self.model.awaits_opening:
            self._open()
        else:
            self._look_at_the_clock()
        if people is not None and self.model.opened and self._lacks_roster():
            self._seat(people)

    # Decisions

    @rule(words=utterances())
    def somebody_decides(self, words: dict[str, Any]) -> None:
        reference = {"now": self.now, "deadline": self.model.deadline or self.now}.get(words["received"])
        offset = timedelta(seconds=words["seconds"])
        decision = {
            "stage": self.model.stage if words["stage"] == "open" else words["stage"],
            "round": words["round"],
            "verdict": words["verdict"],
            "actor": words["actor"],
            "reason": words["reason"],
            "received_at": reference + offset if reference else None,
        }
        self.said.append(decision)
        self._say(decision)

    @precondition(lambda self: self.model.opened and not self._lacks_roster())
    @rule(verdicts=st.lists(st.sampled_from(["approve"] * 5 + ["deny"]), min_size=1, max_size=3))
    def those_who_are_asked_decide_at_once(self, verdicts: list[str]) -> None:
        """Some of them may find the stage decided by the one before, who won the race."""
        stage, waiting = self.model.stage, self.model.waiting_for
        for actor, verdict in zip(waiting, verdicts, strict=False):
            decision = {
                "stage": stage,
                "round": 1,
                "verdict": verdict,
                "actor": actor,
                "reason": "because",
                "received_at": None,
            }
            self.said.append(decision)
            self._say(decision)

    @precondition(lambda self: self.said)
    @rule(nth=st.integers(0, 50), contrary=st.booleans())
    def a_decision_comes_again(self, nth: int, contrary: bool) -> None:
        decision = dict(self.said[-1 - nth % len(self.said)])
        if contrary:
            decision["verdict"] = {"approve": "deny", "deny": "approve"}[decision["verdict"]]
        self._say(decision)

    @rule(actor=st.sampled_from(PEOPLE), meant=st.sampled_from([False] * 15 + [True]))
    def the_request_is_withdrawn(self, actor: str, meant: bool) -> None:
        if not meant:
            return
        pending = self.model.status == "PENDING"
        code = code_of(lambda: self.real.withdraw(actor, "no longer needed"))
        assert code == (None if pending else "NOT_PENDING")
        if pending:
            self.model.happened("is_taken_back", self.now, actor)

    # Time

    @rule(span=st.integers(0, 8 * 3_600).map(lambda seconds: timedelta(seconds=seconds)))
    def time_passes(self, span: timedelta) -> None:
        self.now += span

    @precondition(lambda self: self.model.next_due)
    @rule(seconds=st.sampled_from([-1, 0, 1]), noticed=st.booleans())
    def time_passes_to_about_the_next_due(self, seconds: int, noticed: bool) -> None:
        due = self.model.next_due
        assert due is not None
        self.now = max(self.now, due + timedelta(seconds=seconds))
        if noticed and not self.model.awaits_opening:
            self._look_at_the_clock()

    # Both tell the same story

    @invariant()
    def they_agree(self) -> None:
        real, model = self.real, self.model
        assert real.status == model.status
        assert real.is_pending is (model.status == "PENDING")
        assert real.stage.name == model.stage
        assert [(v.stage, v.actor, v.verdict, v.at) for v in real.votes] == [
            (fact.stage, fact.who[0], fact.verdict, fact.at) for fact in model.log if fact.what == "votes"
        ]
        assert [person.key for person in real.waiting_for] == model.waiting_for
        assert real.deadline == model.deadline
        assert real.next_due() == model.next_due
        assert real.stage_is_over is (not real.is_pending or bool(model.opened and model.awaits_opening))
        assert real.ended_by == model.winner
        if model.opened and not self._lacks_roster():
            assert real.lacks_approvers is model.is_stuck(model.stage)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            event(f"ends {self.model.status}")

    # What the gate does

    def _lacks_roster(self) -> bool:
        return self.model.status == "PENDING" and self.model.seats(self.model.stage) is None

    def _open(self) -> None:
        opened = self.real.open_next(self.now)
        assert opened is not None
        assert opened.name == self.model.next_stage
        self.model.happened("opens", self.now, stage=self.model.next_stage)

    def _look_at_the_clock(self) -> None:
        up, due = self.model.time_is_up(self.now), self.model.to_remind(self.now)
        assert (self.real.pass_deadline(self.now) is not None) is up
        if up:
            self.model.happened("runs_out", self.now)
            self._go_on()
            return
        reminded = [person.key for person in self.real.remind(self.now)]
        assert reminded == due
        if self.model.deadline and any(at <= self.now for at in self.model.reminders_left()):
            self.model.happened("reminds", self.now)
        assert self.real.remind(self.now) == ()

    def _seat(self, people: list[str]) -> None:
        self.real.seat(tuple(Approver(key=key, name=key.title()) for key in people))
        self.model.happened("seats", self.now, *people)
        if self.real.lacks_approvers and self.real.settle_nobody():
            self._go_on()
        buffered, self.buffered = self.buffered, []
        for decision in buffered:
            self._say(decision)

    def _go_on(self) -> None:
        """Opens the next stage in the same breath, if there is one."""
        if self.model.awaits_opening:
            self._open()
        else:
            assert self.real.open_next(self.now) is None

    def _say(self, decision: dict[str, Any]) -> None:
        command = Decide.model_validate(decision)
        stored = self.model.stored(decision)
        answer = self.real.answer_to(command)
        if stored is not None:
            assert answer is not None
            assert answer.model_dump() == stored
            event("answered again")
            return
        assert answer is None
        code = code_of(lambda: self.real.check(command, self.now))
        assert code == self.model.refusal(decision, self.now)
        if code is not None:
            event(f"refused {code}")
            return
        if self.real.roster is None:
            self.buffered.append(decision)
            return
        answer = self.real.decide(command, self.now)
        assert answer.model_dump() == self.model.count(decision, self.now)
        event(f"counted, then {answer.status}")


TestApproval = ApprovalMachine.TestCase
TestApproval.settings = settings(
    max_examples=400, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
