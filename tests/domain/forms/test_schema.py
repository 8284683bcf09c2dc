"""The JSON Schema of a form says what its rules say, in a dialect other people's tools read."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.base import Language
from domain.errors import Refusal
from domain.forms import Form, FormField, json_schema, validate
from tests.domain.forms.samples import CALLING, LICENCES, MEETINGS, answers_to, field, form, form_of, sites

FORMS = [form_of(MEETINGS), form_of(CALLING)]
KEYWORDS = {
    "$schema", "additionalProperties", "allOf", "const", "default", "description", "else", "enum", "format",
    "if", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "oneOf", "pattern",
    "properties", "required", "then", "title", "type", "x-distribute",
}  # fmt: skip
"""Keywords of JSON Schema 2020-12 that we use, and our one annotation."""

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def conforms(value: Any, schema: Any) -> bool:
    """A second opinion: JSON Schema 2020-12 by its text, as far as forms use it."""
    if isinstance(schema, bool):
        return schema
    named = schema.get("type")
    if named and not isinstance(value, TYPES[named]):
        return False
    if named == "integer" and isinstance(value, bool):
        return False
    if "if" in schema:
        branch = "then" if conforms(value, schema["if"]) else "else"
        if not conforms(value, schema.get(branch, True)):
            return False
    return (
        ("enum" not in schema or value in schema["enum"])
        and ("const" not in schema or value == schema["const"])
        and all(conforms(value, each) for each in schema.get("allOf", ()))
        and ("oneOf" not in schema or sum(conforms(value, each) for each in schema["oneOf"]) == 1)
        and (not isinstance(value, str) or _string_conforms(value, schema))
        and (
            not isinstance(value, int)
            or schema.get("minimum", value) <= value <= schema.get("maximum", value)
        )
        and (not isinstance(value, list) or _array_conforms(value, schema))
        and (not isinstance(value, dict) or _object_conforms(value, schema))
    )


def _string_conforms(value: str, schema: dict[str, Any]) -> bool:
    fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return fits and re.search(schema.get("pattern", ""), value) is not None


def _array_conforms(value: list[Any], schema: dict[str, Any]) -> bool:
    fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
    return fits and all(conforms(each, schema.get("items", True)) for each in value)


def _object_conforms(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    known = schema.get("properties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        conforms(each, known.get(name, schema.get("additionalProperties", True)))
        for name, each in value.items()
    )


def parts(schema: Any) -> list[dict[str, Any]]:
    """Every schema within a schema."""
    if not isinstance(schema, dict):
        return []
    inner = [*schema.get("properties", {}).values(), *schema.get("allOf", ()), *schema.get("oneOf", ())]
    inner += [schema[key] for key in ("items", "if", "then", "else", "additionalProperties") if key in schema]
    return [schema, *(part for each in inner for part in parts(each))]


@pytest.mark.parametrize("wanted", FORMS)
@pytest.mark.parametrize("language", Language)
def test_a_schema_is_plain_json_of_known_keywords_with_every_required_field_declared(
    wanted: Form, language: Language
) -> None:
    schema = json_schema(wanted, language)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema
    for part in parts(schema):
        assert set(part) <= KEYWORDS
        if part.get("type") == "object":
            assert set(part["required"]) <= set(part["properties"])
            assert part["additionalProperties"] is False
        if "pattern" in part:
            assert re.compile(part["pattern"])


@given(
    st.sampled_from(FORMS).flatmap(lambda wanted: st.tuples(st.just(wanted), answers_to(wanted))), st.data()
)
def test_right_answers_conform_and_what_the_rules_refuse_by_shape_does_not(
    given_: tuple[Form, Any], data: st.DataObject
) -> None:
    wanted, answers = given_
    schema = json_schema(wanted, Language.EN)
    assert conforms(answers, schema)
    assert conforms(validate(wanted, answers, LICENCES), schema)
    assert not conforms(answers | {"no_such_field": 1}, schema)
    asked = data.draw(st.sampled_from([each for each in wanted.fields if each.name in answers]))
    assert not conforms(answers | {asked.name: {"an": "object"}}, schema)
    decides = any(each.visible_when and each.visible_when.field == asked.name for each in wanted.fields)
    if not decides:
        left = {name: each for name, each in answers.items() if name != asked.name}
        can_be_left = isinstance(asked, FormField) and (asked.default is not None or not asked.required)
        assert conforms(left, schema) is can_be_left


CHAIN = form(
    field("boolean", "extra", default=True),
    field("country", "country", visible_when={"field": "extra", "equals": [True]}, default="US"),
    field("text", "state", visible_when={"field": "country", "equals": ["US"]}),
)


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        ({}, False),
        ({"state": "Ohio"}, True),
        ({"extra": False}, True),
        ({"extra": False, "state": "Ohio"}, False),
        ({"extra": False, "country": "US"}, False),
        ({"country": "CH"}, True),
        ({"country": "CH", "state": "Ohio"}, False),
    ],
)
def test_schema_and_rules_agree_on_what_depends_on_defaults(answers: dict[str, Any], right: bool) -> None:
    assert conforms(answers, json_schema(CHAIN, Language.EN)) is right
    with nullcontext() if right else pytest.raises(Refusal):
        validate(CHAIN, answers, {})


def test_a_group_that_shares_out_says_so() -> None:
    schema = json_schema(form(sites()), Language.DE)["properties"]["sites"]
    assert schema["x-distribute"] == {"field": "licences", "parameter": "licences", "exactly": True}
    assert schema["items"]["required"] == ["name"]


def test_titles_are_in_the_language_asked_for() -> None:
    german, english = (json_schema(form_of(CALLING), language) for language in Language)
    assert german["properties"]["location"]["title"] == "Name des Standorts"
    assert english["properties"]["location"]["title"] == "Location name"
    assert "Hauptzentrale" in german["properties"]["location"]["description"]
