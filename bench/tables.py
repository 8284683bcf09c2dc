"""Tables of figures, in Markdown: readable in a terminal, and fit for the README as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement came to.

    Attributes:
        title: What was measured.
        columns: Their headings; all but the first hold figures.
        rows: As many cells as there are columns.
        notes: What has to be known to read them.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def show(console: Console, figures: Figures) -> None:
    """Prints one table with its notes."""
    table = Table(box=box.MARKDOWN, pad_edge=True)
    for number, heading in enumerate(figures.columns):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in figures.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(f"\n### {figures.title}\n", markup=False)
    console.print(table, crop=False, overflow="ignore")
    for note in figures.notes:
        console.print(f"\n{note}", markup=False, soft_wrap=True)
