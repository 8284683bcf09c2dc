"""`countersign approvals …`: what waits for a decision, and deciding it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain.decisions import DecisionRecorded
from domain.statistics import ApprovalFigures, ApprovalStatistics, OpenByAge, StageFigures
from domain.views import listed, named, names
from starter.approvals import ApprovalShown
from starter.cli.output import answer, facts, table
from starter.cli.session import Actor, Json, Process, Reason, RequestId, call
from storage.inbox import InboxEntry
from storage.processes import Seat, StageEntry

app = typer.Typer(help="See what waits for a decision, and decide it.", no_args_is_help=True)

Round = Annotated[int | None, typer.Option("--round", min=1, help="The stage's opening that is meant.")]
Stage = Annotated[str | None, typer.Option(help="The stage that is meant; by default the open one.")]


@app.command("list")
def list_approvals(
    person: Annotated[str | None, typer.Option(help="One person's inbox, decided ones included.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Only where it is partner or customer.")] = None,
    held: Annotated[bool, typer.Option("--held", help="Only stages that nobody may decide.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for a decision, the nearest deadline first."""
    if person is not None:
        inbox = call(lambda countersign: countersign.inbox(person))
        answer(inbox, _inbox, as_json=as_json)
    else:
        stages = call(lambda countersign: countersign.open_approvals(organisation, held=held))
        answer(stages, _stages, as_json=as_json)


@app.command()
def show(process: Process, as_json: Json = False) -> None:
    """Show the approval of a process: who is asked, who said what, and which questions are open."""
    answer(call(lambda countersign: countersign.approval(process)), _approval, as_json=as_json)


