"""Approval definitions as data: what is refused when published, and what identifies a content (SPEC 4.1)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.approval import Approval
from domain.definitions import MAX_STAGES, ApprovalDefinition, Stage, content_hash
from tests.domain.samples import DAY, HOUR, NOW, definition, offer, stage

SAMPLES = sorted((Path(__file__).parents[2] / "catalog" / "definitions").glob("*.yaml"))


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"combine": "quorum"}, "quorum"),
        ({"combine": "any", "quorum": 2}, "quorum"),
        ({"combine": "quorum", "quorum": 0}, "quorum"),
        ({"combine": "quorum", "quorum": 101}, "quorum"),
        (
            {"combine": "quorum", "quorum": 3, "approvers": {"people": ["ann", "ben", "ben"]}},
            "never be reached",
        ),
        ({"combine": "most"}, "combine"),
        ({"denials": 0}, "denials"),
        ({"deadline": timedelta()}, "deadline"),
        ({"deadline": -DAY}, "deadline"),
        ({"deadline": "P3651D"}, "deadline"),
        ({"deadline": "next week"}, "deadline"),
        ({"reminders": [60 * DAY]}, "reminders"),
        ({"reminders": [timedelta()]}, "reminders"),
        ({"reminders": [-HOUR]}, "reminders"),
        ({"reminders": [HOUR] * 21}, "reminders"),
        ({"approvers": {}}, "names nobody"),
        ({"approvers": {"party": "customer"}}, "names nobody"),
        ({"approvers": {"permission": "vote"}}, "permission"),
        ({"approvers": {"people": ["Ann Example"]}}, "people"),
        ({"name": "Not A Key"}, "name"),
        ({"title": " "}, "title"),
        ({"on_deadline": "escalate"}, "on_deadline"),
        ({"on_nobody": "fallback"}, "on_nobody"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused_and_the_field_named(
    rule: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        stage(**rule)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"stages": []}, "stages"),
        ({"stages": [stage("one"), stage("two"), stage("one")]}, "name of its own"),
        ({"stages": [stage(f"s{n}") for n in range(MAX_STAGES + 1)]}, "stages"),
        ({"version": 0}, "version"),
        ({"name": "trailing\n"}, "name"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused_and_the_field_named(
    rule: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        definition(**rule)


def test_a_quorum_of_whoever_holds_a_permission_may_exceed_the_people_named() -> None:
    stage(combine="quorum", quorum=5, approvers={"people": ["ann"], "permission": "approve"})


def test_what_is_left_out_is_the_careful_choice() -> None:
    defaults = stage()
    assert defaults.deadline == 60 * DAY
    assert (defaults.on_deadline, defaults.on_nobody, defaults.combine) == ("expire", "hold", "any")
    assert (defaults.denials, defaults.self_approval, defaults.reason_required) == (1, False, True)


def test_the_longest_deadline_still_ends_at_an_instant() -> None:
    approval = Approval(definition(stage(deadline="P3650D")), requester="req")
    approval.open_next(NOW)
    assert approval.deadline == NOW + 3650 * DAY


def test_a_definition_is_referred_to_by_name_and_version() -> None:
    assert definition(version=7).reference == "release@7"


# Identity of content


def shuffled(value: Any, random: Any) -> Any:
    """The same JSON with every object's keys in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(each, random) for each in value] if isinstance(value, list) else value


@given(st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_keys(random: Any) -> None:
    written = definition(stage(reminders=[DAY, HOUR]), stage("second", combine="all"))
    again = ApprovalDefinition.model_validate(shuffled(written.model_dump(mode="json"), random))
    assert again == written
    assert content_hash(again) == content_hash(written)


def test_the_hash_does_not_depend_on_the_order_of_an_offers_parameters() -> None:
    one, other = offer(parameters={"a": "1", "b": "2"}), offer(parameters={"b": "2", "a": "1"})
    assert content_hash(one) == content_hash(other)


def test_a_default_written_out_and_another_spelling_of_a_duration_are_the_same_content() -> None:
    brief = stage(deadline="P1D")
    spelt = stage(deadline="PT24H", combine="any", denials=1, reminders=[])
    assert content_hash(brief) == content_hash(spelt)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"title": "Another"},
        {"stages": [stage(), stage("second")]},
        {"stages": [stage(deadline=DAY)]},
        {"stages": [stage(self_approval=True)]},
        {"stages": [stage(approvers={"permission": "operate"})]},
        {"stages": [stage(reminders=[DAY])]},
    ],
)
def test_the_hash_changes_with_the_content(change: dict[str, Any]) -> None:
    assert content_hash(definition(**change)) != content_hash(definition())


def test_the_order_of_stages_is_content() -> None:
    assert content_hash(definition(stage("a"), stage("b"))) != content_hash(
        definition(stage("b"), stage("a"))
    )


def test_a_definition_survives_the_wire_unchanged() -> None:
    written = definition(stage(deadline="P1DT2H0.5S", reminders=["PT1H"]), stage("second"))
    assert ApprovalDefinition.model_validate_json(written.model_dump_json()) == written


# Samples


def test_the_catalogue_has_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_definition_is_valid_and_its_snapshot_stays_below_four_kilobytes(path: Path) -> None:
    sample = ApprovalDefinition.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert sample.name == path.stem
    assert len(sample.model_dump_json().encode()) < 4_096


def test_two_stages_as_a_reference_request_has_them_stay_below_four_kilobytes() -> None:
    named = [f"manager-number-{n}" for n in range(20)]
    two = definition(*(stage(name, approvers={"people": named}, reminders=[DAY] * 7) for name in ("a", "b")))
    assert len(json.dumps(two.model_dump(mode="json")).encode()) < 4_096


def test_a_stage_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Stage.__setattr__(stage(), "deadline", DAY)
