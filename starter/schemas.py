"""JSON Schemas of what authors write in YAML, for their editors (docs/schemas)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from pydantic import BaseModel

from domain.definitions import ApprovalDefinition
from domain.offers import Offer

EDITED: dict[str, type[BaseModel]] = {"definition.json": ApprovalDefinition, "offer.json": Offer}
"""File name and model of each."""

_FIELD = re.compile(r"^(\w+): (.+?)(?=^\w+: |\Z)", re.MULTILINE | re.DOTALL)


def editor_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema an editor checks a file by: strict, as files are read, with our words on every field."""
    schema = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object" and "properties" in part:
            part["additionalProperties"] = False
            _describe(part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def written(model: type[BaseModel]) -> str:
    """The schema as its file holds it."""
    return json.dumps(editor_schema(model), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Writes every schema into a folder and returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in EDITED.items():
        (folder / name).write_text(written(model), encoding="utf-8")
    return tuple(folder / name for name in EDITED)


def _describe(part: dict[str, Any]) -> None:
    """Moves what a model's docstring says of its fields to the fields."""
    summary, _, attributes = dedent(part.get("description", "")).partition("Attributes:\n")
    if summary.strip():
        part["description"] = summary.strip()
    for name, text in _FIELD.findall(dedent(attributes)):
        if name in part["properties"]:
            part["properties"][name]["description"] = " ".join(text.split())
