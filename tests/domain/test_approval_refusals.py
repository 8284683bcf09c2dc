"""What people who are refused are told: which stage and round are meant, and who was first (SPEC 4.3, 11)."""

from __future__ import annotations

import pytest

from domain.approval import Approval
from domain.errors import Code
from tests.domain.approval_samples import EVERYTHING, inquire
from tests.domain.samples import HOUR, NOW, opened, people, refused, says, stage, vote


def sent_back_once(then: str = "second") -> Approval:
    """`first` was passed by ann and ben, sent back by dee, passed by cas and ben; eve has approved `then`."""
    approval = opened(
        stage(combine="quorum", quorum=2), stage(then, combine="all", denials=1, on_deny="first")
    )
    vote(approval, "ann+", "ben+")
    approval.open_next(NOW)
    approval.seat(people("dee", "eve"))
    vote(approval, "dee-")
    approval.open_next(NOW)
    approval.seat(people("ann", "ben", "cas"))
    for hours, actor in [(1, "cas"), (2, "ben")]:
        approval.decide(says(actor, round=2), NOW + hours * HOUR)
    approval.open_next(NOW + 2 * HOUR)
    approval.seat(people("dee", "eve"))
    approval.decide(says("eve", stage=then, round=2), NOW + 3 * HOUR)
    return approval


def test_a_stage_that_was_passed_again_is_decided_in_this_round_alone() -> None:
    approval = sent_back_once()
    assert refused(approval, says("cas", round=2)).code is Code.ALREADY_DECIDED
    for round_ in (1, 3):
        refusal = refused(approval, says("cas", round=round_))
        assert refusal.code is Code.WRONG_STAGE
        assert f"first round {round_} is not open; open is second round 2" in refusal.message


@pytest.mark.parametrize("then", ["audit", "second"])
def test_who_comes_late_hears_who_had_the_last_word_in_that_stage_and_round(then: str) -> None:
    refusal = refused(sent_back_once(then), says("ann", "deny", round=2))
    assert "last by ben at 2026-03-02 10:00:00 UTC" in refusal.message


def test_who_may_not_decide_yet_hears_which_of_several_questions_is_the_first() -> None:
    approval = opened(stage(combine="all", allow=EVERYTHING))
    inquire(approval, "ann", "zoe")
    inquire(approval, "ben", "fay")
    assert "an answer of zoe to inquiry 1" in refused(approval, says("cas")).message
