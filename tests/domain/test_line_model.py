"""Line, service and closure clock against the rows L1-L23 of provisioning.md b.2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.closure import ClosureClock
from domain.errors import Refusal
from domain.line import SERVICE_STATUS, TRANSITIONS, LineProgress, LineState
from domain.offers import Offer
from tests.domain.models import ROWS, ClosureModel, LineModel
from tests.domain.samples import DAY, HOUR, NOW, offer

COMMANDS = ("cancel", "deploy", "records_wanted")
SPANS = [HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 8 * DAY, 30 * DAY]
WAYS = st.sampled_from([0] * 8 + [1, 2, 3])


def code_of(progress: LineProgress, command: str) -> str | None:
    try:
        getattr(progress, f"check_{command}")()
    except Refusal as refusal:
        return refusal.code
    return None


def reachable() -> Iterator[tuple[LineModel, LineProgress]]:
    """Every combination of state, point of no return and deployment that can come about, once.

    A line is bound where it waits for records or details, by b.2 under the table.
    """
    seen: set[tuple[str, bool, bool, str]] = set()
    front: list[tuple[LineModel, bool]] = [(LineModel(), False)]
    while front:
        model, deployed = front.pop()
        key = (model.at, model.bound, deployed, model.service)
        if key in seen:
            continue
        seen.add(key)
        yield model, build(model, deployed)
        front += [(after(model, to), deployed) for to in LineState if model.rows_to(to)]
        if model.at in {"provisioning", "awaiting_provisioning_details"}:
            front.append((after(model, bound=True), deployed))
        if model.refusal_of("deploy") is None:
            front.append((model, True))


def after(model: LineModel, to: str | None = None, *, bound: bool = False) -> LineModel:
    later = LineModel()
    later.been = [*model.been, to] if to else list(model.been)
    later.bound = model.bound or bound
    return later


def build(model: LineModel, deployed: bool) -> LineProgress:
    progress = LineProgress(LineState(model.at))
    progress.ponr_at, progress.is_verified = (NOW, True) if model.bound else (None, False)
    progress.deploy_requested_by = "tech" if deployed else None
    return progress


def described(model: LineModel, progress: LineProgress) -> str:
    marks = [(model.bound, "bound"), (progress.deploy_requested_by is not None, "deployed")]
    return "-".join([model.at, *(mark for applies, mark in marks if applies)])


COMBINATIONS = [pytest.param(*pair, id=described(*pair)) for pair in reachable()]


def test_there_is_no_transition_but_those_of_b_2() -> None:
    rows = {pair for before, to in ROWS.values() for pair in product(before, to)}
    assert {(str(left), str(to)) for left, reached in TRANSITIONS.items() for to in reached} == rows
    assert set(TRANSITIONS) == set(LineState)


def test_every_state_but_no_cancelled_one_past_the_point_of_no_return_is_reachable() -> None:
    states = {(model.at, model.bound) for model, _ in reachable()}
    assert {state for state, _ in states} == {str(state) for state in LineState}
    assert {state for state, bound in states if bound} == {
        "awaiting_provisioning_details",
        "provisioning",
        "closed",
        "provisioned",
        "failed",
    }


@pytest.mark.parametrize(("model", "progress"), COMBINATIONS)
def test_every_reachable_combination_obeys_the_specification(
    model: LineModel, progress: LineProgress
) -> None:
    assert SERVICE_STATUS[progress.state] == model.service
    assert progress.has_ended is model.has_ended
    for command in COMMANDS:
        assert code_of(progress, command) == model.refusal_of(command), command
    for to in LineState:
        there = build(model, deployed=False)
        if model.rows_to(to):
            assert there.move(to) == model.at
            assert there.state is to
        else:
            with pytest.raises(ValueError, match="no transition"):
                there.move(to)
            assert there.state == model.at


@pytest.mark.parametrize(("model", "progress"), COMBINATIONS)
def test_what_is_bound_is_never_cancelled_and_what_has_ended_accepts_nothing(
    model: LineModel, progress: LineProgress
) -> None:
    if model.bound:
        assert code_of(progress, "cancel") == "POINT_OF_NO_RETURN"
        assert not model.rows_to("cancelling")
        assert not model.rows_to("cancelled")
    if progress.has_ended:
        assert all(code_of(progress, command) for command in COMMANDS)
        assert not any(model.rows_to(to) for to in LineState)


class LineMachine(RuleBasedStateMachine):
    """A line's life in random order: moves, commands, records that pass, and a clock that closes it once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.line, self.line_model = LineProgress(), LineModel()
        self.closures = 0

    @initialize(
        closes_after=st.sampled_from([None, *SPANS]),
        warnings=st.lists(st.sampled_from(SPANS), max_size=4),
        ways=st.lists(WAYS, max_size=6),
    )
    def is_ordered(self, closes_after: timedelta | None, warnings: list[timedelta], ways: list[int]) -> None:
        """Begins, and goes some way at once: most of what matters happens late in a line's life."""
        of: Offer = offer(closes_after=closes_after, closure_warnings=warnings)
        self.clock, self.clock_model = ClosureClock(of), ClosureModel(closes_after, warnings)
        for nth in ways:
            if not self.line.has_ended:
                self.goes_on(nth)

    @rule(to=st.sampled_from([state for state in LineState if state is not LineState.CLOSED]))
    def is_moved(self, to: LineState) -> None:
        if not self.line_model.rows_to(to):
            self._move(to)

    @precondition(lambda self: not self.line.has_ended)
    @rule(nth=WAYS)
    def goes_on(self, nth: int) -> None:
        """Closing is left to the clock; until then a line rather goes on than ends."""
        ways = [to for to in LineState if self.line_model.rows_to(to) and to is not LineState.CLOSED]
        waits = self.line.state is LineState.PROVISIONING and nth < 2
        if not waits:
            self._move(ways[nth % len(ways)])

    @rule(command=st.sampled_from(COMMANDS))
    def is_commanded(self, command: str) -> None:
        code = code_of(self.line, command)
        assert code == self.line_model.refusal_of(command)
        if command == "deploy" and code is None:
            self.line.deploy_requested_by = self.line.deploy_requested_by or "tech"

    @precondition(lambda self: self.line_model.refusal_of("records_wanted") is None)
    @rule()
    def has_its_records_verified(self) -> None:
        if self.line.state is LineState.CLOSED:
            self._move(LineState.PROVISIONING)
        self.clock.stop()
        self.clock_model.stopped = True
        self.line.ponr_at, self.line.is_verified, self.line_model.bound = self.now, True, True

    @rule(span=st.sampled_from([HOUR, DAY, 5 * DAY, 23 * DAY]))
    def grows_older(self, span: timedelta) -> None:
        self.now += span
        self._look_at_the_clock()

    @precondition(lambda self: self.clock_model.next_due)
    @rule(microseconds=st.sampled_from([-1, 0, 1]))
    def grows_older_until_about_the_next_due(self, microseconds: int) -> None:
        due = self.clock_model.next_due
        assert due is not None
        self.now = max(self.now, due + timedelta(microseconds=microseconds))
        self._look_at_the_clock()

    @invariant()
    def they_agree(self) -> None:
        assert self.line.state == self.line_model.at
        assert SERVICE_STATUS[self.line.state] == self.line_model.service
        assert self.line.has_ended is self.line_model.has_ended
        if hasattr(self, "clock"):
            assert self.clock.closes_at == self.clock_model.closes_at
            assert self.clock.next_due == self.clock_model.next_due
        assert self.closures <= 1

    def _look_at_the_clock(self) -> None:
        over = self.clock.is_over(self.now)
        assert over is self.clock_model.is_over(self.now)
        if over and self.line.state is LineState.PROVISIONING:
            self._move(LineState.CLOSED)
            self.clock.stop()
            self.clock_model.stopped = True
            self.closures += 1
        elif not over:
            self.clock.warn(self.now)
            self.clock_model.warned = self.now

    def _move(self, to: LineState) -> None:
        if not self.line_model.rows_to(to):
            with pytest.raises(ValueError, match="no transition"):
                self.line.move(to)
            return
        assert self.line.move(to) == self.line_model.at
        first_time = to is LineState.PROVISIONING and "provisioning" not in self.line_model.been
        self.line_model.been.append(str(to))
        if first_time:
            self.clock.start(self.now)
            self.clock_model.started = self.now


TestLine = LineMachine.TestCase
TestLine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
