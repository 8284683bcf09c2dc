"""Makes text by strangers harmless before it enters a header, a mail or a log."""

from __future__ import annotations

import unicodedata

# Left-to-right and right-to-left marks, embeddings and isolates: they make a reader see another text.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """The text on one line: line breaks and other controls become spaces, bidi controls disappear."""
    if text.isprintable():  # nearly always, and a hundred times as fast to tell
        return text.strip()
    return "".join(_visible(char) for char in text).strip()


def clean_lines(text: str) -> str:
    """The text with its line breaks as newlines, and each line as in `one_line`."""
    return "\n".join(one_line(line) for line in text.splitlines()).strip()


def _visible(char: str) -> str:
    if char in _BIDI:
        return ""
    match unicodedata.category(char):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cs":
            return "\N{REPLACEMENT CHARACTER}"
        case _:
            return char