@app.command()
def stats(
    definition: Annotated[str | None, typer.Option(help="Only of this definition, or this version.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only what opened on this day (UTC) or later."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how long approvals and their stages take to decide, and how long what is open has been."""
    start = since.replace(tzinfo=UTC) if since else None
    found = call(lambda countersign: countersign.approval_statistics(definition, start))
    answer(found, _figures, as_json=as_json)


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


def _approval(shown: ApprovalShown) -> RenderableType:
    view = shown.view
    head = facts(
        view.title,
        [
            ("Process", shown.process),
            ("State", view.state),
            ("Requested by", view.requested_by),
            ("Waiting for", view.waiting_for),
            ("Until (UTC)", view.until),
            ("What then", view.what_then),
        ],
    )
    stages = [part for stage in shown.stages for part in _stage(stage)]
    return Group(head, *(stages or [Text(), Text("Nobody was asked yet, or nobody has to be.")]))


def _stage(stage: StageEntry) -> tuple[RenderableType, ...]:
    """A stage as it was opened once: its rules, everybody with a seat, and the questions that are open."""
    rows = [
        ("Status", stage.status),
        ("Definition", stage.definition),
        ("Opened (UTC)", stage.opened_at),
        ("Until (UTC)", stage.deadline if stage.is_open else None),
        ("Besides", _state(stage)),
    ]
    said = {seat.person: seat for seat in stage.seats}
    seats = ((named(each), each.key, *_said(said.get(each.key))) for each in stage.roster or ())
    name = f"{stage.stage_title} ({stage.stage}), round {stage.round}"
    drawn = table("", "Who", "Key", "What", "When (UTC)", rows=seats, empty="Who is asked is not known yet.")
    return Text(), facts(name, rows), drawn, *_questions(stage)


def _said(seat: Seat | None) -> tuple[str, datetime | None]:
    if seat is None or seat.verdict is None:
        return "", None
    return f"{seat.verdict}{', by rule' if seat.automatic else ''}", seat.decided_at


def _questions(stage: StageEntry) -> tuple[RenderableType, ...]:
    if not stage.questions:
        return ()
    rows = ((each.number, each.question, each.asker, each.asked, each.at) for each in stage.questions)
    return (table("Open questions", "", "Question", "By", "To", "Asked (UTC)", rows=rows),)


def _inbox(inbox: tuple[InboxEntry, ...]) -> RenderableType:
    rows = (
        (
            each.process,
            each.view.title,
            each.stage_title,
            _to_do(each),
            each.deadline if each.pending else None,
        )
        for each in inbox
    )
    return table("", "Process", "What", "Stage", "", "Until (UTC)", rows=rows, empty="Nothing to decide.")


def _to_do(entry: InboxEntry) -> str:
    """What a person is to do with a stage, or what became of it."""
    if entry.questions:
        return "; ".join(f"answer {each.number}: {each.question} ({each.asker})" for each in entry.questions)
    if not entry.pending:
        return entry.verdict or entry.status
    place = f"open for {entry.stands_for}" if entry.stands_for else "open"
    return f"{place}, {_on_hold(entry)}" if entry.asked else place


def _stages(stages: tuple[StageEntry, ...]) -> RenderableType:
    rows = ((each.process, each.stage_title, _asked(each), _state(each), each.deadline) for each in stages)
    titles = ("Process", "Stage", "Asked", "", "Until (UTC)")
    return table("", *titles, rows=rows, empty="Nothing waits for a decision.")


def _state(stage: StageEntry) -> str:
    """What operators should know of a stage besides who is asked."""
    states = (
        (stage.held, "nobody may decide it"),
        (bool(stage.asked), _on_hold(stage)),
        (stage.level > 0, f"escalated, level {stage.level}"),
    )
    return "; ".join(words for holds, words in states if holds)


def _on_hold(stage: StageEntry | InboxEntry) -> str:
    asked = f"on hold: asks {names(stage.asked)}"
    questions = stage.questions if isinstance(stage, StageEntry) else ()
    return f"{asked}: {'; '.join(each.question for each in questions)}" if questions else asked


def _figures(found: ApprovalStatistics) -> RenderableType:
    if not found.stages:
        return Text("Nothing was asked to be decided.")
    shown = [_of_stages(found.stages)]
    if found.approvals:
        shown = [_of_approvals(found.approvals), Text(), *shown]
    return Group(*shown)


def _of_approvals(found: tuple[ApprovalFigures, ...]) -> RenderableType:
    rows = (
        (
            each.definition,
            *(each.approved or "", each.rejected or ""),
            *map(_took, (each.p50, each.p90, each.p95)),
            _by_age(each.open),
            *(each.expired or "", each.withdrawn or ""),
        )
        for each in found
    )
    titles = (
        *("Definition", "Approved", "Denied", "p50", "p90", "p95", "Open, by age"),
        *("Expired", "Withdrawn"),
    )
    return table("Approvals", *titles, rows=rows)


def _of_stages(found: tuple[StageFigures, ...]) -> RenderableType:
    rows = (
        (
            each.definition,
            each.stage,
            each.decided,
            *map(_took, (each.p50, each.p90, each.p95)),
            _by_age(each.open),
            *(each.held or "", each.escalated or "", each.sent_back or ""),
            *(each.expired or "", each.withdrawn or "", each.undecided or ""),
        )
        for each in found
    )
    titles = (
        *("Definition", "Stage", "Decided", "p50", "p90", "p95", "Open, by age"),
        *("Held", "Escalated", "Sent back", "Expired", "Withdrawn", "Without a vote"),
    )
    return table("Stages", *titles, rows=rows)


def _took(time: timedelta | None) -> str:
    """A time as people read it: days, hours and minutes, or to the second below a day."""
    if time is None:
        return ""
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{hours // 24}d {hours % 24:02}:{minutes:02}"


def _by_age(open_: OpenByAge) -> str:
    """How many stages are open, and since when."""
    ages = {"<1d": open_.under_1_day, "1-7d": open_.from_1_to_7_days}
    ages |= {"7-30d": open_.from_7_to_30_days, ">30d": open_.over_30_days}
    counted = {age: number for age, number in ages.items() if number}
    said = ", ".join(f"{number} {age}" for age, number in counted.items())
    return f"{sum(counted.values())}: {said}" if len(counted) > 1 else said


def _asked(stage: StageEntry) -> str:
    said = {seat.person: seat.verdict for seat in stage.seats}
    return listed(f"{named(seat)} ({said.get(seat.key) or 'open'})" for seat in stage.roster or ())
