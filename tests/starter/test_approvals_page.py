"""What docs/approvals.md says of actions and definitions is what there is."""

from __future__ import annotations

import re

import pytest
import yaml

from domain.acting import ACTIONS, MAX_ACTIONS
from domain.course import MAX_ROUNDS
from domain.decisions import ApprovalStatus
from domain.definition_checks import findings
from domain.definitions import ApprovalDefinition, Approvers, Escalation, Stage, Wait
from starter.dev.samples import ROOT

PAGE = (ROOT / "docs" / "approvals.md").read_text()
PRINTED = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_printed_definition_is_one_that_can_be_published() -> None:
    read = ApprovalDefinition.model_validate(yaml.safe_load(PRINTED[0]), extra="forbid")
    assert [stage.name for stage in read.stages] == ["credit", "finance", "capacity", "release"]
    assert findings(read) == ()


@pytest.mark.parametrize("model", [ApprovalDefinition, Stage, Approvers, Escalation, Wait])
def test_every_field_of_the_language_is_shown(model: type[ApprovalDefinition]) -> None:
    missing = [name for name in model.model_fields if not re.search(rf"\b{name}:", PRINTED[0])]
    assert missing == []


def test_every_action_has_its_row() -> None:
    for kind in ACTIONS:
        assert re.search(rf"\| `{kind.action.replace('_', '-')}[ `]", PAGE), kind.action


def test_status_words_and_limits_are_the_real_ones() -> None:
    assert all(status in PAGE for status in ApprovalStatus)
    assert f"limited to {MAX_ACTIONS} " in PAGE
    assert f"to {MAX_ROUNDS} rounds" in PAGE


def test_the_pages_beside_it_are_there() -> None:
    for name in re.findall(r"\]\((\S+\.md)\)", PAGE):
        assert (ROOT / "docs" / name).exists(), name
