"""`countersign schedule …`: the automatic deployment (SPEC 5.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import RenderableType

from domain.errors import Code, Refusal
from starter.cli.output import answer, facts
from starter.cli.session import Json, call
from starter.schedule import ScheduleStatus

app = typer.Typer(help="See and set when confirmed lines are deployed by themselves.", no_args_is_help=True)

Note = Annotated[str, typer.Option(help="Why; shown with the schedule.")]


@app.command()
def show(as_json: Json = False) -> None:
    """Show how often it runs, when next, and whether it is paused."""
    answer(call(lambda countersign: countersign.schedule()), _status, as_json=as_json)


@app.command("set")
def set_every(
    every: Annotated[str, typer.Argument(help="Time between two rounds: PT4H, PT30M, 04:00:00.")],
    as_json: Json = False,
) -> None:
    """Set the time between two rounds."""
    try:
        span = TypeAdapter(timedelta).validate_python(every)
    except ValidationError:
        raise Refusal(Code.INVALID_INPUT, f"every: {every!r} is not a duration such as PT4H") from None
    answer(call(lambda countersign: countersign.set_schedule(span)), _status, as_json=as_json)


@app.command()
def trigger(as_json: Json = False) -> None:
    """Deploy what is confirmed now, paused or not."""
    answer(call(lambda countersign: countersign.trigger_schedule()), _status, as_json=as_json)


@app.command()
def pause(note: Note = "paused by an operator", as_json: Json = False) -> None:
    """Stop the automatic deployment until it is resumed."""
    answer(call(lambda countersign: countersign.pause_schedule(note)), _status, as_json=as_json)


@app.command()
def resume(note: Note = "resumed by an operator", as_json: Json = False) -> None:
    """Let the automatic deployment go on."""
    answer(call(lambda countersign: countersign.resume_schedule(note)), _status, as_json=as_json)


def _status(status: ScheduleStatus) -> RenderableType:
    return facts(
        status.id,
        [
            ("Every", status.every),
            ("State", "paused" if status.paused else "running"),
            ("Note", status.note),
            ("Next (UTC)", status.next_rounds),
            ("Last (UTC)", status.last_round),
            ("Rounds", status.rounds),
        ],
    )
