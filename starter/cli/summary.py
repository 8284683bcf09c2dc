"""`countersign order summary` and `link summary`: an order for the records, on the screen, as JSON or PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from domain.base import Language
from domain.errors import Code, Refusal
from starter.cli.output import answer, facts, table
from starter.cli.session import Json, OrderId, call
from starter.summary import LineSummary, OrderSummary, SetUp, StageSummary

app = typer.Typer()

InLanguage = Annotated[
    Language, typer.Option("--language", help="Of headings, and of the questions of set-up forms.")
]

Pdf = Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write it as a PDF as well.")]
Fonts = Annotated[
    list[Path] | None,
    typer.Option(
        "--font",
        envvar="COUNTERSIGN_PDF_FONTS",
        metavar="FILE",
        help="A TrueType or OpenType font for scripts such as Chinese; may be given several times.",
    ),
]


@app.command()
def summary(
    order: OrderId,
    pdf: Pdf = None,
    language: InLanguage = Language.EN,
    fonts: Fonts = None,
    as_json: Json = False,
) -> None:
    """Show an order for the records: parties, lines, contacts, mapping, set-up and approvals."""
    made = call(lambda countersign: countersign.order_summary(order, language))
    answer_summary(made, pdf, fonts, as_json=as_json)


def answer_summary(made: OrderSummary, pdf: Path | None, fonts: list[Path] | None, *, as_json: bool) -> None:
    """Shows a summary, and writes it as a PDF as well if that is wanted.

    Raises:
        Refusal: NOT_FOUND for a font that is not there, INVALID_INPUT if the file cannot be written.
    """
    if pdf is not None:
        _write(made, pdf, fonts or [])
    answer(made, _shown, as_json=as_json)


def _write(made: OrderSummary, file: Path, fonts: list[Path]) -> None:
    # Fonts take a moment to load; most commands draw nothing.
    from starter.summary_pdf import summary_pdf  # noqa: PLC0415

    missing = [font for font in fonts if not font.is_file()]
    if missing:
        raise Refusal(Code.NOT_FOUND, f"font: there is no {missing[0]}")
    try:
        file.write_bytes(summary_pdf(made, fonts))
    except OSError as error:
        raise Refusal(Code.INVALID_INPUT, f"pdf: {file} cannot be written: {error.strerror}") from None


def _shown(made: OrderSummary) -> RenderableType:
    parties = ((party.kind.capitalize(), party.name) for party in made.parties)
    head = facts(
        made.title,
        [
            ("Order", made.order),
            ("State", made.state),
            ("As of (UTC)", made.as_of),
            ("Placed (UTC)", made.placed_at),
            ("Ordered by", made.requested_by.name),
            *parties,
            ("Domain", made.domain),
            ("Their reference", made.external_id),
            ("Note", made.note),
        ],
    )
    return Group(head, *(part for line in made.lines for part in _line(line)))


def _line(line: LineSummary) -> list[RenderableType]:
    contact, bound = line.contact, line.binding
    rows = [
        ("Offer", line.offer),
        ("State", line.state),
        ("Requested start (UTC)", line.requested_start),
        ("Since (UTC)", line.updated_at),
        ("Waiting for", line.waiting_for),
        ("Until (UTC)", line.until),
        ("Contact", contact.contact.shown if contact else None),
        ("Mailed (UTC)", contact.sent_at if contact else None),
        ("Mapped to", f"{bound.partner.name} for {bound.customer.name}" if bound else None),
        ("Mapped (UTC)", bound.at if bound else None),
    ]
    parts = [Text(), facts(f"Line {line.number}: {line.title}", rows)]
    if line.set_up is not None:
        parts.append(_set_up(line.set_up))
    return [*parts, *map(_stage, line.approval)]


def _set_up(made: SetUp) -> RenderableType:
    kind = "Set-up" if made.confirmed else "Draft of the set-up"
    rows = [(each.title, each.value) for each in made.shown]
    return facts(f"{kind}, by {made.by} on {made.at:%Y-%m-%d %H:%M}", rows)


def _stage(stage: StageSummary) -> RenderableType:
    rows = ((each.person.name, each.verdict, each.at, each.reason) for each in stage.decisions)
    title = f"Approval {stage.title}, round {stage.round}: {stage.status}, by {stage.definition}"
    return table(title, "Who", "What", "When (UTC)", "Why", rows=rows, empty=f"{title}. Nobody decided yet.")
