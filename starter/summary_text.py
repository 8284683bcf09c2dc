"""Anybody's words as a page can show them: nothing that steers, overlaps or stays invisible (SPEC 9)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby

_JOINERS = "\u200c\u200d"
"""Invisible, but Persian and Indic words are misspelt without them."""

_INVISIBLE = frozenset({"Cf", "Cn", "Co"})
"""Categories that are left out: reordering marks, with which a name can pose as another, and what is no
character."""

_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories that are shown as what they are: no text."""

MOST_MARKS = 3
"""Accents on one letter: Vietnamese and pointed Hebrew need no more, and a pile covers other lines."""


def drawable(text: str, glyphs: frozenset[int]) -> str:
    """A text that can be drawn with certain glyphs.

    Lines and writing direction stay as they are. What there is no glyph for is shown by its number, such as
    [U+4E2D]: a reader sees that something stands there, and what.

    Args:
        text: Anybody's.
        glyphs: Code points that can be drawn.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", " "))
    return "".join(_shown(char, glyphs) for char in _thinned(text))


def _thinned(text: str) -> Iterator[str]:
    """The characters without the marks that are too many."""
    for is_mark, run in groupby(text, lambda char: unicodedata.category(char) in {"Mn", "Me"}):
        yield from list(run)[: MOST_MARKS if is_mark else None]


def _shown(char: str, glyphs: frozenset[int]) -> str:
    category = unicodedata.category(char)
    if char == "\n" or char in _JOINERS:
        return char
    if category in _BREAKING:
        return "\ufffd"
    if category in _INVISIBLE or 0xFE00 <= ord(char) <= 0xFE0F:
        return ""
    return char if ord(char) in glyphs else f"[U+{ord(char):04X}]"
