"""A set-up form as JSON Schema 2020-12, for pages and systems that build or check forms by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.base import Language
from domain.forms.fields import FormField, Words
from domain.forms.form import Form, Group

DIALECT = "https://json-schema.org/draft/2020-12/schema"

DISTRIBUTE = "x-distribute"
"""Annotation of a group whose items share a total: JSON Schema itself cannot add up."""


def json_schema(form: Form, language: Language) -> dict[str, Any]:
    """The schema of complete answers, with titles and explanations in one language.

    Some rules are beyond JSON Schema: shares that add up, items that differ, what a mail address is;
    `validate` decides.
    """
    return {"$schema": DIALECT, **_object(form.fields, language)}


def _object(fields: Sequence[FormField | Group], language: Language) -> dict[str, Any]:
    by_name = {field.name: field for field in fields}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _property(field, language) for field in fields},
        "required": [field.name for field in fields if field.visible_when is None and _is_needed(field)],
        "additionalProperties": False,
    }
    if rules := list(_visibility(by_name)):
        schema["allOf"] = rules
    return schema


def _property(field: FormField | Group, language: Language) -> dict[str, Any]:
    said = {"title": field.title.in_language(language)} | _described(field.help, language)
    if isinstance(field, Group):
        return said | _array(field, language)
    default = {} if field.default is None else {"default": field.read(field.default)}
    return said | field.answer_schema(language) | default


def _array(group: Group, language: Language) -> dict[str, Any]:
    items = _object(group.fields, language)
    schema: dict[str, Any] = {
        "type": "array",
        "items": items,
        "minItems": group.min_items,
        "maxItems": group.max_items,
    }
    if rule := group.distribute:
        schema[DISTRIBUTE] = rule.model_dump(mode="json")
        if rule.exactly:
            items["required"].remove(rule.field)
    return schema


def _visibility(by_name: Mapping[str, FormField | Group]) -> Iterator[dict[str, Any]]:
    """What each dependent field needs: to be there when it is shown, and not to be when it is hidden."""
    for name, field in by_name.items():
        conditions = list(_conditions(field, by_name))
        if conditions:
            needed = {"required": [name]} if _is_needed(field) else True
            yield {"if": {"allOf": conditions}, "then": needed, "else": {"properties": {name: False}}}


def _conditions(
    field: FormField | Group, by_name: Mapping[str, FormField | Group]
) -> Iterator[dict[str, Any]]:
    """What has to hold for a field to be shown; what it depends on has to be shown itself."""
    if field.visible_when is None:
        return
    deciding = by_name[field.visible_when.field]
    yield from _conditions(deciding, by_name)
    condition: dict[str, Any] = {"properties": {deciding.name: {"enum": list(field.visible_when.equals)}}}
    by_default = isinstance(deciding, FormField) and deciding.default in field.visible_when.equals
    yield condition if by_default else condition | {"required": [deciding.name]}


def _is_needed(field: FormField | Group) -> bool:
    if isinstance(field, Group):
        return field.min_items > 0
    return field.required and field.default is None


def _described(help_: Words | None, language: Language) -> dict[str, str]:
    return {} if help_ is None else {"description": help_.in_language(language)}
