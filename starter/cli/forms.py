"""`countersign order form` and its drafts: what an offer asks, and the answers so far (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain import wire
from domain.base import Language
from domain.forms import Group as FormGroup
from domain.forms import flatten, json_schema
from domain.forms.formats import SimpleField
from starter.cli.binding import read_answers
from starter.cli.output import answer, table
from starter.cli.session import Actor, Json, OrderId, call
from starter.cli.summary import InLanguage
from starter.drafts import SetUpForm
from storage.drafts import NEW, Draft

app = typer.Typer()

AnswersSoFar = Annotated[Path, typer.Argument(metavar="FILE", help="All answers so far, as YAML or JSON.")]
FromVersion = Annotated[
    int, typer.Option("--from-version", min=NEW, help="The version of the draft you started from.")
]
OneLine = Annotated[int, typer.Option("--line", min=1, help="The line that is set up.")]


@app.command()
def form(order: OrderId, line: OneLine, language: InLanguage = Language.EN, as_json: Json = False) -> None:
    """Show what a line's offer asks to be set up; with --json, as JSON Schema."""
    asked = call(lambda countersign: countersign.set_up_form(wire.line_id(order, line)))
    answer_form(asked, language, as_json=as_json)


@app.command()
def draft(order: OrderId, line: OneLine, as_json: Json = False) -> None:
    """Show the answers so far to a line's set-up form."""
    found = call(lambda countersign: countersign.draft(wire.line_id(order, line)))
    answer(found, show_draft, as_json=as_json)


@app.command("save-draft")
def save_draft(  # noqa: PLR0917 - one parameter for each option
    order: OrderId,
    file: AnswersSoFar,
    line: OneLine,
    actor: Actor,
    version: FromVersion = NEW,
    as_json: Json = False,
) -> None:
    """Keep the answers so far; nothing has to be complete, but nothing may be wrong."""
    answers = read_answers(file)
    saved = call(
        lambda countersign: countersign.save_draft(wire.line_id(order, line), answers, actor, version)
    )
    answer(saved, show_draft, as_json=as_json)


def answer_form(asked: SetUpForm, language: Language, *, as_json: bool) -> None:
    """Prints what is asked: field by field, or as JSON Schema."""
    document = json_schema(asked.form, language) if as_json else asked
    answer(document, lambda _: _asked(asked, language), as_json=as_json)


def _asked(asked: SetUpForm, language: Language) -> RenderableType:
    rows = (row for field in asked.form.fields for row in _rows(field, language))
    return table(f"Set-up of {asked.offer}", "Path", "Type", "Needed", "Question", "Only if", rows=rows)


def _rows(field: SimpleField | FormGroup, language: Language, of: str = "") -> Iterator[tuple[object, ...]]:
    """A field, and those it repeats; `0` stands for the number of the item."""
    when = field.visible_when
    only_if = f"{when.field} is {' or '.join(map(_as_written, when.equals))}" if when else ""
    if isinstance(field, FormGroup):
        count = f"{field.min_items} to {field.max_items}"
        yield f"{of}{field.name}", field.type, count, field.title.in_language(language), only_if
        for inner in field.fields:
            yield from _rows(inner, language, f"{of}{field.name}.0.")
    else:
        needed = "" if field.default is None else f"or {field.show(field.default, language)}"
        needed = needed or ("yes" if field.required else "")
        yield f"{of}{field.name}", field.type, needed, field.title.in_language(language), only_if


def show_draft(found: Draft) -> RenderableType:
    """The answers so far, and who saved them."""
    if found.version == NEW:
        return Text("Nobody has saved answers yet.")
    head = Text(f"Version {found.version}, by {found.saved_by} on {found.saved_at:%Y-%m-%d %H:%M} UTC")
    return Group(head, table("", "Path", "Answer", rows=flatten(found.answers).items(), empty="No answers."))


def _as_written(answer: object) -> str:
    """An answer as it stands in a file of answers."""
    return str(answer).lower() if isinstance(answer, bool) else str(answer)
