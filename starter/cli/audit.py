"""`countersign audit …`: who did what, under which rules, and whether anybody has touched the record."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from domain.audit import ChainedEntry
from starter.audit import VerifiedChain
from starter.cli.order_status import step
from starter.cli.output import answer, table
from starter.cli.session import Json, call
from starter.client import Countersign

app = typer.Typer(help="See, export and verify what was done and decided.", no_args_is_help=True)

SHORT = 12
"""Characters of a hash that people are shown."""

RULES = frozenset({"definition", "definition_hash", "stage", "round"})
"""The facts that say what was decided under; they have a column of their own."""

Of = Annotated[str, typer.Argument(metavar="PROCESS", help="A workflow id, or an order's id for all of it.")]
SomeOf = Annotated[
    str | None,
    typer.Argument(metavar="[PROCESS]", help="A workflow id, or an order's id; everything if left out."),
]


@app.command()
def show(of: Of, as_json: Json = False) -> None:
    """Show what happened in a process or an order, and under which definition it was decided."""
    entries = call(lambda countersign: countersign.audit(of))
    answer(entries, _entries, as_json=as_json)


@app.command()
def export(
    process: Annotated[str | None, typer.Option(help="Only this process.")] = None,
    order: Annotated[str | None, typer.Option(help="Only this order and its lines.")] = None,
    as_json: Json = False,  # noqa: ARG001 - `main` reads it to report refusals
) -> None:
    """Write the audit as JSON Lines: one entry with its hash on each line, process by process."""
    call(lambda countersign: _write(countersign, process, order))


@app.command()
def verify(of: SomeOf = None, as_json: Json = False) -> None:
    """Check that no entry was changed, moved or removed; fails and names each one that was."""
    verified = call(lambda countersign: countersign.verify_audit(of))
    answer(verified, _verified, as_json=as_json)


async def _write(countersign: Countersign, process: str | None, order: str | None) -> None:
    async for entry in countersign.export_audit(process=process, order=order):
        sys.stdout.write(json.dumps(entry.model_dump(mode="json"), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _entries(entries: tuple[ChainedEntry, ...]) -> RenderableType:
    rows = ((*step(each), _details(each), _under(each), (each.hash or "")[:SHORT]) for each in entries)
    titles = ("UTC", "Process", "What", "State", "Who", "Why", "Details", "Decided under", "Hash")
    return table("", *titles, rows=rows)


def _details(entry: ChainedEntry) -> str:
    """What the entry says besides: to whom, which question, what answer, from which definition to which."""
    said = ((name, value) for name, value in entry.data.items() if name not in RULES and value)
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in said)


def _under(entry: ChainedEntry) -> str:
    """Definition and stage of a decision; nothing for other steps."""
    if "stage" not in entry.data:
        return ""
    hash_ = entry.data.get("definition_hash", "")[:SHORT]
    stage = f"stage {entry.data['stage']}, round {entry.data.get('round', '1')}"
    return " ".join(word for word in (entry.definition, hash_, stage) if word)


def _verified(verified: tuple[VerifiedChain, ...]) -> RenderableType:
    if len(verified) != 1:
        entries = sum(each.entries for each in verified)
        return Text(f"The audit holds: {entries} entries of {len(verified)} processes.")
    (only,) = verified
    return Text(f"The audit of {only.process} holds: {only.entries} entries, the last with hash {only.hash}.")
