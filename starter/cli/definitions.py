"""`countersign definitions …`: approval definitions while requests are open (SPEC 4.1, 4.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.text import Text

from domain.base import Key
from domain.errors import Code, Refusal
from starter.cli.catalog import fates, published
from starter.cli.output import answer, facts, table
from starter.cli.session import Json, Publisher, PublishReason, Reason, call
from starter.definitions import RolloutStatus
from starter.files import read_definitions
from starter.schemas import write_schemas
from storage.definitions import Usage

app = typer.Typer(help="Publish, compare and retire approval definitions.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Such as cost-release@2.")]


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="One definition, or a folder of them.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would change and what becomes of open requests; change nothing."
        ),
    ] = False,
    actor: Publisher = None,
    reason: PublishReason = None,
    as_json: Json = False,
) -> None:
    """Publish new versions, and start the rollouts that follow from them."""
    definitions = read_definitions(path)
    done = call(
        lambda countersign: countersign.publish_catalogue(
            [], definitions, actor=actor, reason=reason, dry_run=dry_run
        )
    )
    answer(done, published, as_json=as_json)


@app.command("list")
def list_versions(
    name: Annotated[str | None, typer.Argument(help="Only this definition.")] = None, as_json: Json = False
) -> None:
    """List every version with what uses it, newest first."""
    answer(call(lambda countersign: countersign.definition_versions(name)), _versions, as_json=as_json)


@app.command()
def diff(old: Version, new: Version, as_json: Json = False) -> None:
    """Show what differs between two versions."""
    before, after = _reference(old), _reference(new)
    said = call(lambda countersign: countersign.definition_diff(before, after))
    answer(
        {"old": old, "new": new, "diff": said},
        lambda each: (
            Syntax(each["diff"], "diff", background_color="default") if said else Text("No difference.")
        ),
        as_json=as_json,
    )


@app.command()
def usage(
    which: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A definition, or one version.")],
    as_json: Json = False,
) -> None:
    """Show the open requests that run on each version, and the offers whose requests take it."""
    name, version = _reference(which) if "@" in which else (which, None)
    found = call(lambda countersign: countersign.definition_usage(name, version))
    answer(found, lambda each: Group(*map(_usage, each)), as_json=as_json)


@app.command()
def retire(
    which: Version,
    actor: Publisher = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why: kept with the version.")] = None,
    as_json: Json = False,
) -> None:
    """Let no new request take a version any more. Open requests keep it; unused ones are removed later."""
    name, version = _reference(which)
    call(lambda countersign: countersign.retire_definition(name, version, actor=actor, reason=reason))
    left = call(lambda countersign: countersign.definition_usage(name))
    current = next((each.reference for each in left if each.is_current), None)
    [retired] = (each for each in left if each.reference == f"{name}@{version}")
    rows: list[tuple[str, object]] = [
        *_retirement(retired),
        ("New requests take", current or "no version of it"),
    ]
    answer(
        {
            "reference": which,
            "retired_at": retired.retired_at,
            "retired_by": retired.retired_by,
            "retired_reason": retired.retired_reason,
            "current": current,
        },
        lambda _: facts(which, rows),
        as_json=as_json,
    )


@app.command()
def rollout(
    which: Version,
    *,
    offer: Annotated[bool, typer.Option("--offer", help="NAME@VERSION is an offer's.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would become of each open request.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show how far it has come; start nothing.")] = False,
    actor: Publisher = None,
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Start the rollout of a version over the open requests, or see what it does."""
    name, version = _reference(which)
    if dry_run:
        plan = call(lambda countersign: countersign.preview_rollout(name, version, of_offer=offer))
        answer(plan, fates, as_json=as_json)
        return
    if not show:
        call(
            lambda countersign: countersign.start_rollout(
                name, version, of_offer=offer, actor=actor, reason=reason
            )
        )
    status = call(lambda countersign: countersign.rollout(name, version, of_offer=offer))
    answer(status, _status, as_json=as_json)


@app.command()
def schema(
    folder: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the files go.")] = Path(
        "docs/schemas"
    ),
    as_json: Json = False,
) -> None:
    """Write the JSON Schemas of definitions and offers, by which editors check and complete YAML."""
    files = write_schemas(folder)
    answer([str(file) for file in files], lambda names: Text("\n".join(names)), as_json=as_json)


def _reference(written: str) -> tuple[str, int]:
    name, _, version = written.rpartition("@")
    try:
        return TypeAdapter(Key).validate_python(name), int(version)
    except (ValidationError, ValueError):
        raise Refusal(Code.INVALID_INPUT, f"version: {written!r} is no NAME@VERSION") from None


def _versions(found: tuple[Usage, ...]) -> RenderableType:
    rows = (
        (
            *(each.reference, _state(each), len(each.processes), len(each.offers)),
            *(each.published_at, each.published_by, each.retired_at, each.retired_by),
        )
        for each in found
    )
    columns = (
        *("Version", "State", "Open requests", "Offers"),
        *("Published (UTC)", "By", "Retired (UTC)", "By"),
    )
    return table("Approval definitions", *columns, rows=rows, empty="No approval definitions.")


def _state(version: Usage) -> str:
    if version.removed_at is not None:
        return "removed"
    if version.retired_at is not None:
        return "retired"
    return "current" if version.is_current else "superseded"


def _usage(version: Usage) -> RenderableType:
    return facts(
        version.reference,
        [
            ("State", _state(version)),
            ("Published (UTC)", version.published_at),
            ("Published by", version.published_by),
            ("Why", version.published_reason),
            *_retirement(version),
            ("Removed (UTC)", version.removed_at),
            ("Offers", ", ".join(f"{each.offer} ({each.purpose})" for each in version.offers)),
            ("Open requests", len(version.processes)),
            ("", "\n".join(version.processes)),
        ],
    )


def _retirement(version: Usage) -> tuple[tuple[str, object], ...]:
    return (
        ("Retired (UTC)", version.retired_at),
        ("Retired by", version.retired_by),
        ("Why retired", version.retired_reason),
    )


def _status(status: RolloutStatus) -> RenderableType:
    progress = status.progress
    rows: list[tuple[str, object]] = [("State", status.state)]
    if progress is not None:
        rows += [
            ("Changed", progress.changed),
            ("Passed by", progress.passed_by),
            ("Refused", "\n".join(f"{process}: {why}" for process, why in progress.refused.items())),
            ("Not reached", "\n".join(progress.unreached)),
        ]
    return facts(status.rollout, rows)
