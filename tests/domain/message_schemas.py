"""The recorded shape of every message: what histories and callers rely on (SPEC 10: never stricter).

`python -m tests.domain.message_schemas` records the shapes as they are now, in `schemas/`. Do that for new
models and new optional fields; a change that makes a recorded model stricter has no right way to be recorded.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import domain

RECORDED = Path(__file__).parent / "schemas"
UPPER = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
LOWER = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
FIXED = ("type", "format", "pattern", "$ref", "multipleOf", "uniqueItems")


@cache
def models() -> tuple[type[BaseModel], ...]:
    """Every model that the modules of `domain` define."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(domain.__path__, "domain.")
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }
    bases = {"Message", "Command"}
    return tuple(sorted((model for model in found if model.__name__ not in bases), key=name_of))


def name_of(model: type[BaseModel]) -> str:
    """A model's name with its module's, such as `dns.evidence.Answer`."""
    return f"{model.__module__}.{model.__qualname__}".removeprefix("domain.")


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema without prose; other models are left to their own files."""
    schema: dict[str, Any] = _without_prose(model.model_json_schema())
    named = {other.__name__ for other in models()}
    definitions = {name: part for name, part in schema.pop("$defs", {}).items() if name not in named}
    return schema | ({"$defs": definitions} if definitions else {})


def _without_prose(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_prose(each) for each in part]
    if not isinstance(part, dict):
        return part
    prose = {key for key in ("title", "description") if isinstance(part.get(key), str)}
    return {key: _without_prose(value) for key, value in part.items() if key not in prose}


def tightened(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[str]:
    """Says where `new` refuses, loses or reads differently what `old` took."""
    if "default" in old and old["default"] != new.get("default", ...):
        yield f"{where}: its default was {old['default']!r} and is {new.get('default', 'required')!r} now"
    if "anyOf" in old or "anyOf" in new:
        choices = [_undefaulted(part) for part in new.get("anyOf", [new])]
        for part in map(_undefaulted, old.get("anyOf", [old])):
            if all(list(tightened(part, choice, where)) for choice in choices):
                yield f"{where}: no longer takes {json.dumps(part)}"
        return
    yield from _tightened_value(old, new, where)
    yield from _tightened_fields(old, new, where)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from tightened(old[key], new[key], f"{where}.{key}")
    for name, part in old.get("$defs", {}).items():
        if name in new.get("$defs", {}):
            yield from tightened(part, new["$defs"][name], name)


def _tightened_value(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[str]:
    for key in FIXED:
        if key in new and new[key] != old.get(key):
            yield f"{where}: its {key} was {old.get(key)!r} and is {new[key]!r} now"
    for keys, sign in [(UPPER, 1), (LOWER, -1)]:
        for key in keys:
            if key in new and (key not in old or sign * new[key] < sign * old[key]):
                yield f"{where}: its {key} was {old.get(key)} and is {new[key]} now"
    allowed = _words(new)
    lost = sorted(str(word) for word in _words(old) - allowed) if allowed else []
    if lost or (allowed and not _words(old)):
        yield f"{where}: no longer takes {', '.join(lost) or 'any value'}"


def _tightened_fields(old: dict[str, Any], new: dict[str, Any], where: str) -> Iterator[str]:
    before, now = old.get("properties", {}), new.get("properties", {})
    for name, part in before.items():
        if name not in now:
            yield f"{where}.{name}: was removed"
        else:
            yield from tightened(part, now[name], f"{where}.{name}")
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{where}.{name}: is required now"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{where}: refuses unknown fields now"


def _undefaulted(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "default"}


def _words(part: dict[str, Any]) -> set[Any]:
    return set(part.get("enum", [part["const"]] if "const" in part else []))


def record() -> None:
    """Writes every model's schema to its file."""
    RECORDED.mkdir(exist_ok=True)
    for model in models():
        text = json.dumps(schema_of(model), indent=1, sort_keys=True, ensure_ascii=False)
        (RECORDED / f"{name_of(model)}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
