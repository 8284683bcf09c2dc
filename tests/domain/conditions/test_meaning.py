"""What conditions say of requests, and that nothing a checked one meets can stop it (docs/conditions.md)."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.conditions import ConditionError, check, holds
from domain.definitions import MAX_CONDITION
from domain.request_data import RequestData
from tests.domain.conditions.writing import PIECES, Written, conditions, requests

ORDER = RequestData(
    offer="dedicated-gateway",
    offer_version=3,
    parameters={"seats": "120", "size": "large", "empty": ""},
    partner="helvetic",
    customer="contoso",
    domain="contoso.ch",
    lead_days=14,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('request.offer == "dedicated-gateway"', True),
        ("request.offer != 'dedicated-gateway'", False),
        ("request.offer_version >= 3 && request.lead_days < 15", True),
        ("request.partner == request.customer", False),
        ('request.parameters["size"] in ["medium", "large"]', True),
        ('"size" in request.parameters && !("colour" in request.parameters)', True),
        ("request.lead_days in [7, 14]", True),
        ('request.domain.endsWith(".ch")', True),
        ('request.offer.startsWith("gateway") || request.offer.contains("gateway")', True),
        ("request.external_id.size() > 0", False),
        ("request.parameters.size() == 3", True),
        ('["a", "b"].size() == 2', True),
        ("// who wants much waits\nrequest.lead_days > 5 // days\n", True),
    ],
)
def test_a_condition_is_read_as_its_author_meant_it(text: str, answer: bool) -> None:
    assert holds(text, ORDER) is answer


@pytest.mark.parametrize(
    ("less", "more"), [("6", "7"), ("-1", "0"), ('"a"', '"b"'), ('""', '" "'), ('"B"', '"a"')]
)
def test_order_counts_equals_as_its_signs_say(less: str, more: str) -> None:
    true = [
        f"{less} < {more}",
        f"{less} <= {more}",
        f"{less} <= {less}",
        f"{more} > {less}",
        f"{more} >= {more}",
    ]
    false = [f"{less} < {less}", f"{more} <= {less}", f"{less} > {less}", f"{less} >= {more}"]
    assert [holds(text, ORDER) for text in true + false] == [True] * len(true) + [False] * len(false)


def test_a_parameter_that_is_not_there_is_an_empty_string() -> None:
    assert holds('request.parameters["colour"] == ""', ORDER)
    assert holds('request.parameters["empty"] == ""', ORDER)
    assert not holds('"colour" in request.parameters', ORDER)
    assert holds('"empty" in request.parameters', ORDER)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("120", 120),
        ("-7", -7),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        *[
            (odd, 5)
            for odd in ["", "many", "1.5", "1 000", "+1", "--1", "1\n", "²", "١", "9" * 19, "9" * 5_000]
        ],
    ],
)
def test_int_makes_a_number_of_digits_and_its_second_argument_of_the_rest(value: str, number: int) -> None:
    data = RequestData(parameters={"seats": value})
    assert holds(f'int(request.parameters["seats"], 5) == {number}', data)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (r'"\""', '"'),
        (r"'\''", "'"),
        (r'"a\\b"', "a\\b"),
        (r'"\n\r\t"', "\n\r\t"),
        (r'"\u00e4\u2028"', "ä\u2028"),
        (r'"\ud7ff\ue000"', "\ud7ff\ue000"),
        ('"it\'s"', "it's"),
        ('"// no comment"', "// no comment"),
        ('"😀"', "😀"),
    ],
)
def test_a_string_means_what_stands_in_it(written: str, means: str) -> None:
    assert holds(f"request.note == {written}", RequestData(note=means))


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -0])
def test_numbers_have_64_bits(number: int) -> None:
    assert holds(f"request.lead_days == {number}", RequestData(lead_days=number))


@given(conditions(), requests)
def test_every_condition_says_what_its_parts_say(written: Written, data: RequestData) -> None:
    assume(len(written.text) <= MAX_CONDITION)
    assert holds(written.text, data) is written.says(data)


@given(conditions(), requests, st.data())
def test_a_condition_with_a_slip_is_refused_or_works(
    written: Written, data: RequestData, slip: st.DataObject
) -> None:
    at = slip.draw(st.integers(0, len(written.text)))
    until = slip.draw(st.integers(at, min(len(written.text), at + 3)))
    text = written.text[:at] + slip.draw(st.sampled_from(["", *PIECES])) + written.text[until:]
    never_fails(text, data)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), requests)
def test_whatever_is_accepted_works(text: str, data: RequestData) -> None:
    never_fails(text, data)


@given(st.text(), requests)
def test_text_that_is_no_condition_is_refused_as_such(text: str, data: RequestData) -> None:
    never_fails(text, data)


def never_fails(text: str, data: RequestData) -> None:
    """Either `check` says what is wrong, at a place that exists, or the condition is true or false."""
    error = refusal_of(text)
    if error is None:
        assert holds(text, data) in {True, False}
        return
    lines = text.split("\n")
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    assert str(error).encode()


def refusal_of(text: str) -> ConditionError | None:
    try:
        check(text)
    except ConditionError as error:
        return error
    return None


class Watched(RequestData):
    """A request that remembers what was looked at."""

    def __getattribute__(self, name: str) -> object:
        if name in RequestData.model_fields:
            _LOOKED.append(name)
        return super().__getattribute__(name)


_LOOKED: list[str] = []


@pytest.mark.parametrize(
    ("text", "looked"),
    [
        ('request.offer == "" || request.note == ""', ["offer"]),
        ('request.offer != "" || request.note == ""', ["offer", "note"]),
        ('request.offer != "" && request.note == ""', ["offer"]),
        ('request.offer == "" && request.note == ""', ["offer", "note"]),
        ('true || request.offer == "" && request.note == ""', []),
    ],
)
def test_what_cannot_change_the_answer_is_not_looked_at(text: str, looked: list[str]) -> None:
    _LOOKED.clear()
    holds(text, Watched())
    assert looked == _LOOKED


def test_a_condition_that_was_never_checked_is_refused_whatever_the_request() -> None:
    with pytest.raises(ConditionError):
        holds("request.offer", ORDER)
