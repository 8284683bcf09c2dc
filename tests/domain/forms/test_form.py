"""What is refused when a form is declared: it could never be answered, or not by everybody (SPEC 5.5)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.base import Language
from domain.forms import Form, Group, Words
from domain.offers import Offer
from tests.domain.forms.samples import CALLING, MEETINGS, field, form, form_of, sites
from tests.domain.samples import DAY

YES = field("boolean", "extra")
CHOICE = field("choice", "plan", choices=[{"value": "a", "title": {"de": "A", "en": "A"}}])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([field("text"), field("integer")], "f: another field has this name"),
        (
            [field("text", visible_when={"field": "extra", "equals": [True]}), YES],
            "no field extra is asked before",
        ),
        ([field("text", visible_when={"field": "f", "equals": ["a"]})], "no field f is asked before it"),
        (
            [CHOICE, field("text", visible_when={"field": "plan", "equals": ["a", "c"]})],
            "f.visible_when: plan is never c: must be one of a",
        ),
        ([YES, field("text", visible_when={"field": "extra", "equals": [1]})], "extra is never 1"),
        (
            [field("text", "note"), field("text", visible_when={"field": "note", "equals": ["x"]})],
            "note is a text; only choice",
        ),
        (
            [sites(), field("text", visible_when={"field": "sites", "equals": [1]})],
            "sites is a group; only choice",
        ),
        ([field("text", default="x" * 201)], "f.default: is 201 characters long"),
        ([field("integer", maximum=5, default=6)], "f.default: must be from 0 to 5"),
        ([field("country", default="XX")], "f.default: is no ISO 3166-1"),
        ([field("country", among=["CH", "XX"])], "is no ISO 3166-1"),
        ([field("country", among=["CH"], default="DE")], "not offered in DE"),
        ([field("time_zone", default="Europe/Bern")], "f.default: is no IANA time zone"),
        ([field("date", default="2026-02-30")], "f.default: must be a date"),
        ([field("email", default="Ann <ann@contoso.example>")], "f.default: .*not a single mail address"),
        ([field("hostname", under="no domain")], "f.under: no domain is no domain"),
        ([field("text", min_length=5, max_length=4)], "f.min_length: 5 is above max_length 4"),
        ([field("integer", minimum=5, maximum=4)], "f.minimum: 5 is above maximum 4"),
        ([field("date", earliest="2026-03-02", latest="2026-03-01")], "f.earliest: 2026-03-02 is above"),
        (
            [field("choice", choices=CHOICE["choices"] * 2)],
            "f.choices: every choice needs a value of its own",
        ),
        ([field("choice", choices=[])], "choices"),
        ([field("text", max_length=2001)], "max_length"),
        ([field("text", name="With Space")], "name"),
        ([field("text", name="x" * 41)], "name"),
        ([field("colour")], "colour"),
        ([], "fields"),
        ([field("text", f"f{n}") for n in range(51)], "fields"),
        ([sites(min_items=4)], "sites.min_items: 4 is above max_items 3"),
        ([sites(unique="address")], "sites.unique: the group has no field address"),
        ([sites() | {"max_items": 51}], "max_items"),
        ([sites() | {"distribute": {"field": "name", "parameter": "p"}}], "name must be a required integer"),
        (
            [sites() | {"distribute": {"field": "seats", "parameter": "p"}}],
            "seats must be a required integer",
        ),
        ([sites() | {"fields": [field("text"), field("text")]}], r"sites\.f: another field has this name"),
        ([sites() | {"fields": [sites()]}], "group"),
        (
            [
                field("group", fields=[field("text", max_length=2000)], max_items=50),
                field("text", "g", max_length=2),
            ],
            "could have 100002 characters, above 100000",
        ),
    ],
)
def test_a_form_nobody_could_answer_is_refused_and_the_field_named(
    fields: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        form(*fields)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "parameter licences must be a whole number"),
        ({"licences": "many"}, "must be a whole number"),
        ({"licences": "-3"}, "must be a whole number"),
        ({"licences": "٢٥"}, "must be a whole number"),
        ({"licences": "9" * 5_000}, "must be a whole number"),
        ({"licences": "0"}, "is 0, but 1 items have 1 at least"),
        ({"licences": "301"}, "is 301, more than 3 items could take"),
    ],
)
def test_a_total_that_the_offer_lacks_or_nobody_could_share_out_is_refused(
    parameters: dict[str, str], problem: str
) -> None:
    offer = {"name": "o", "version": 1, "title": "O", "parameters": parameters}
    with pytest.raises(ValidationError, match=f"sites.distribute: parameter licences.*{problem}|{problem}"):
        Offer.model_validate(offer | {"form": form(sites())})


def test_an_offer_may_hold_back_what_its_items_cannot_take() -> None:
    rule = {"field": "licences", "parameter": "licences", "exactly": False}
    offer = {"name": "o", "version": 1, "title": "O", "parameters": {"licences": "301"}}
    assert Offer.model_validate(offer | {"form": form(sites() | {"distribute": rule})}).form


def test_the_samples_ask_what_the_seed_asks() -> None:
    (sites_,) = (each for each in form_of(MEETINGS).fields if isinstance(each, Group))
    assert {"name", "time_zone", "early_release", "licences"} <= {each.name for each in sites_.fields}
    assert {"location", "country", "street", "city"} <= {each.name for each in form_of(CALLING).fields}
    assert [MEETINGS.closes_after, CALLING.closes_after] == [7 * DAY, 30 * DAY]
    assert MEETINGS.needs_contact
    assert CALLING.needs_contact


def test_a_form_survives_the_wire_unchanged() -> None:
    for offer in (MEETINGS, CALLING):
        assert Form.model_validate_json(form_of(offer).model_dump_json()) == offer.form


def test_words_are_in_the_readers_language() -> None:
    words = Words(de="Standort", en="Location")
    assert [words.in_language(language) for language in (Language.DE, Language.EN)] == [
        "Standort",
        "Location",
    ]
