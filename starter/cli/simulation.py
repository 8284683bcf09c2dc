"""`countersign definitions simulate`: what a definition will do to a request, before it is published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain.definitions import ApprovalDefinition
from domain.mail import ASKED
from domain.organisations import Directory
from starter.cli.output import answer, plain, shown
from starter.cli.session import Json, with_database
from starter.files import MAX_DEFINITION_BYTES, read_model
from starter.simulation.request import Request, read_request
from starter.simulation.script import read_script, span
from starter.simulation.story import SimulatedMail, SimulatedStep, Simulation

app = typer.Typer()

_INDENT = " " * 30
_CHECKED = "order.checked"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A definition; it need not be published.")],
    request: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is requested; a request of no special kind if left out."),
    ] = None,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who does what, when; nobody anything if left out.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Whose people are asked; the installation's, or the sample's, if left out."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what would happen to a request: who is asked when, reminders, escalations, mails, the outcome.

    Months pass in seconds: the real workflow runs on a server of its own. Nothing is published, changed or
    mailed. The exit code is 0 however the approval ends, and 2 for files that are wrong.
    """
    definition = read_model(file, ApprovalDefinition, max_bytes=MAX_DEFINITION_BYTES)
    people = read_model(directory, Directory) if directory else None
    wanted = read_request(request) if request else Request()
    steps = read_script(script) if script else ()
    from starter.simulation import simulation  # noqa: PLC0415 - brings a worker along

    plan = simulation.Plan(definition, wanted, steps, people)
    done = with_database(lambda database: simulation.simulate(plan, database))
    answer(done, story, as_json=as_json)


def story(simulation: Simulation) -> RenderableType:
    """A simulation as people read it."""
    return Group(
        *_head(simulation), Text(), *_timeline(simulation), Text(), *_undone(simulation), _end(simulation)
    )


def _head(simulation: Simulation) -> Iterator[Text]:
    yield Text.assemble((f"{simulation.definition} ", "bold"), plain(simulation.title))
    for said in simulation.findings:
        where = f"{said.path}: " if said.path else ""
        yield Text.assemble((f"{said.severity}: ", "yellow"), plain(f"{where}{said.message}"))
    request = simulation.request
    what = f"{request.offer}@{request.offer_version} for {request.customer}"
    begins = f"begins {shown(simulation.started_at)} UTC"
    yield plain(f"{what}, requested by {request.requested_by}; {simulation.directory} people; {begins}")


def _timeline(simulation: Simulation) -> Iterator[Text]:
    mails: dict[int, list[SimulatedMail]] = {}
    for mail in simulation.mails:
        mails.setdefault(mail.seq, []).append(mail)
    for step in simulation.steps:
        if step.action == _CHECKED and not step.waiting_for:
            continue  # Nothing is checked in a simulation, so it says nothing of the definition.
        yield Text.assemble((f"{span(step.after):>10}  {shown(step.at)}", "dim"), "  ", _step(step))
        if step.message:
            yield _below(step.message)
        if step.complaint:
            yield _below(step.complaint, "red")
        yield from (_below(line, "cyan") for line in _letters(mails.get(step.seq or 0, ())))
        if step.waiting_for:
            then = f", until {shown(step.until)}, then {step.what_then}" if step.until else ""
            yield _below(f"waits for {step.waiting_for}{then}", "dim")


def _step(step: SimulatedStep) -> Text:
    kind, _, verb = step.action.partition(".")
    where = f" {step.stage}" if step.stage else f" {kind}"
    again = f" (round {step.round})" if step.round and step.round > 1 else ""
    facts = "".join(f", {name.replace('_', ' ')}: {_readable(value)}" for name, value in step.data.items())
    reason = f", reason: {step.reason}" if step.reason else ""
    said = plain(f"{step.actor}: {verb.replace('_', ' ')}{where}{again}{facts}{reason}")
    return Text.assemble(said, (f"  refused: {step.code}", "red") if step.code else "")


def _readable(value: str) -> str:
    """A fact of a step; instants as everywhere else."""
    if not _INSTANT.match(value):
        return value
    return f"{shown(datetime.fromisoformat(value))} UTC"


def _letters(mails: Iterable[SimulatedMail]) -> Iterator[str]:
    """Who gets which mail, one line for each kind: whom it asks for something, and whom it only tells."""
    readers: dict[str, tuple[list[str], list[str]]] = {}
    for mail in mails:
        late = " (in the hourly digest)" if mail.collected else ""
        asked, told = readers.setdefault(mail.template, ([], []))
        (asked if mail.asks else told).append(f"{mail.name}{late}")
    for kind, (asked, told) in readers.items():
        who = ", ".join(asked or told)
        news = f"; for information: {', '.join(told)}" if asked and told else ""
        only = " (for information)" if told and not asked and kind in ASKED else ""
        yield f"mail {kind.replace('_', ' ')}{only}: {who}{news}"


def _undone(simulation: Simulation) -> Iterator[Text]:
    for step in simulation.undone:
        yield Text.assemble(("never came: ", "yellow"), plain(step))


def _end(simulation: Simulation) -> Text:
    people = {mail.recipient for mail in simulation.mails}
    took = span(simulation.ended_at - simulation.started_at)
    said = f" after {took}; the line is {simulation.state.replace('_', ' ')}"
    reason = f": {simulation.reason}" if simulation.reason else ""
    mails = f". {len(simulation.mails)} mails to {len(people)} addresses."
    return Text.assemble((simulation.outcome, "bold"), plain(said + reason + mails))


def _below(line: str, style: str = "") -> Text:
    text = plain(_INDENT + line)
    text.stylize(style)
    return text
