"""Reading what people write down in YAML or JSON: bounded, strict, and with errors that name the place."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node

from domain.definitions import ApprovalDefinition
from domain.dns.names import shown
from domain.errors import Code, Refusal
from domain.offers import Offer

MAX_BYTES = 1_000_000
"""Largest file that is read; an order of 50 lines has a few kilobytes."""

MAX_DEFINITION_BYTES = 256_000
"""Largest file of an approval definition; four times what it may come to, for comments and white space."""

MAX_PROBLEMS = 20
"""Problems of one definition that its author is told of at once."""

M = TypeVar("M", bound=BaseModel)


def read_model(path: Path, model: type[M], *, max_bytes: int = MAX_BYTES, problems: int = 1) -> M:
    """Reads one file into a model.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the line and column or the field and its value.
    """
    return validated(model, read_document(path, max_bytes), path.name, problems=problems)


def read_definitions(path: Path) -> list[ApprovalDefinition]:
    """Reads one approval definition, or every one in a folder or in its `definitions`.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the field; NOT_FOUND, if there are no such files.
    """
    if not path.is_dir():
        return [_read_definition(path)]
    folder = path / "definitions" if (path / "definitions").is_dir() else path
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise Refusal(Code.NOT_FOUND, f"definitions: {folder} holds no *.yaml")
    return [_read_definition(file) for file in files]


def read_order(path: Path) -> Any:
    """Reads an order file; in the files of `examples/orders` the order stands under `order`.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the line and column.
    """
    document = read_document(path)
    return document["order"] if isinstance(document, dict) and "order" in document else document


def read_catalogue(folder: Path) -> tuple[list[Offer], list[ApprovalDefinition]]:
    """Reads `offers/*.yaml` and `definitions/*.yaml` below a folder.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the field; NOT_FOUND, if there are no such files.
    """
    offers = [read_model(path, Offer) for path in sorted((folder / "offers").glob("*.yaml"))]
    definitions = [_read_definition(path) for path in sorted((folder / "definitions").glob("*.yaml"))]
    if not (offers or definitions):
        raise Refusal(
            Code.NOT_FOUND,
            f"catalogue: {folder} holds neither offers/*.yaml nor definitions/*.yaml",
        )
    return offers, definitions


def read_document(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Reads a YAML or JSON file.

    Anchors and duplicate keys are refused: the first can blow a small file up beyond bounds, of the second
    one would silently win.

    Raises:
        Refusal: INVALID_INPUT, naming the file and the line and column; NOT_FOUND.
    """
    text = _read_text(path, max_bytes)
    try:
        if path.suffix == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise _malformed(path, _problem(error), error.problem_mark) from None
    except yaml.YAMLError as error:
        raise _malformed(path, " ".join(str(error).split())) from None
    except json.JSONDecodeError as error:
        place = f"{path.name}, line {error.lineno}, column {error.colno}"
        raise Refusal(Code.INVALID_INPUT, f"{place}: {error.msg}") from None
    except RecursionError:
        raise _malformed(path, "is nested too deeply") from None
    except ValueError as error:
        raise _malformed(path, shown(str(error))) from None


def validated(model: type[M], document: Any, source: str = "", *, problems: int = 1) -> M:
    """Turns plain data into a model.

    Args:
        model: The model.
        document: What was read.
        source: Where it came from, for the error.
        problems: How many of them the error tells of at most, each in a line.

    Raises:
        Refusal: INVALID_INPUT, naming the first wrong fields, their values and how many more there are.
    """
    try:
        return model.model_validate(document, extra="forbid")
    except ValidationError as error:
        found = _problems(error)
        where = f"{source}: " if source else ""
        said = "\n".join(f"{where}{_sentence(each)}" for each in found[:problems])
        more = f" (and {len(found) - problems} more)" if len(found) > problems else ""
        raise Refusal(Code.INVALID_INPUT, f"{said}{more}") from None


class _StrictLoader(yaml.SafeLoader):
    """A safe loader without anchors and duplicate keys."""

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, "aliases are not supported; write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                problem = f"the key {shown(key.value)} stands here twice"
                raise ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _read_definition(path: Path) -> ApprovalDefinition:
    return read_model(path, ApprovalDefinition, max_bytes=MAX_DEFINITION_BYTES, problems=MAX_PROBLEMS)


def _read_text(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise Refusal(Code.NOT_FOUND, f"file: there is no {path}") from None
    except OSError as error:
        raise _malformed(path, f"cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise _malformed(path, f"is larger than {max_bytes // 1000} kB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(path, f"is not UTF-8 at byte {error.start}") from None


def _malformed(path: Path, problem: str, mark: yaml.Mark | None = None) -> Refusal:
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return Refusal(Code.INVALID_INPUT, f"{path.name}{place}: {problem}")


def _problem(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part) or "is not YAML"


def _problems(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong; not that a list is too short as well, from which the wrong members were left out."""
    found = error.errors(include_url=False, include_context=False)
    inside = {each["loc"][:length] for each in found for length in range(len(each["loc"]))}
    return [each for each in found if each["type"] != "too_short" or each["loc"] not in inside]


def _sentence(problem: ErrorDetails) -> str:
    field = ".".join(shown(str(part)) for part in problem["loc"]) or "document"
    value = problem["input"]
    plain = isinstance(value, str | int | float | bool) and problem["type"] != "missing"
    given = f"'{shown(str(value))}': " if plain else ""
    if problem["type"] in {"model_type", "model_attributes_type"}:  # The library names a class of ours.
        return f"{field}: {given}must be an object with named fields"
    return f"{field}: {given}{problem['msg'].removeprefix('Value error, ')}"
