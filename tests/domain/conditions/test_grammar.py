"""How conditions are read: precedence, bounds, and what is said of a mistake (docs/conditions.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.conditions import ConditionError, check, holds
from domain.conditions.grammar import MAX_DEPTH, MAX_LIST, parse
from domain.definitions import MAX_CONDITION
from domain.request_data import RequestData


def refused(text: str) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        check(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a() || b() && c()", "a() || (b() && c())"),
        ("a() && b() || c()", "(a() && b()) || c()"),
        ("a() == b() && c()", "(a() == b()) && c()"),
        ("a() || b() in c()", "a() || (b() in c())"),
        ("!a() == b()", "(!a()) == b()"),
        ("!a() && b()", "(!a()) && b()"),
        ("!!a()", "!(!(a()))"),
        ("!a().b()", "!(a().b())"),
        ('request.x.b() < request.y["k"].c()', '(request.x.b()) < (request.y["k"].c())'),
        ("a()||b()&&!c()", " a ( )\n||\tb() && // and\n ! c()"),
        ("'k' == \"k\"", "('k') == ('k')"),
    ],
)
def test_the_tighter_sign_is_read_first(text: str, same: str) -> None:
    assert parse(text) == parse(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("(a() || b()) && c()", "a() || b() && c()"),
        ("!(a() == b())", "!a() == b()"),
        ("a() < b()", "b() < a()"),
        ("request.x.b()", "b(request.x)"),
    ],
)
def test_parentheses_and_order_make_a_difference(text: str, other: str) -> None:
    assert parse(text) != parse(other)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "empty condition"),
        ("  // nothing", 13, "empty condition"),
        ('request.offer = "x"', 15, "write =="),
        ('request.offer === "x"', 17, "write =="),
        ("true & true", 6, "write &&"),
        ("true | true", 6, "write ||"),
        ("true and true", 6, "write &&"),
        ("true or true", 6, "write ||"),
        ("not true", 1, "write !"),
        ('"a" not in ["b"]', 5, "write !"),
        ("True", 1, "write true"),
        ("request.note == null", 17, "nothing is ever null"),
        ('offer == "x"', 1, "request.offer"),
        ("request", 1, "name a field"),
        ('request["offer"] == "x"', 1, "name a field"),
        ("request.", 9, "name of a field"),
        ("request.note.", 14, "name of a method"),
        ('request.parameters.seats == "1"', 20, 'request.parameters["seats"]'),
        ("request.note.size().size() > 1", 20, "nothing more"),
        ('request.note == "x', 17, "closing quote"),
        ('request.note == "x\ny"', 17, "closing quote"),
        ("request.note == “x”", 17, "straight quotes"),
        (r'request.note == "\d"', 17, r"unknown escape \d"),
        (r'request.note == "\ud800"', 17, "unknown escape"),
        (r'request.note == "\udfff"', 17, "unknown escape"),
        ('request.note == "a\x07"', 17, r"\x07"),
        ('request.note == "a\u00a0"', 17, r"\xa0"),
        ("request.lead_days > 1.5", 21, "whole"),
        ("request.lead_days > 0x1f", 21, "whole"),
        ("request.lead_days > 1u", 21, "whole"),
        ("request.lead_days > - 1", 21, "minus sign"),
        ("request.lead_days > 1 + 1", 23, "no arithmetic"),
        ("request.lead_days > 9223372036854775808", 21, "lies between"),
        ("request.lead_days == -9223372036854775809", 22, "lies between"),
        ("1 < 2 < 3", 7, "make no chain"),
        ("true ? true : false", 6, "write it with && and ||"),
        ("{} == {}", 1, "no maps"),
        ("true true", 6, "&& or ||"),
        ("true)", 5, "&& or ||"),
        ("(true", 6, ") should stand here"),
        ("true &&", 8, "should stand here"),
        ("== 1", 1, "should stand here"),
        ("in [1]", 1, "should stand here"),
        ("1 in [1 2]", 9, ", should stand here"),
        ("1 in [1,]", 9, "should stand here"),
        ("request.note @ 1", 14, "'@' means nothing"),
        ("request.nöte", 10, "means nothing"),
        ("\ud800", 1, r"'\ud800'"),
    ],
)
def test_a_mistake_is_named_where_it_is_with_what_to_write(text: str, column: int, says: str) -> None:
    error = refused(text)
    assert says in error.message
    assert (error.line, error.column) == (1, column)
    assert str(error) == f"column {column}: {error.message}"


def test_a_mistake_on_a_later_line_names_the_line() -> None:
    error = refused('request.offer == "x"\n  && offer == "y"\n')
    assert (error.line, error.column) == (2, 6)
    assert str(error).startswith("line 2, column 6: unknown name offer")


# Bounds

NESTED = [
    lambda n: "(" * n + "true" + ")" * n,
    lambda n: "!" * n + "true",
    lambda n: "[" * n + "1" + "].size()" * n + " == 1",
    lambda n: "request.parameters[" * n + '"x"' + "]" * n + ' == ""',
    lambda n: 'int("x", ' * n + "1" + ")" * n + " == 1",
]


@pytest.mark.parametrize("nested", NESTED)
def test_nesting_is_bounded(nested: Callable[[int], str]) -> None:
    check(nested(MAX_DEPTH))
    assert "deep" in refused(nested(MAX_DEPTH + 1)).message
    refused(nested(150))


@pytest.mark.parametrize("nested", NESTED)
def test_the_deepest_nesting_is_read_and_answered_far_down_the_stack(nested: Callable[[int], str]) -> None:
    def below(frames: int) -> bool:
        return below(frames - 1) if frames else holds(f"{nested(MAX_DEPTH)}  // {nested}", RequestData())

    assert below(500)


@pytest.mark.parametrize(
    "text", ["!" * 999, "(" * 1000, "[" * 1000, '"a".a' + ".a" * 490, "1<" * 499, "a(" * 500]
)
def test_hostile_repetition_is_refused(text: str) -> None:
    assert refused(text).column <= MAX_CONDITION


def test_a_long_row_of_conditions_is_no_nesting() -> None:
    check(" && ".join(["true"] * 120))
    check(" || ".join(["true"] * 120))


def test_a_list_has_so_many_members_and_no_more() -> None:
    check(f"1 in [{','.join('1' * MAX_LIST)}]")
    assert str(MAX_LIST) in refused(f"1 in [{','.join('1' * (MAX_LIST + 1))}]").message


def test_a_condition_has_so_many_characters_and_no_more() -> None:
    check("true".ljust(MAX_CONDITION))
    error = refused("true".ljust(MAX_CONDITION + 1))
    assert "1,000 characters" in error.message
    assert error.column == MAX_CONDITION + 1
