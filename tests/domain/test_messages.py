"""Messages and commands: frozen, tolerant or strict by kind, and never stricter than they once were."""

from __future__ import annotations

import inspect
import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from domain.base import MAX_COMMENT, Command, Key, Message, Name, Text, UtcDatetime
from domain.decisions import Decide, Vote
from tests.domain.message_schemas import RECORDED, models, name_of, schema_of, tightened

MODELS = models()


# Every model


def test_every_model_is_a_message_or_a_command() -> None:
    assert [model for model in MODELS if issubclass(model, Message) is issubclass(model, Command)] == []


def test_every_model_is_frozen() -> None:
    for model in MODELS:
        value = model.model_construct()
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, next(iter(model.model_fields)), "another")


def test_a_models_description_names_no_field_it_does_not_have() -> None:
    for model in MODELS:
        _, _, described = (inspect.getdoc(model) or "").partition("Attributes:\n")
        for name in re.findall(r"^    (\w+): ", described, re.MULTILINE):
            assert hasattr(model, name) or name in model.model_fields, f"{name_of(model)}.{name}"


def test_no_model_holds_a_list_or_a_set_that_could_be_changed_after_all() -> None:
    annotations = {
        f"{name_of(model)}.{name}": str(field.annotation)
        for model in MODELS
        for name, field in model.model_fields.items()
    }
    assert not {name: text for name, text in annotations.items() if re.search(r"\b(list|set)\[", text)}


