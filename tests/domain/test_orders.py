"""Orders: what is ordered along, and what the lines add up to (SPEC 5; provisioning.md b.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import Code, Refusal
from domain.line import ENDS, LineState
from domain.offers import Offer
from domain.orders import MAX_LINES, OrderState, SubmitOrder, derive_state, expand_items, service_id
from tests.domain.samples import offer, order_line

OFFERS = {
    each.name: each
    for each in [
        offer("base"),
        offer("mail", includes=["base"]),
        offer("archive", includes=["mail"]),
        offer("sign", includes=["base"]),
        offer("loop-a", includes=["loop-b"]),
        offer("loop-b", includes=["loop-a"]),
        offer("self", includes=["self"]),
        offer("broken", includes=["nowhere"]),
    ]
}


def lines(*wanted: str, present: frozenset[str] = frozenset()) -> list[tuple[str, bool]]:
    expanded = expand_items([OFFERS[name] for name in wanted], OFFERS, present)
    return [(each.name, added) for each, added in expanded]


def test_what_an_offer_includes_is_ordered_along_and_marked_as_added() -> None:
    assert lines("mail") == [("base", True), ("mail", False)]


def test_what_included_offers_include_is_ordered_along_too() -> None:
    expanded = lines("archive")
    assert sorted(expanded) == [("archive", False), ("base", True), ("mail", True)]
    assert expanded[-1] == ("archive", False)


def test_what_several_offers_include_is_ordered_once() -> None:
    assert lines("mail", "sign") == [("base", True), ("mail", False), ("sign", False)]


def test_what_is_ordered_itself_is_not_added() -> None:
    assert lines("mail", "base") == [("mail", False), ("base", False)]


def test_what_the_domain_already_has_is_not_added() -> None:
    assert lines("mail", present=frozenset({"base"})) == [("mail", False)]


def test_offers_that_include_each_other_or_themselves_do_not_run_in_circles() -> None:
    assert lines("loop-a") == [("loop-b", True), ("loop-a", False)]
    assert lines("self") == [("self", False)]


def test_an_offer_ordered_twice_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match="mail is ordered twice") as caught:
        lines("mail", "base", "mail")
    assert caught.value.code is Code.DUPLICATE


def test_an_included_offer_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match="nowhere") as caught:
        lines("broken")
    assert caught.value.code is Code.INVALID_INPUT


@given(
    wanted=st.lists(st.sampled_from(["base", "mail", "archive", "sign", "loop-a", "self"]), unique=True),
    present=st.frozensets(st.sampled_from(sorted(OFFERS))),
)
def test_nothing_is_ordered_twice_and_nothing_wanted_is_lost(
    wanted: list[str], present: frozenset[str]
) -> None:
    expanded = lines(*wanted, present=present)
    names = [name for name, _ in expanded]
    assert len(set(names)) == len(names)
    assert [name for name, added in expanded if not added] == wanted
    assert not {name for name, added in expanded if added} & present
    missing = {needed for name in names for needed in OFFERS[name].includes} - set(names) - present
    assert not missing


# What the lines add up to


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("provisioned", "completed"),
        ("provisioned provisioned", "completed"),
        ("provisioned failed", "partial"),
        ("provisioned rejected", "partial"),
        ("provisioned cancelled", "partial"),
        ("failed", "failed"),
        ("failed failed", "failed"),
        ("failed rejected cancelled", "failed"),
        ("rejected", "rejected"),
        ("expired", "rejected"),
        ("expired cancelled", "rejected"),
        ("cancelled", "cancelled"),
        ("cancelled cancelled", "cancelled"),
    ],
)
def test_the_order_ends_as_its_lines_do(ends: str, state: str) -> None:
    assert derive_state(LineState(end) for end in ends.split()) == state


@given(st.lists(st.sampled_from(sorted(ENDS)), min_size=1), st.randoms())
def test_neither_the_order_nor_the_number_of_equal_lines_matters(
    ends: list[LineState], random: object
) -> None:
    shuffled = [*ends, *ends]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert derive_state(shuffled) is derive_state(ends)
    assert derive_state(ends) not in {OrderState.ACKNOWLEDGED, OrderState.IN_PROGRESS}


def test_an_expired_approval_counts_as_declined() -> None:
    assert derive_state([LineState.EXPIRED]) is derive_state([LineState.REJECTED]) is OrderState.REJECTED


# What comes in


def submit(**change: object) -> SubmitOrder:
    plain = {"customer": "contoso", "requested_by": "req", "items": [{"offer": "mail"}]}
    return SubmitOrder.model_validate(plain | change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{"offer": "mail"}] * (MAX_LINES + 1)}, "items"),
        ({"items": [{"offer": "mail", "price": 0}]}, "price"),
        ({"customer": "Contoso AG"}, "customer"),
        ({"requested_start": "2026-03-02T08:00:00"}, "requested_start"),
        ({"requested_start": "soon"}, "requested_start"),
        ({"note": "x" * 2_001}, "note"),
        ({"note": "ring\a"}, "note"),
        ({"domain": "x" * 1_001}, "domain"),
        ({"urgent": True}, "urgent"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_and_the_field_named(
    change: dict[str, object], field: str
) -> None:
    with pytest.raises(ValidationError, match=field):
        submit(**change)


def test_a_start_date_in_any_zone_is_kept_as_utc() -> None:
    start = submit(requested_start="2026-03-02T08:00:00+01:00").requested_start
    assert start is not None
    assert start.isoformat() == "2026-03-02T07:00:00+00:00"


def test_a_line_provides_the_service_named_after_order_and_number() -> None:
    assert order_line(number=3).service == service_id("7k3f", 3) == "7k3f-3"


def test_an_offer_is_kept_whole_with_its_line() -> None:
    of: Offer = offer(parameters={"plan": "base"})
    assert order_line(of).line.offer == of
