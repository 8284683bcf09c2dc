"""An order summary as a PDF to keep (SPEC 5.5; provisioning.md a.5): the same summary, the same bytes.

All text goes through `drawable` and is drawn as glyphs; no part of it is read as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from fpdf import FPDF, XPos, YPos
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont

from domain.errors import Code, Refusal
from domain.organisations import OrganisationKind
from starter.summary import Decision, LineSummary, OrderSummary, SetUp, StageSummary
from starter.summary_text import drawable
from starter.summary_words import said

FAMILY = "DejaVu"
"""Bundled, as the fonts that every PDF reader has know Western Europe only (fonts/LICENSE)."""

MARGIN, LABEL = 20, 60
"""Widths in millimetres."""

BODY, SMALL, HEADING, TITLE = 9, 7.5, 11, 16
"""Font sizes in points."""

LEADING = 4.6
"""Height of a line of body text in millimetres."""

GREY, BLACK, RULE = (105, 105, 105), (20, 20, 20), (205, 205, 205)

Rows = Iterator[tuple[str, str | None]]
Say = Callable[[str], str]


def summary_pdf(summary: OrderSummary, fonts: Sequence[Path] = ()) -> bytes:
    """Draws a summary, in its own language.

    Args:
        summary: What to draw.
        fonts: TrueType or OpenType files for scripts that the bundled font lacks, such as Chinese.

    Raises:
        Refusal: INVALID_INPUT, naming a file that is no font.
    """
    sheet = _Sheet(summary)
    try:
        sheet.draw(fonts)
        return bytes(sheet.output())
    finally:
        sheet.close_fonts()


class _Sheet(FPDF):
    """The document while it is drawn."""

    def __init__(self, summary: OrderSummary) -> None:
        super().__init__(format="A4")
        self._summary = summary
        self._say: Say = partial(said, language=summary.language)
        self._glyphs: dict[str, frozenset[int]] = {}
        self.set_text_shaping(use_shaping_engine=True)
        self.alias_nb_pages("")  # or "{nb}" in somebody's note became a number of pages
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=MARGIN)
        self.set_title(f"{self._say('summary')} {summary.order}")
        self.set_lang(summary.language)
        self.set_producer("Countersign")
        self.set_creation_date(summary.as_of)

    def _load(self, more: Sequence[Path]) -> dict[str, frozenset[int]]:
        """Loads the fonts and returns the code points that each style can draw."""
        with as_file(files("starter") / "fonts") as folder:
            self.add_font(FAMILY, fname=folder / "DejaVuSans.ttf")
            self.add_font(FAMILY, style="B", fname=folder / "DejaVuSans-Bold.ttf")
        names = [f"more{n}" for n in range(len(more))]
        for name, file in zip(names, more, strict=True):
            self._load_foreign(name, file)
        self.set_fallback_fonts(names, exact_match=False)
        loaded = {key: frozenset(font.cmap) for key, font in self.fonts.items() if isinstance(font, TTFFont)}
        everywhere = frozenset().union(*(loaded[name] for name in names))
        family = FAMILY.lower()
        return {style: loaded[f"{family}{style}"] | everywhere for style in ("", "B")}

    def _load_foreign(self, name: str, file: Path) -> None:
        """Loads a font of somebody else's; one that is none is refused before it is kept open."""
        try:
            with file.open("rb") as opened:
                TTFont(opened, lazy=True, fontNumber=0)
            self.add_font(name, fname=file)
        except (OSError, ValueError, TTLibError) as error:
            raise Refusal(Code.INVALID_INPUT, f"font: {file.name} cannot be used: {error}") from None

    def close_fonts(self) -> None:
        """Closes the font files, which are read until everything is drawn."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def footer(self) -> None:
        """Order, date and page, on every page."""
        self.set_y(-MARGIN + 6)
        self._style(SMALL, GREY)
        order = f"{self._say('order')} {self._summary.order}"
        as_of = f"{self._say('as_of')} {_at(self._summary.as_of)}"
        width = self.epw / 2
        self.cell(width, 4, f"{order}  ·  {as_of}")
        self.cell(width, 4, f"{self._say('page')} {self.page_no()}", align="R")

    def draw(self, fonts: Sequence[Path]) -> None:
        """Draws everything."""
        self._glyphs = self._load(fonts)
        summary = self._summary
        self.add_page()
        self._text(self._say("summary"), TITLE, BLACK, bold=True)
        self._text(self._what(), BODY, GREY)
        self.ln(3)
        self._facts(_order_rows(summary, self._say))
        if not summary.lines:
            self._text(self._say("no_lines"), BODY, GREY)
        for line in summary.lines:
            self._line(line)

    def _what(self) -> str:
        """How much is ordered for whom; the order's title says it in English alone."""
        summary = self._summary
        customer = next(party.name for party in summary.parties if party.kind is OrganisationKind.CUSTOMER)
        count = len(summary.lines)
        services = self._say("one_service" if count == 1 else "services").format(count=count)
        return f"{services}, {customer}" if count else customer

    def _line(self, line: LineSummary) -> None:
        say = self._say
        self._heading(f"{say('line')} {line.number}  ·  {line.title}")
        self._facts(_line_rows(line, say))
        if line.set_up is not None:
            self._part(_set_up_head(line.set_up, say))
            self._facts((each.title, each.value) for each in line.set_up.shown)
        for stage in line.approval:
            self._part(_stage_head(stage, say))
            self._facts(_stage_rows(stage, say))

    # How it is set

    def _heading(self, text: str) -> None:
        """Begins a line of the order, with some of what follows on the same page."""
        self._keep(6 * LEADING)
        self.ln(3)
        self.set_draw_color(*RULE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2.5)
        self._text(text, HEADING, BLACK, bold=True)
        self.ln(1)

    def _part(self, head: str) -> None:
        self._keep(4 * LEADING)
        self.ln(1.5)
        self._text(head, BODY, BLACK, bold=True)
        self.ln(0.5)

    def _facts(self, rows: Rows) -> None:
        """Names and values beside each other; what has no value is left out."""
        for name, value in rows:
            if not value:
                continue
            self._style(BODY, GREY)
            self._keep(self._height(LABEL - 3, name))
            top, page = self.y, self.page
            self._cell(LABEL - 3, name)
            below = self.y
            self._style(BODY, BLACK)
            self.set_xy(self.l_margin + LABEL, top)
            self._cell(self.epw - LABEL, value)
            if self.page == page:
                self.set_y(max(below, self.y))

    def _text(self, text: str, size: float, colour: tuple[int, int, int], *, bold: bool = False) -> None:
        self._style(size, colour, bold=bold)
        self._cell(0, text, size * LEADING / BODY)

    def _style(self, size: float, colour: tuple[int, int, int], *, bold: bool = False) -> None:
        self.set_font(FAMILY, style="B" if bold else "", size=size)
        self.set_text_color(*colour)

    def _cell(self, width: float, text: str, height: float = LEADING) -> None:
        """Text within a width, over as many lines and pages as it needs."""
        self.multi_cell(width, height, self._drawable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _height(self, width: float, text: str) -> float:
        """How high `_cell` would draw a text."""
        lines = self.multi_cell(
            width, LEADING, self._drawable(text), dry_run=True, output=MethodReturnValue.LINES
        )
        assert isinstance(lines, list)
        return len(lines) * LEADING

    def _drawable(self, text: str) -> str:
        return drawable(text, self._glyphs[self.font_style])

    def _keep(self, height: float) -> None:
        """Goes on to the next page where less than a height is left of this one."""
        if self.will_page_break(height):
            self.add_page()


# What it says


def _order_rows(summary: OrderSummary, say: Say) -> Rows:
    yield say("order"), summary.order
    yield say("state"), say(summary.state)
    yield say("placed_at"), _at(summary.placed_at)
    yield say("requested_by"), summary.requested_by.name
    for party in summary.parties:
        yield say(party.kind), party.name
    yield say("domain"), summary.domain
    yield say("external_id"), summary.external_id
    yield say("note"), summary.note


def _line_rows(line: LineSummary, say: Say) -> Rows:
    yield say("state"), say(line.state)
    yield say("updated_at"), _at(line.updated_at)
    yield say("until"), _at(line.until)
    yield say("offer"), line.offer
    yield say("process"), line.process
    yield say("requested_start"), _at(line.requested_start)
    yield say("started_at"), _at(line.started_at)
    if line.contact is not None:
        contact = line.contact.contact
        yield say("contact"), f"{contact.name}, {contact.shown}" if contact.name else contact.shown
        yield say("mail_sent"), _at(line.contact.sent_at)
        yield say("mail_accepted"), _at(line.contact.accepted_at)
        yield say("mail_bounced"), line.contact.bounced
    if line.binding is not None:
        yield say("bound_partner"), line.binding.partner.name
        yield say("bound_customer"), line.binding.customer.name
        yield say("bound_at"), _at(line.binding.at)


def _set_up_head(set_up: SetUp, say: Say) -> str:
    words = say("confirmed_by" if set_up.confirmed else "drafted_by")
    return f"{say('set_up')}: {words.format(by=set_up.by, at=_at(set_up.at))}"


def _stage_head(stage: StageSummary, say: Say) -> str:
    title = f"{say('approval')}: {stage.title}"
    if stage.round > 1:
        title += f", {say('round').format(round=stage.round)}"
    return f"{title}, {say(stage.status)}"


def _stage_rows(stage: StageSummary, say: Say) -> Rows:
    yield say("rules"), stage.definition
    for decision in stage.decisions:
        yield decision.person.name, _decided(decision, say)
    if not stage.decisions:
        yield say("decided_by"), say("nobody_yet")


def _decided(decision: Decision, say: Say) -> str:
    what = f"{say(decision.verdict)}, {_at(decision.at)}"
    if decision.on_behalf_of is not None:
        what += f", {say('on_behalf_of').format(who=decision.on_behalf_of)}"
    return f"{what}\n{decision.reason}" if decision.reason else what


def _at(instant: datetime | None) -> str | None:
    return f"{instant:%Y-%m-%d %H:%M} UTC" if instant else None
