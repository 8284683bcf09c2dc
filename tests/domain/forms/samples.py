"""Forms to answer: those of the sample catalogue, and one that is as small as a rule needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from domain.forms import Form, FormField, Group
from domain.forms.fields import BooleanField, ChoiceField, IntegerField, TextField
from domain.forms.formats import CountryField, DateField, EmailField, HostnameField, TimeZoneField
from domain.offers import Offer

OFFERS = Path(__file__).parents[3] / "catalog" / "offers"


def sample(name: str) -> Offer:
    return Offer.model_validate(yaml.safe_load((OFFERS / f"{name}.yaml").read_text(encoding="utf-8")))


def form_of(offer: Offer) -> Form:
    assert offer.form is not None
    return offer.form


MEETINGS = sample("meetings-suite")
LETTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "S"])
CALLING = sample("calling-suite")
LICENCES = {"licences": "25"}


def field(type_: str, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "title": {"de": name.title(), "en": name.title()}, **more}


def form(*fields: dict[str, Any]) -> Form:
    return Form.model_validate({"fields": fields})


def sites(**more: Any) -> dict[str, Any]:
    """A group that shares out licences."""
    inner = [field("text", "name"), field("integer", "licences", minimum=1, maximum=100)]
    rule = {"field": "licences", "parameter": "licences"}
    return field("group", "sites", fields=inner, max_items=3, distribute=rule, **more)


# Answers


def scalar(one: FormField) -> st.SearchStrategy[Any]:
    """Right answers to a field."""
    right: dict[type[FormField], Callable[[Any], st.SearchStrategy[Any]]] = {
        TextField: lambda text: st.text(LETTERS, min_size=text.min_length, max_size=min(text.max_length, 30)),
        IntegerField: lambda number: st.integers(number.minimum, number.maximum),
        BooleanField: lambda _: st.booleans(),
        ChoiceField: lambda choice: st.sampled_from([each.value for each in choice.choices]),
        TimeZoneField: lambda _: st.sampled_from(["Europe/Zurich", "America/New_York", "Asia/Kathmandu"]),
        CountryField: lambda country: st.sampled_from(country.among or ("CH", "BR")),
        DateField: lambda day: st.dates(day.earliest or date.min, day.latest or date.max).map(str),
        EmailField: lambda _: st.just("ann@contoso.example"),
        HostnameField: lambda _: st.from_regex(r"[a-z][a-z0-9]{3,20}", fullmatch=True),
    }
    return right[type(one)](one)


@st.composite
def answers_to(draw: st.DrawFn, wanted: Form, total: int = 25) -> dict[str, Any]:
    """Complete and right answers to a form whose groups share out `total`."""
    given: dict[str, Any] = {}
    for each in wanted.fields:
        if not _is_asked(each, given):
            continue
        if isinstance(each, Group):
            given[each.name] = draw(_items(each, total))
        else:
            given[each.name] = draw(scalar(each))
    return given


@st.composite
def _items(draw: st.DrawFn, group: Group, total: int) -> list[dict[str, Any]]:
    count = draw(st.integers(group.min_items, group.max_items))
    if not count:
        return []
    cuts = sorted(draw(st.sets(st.integers(1, total - 1), min_size=count - 1, max_size=count - 1)))
    shares = [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]
    items: list[dict[str, Any]] = []
    for n in range(count):
        item: dict[str, Any] = {}
        for each in group.fields:
            if _is_asked(each, item):
                item[each.name] = draw(scalar(each))
        if group.unique:
            item[group.unique] = f"{item[group.unique]}{n}"
        if group.distribute:
            item[group.distribute.field] = shares[n]
        items.append(item)
    return items


def _is_asked(each: FormField | Group, given: dict[str, Any]) -> bool:
    condition = each.visible_when
    return condition is None or given.get(condition.field) in condition.equals
