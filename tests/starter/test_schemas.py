"""The JSON Schemas that editors check YAML by are those of the models, and fit the samples."""

from __future__ import annotations

import pytest

from starter.dev.samples import CATALOGUE, ROOT
from starter.schemas import EDITED, editor_schema, written

HEADER = "# yaml-language-server: $schema=../../docs/schemas/"


@pytest.mark.parametrize("name", EDITED)
def test_the_written_schemas_are_current(name: str) -> None:
    """If not, run `countersign definitions schema`."""
    assert (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8") == written(EDITED[name])


@pytest.mark.parametrize("name", EDITED)
def test_an_editor_knows_every_field_and_no_other(name: str) -> None:
    schema = editor_schema(EDITED[name])
    assert set(schema["properties"]) == set(EDITED[name].model_fields)
    objects = [schema, *(each for each in schema["$defs"].values() if "properties" in each)]
    assert all(each["additionalProperties"] is False for each in objects)
    assert "Attributes" not in str([each.get("description") for each in objects])


def test_fields_carry_what_the_model_says_of_them() -> None:
    stage = editor_schema(EDITED["definition.json"])["$defs"]["Stage"]["properties"]
    assert stage["denials"]["description"] == "How many denials end the stage."
    assert stage["deadline"]["description"].endswith("where P1D is 24 working hours.")


@pytest.mark.parametrize(("folder", "schema"), [("definitions", "definition"), ("offers", "offer")])
def test_every_sample_names_its_schema(folder: str, schema: str) -> None:
    files = sorted((CATALOGUE / folder).glob("*.yaml"))
    assert files
    for file in files:
        first = file.read_text().partition("\n")[0]
        assert first == f"{HEADER}{schema}.json"
