"""Scripts and requests as people write them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Code, Refusal
from starter.simulation.request import read_request
from starter.simulation.script import When, in_words, read_script


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("do: approve", "steps: Input should be a valid tuple"),
        ("- {at: P1D, who: ann, do: dance}", "steps.0: "),
        ("- {at: P1D, do: approve}", "steps.0.approve.who: Field required"),
        ("- {who: ann, do: approve}", "steps.0.approve: give either `at` or `when`"),
        ("- {at: P1D, when: asked, who: ann, do: approve}", "steps.0.approve: give either `at` or `when`"),
        ("- {at: P1D, after: PT1H, who: ann, do: approve}", "steps.0.approve: after: goes with `when`"),
        ("- {at: -P1D, who: ann, do: approve}", "steps.0.approve.at: "),
        ("- {at: P99999D, who: ann, do: approve}", "steps.0.approve.at: "),
        ("- {at: P1D, who: ann, do: approve, to: bob}", "steps.0.approve.to: 'bob': Extra inputs"),
        ("- {at: P1D, who: ann, do: delegate}", "steps.0.delegate.to: Field required"),
        ("- {at: P1D, who: ann, do: approve, expect: NO_WAY}", "steps.0.approve.expect: 'NO_WAY'"),
        ("- {when: asked, do: condition, answer: failed}", "steps.0.condition: when: no person answers"),
        ("- {at: P1D, do: condition, answer: not_yet}", "steps.0.condition.answer: 'not_yet'"),
    ],
)
def test_a_wrong_script_is_refused_by_step_and_field(tmp_path: Path, written: str, named: str) -> None:
    (tmp_path / "s.yaml").write_text(written)
    with pytest.raises(Refusal) as refused:
        read_script(tmp_path / "s.yaml")
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.startswith(f"s.yaml: {named}")


def test_a_step_has_its_time_or_event(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "- {at: P2DT3H, who: ann, do: approve}\n"
        "- {when: asked, after: PT90M, who: bob, do: add_approver, person: cleo}\n"
        "- {when: opened, stage: credit, do: condition, answer: fulfilled}\n"
    )
    timed, asked, condition = read_script(tmp_path / "s.yaml")
    assert (timed.at, timed.when) == (timedelta(days=2, hours=3), None)
    assert (asked.at, asked.when, asked.after) == (None, When.ASKED, timedelta(minutes=90))
    assert [in_words(step) for step in (timed, asked, condition)] == [
        "at 2d 03:00, ann: approve",
        "0d 01:30 after asked, bob: add approver",
        "when opened, the outside system: condition",
    ]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("offer: {title: X}", "offer.facts.name: Field required"),
        ("offer: Not A Key", "offer.name: 'Not A Key': "),
        ("parameters: {amount: 12000}", "parameters.amount: '12000': "),
        ("requested_start: soon", "requested_start."),
        ("colour: red", "colour: 'red': Extra inputs"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(tmp_path: Path, written: str, named: str) -> None:
    (tmp_path / "r.yaml").write_text(written)
    with pytest.raises(Refusal) as refused:
        read_request(tmp_path / "r.yaml")
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.startswith(f"r.yaml: {named}")
