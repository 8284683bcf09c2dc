"""What conditions see of an order (docs/conditions.md)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.request_data import RequestData, request_data
from tests.domain.samples import DAY, HOUR, NOW, context, line, offer


def test_a_request_shows_the_orders_data_flat() -> None:
    order = context(external_id="PO 4711", note="please", requested_start=NOW + 10 * DAY)
    assert request_data(
        order, line(offer("gateway", version=3, parameters={"size": "small"}))
    ) == RequestData(
        offer="gateway",
        offer_version=3,
        parameters={"size": "small"},
        provider="nordwall",
        partner="helvetic",
        customer="contoso",
        requested_by="req",
        domain="contoso.ch",
        external_id="PO 4711",
        note="please",
        lead_days=10,
    )


def test_what_was_not_given_is_empty() -> None:
    bare = request_data(context(domain=None), line())
    assert (bare.domain, bare.external_id, bare.note, bare.parameters, bare.lead_days) == ("", "", "", {}, 0)
    assert RequestData().offer == ""


@pytest.mark.parametrize(
    ("start", "days"),
    [
        (-3 * DAY, 0),
        (-HOUR, 0),
        (timedelta(), 0),
        (DAY - timedelta(microseconds=1), 0),
        (DAY, 1),
        (10 * DAY - HOUR, 9),
    ],
)
def test_lead_time_counts_whole_days_of_24_hours_and_is_never_negative(start: timedelta, days: int) -> None:
    assert request_data(context(requested_start=NOW + start), line()).lead_days == days
