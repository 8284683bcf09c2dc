"""`countersign order …`: placing orders and moving them on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain.checks import CheckReport, RecordsSeen
from domain.orders import SubmitOrder
from starter.cli.order_status import show_status
from starter.cli.output import answer, table
from starter.cli.session import Actor, Json, LineNumber, OrderId, Reason, RequestId, call, refused_by_all
from starter.files import read_order, validated
from starter.orders import LineResult
from starter.submission import Submitted
from storage.processes import ProcessEntry

app = typer.Typer(help="Place orders and move them on.", no_args_is_help=True)

SomeBody = Annotated[
    str | None,
    typer.Option(
        "--as", envvar="COUNTERSIGN_ACTOR", metavar="PERSON", help="Who orders, if the file does not say."
    ),
]


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="The order, as YAML or JSON; see examples/orders.")],
    key: Annotated[
        str | None,
        typer.Option(
            help="Idempotency key. By default it follows from the order: the same file is the same order."
        ),
    ] = None,
    actor: SomeBody = None,
    as_json: Json = False,
) -> None:
    """Place an order. Sent twice, it is placed once."""
    document = read_order(file)
    if isinstance(document, dict) and actor is not None:
        document.setdefault("requested_by", actor)
    order = validated(SubmitOrder, document, file.name)
    accepted = call(lambda countersign: countersign.submit(order, key or _key_of(order)))
    answer(accepted, _submitted, as_json=as_json)


@app.command()
def check(order: OrderId, actor: Actor, request_id: RequestId = None, as_json: Json = False) -> None:
    """Check domain and services now and show the findings."""
    report = call(lambda countersign: countersign.check(order, actor, request_id=request_id))
    answer(report, _findings, as_json=as_json)


@app.command()
def deploy(
    order: OrderId, actor: Actor, line: LineNumber = None, request_id: RequestId = None, as_json: Json = False
) -> None:
    """Start provisioning; otherwise the automatic deployment does."""
    results = call(lambda countersign: countersign.deploy(order, actor, line, request_id=request_id))
    _answer_lines(results, as_json=as_json)


@app.command()
def withdraw(  # noqa: PLR0917 - one parameter for each option
    order: OrderId,
    actor: Actor,
    reason: Reason = None,
    line: LineNumber = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Take back a request whose approval is still pending."""
    results = call(
        lambda countersign: countersign.withdraw(order, actor, reason, line, request_id=request_id)
    )
    _answer_lines(results, as_json=as_json)


@app.command()
def cancel(  # noqa: PLR0917
    order: OrderId,
    actor: Actor,
    reason: Reason = None,
    line: LineNumber = None,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Cancel an order or one of its lines before the point of no return."""
    results = call(lambda countersign: countersign.cancel(order, actor, reason, line, request_id=request_id))
    _answer_lines(results, as_json=as_json)


@app.command("check-records")
def check_records(
    order: OrderId,
    actor: Actor,
    line: Annotated[int, typer.Option("--line", min=1, help="The line whose DNS records are meant.")],
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Look at a line's DNS records now, at most every 30 seconds."""
    seen = call(lambda countersign: countersign.check_records(order, line, actor, request_id=request_id))
    answer(seen, _records, as_json=as_json)


@app.command()
def show(order: OrderId, as_json: Json = False) -> None:
    """Show where an order stands, who is waited for, until when, what then, and all that happened."""
    status = call(lambda countersign: countersign.show(order))
    answer(status, show_status, as_json=as_json)


@app.command("report")
def show_report(
    report: Annotated[
        str, typer.Argument(metavar="ID", help="The id that a check prints and the steps in --json name.")
    ],
    as_json: Json = False,  # noqa: ARG001 - evidence is for machines, and for people who look closely
) -> None:
    """Print the evidence of a check, of domain and services or of DNS records, as JSON."""
    answer(call(lambda countersign: countersign.report(report)), lambda _: "", as_json=True)


@app.command("list")
def list_orders(
    organisation: Annotated[
        str | None,
        typer.Option(help="Only where it is partner or customer, of the order or of a mapped line."),
    ] = None,
    ended: Annotated[
        bool | None, typer.Option("--ended/--open", help="Only those that have ended, or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List orders, the last changed first."""
    found = call(lambda countersign: countersign.orders(organisation, ended=ended, limit=limit))
    answer(found, _list, as_json=as_json)


def _key_of(order: SubmitOrder) -> str:
    """The key of an order that was given none: the same order again is a repetition, not another one."""
    body = json.dumps(order.model_dump(mode="json"), sort_keys=True)
    return f"file-{hashlib.sha256(body.encode()).hexdigest()[:32]}"


def _answer_lines(results: tuple[LineResult, ...], *, as_json: bool) -> None:
    """Prints what became of each line."""
    answer(results, _line_results, as_json=as_json)
    refused_by_all(results)


# What people see


def _submitted(accepted: Submitted) -> RenderableType:
    lines = (
        (each.number, each.offer, each.definition, "included" if each.added else "")
        for each in accepted.lines
    )
    head = f"Order {accepted.order} is accepted."
    if not accepted.created:
        head = f"This is order {accepted.order}, accepted before. To order the same again, give a --key."
    return Group(
        Text(head, style="bold"),
        table("", "Line", "Offer", "Approval", "", rows=lines),
        Text(f"countersign order show {accepted.order}", style="dim"),
    )


def _findings(report: CheckReport) -> RenderableType:
    rows = ((each.severity, each.code, each.field, each.line, each.message) for each in report.findings)
    verdict = "Nothing stands in the way." if report.is_clean else "Something has to be mended first."
    found = table(f"Check {report.id}", "", "Code", "Field", "Line", "What", rows=rows, empty="No findings.")
    return Group(Text(verdict, style="bold"), found)


def _line_results(results: tuple[LineResult, ...]) -> RenderableType:
    rows = (
        (
            each.line,
            each.state or "refused",
            f"{each.refused.code}: {each.refused.message}" if each.refused else "",
        )
        for each in results
    )
    return table("", "Line", "Answer", "Why", rows=rows)


def _records(seen: RecordsSeen) -> RenderableType:
    rows = ((each.verdict, each.rrtype, each.owner, each.value, each.found, each.hint) for each in seen.open)
    head = Text(f"{seen.state}: {seen.summary}", style="bold")
    return Group(head, table("", "", "Type", "Name", "Value", "Found", "Hint", rows=rows, empty=""))


def _list(found: tuple[ProcessEntry, ...]) -> RenderableType:
    rows = (
        (
            each.view.order,
            each.view.state,
            each.view.title,
            each.view.waiting_for,
            each.started_at,
            each.updated_at,
        )
        for each in found
    )
    return table(
        "", "Order", "State", "What", "Waiting for", "Placed", "Changed", rows=rows, empty="No orders."
    )
