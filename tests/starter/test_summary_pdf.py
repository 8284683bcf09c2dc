"""The PDF of a summary: complete, the same every time, and proof against whatever stands in an order."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from domain.base import Language
from domain.contact import Contact, ContactState
from domain.decisions import ApprovalStatus, Verdict
from domain.line import LineState
from domain.orders import OrderState
from domain.organisations import OrganisationKind
from starter.summary import (
    Answered,
    Binding,
    Decision,
    LineSummary,
    Named,
    OrderSummary,
    Party,
    SetUp,
    StageSummary,
)
from starter.summary_pdf import summary_pdf
from starter.summary_words import WORDS

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
HOSTILE = (
    "{nb} <b>bold</b> **md** __u__ [l](http://evil.example) ${x} %s \\n (PDF) Tj ET "
    "\x00\x1b[31m\u202egpj.exe\u202c שלום مرحبا बहुत 中文 🙂🚀 e" + "\u0301" * 40
)
LONG = "x" * 10_000


def line(number: int = 1, **more: Any) -> LineSummary:
    anna = Contact(email="anna@alpenblick.example", name="Anna Ölçü")
    answers = (("Name der Site", "alpenblick.meetings.nordwall.example"), ("Lizenzen", "25"))
    ursula = Decision(
        person=Named(key="u", name="Ursula Caduff"), verdict=Verdict.APPROVE, at=AT, reason="Passt."
    )
    values = {
        "number": number,
        "process": f"order-o1-line-{number}",
        "offer": "meetings-suite@1",
        "title": "Meetings suite",
        "state": "provisioning",
        "requested_start": AT + 3 * DAY,
        "started_at": AT,
        "updated_at": AT + DAY,
        "contact": ContactState(
            contact=anna, generation=2, sent_at=AT, accepted_at=AT, bounced="550 unknown"
        ),
        "binding": Binding(
            at=AT + DAY, partner=Named(key="b", name="Bergsicht"), customer=Named(key="a", name="Alpenblick")
        ),
        "set_up": SetUp(
            confirmed=True,
            by="anna@alpenblick.example",
            at=AT + DAY,
            answers={},
            shown=tuple(Answered(title=title, value=value) for title, value in answers),
        ),
        "approval": (
            StageSummary(
                title="Finanzen",
                round=2,
                status=ApprovalStatus.APPROVED,
                definition="two-steps@3",
                opened_at=AT,
                decisions=(ursula,),
            ),
        ),
    }
    return LineSummary.model_validate(values | more)


def summary(**more: Any) -> OrderSummary:
    values = {
        "order": "o1",
        "title": "Order of 1 service for bücher.example, Alpenblick",
        "state": "inProgress",
        "language": Language.DE,
        "placed_at": AT,
        "as_of": AT + 2 * DAY,
        "requested_by": Named(key="s", name="Beatrice Sales"),
        "parties": tuple(Party(kind=kind, key=kind, name=kind.upper()) for kind in OrganisationKind),
        "domain": "bücher.example",
        "external_id": "PO-1",
        "note": "Bitte bis Ostern.",
        "lines": (line(),),
    }
    return OrderSummary.model_validate(values | more)


def pages(pdf: bytes) -> list[str]:
    """The text of each page, as a reader would copy it."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]


def text(pdf: bytes) -> str:
    return " ".join(pages(pdf))


def test_everything_of_the_order_is_in_it() -> None:
    shown = text(summary_pdf(summary()))
    assert "Order of" not in shown, "it is in German"
    for expected in (
        "Bestellübersicht 1 Service, CUSTOMER",
        "Status in Bearbeitung",
        "Bestellt am 2026-03-02 08:00 UTC",
        "Bestellt von Beatrice Sales",
        "Anbieter PROVIDER",
        "Partner PARTNER",
        "Kunde CUSTOMER",
        "Domain bücher.example",
        "Ihre Referenz PO-1",
        "Bemerkung Bitte bis Ostern.",
        "Position 1 · Meetings suite",
        "Status wird bereitgestellt",
        "Gewünschter Beginn 2026-03-05 08:00 UTC",
        "In diesem Status seit 2026-03-03 08:00 UTC",
        "Angebot meetings-suite@1",
        "Anna Ölçü, anna@alpenblick.example",
        "unzustellbar 550 unknown",
        "Zugeordneter Kunde Alpenblick",
        "Einrichtung: bestätigt von anna@alpenblick.example am 2026-03-03 08:00 UTC",
        "Name der Site alpenblick.meetings.nordwall.example",
        "Genehmigung: Finanzen, Runde 2, genehmigt",
        "Regeln two-steps@3",
        "Ursula Caduff genehmigt, 2026-03-02 08:00 UTC Passt.",
        "Stand 2026-03-04 08:00 UTC",
        "Seite 1",
    ):
        assert expected in shown


def test_it_is_in_the_summarys_language() -> None:
    shown = text(summary_pdf(summary(language=Language.EN)))
    assert "Order summary" in shown
    assert "State in progress" in shown
    assert "Set-up: confirmed by" in shown


