"""`countersign approvals …`: what waits for a decision, and deciding it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.decisions import DecisionRecorded
from starter.cli.output import answer, table
from starter.cli.session import Actor, Json, Process, Reason, RequestId, call
from storage.processes import InboxEntry, StageEntry

app = typer.Typer(help="See what waits for a decision, and decide it.", no_args_is_help=True)

Round = Annotated[int | None, typer.Option("--round", min=1, help="The stage's opening that is meant.")]
Stage = Annotated[str | None, typer.Option(help="The stage that is meant; by default the open one.")]


@app.command("list")
def list_approvals(
    person: Annotated[str | None, typer.Option(help="One person's inbox, decided ones included.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Only where it is partner or customer.")] = None,
    as_json: Json = False,
) -> None:
    """List what waits for a decision, the nearest deadline first."""
    if person is not None:
        inbox = call(lambda countersign: countersign.inbox(person))
        answer(inbox, _inbox, as_json=as_json)
    else:
        stages = call(lambda countersign: countersign.open_approvals(organisation))
        answer(stages, _stages, as_json=as_json)


@app.command()
def approve(  # noqa: PLR0917 - one parameter for each option
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Approve the stage of a process that is open."""
    recorded = call(
        lambda countersign: countersign.approve(
            process, actor, reason, stage=stage, round=round_, request_id=request_id
        )
    )
    answer(recorded, _recorded, as_json=as_json)


@app.command()
def deny(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Deny the stage of a process that is open; most definitions want a reason."""
    recorded = call(
        lambda countersign: countersign.deny(
            process, actor, reason, stage=stage, round=round_, request_id=request_id
        )
    )
    answer(recorded, _recorded, as_json=as_json)


def _recorded(recorded: DecisionRecorded) -> RenderableType:
    said = (
        f"{recorded.actor}: {recorded.verdict} of stage {recorded.stage} at {recorded.at:%Y-%m-%d %H:%M} UTC."
    )
    return Text(f"{said} The approval is {recorded.status}.")


def _inbox(inbox: tuple[InboxEntry, ...]) -> RenderableType:
    rows = (
        (
            each.process,
            each.view.title,
            each.stage_title,
            each.verdict or ("open" if each.pending else each.status),
            each.deadline if each.pending else None,
        )
        for each in inbox
    )
    return table("", "Process", "What", "Stage", "", "Until (UTC)", rows=rows, empty="Nothing to decide.")


def _stages(stages: tuple[StageEntry, ...]) -> RenderableType:
    rows = ((each.process, each.stage_title, _asked(each), each.deadline) for each in stages)
    return table(
        "", "Process", "Stage", "Asked", "Until (UTC)", rows=rows, empty="Nothing waits for a decision."
    )


def _asked(stage: StageEntry) -> str:
    said = {seat.person: seat.verdict for seat in stage.seats}
    people = stage.roster or ()
    return ", ".join(f"{person.name} ({said.get(person.key) or 'open'})" for person in people)
