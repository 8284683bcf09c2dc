"""Offers as data: what is refused when published, and which warnings fit (SPEC 5; L17)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.definitions import content_hash
from domain.offers import Deployment, Offer
from tests.domain.samples import DAY, HOUR, offer

CATALOG = Path(__file__).parents[2] / "catalog"
SAMPLES = sorted((CATALOG / "offers").glob("*.yaml"))
RECORD = {"id": "mx", "purpose": "Mail", "owner": "{domain}", "rule": "mx_only", "rrtype": "MX"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"closes_after": timedelta()}, "closes_after"),
        ({"closes_after": -DAY}, "closes_after"),
        ({"closes_after": "P3651D"}, "closes_after"),
        ({"closure_warnings": [-DAY]}, "closure_warnings"),
        ({"closure_warnings": [timedelta()]}, "closure_warnings"),
        ({"records": [RECORD], "needs_domain": False}, "needs a domain"),
        ({"repeatable": True}, "repeatable"),
        ({"records": [RECORD, RECORD]}, "id of its own"),
        ({"records": [RECORD | {"owner": "{secret}"}]}, "secret"),
        ({"version": 0}, "version"),
        ({"name": "Mail Filter"}, "name"),
        ({"deployment": "sometimes"}, "deployment"),
        ({"includes": [f"o{n}" for n in range(21)]}, "includes"),
        ({"price": "12"}, "price"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused_and_the_field_named(
    change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        offer(**change)


def test_what_is_left_out_is_thirty_days_and_deployment_on_demand() -> None:
    plain = offer()
    assert plain.closes_after == 30 * DAY
    assert plain.deployment is Deployment.ON_DEMAND
    assert plain.reference == "mail@1"
    assert plain.needs_domain
    assert not plain.accepts_free_mail


@pytest.mark.parametrize(
    ("closes_after", "warnings", "fitting"),
    [
        (30 * DAY, [3 * DAY, DAY], [3 * DAY, DAY]),
        (30 * DAY, [DAY, 3 * DAY], [3 * DAY, DAY]),
        (7 * DAY, [3 * DAY, DAY], [DAY]),
        (7 * DAY + HOUR, [3 * DAY, DAY], [3 * DAY, DAY]),
        (DAY, [3 * DAY, DAY, HOUR], [HOUR]),
        (30 * DAY, [30 * DAY, 31 * DAY], []),
        (30 * DAY, [], []),
        (None, [3 * DAY, DAY], []),
    ],
)
def test_warnings_fit_into_the_time_until_closure_and_seven_day_offers_warn_within_the_last_day(
    closes_after: timedelta | None, warnings: list[timedelta], fitting: list[timedelta]
) -> None:
    assert list(offer(closes_after=closes_after, closure_warnings=warnings).warnings) == fitting


@given(
    closes_after=st.integers(1, 2_000).map(lambda hours: hours * HOUR),
    warnings=st.lists(st.integers(1, 3_000).map(lambda hours: hours * HOUR), max_size=10),
)
def test_no_warning_comes_before_the_start(closes_after: timedelta, warnings: list[timedelta]) -> None:
    fitting = offer(closes_after=closes_after, closure_warnings=warnings).warnings
    assert all(timedelta() < warning < closes_after for warning in fitting)
    assert list(fitting) == sorted(fitting, reverse=True)


def test_the_catalogue_has_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_offer_is_valid_and_what_it_names_exists(path: Path) -> None:
    sample = Offer.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert sample.name == path.stem
    others = {other.stem for other in SAMPLES}
    assert {*sample.includes, *sample.requires, *sample.excludes} <= others - {sample.name}
    if sample.approval is not None:
        assert (CATALOG / "definitions" / f"{sample.approval}.yaml").exists()
    assert Offer.model_validate_json(sample.model_dump_json()) == sample


def test_no_two_samples_have_the_same_content() -> None:
    offers = [Offer.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in SAMPLES]
    assert len({content_hash(each) for each in offers}) == len(offers)