def test_a_draft_and_an_undecided_stage_are_told_as_such() -> None:
    drafted = line().set_up
    stage = (
        line().approval[0].model_copy(update={"decisions": (), "status": ApprovalStatus.PENDING, "round": 1})
    )
    assert drafted is not None
    made = summary(lines=(line(set_up=drafted.model_copy(update={"confirmed": False}), approval=(stage,)),))
    shown = text(summary_pdf(made))
    assert "Entwurf von anna@alpenblick.example" in shown
    assert "Genehmigung: Finanzen, offen" in shown
    assert "Entschieden von noch niemand" in shown


def test_an_order_whose_lines_have_not_begun_says_so() -> None:
    assert "noch nicht begonnen" in text(summary_pdf(summary(lines=())))


def test_what_people_wrote_is_never_taken_for_a_state_and_translated() -> None:
    shown = text(summary_pdf(summary(note="failed", external_id="approve")))
    assert "Bemerkung failed" in shown
    assert "Ihre Referenz approve" in shown


# The same every time


def test_the_same_summary_is_the_same_bytes() -> None:
    drawn = summary_pdf(summary())
    assert drawn == summary_pdf(summary())
    assert drawn != summary_pdf(summary(as_of=AT + 3 * DAY))


def test_in_another_process_too() -> None:
    made = summary()
    program = (
        "import sys; from starter.summary import OrderSummary; from starter.summary_pdf import summary_pdf; "
        "sys.stdout.buffer.write(summary_pdf(OrderSummary.model_validate_json(sys.stdin.read())))"
    )
    drawn = subprocess.run(
        [sys.executable, "-c", program],
        input=made.model_dump_json().encode(),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert drawn.stdout == summary_pdf(made)


# Hostile and foreign


def test_hostile_text_is_shown_as_it_is_and_steers_nothing() -> None:
    made = summary(
        title=HOSTILE,
        note=HOSTILE,
        lines=(line(title=HOSTILE, set_up=line().set_up.model_copy(update={"by": "{at} {0}"})),),  # type: ignore[union-attr]
    )
    pdf = summary_pdf(made)
    shown = text(pdf)
    assert "{nb} <b>bold</b> **md** __u__ [l](http://evil.example) ${x} %s" in shown
    assert "(PDF) Tj ET" in shown
    assert "bestätigt von {at} {0} am" in shown
    assert "gpj.exe" in shown
    assert "[U+1F680]" in shown
    reader = PdfReader(io.BytesIO(pdf))
    assert not any("/Annots" in page for page in reader.pages)
    assert not re.search(rb"/(JavaScript|JS|URI|Launch|EmbeddedFile)\b", pdf)


def test_names_in_other_scripts_are_drawn_with_their_letters() -> None:
    names = ("Räschle & Söhne", "Ελλάδα", "Київ Їжак", "Łódź Šķēle", "İstanbul Ölçü", "Հայաստան")
    right_to_left = "שלום شركة السلام ქართული"
    shown = text(summary_pdf(summary(note=", ".join(names), external_id=right_to_left)))
    assert [name for name in names if name not in shown] == []
    assert "[U+" not in shown


def test_ten_thousand_characters_in_every_place_go_on_over_pages() -> None:
    answered = SetUp(
        confirmed=True, by="anna", at=AT, answers={}, shown=(Answered(title="x" * 200, value=LONG),)
    )
    made = summary(note=LONG, lines=(line(title=LONG, set_up=answered, approval=()),))
    drawn = pages(summary_pdf(made))
    assert sum(page.count("x") for page in drawn) >= 3 * 10_000
    assert all("Bestellung o1" in page and f"Seite {n}" in page for n, page in enumerate(drawn, 1))


def test_many_lines_each_begin_with_their_heading_on_the_page_of_what_follows() -> None:
    drawn = pages(summary_pdf(summary(lines=tuple(line(n) for n in range(1, 9)))))
    assert len(drawn) > 3
    for page in drawn:
        after = page.split("Position")
        assert all("Status" in part for part in after[1:])


def test_a_font_for_another_script_can_be_given() -> None:
    """Any font does; it stands for one that knows more than the bundled."""
    bundled = Path(__file__).parents[2] / "starter" / "fonts" / "DejaVuSans.ttf"
    assert "𝖠" in text(summary_pdf(summary(lines=(line(title="𝖠"),)), [bundled]))
    assert "[U+1D5A0]" in text(summary_pdf(summary(lines=(line(title="𝖠"),))))


# Words


def test_both_languages_have_words_for_every_state() -> None:
    states = {*map(str, LineState), *map(str, OrderState), *map(str, ApprovalStatus), *map(str, Verdict)}
    assert states <= WORDS[Language.DE].keys()
    assert WORDS[Language.EN].keys() <= WORDS[Language.DE].keys()
    labels = {word for word in WORDS[Language.DE] if word not in states}
    assert labels <= WORDS[Language.EN].keys()
