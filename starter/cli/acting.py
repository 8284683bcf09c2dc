"""`countersign approvals …`: what people do with an approval besides deciding, a command for each action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.actions import ActionRecorded
from starter.cli.approvals import Round, Stage
from starter.cli.output import answer as show
from starter.cli.output import shown
from starter.cli.session import Actor, Json, Process, Reason, RequestId, call
from starter.client import Countersign
from starter.pending import Meant

app = typer.Typer()

Inquiry = Annotated[
    int | None, typer.Option("--inquiry", min=1, help="The question's number; by default the only open one.")
]


@app.command()
def delegate(  # noqa: PLR0917 - one parameter for each option
    process: Process,
    actor: Actor,
    to: Annotated[str, typer.Option(metavar="PERSON", help="Who decides instead.")],
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Let somebody else decide instead of you."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.delegate(process, actor, to, **meant), as_json=as_json)


@app.command("hand-back")
def hand_back(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Return a decision that was delegated to you."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.hand_back(process, actor, **meant), as_json=as_json)


@app.command("add-approver")
def add_approver(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    person: Annotated[str, typer.Option(metavar="PERSON", help="Who has to approve besides.")],
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Want somebody's approval in addition."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.add_approver(process, actor, person, **meant), as_json=as_json)


@app.command()
def escalate(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask the next level, or the escalation team, without waiting for the deadline."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.escalate(process, actor, **meant), as_json=as_json)


@app.command()
def inquire(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    asked: Annotated[str, typer.Option("--ask", metavar="PERSON", help="Whom you ask.")],
    question: Annotated[str, typer.Option(help="What you want to know.")],
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask somebody a question; nobody decides before it is answered, and the clock goes on."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.inquire(process, actor, asked, question, **meant), as_json=as_json)


@app.command()
def answer(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    text: Annotated[str, typer.Option("--answer", help="What you say.")],
    inquiry: Inquiry = None,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Answer a question you were asked."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.answer(process, actor, text, inquiry, **meant), as_json=as_json)


@app.command("recall-inquiry")
def recall_inquiry(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    inquiry: Inquiry = None,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Take a question back, so that deciding goes on."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.recall_inquiry(process, actor, inquiry, **meant), as_json=as_json)


@app.command()
def reroute(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    to: Annotated[str, typer.Option(metavar="STAGE", help="Where it goes on; the definition says where.")],
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Let the request go on at another stage."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.reroute(process, actor, to, **meant), as_json=as_json)


@app.command()
def undo(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Take your own decision back while nothing has followed from it."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.undo(process, actor, **meant), as_json=as_json)


@app.command("refresh-roster")
def refresh_roster(  # noqa: PLR0917
    process: Process,
    actor: Actor,
    reason: Reason = None,
    stage: Stage = None,
    round_: Round = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Ask the directory anew who may decide the open stage; for operators of the provider."""
    meant = _meant(reason, stage, round_, request_id)
    _act(lambda countersign: countersign.refresh_roster(process, actor, **meant), as_json=as_json)


def _meant(reason: str | None, stage: str | None, round_: int | None, request_id: str | None) -> Meant:
    return Meant(reason=reason, stage=stage, round=round_, request_id=request_id)


def _act(action: Callable[[Countersign], Awaitable[ActionRecorded]], *, as_json: bool) -> None:
    show(call(action), _recorded, as_json=as_json)


def _recorded(recorded: ActionRecorded) -> RenderableType:
    what = recorded.action.replace("_", " ")
    number = f" {recorded.inquiry}" if recorded.inquiry else ""
    when = f"{shown(recorded.at)} UTC"
    said = f"{recorded.actor}: {what}{number} in stage {recorded.stage}, round {recorded.round}, at {when}."
    until = f", to be decided until {shown(recorded.deadline)} UTC" if recorded.deadline else ""
    return Text(f"{said} The approval is {recorded.status}{until}.")
