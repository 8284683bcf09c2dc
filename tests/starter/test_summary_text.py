"""What of anybody's words is drawn: nothing that steers, overlaps or stays invisible (SPEC 9)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starter.summary_text import MOST_MARKS, drawable

LATIN = frozenset(range(0x20, 0x250)) | {0x0301, 0x2013, 0xFFFD}


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Räschle & Söhne <b>AG</b>", "Räschle & Söhne <b>AG</b>"),
        ("two\r\nlines\tand a tab", "two\nlines and a tab"),
        ("e\u0301", "é"),
        ("\x00\x1b[31m", "\ufffd\ufffd[31m"),
        ("a\u2028b\ud800", "a\ufffdb\ufffd"),
        ("safe\u202egpj.exe\u202c", "safegpj.exe"),
        ("zero\u200b\ufeff\u00adwidth", "zerowidth"),
        ("中 🚀", "[U+4E2D] [U+1F680]"),
        ("\ue000\U000e0041", ""),
        ("x" + "\u0301" * 40, "x" + "\u0301" * MOST_MARKS),
        ("ok\ufe0f", "ok"),
    ],
)
def test_what_cannot_be_drawn_is_named_and_what_deceives_is_left_out(text: str, drawn: str) -> None:
    assert drawable(text, LATIN) == drawn


def test_joiners_stay_because_words_are_misspelt_without_them() -> None:
    assert drawable("می\u200cخواهم", frozenset(map(ord, "میخواهم"))) == "می\u200cخواهم"


@given(st.text())
def test_all_that_is_left_can_be_drawn(text: str) -> None:
    drawn = drawable(text, LATIN)
    assert all(ord(char) in LATIN or char in "\n\u200c\u200d" for char in drawn)
    assert drawable(drawn, LATIN) == unicodedata.normalize("NFC", drawn)
