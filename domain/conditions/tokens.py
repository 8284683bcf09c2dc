"""Text into tokens: CEL's lexis without floats, bytes, raw and multi-line strings (docs/conditions.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from domain.definitions import MAX_CONDITION

LARGEST = 2**63 - 1
"""Integers have 64 bits, as CEL's."""


class Place(NamedTuple):
    """Where something stands in a condition; both count from 1."""

    line: int
    column: int


class ConditionError(ValueError):
    """A text is no condition.

    Attributes:
        message: What is wrong and what to write instead.
        line: Where, from 1; a condition may have several lines.
        column: Where in that line, from 1.
    """

    def __init__(self, message: str, place: Place) -> None:
        self.message = message
        self.line, self.column = place
        where = f"column {self.column}" if self.line == 1 else f"line {self.line}, column {self.column}"
        super().__init__(f"{where}: {message}")


class Kind(StrEnum):
    """What a token is; `end` follows the last one."""

    NUMBER = "number"
    STRING = "string"
    WORD = "word"
    SYMBOL = "symbol"
    END = "end"


class Token(NamedTuple):
    """One word, sign or literal as it was written."""

    kind: Kind
    text: str
    place: Place

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else f"{self.text!r}"


_SPACE = re.compile(r"(?:[ \t\n\r\f]|//[^\n]*)*")
_TOKEN = re.compile(
    r"""(?P<number> -?[0-9]+ (?![0-9A-Za-z_.]) )
    |   (?P<word>   [A-Za-z_][A-Za-z0-9_]* )
    |   (?P<string> "(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*' )
    |   (?P<symbol> && | \|\| | [=!<>]= | [<>!()\[\].,] )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([\\\"'nrt])|u([0-9a-fA-F]{4})|.)")
_ESCAPED = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}

_HINTS = {
    "\"'": "this string has no closing quote on its line",
    "“”„‘’": "write straight quotes, \" or '",
    "=": "write == to compare",
    "&": "write && for `and`",
    "|": "write || for `or`",
    "-": "a minus sign stands only directly before a whole number; there is no arithmetic",
    "+*/%": "there is no arithmetic",
    "?:": "there is no `a ? b : c`; write it with && and ||",
    "{}": "there are no maps but request.parameters",
    "0123456789": "numbers are whole and decimal; write no point, prefix or suffix",
}


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a condition, the last of them `end`.

    Raises:
        ConditionError: It is too long, or something in it is no token.
    """
    if len(text) > MAX_CONDITION:
        raise ConditionError(
            f"longer than {MAX_CONDITION:,} characters; make several stages of it",
            _place(text, MAX_CONDITION),
        )
    at = _after_space(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise ConditionError(_hint(text, at), _place(text, at))
        yield Token(Kind(found.lastgroup or ""), found.group(), _place(text, at))
        at = _after_space(text, found.end())
    yield Token(Kind.END, "", _place(text, at))


def number(token: Token) -> int:
    """The value of a number.

    Raises:
        ConditionError: It has more than 64 bits.
    """
    value = int(token.text)
    if not -LARGEST - 1 <= value <= LARGEST:
        raise ConditionError(f"a number lies between {-LARGEST - 1} and {LARGEST}", token.place)
    return value


def string_value(token: Token) -> str:
    """The value of a string.

    Raises:
        ConditionError: An escape is unknown, or a character cannot be seen.
    """
    inner = token.text[1:-1]
    hidden = next((char for char in inner if not char.isprintable()), None)
    if hidden:
        raise ConditionError(f"write the invisible character {hidden!r} as \\uXXXX", token.place)
    return _ESCAPE.sub(lambda escape: _unescaped(escape, token.place), inner)


def _unescaped(escape: re.Match[str], place: Place) -> str:
    plain, code = escape.groups()
    if plain:
        return _ESCAPED[plain]
    if code and not 0xD800 <= int(code, 16) <= 0xDFFF:
        return chr(int(code, 16))
    raise ConditionError(f"unknown escape {escape.group()}; write \\\\ for a backslash", place)


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _place(text: str, at: int) -> Place:
    return Place(line=text.count("\n", 0, at) + 1, column=at - text.rfind("\n", 0, at))


def _hint(text: str, at: int) -> str:
    char = text[at]
    if char == "-" and text[at + 1 : at + 2].isdigit():
        char = "0"
    return next(
        (hint for chars, hint in _HINTS.items() if char in chars),
        f"{char!r} means nothing here; put a string between quotes",
    )