def complaints(model: type[BaseModel], data: dict[str, Any]) -> set[str]:
    """The types of error that the unknown field meets."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return {each["type"] for each in error.errors() if "no_such_field" in each["loc"]}
    return set()


def test_commands_refuse_unknown_fields_and_messages_ignore_them() -> None:
    for model in MODELS:
        refused = complaints(model, {"no_such_field": 1})
        assert refused == ({"extra_forbidden"} if issubclass(model, Command) else set()), name_of(model)


# Recorded shapes


def test_a_recorded_model_never_gets_stricter() -> None:
    by_name = {name_of(model): model for model in MODELS}
    problems: list[str] = []
    for path in sorted(RECORDED.glob("*.json")):
        assert path.stem in by_name, (
            f"{path.stem} is gone, but stored histories and callers hold values of it: keep the model (if it "
            "only moved, rename its record)"
        )
        recorded = json.loads(path.read_text(encoding="utf-8"))
        problems += tightened(recorded, schema_of(by_name[path.stem]), path.stem)
    assert not problems, (
        "values written by an earlier build would be refused or read differently (SPEC 10); keep the old "
        "shape and add an optional field whose default is the old behaviour:\n  " + "\n  ".join(problems)
    )


def test_every_model_is_recorded_as_it_is() -> None:
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in RECORDED.glob("*.json")}
    recorded = {name_of(model): found.get(name_of(model)) for model in MODELS}
    assert recorded == {name_of(model): schema_of(model) for model in MODELS}, (
        "record the new shape with `python -m tests.domain.message_schemas` and commit it with the change"
    )


BEFORE: dict[str, Any] = {
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "count": {"type": "integer", "minimum": 1, "default": 3},
        "kind": {"$ref": "#/$defs/Kind"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["name", "kind"],
    "type": "object",
    "$defs": {"Kind": {"enum": ["a", "b"], "type": "string"}},
}


def changed(**fields: Any) -> dict[str, Any]:
    properties = {name: part for name, part in (BEFORE["properties"] | fields).items() if part is not None}
    return BEFORE | {"properties": properties}


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (changed(note=None), "note: was removed"),
        (BEFORE | {"required": ["name", "kind", "count"]}, "count: is required now"),
        (changed(new={"type": "string"}) | {"required": ["name", "kind", "new"]}, "new: is required now"),
        (BEFORE | {"$defs": {"Kind": {"enum": ["a"], "type": "string"}}}, "no longer takes b"),
        (BEFORE | {"$defs": {"Kind": {"const": "b", "type": "string"}}}, "no longer takes a"),
        (BEFORE | {"additionalProperties": False}, "refuses unknown fields"),
        (changed(count={"type": "integer", "minimum": 1, "default": 4}), "default was 3 and is 4"),
        (changed(count={"type": "integer", "minimum": 2, "default": 3}), "minimum was 1 and is 2"),
        (changed(name={"type": "string", "maxLength": 19}), "maxLength was 20 and is 19"),
        (changed(name={"type": "string", "maxLength": 20, "minLength": 1}), "minLength was None and is 1"),
        (changed(name={"type": "string", "maxLength": 20, "pattern": "^a$"}), "pattern was None"),
        (changed(name={"type": "integer"}), "type was 'string'"),
        (changed(name={"enum": ["x"], "type": "string"}), "no longer takes any value"),
        (changed(kind={"$ref": "#/$defs/Other"}), r"\$ref was"),
        (changed(note={"type": "string", "default": None}), "no longer takes .*null"),
        (changed(tags={"type": "array", "items": {"type": "integer"}, "default": []}), "items: its type"),
    ],
)
def test_what_makes_a_model_stricter_is_seen(after: dict[str, Any], problem: str) -> None:
    found = list(tightened(BEFORE, after, "M"))
    assert len(found) == 1
    assert re.search(problem, found[0])


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        changed(new={"type": "string", "default": ""}),
        changed(name={"type": "string"}),
        changed(name={"anyOf": [{"type": "string", "maxLength": 30}, {"type": "null"}]}),
        changed(note={"anyOf": [{"type": "integer"}, {"type": "null"}, {"type": "string"}], "default": None}),
        BEFORE | {"required": ["name"]},
        BEFORE | {"$defs": {"Kind": {"enum": ["a", "b", "c"], "type": "string"}}},
    ],
)
def test_what_only_makes_a_model_wider_is_let_through(after: dict[str, Any]) -> None:
    assert not list(tightened(BEFORE, after, "M"))


# The types they share


@pytest.mark.parametrize("text", ["2026-03-02T08:00:00", "2026-03-02", "tomorrow", ""])
def test_an_instant_needs_a_time_zone(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UtcDatetime).validate_python(text)


@given(st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_an_instant_is_kept_but_told_in_utc(instant: Any) -> None:
    read = TypeAdapter(UtcDatetime).validate_python(instant)
    # Within a repeated hour Python compares no two zones; timestamps tell the instants all the same.
    assert read.timestamp() == instant.timestamp()
    assert str(read.tzinfo) == "UTC"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_an_instant_beyond_the_calendar_is_refused_like_any_other_wrong_input(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UtcDatetime).validate_python(text)


@pytest.mark.parametrize("text", ["a", "a-b_c.d", "7", "x" * 64])
def test_a_key_fits_a_url_and_a_file_name(text: str) -> None:
    assert TypeAdapter(Key).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "A", "a b", "-a", "a-", "../a", "a/b", "a\n", "ä", "x" * 65])
def test_what_does_not_fit_a_url_or_a_file_name_is_no_key(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Key).validate_python(text)


@pytest.mark.parametrize("text", ["", "   ", "x" * 201, "a\0b", "a\x1bb", "\ud800"])
def test_a_name_is_short_and_printable(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x85b", "a\u2028b"])
def test_a_name_is_one_line(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


def test_a_name_is_kept_without_the_spaces_around_it() -> None:
    assert TypeAdapter(Name).validate_python("  Contoso AG \n") == "Contoso AG"


def test_free_text_may_have_lines_but_an_end() -> None:
    read = TypeAdapter(Text).validate_python
    assert read("two\nlines\tand a tab") == "two\nlines\tand a tab"
    assert read("x" * MAX_COMMENT)
    with pytest.raises(ValidationError):
        read("x" * (MAX_COMMENT + 1))


# On the wire


def test_a_decision_needs_only_what_a_person_would_type() -> None:
    decision = Decide.model_validate({"stage": "finance", "verdict": "approve", "actor": "ann"})
    assert (decision.round, decision.reason, decision.received_at, decision.on_behalf_of) == (
        1,
        None,
        None,
        None,
    )


@given(
    reason=st.none() | st.text(st.characters(exclude_categories=["C"]), max_size=50),
    round_=st.integers(),
    at=st.none() | st.datetimes(timezones=st.just(None)),
)
def test_a_decision_survives_the_wire_unchanged(reason: str | None, round_: int, at: Any) -> None:
    received = None if at is None else f"{at.isoformat()}Z"
    decision = Decide.model_validate(
        {
            "stage": "s",
            "verdict": "deny",
            "actor": "a",
            "reason": reason,
            "round": round_,
            "received_at": received,
        }
    )
    assert Decide.model_validate_json(decision.model_dump_json()) == decision


def test_a_newer_builds_message_is_read_by_an_older_one() -> None:
    newer = {"stage": "s", "round": 1, "actor": "a", "verdict": "deny", "reason": None, "weight": 2}
    assert Vote.model_validate(newer | {"at": "2026-03-02T08:00:00Z"}).actor == "a"
