"""What commands print: tables for people, one JSON document for machines, and refusals for both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.errors import Refusal

JSON_FLAG = "--json"

WIDE = 200
"""Columns of text where no terminal says how many there are: in pipes and files."""

WHOLE = frozenset({"UTC", "Until (UTC)", "Placed", "Changed", "Order", "Process", "Id"})
"""Columns that are never broken: people copy from them."""

T = TypeVar("T")


def answer(
    value: T, render: Callable[[T], RenderableType], *, as_json: bool, soft_wrap: bool = False
) -> None:
    """Prints a result.

    Args:
        value: Models, dataclasses, or collections of them.
        render: Shows it to people.
        as_json: Print it as JSON instead.
        soft_wrap: Leave it to the terminal to break long lines, so that they are copied as one.
    """
    if as_json:
        document = json.dumps(to_jsonable_python(value), ensure_ascii=False, indent=2)
        sys.stdout.write(document + "\n")
        sys.stdout.flush()
    else:
        width = None if sys.stdout.isatty() else WIDE
        Console(highlight=False, width=width).print(render(value), soft_wrap=soft_wrap)


def report(refusal: Refusal, *, as_json: bool) -> int:
    """Prints a refusal to standard error and returns its exit code."""
    meaning = refusal.meaning
    if as_json:
        document = {"code": refusal.code, "message": refusal.message, "advice": meaning.advice}
        sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        said = Text.assemble((f"{refusal.code}: ", "bold red"), plain(refusal.message))
        Console(stderr=True, highlight=False).print(
            Group(said, Text(meaning.advice, style="dim")), soft_wrap=True
        )
    return meaning.exit_code


def table(
    title: str, *columns: str, rows: Iterable[Iterable[object]], empty: str = "Nothing."
) -> RenderableType:
    """A table, or a sentence if there is nothing to show."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return Text(empty)
    drawn = Table(box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, header_style="dim", overflow="fold", no_wrap=column in WHOLE)
    for row in cells:
        drawn.add_row(*row)
    return Group(Text(title, style="bold"), drawn) if title else drawn


def facts(title: str, rows: Iterable[tuple[str, object]]) -> RenderableType:
    """Names and values below each other; what has no value is left out."""
    drawn = Table(box=None, show_header=False, pad_edge=False)
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in rows:
        if value not in {None, ""}:
            drawn.add_row(name, plain(value))
    heading = plain(title)
    heading.stylize("bold")
    return Group(heading, drawn)


def plain(value: object) -> Text:
    """A value as text that can neither style nor steer the terminal: it may come from anywhere."""
    return Text("".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in shown(value)))


def shown(value: object) -> str:
    """A value as people read it: times in UTC to the minute, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, tuple | list):
        return ", ".join(shown(each) for each in value)
    return str(value)


def without(value: Any, *fields: str) -> Any:
    """A model or dataclass as plain data without some of its fields."""
    return {name: each for name, each in to_jsonable_python(value).items() if name not in fields}
