"""docs/conditions.md says what is so: its examples, its fields, its refusals, its grammar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from domain.conditions import check, grammar
from domain.conditions.types import FIELDS, FUNCTIONS, METHODS
from domain.definitions import MAX_CONDITION
from tests.domain.conditions.test_grammar import refused

PAGE = (Path(__file__).parents[3] / "docs" / "conditions.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
IN_TABLES = [
    cell
    for cell in re.findall(r"`(\S[^`]*)` \|$", PAGE, re.MULTILINE)
    if "request" in cell and "when" not in cell
]


@pytest.mark.parametrize("text", [*BLOCKS["cel"].splitlines(), *IN_TABLES])
def test_every_example_is_a_condition(text: str) -> None:
    check(text)


def test_the_example_of_a_stage_has_a_condition() -> None:
    check(yaml.safe_load(BLOCKS["yaml"])["stages"][0]["when"])


def test_every_field_is_listed_with_its_type() -> None:
    assert dict(re.findall(r"^\| `request\.(\w+)` \| (\w+) \|", PAGE, re.MULTILINE)) == FIELDS


def test_every_method_and_function_is_listed() -> None:
    assert all(f"`.{name}(" in PAGE for name in METHODS)
    assert all(f"`{name}(" in PAGE for name in FUNCTIONS)


@pytest.mark.parametrize(
    ("text", "refusal"), re.findall(r"^\| `(.+?)` \| (column .+?) \|$", PAGE, re.MULTILINE)
)
def test_a_mistake_is_answered_as_shown(text: str, refusal: str) -> None:
    assert str(refused(text)) == refusal


def test_the_grammar_and_its_bounds_are_the_codes() -> None:
    rules = [" ".join(rule.split()) for rule in BLOCKS[""].splitlines()]
    in_code = [" ".join(line.split()) for line in (grammar.__doc__ or "").splitlines() if " = " in line]
    assert rules == in_code
    assert f"{MAX_CONDITION:,} characters, {grammar.MAX_DEPTH} levels" in PAGE
    assert f"{grammar.MAX_LIST} members" in PAGE
