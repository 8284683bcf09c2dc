"""What conditions may compare with what, and what they may look at (docs/conditions.md)."""

from __future__ import annotations

import pytest

from domain.conditions import ConditionError, check
from domain.conditions.types import FIELDS, FUNCTIONS, METHODS, Type
from domain.request_data import RequestData
from tests.domain.conditions.test_grammar import refused

BY_TYPE = {
    Type.BOOL: ["true", "(1 < 2)", '"a".contains("b")'],
    Type.INT: ["7", "request.lead_days", '"a".size()', 'int("a", 1)'],
    Type.STRING: ['"a"', "request.offer", 'request.parameters["a"]'],
    Type.INTS: ["[1, 2]", "[request.lead_days]"],
    Type.STRINGS: ['["a"]', "[request.offer, 'b']"],
    Type.MAP: ["request.parameters"],
}
EACH = [(kind, text) for kind, texts in BY_TYPE.items() for text in texts]
FITTING = {
    "==": {(kind, kind) for kind in (Type.BOOL, Type.INT, Type.STRING)},
    "<": {(kind, kind) for kind in (Type.INT, Type.STRING)},
    "in": {(Type.INT, Type.INTS), (Type.STRING, Type.STRINGS), (Type.STRING, Type.MAP)},
}
FITTING |= {"!=": FITTING["=="], "<=": FITTING["<"], ">": FITTING["<"], ">=": FITTING["<"]}


def accepts(text: str) -> bool:
    try:
        check(text)
    except ConditionError:
        return False
    return True


@pytest.mark.parametrize("sign", FITTING)
def test_only_like_things_are_compared(sign: str) -> None:
    for left, one in EACH:
        for right, other in EACH:
            assert accepts(f"{one} {sign} {other}") is ((left, right) in FITTING[sign]), (one, sign, other)


def test_only_true_or_false_is_negated_joined_or_the_answer() -> None:
    for kind, text in EACH:
        for whole in (text, f"!{text}", f"true && {text}", f"{text} || true"):
            assert accepts(whole) is (kind is Type.BOOL), whole


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ('request.ofer == "x"', 9, "no field ofer; did you mean offer?"),
        ("request.lead_day > 1", 9, "did you mean lead_days?"),
        ('request.zzz == "x"', 9, "there are customer, domain"),
        ("request.offer.startWith('a')", 15, "did you mean startsWith?"),
        ("request.offer.upper() == 'A'", 15, "there are contains, endsWith"),
        ("size(request.offer) > 1", 1, "write string.size(…)"),
        ("request.offer.int(1) > 1", 15, "write int(string, …)"),
        ("number('1') > 1", 1, "there are int"),
        ("int('1') > 1", 1, "int takes 2 in its parentheses, not 1"),
        ("request.offer.startsWith()", 15, "startsWith takes 1 in its parentheses, not 0"),
        ("request.offer.startsWith(1)", 26, "takes a string, this is an int"),
        ("request.lead_days.startsWith('1')", 9, "takes a string, this is an int"),
        ("request.lead_days.size() > 1", 9, "size takes a string or a list(int) or"),
        ('request.parameters["seats"] > 100', 29, "int(string, otherwise)"),
        ("request.offer == true", 15, "a string == a bool compares unlike things"),
        ("request.offer", 9, "this is a string, not true or false"),
        ("request.lead_days || true", 9, "|| takes true or false, this is an int"),
        ('!request.partner in ["a"]', 10, "put what it negates in parentheses"),
        ('request.offer["x"] == ""', 14, "request.offer is a string; only a map has"),
        ('request.parameters[1] == ""', 20, "takes a string, this is an int"),
        ('"a" in "abc"', 8, "not into a string"),
        ('1 in ["a"]', 3, "an int can never be in a list(string)"),
        ('"a" in ["a", 1]', 14, "an int in a list of strings"),
        ("1 in [true]", 7, "not a bool"),
        ("1 in []", 6, "empty list"),
        ("request.parameters == request.parameters", 20, "does not compare a map"),
    ],
)
def test_what_makes_no_sense_is_named_where_it_is(text: str, column: int, says: str) -> None:
    error = refused(text)
    assert says in error.message
    assert error.column == column


def test_every_field_of_a_request_can_be_asked_for() -> None:
    assert set(FIELDS) == set(RequestData.model_fields)
    asked = {Type.STRING: '== ""', Type.INT: "== 0", Type.MAP: '["x"] == ""'}
    for name, kind in FIELDS.items():
        check(f"request.{name} {asked[kind]}")


def test_no_name_of_a_field_or_a_function_is_a_word_of_the_language() -> None:
    assert not {*FIELDS, *METHODS, *FUNCTIONS} & {"true", "false", "in", "request"}
