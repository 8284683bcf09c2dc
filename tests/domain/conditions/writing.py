"""Conditions written at random, each with what it should say, worked out without the code under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from domain.request_data import RequestData

OR, AND, COMPARISON, NEGATION, VALUE = range(5)
"""How tightly a part holds together; a looser one needs parentheses inside a tighter one."""

POOL = ["", "mail", "mail@1", "contoso.ch", ".ch", "25", "-3", "seats", "plan", "Ä", "\n", '"\\']
NAMES = ["offer", "provider", "partner", "customer", "requested_by", "domain", "external_id", "note"]


@dataclass(frozen=True)
class Written:
    """A part of a condition.

    Attributes:
        says: What it is for a request.
    """

    text: str
    binds: int
    says: Callable[[RequestData], Any]

    def inside(self, binds: int) -> str:
        return self.text if self.binds >= binds else f"({self.text})"


texts = st.sampled_from(POOL) | st.text(
    st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=4
)
numbers = st.integers(-4, 30) | st.integers(-(2**63), 2**63 - 1)
requests = st.builds(
    RequestData,
    **dict.fromkeys(NAMES, texts),
    parameters=st.dictionaries(texts, texts, max_size=3),
    offer_version=numbers,
    lead_days=numbers,
)


def quoted(value: str, quote: str) -> str:
    """A string as an author would write it."""
    written = "".join(
        f"\\{char}" if char in {quote, "\\"} else char if char.isprintable() else f"\\u{ord(char):04x}"
        for char in value
    )
    return f"{quote}{written}{quote}"


@st.composite
def strings(draw: st.DrawFn, depth: int) -> Written:
    kind = draw(st.sampled_from(["constant", "field", "lookup"] if depth else ["constant", "field"]))
    if kind == "constant":
        value = draw(texts)
        return Written(quoted(value, draw(st.sampled_from("'\""))), VALUE, lambda _: value)
    if kind == "field":
        name = draw(st.sampled_from(NAMES))
        return Written(f"request.{name}", VALUE, lambda data: getattr(data, name))
    key = draw(strings(depth - 1))
    return Written(
        f"request.parameters[{key.text}]",
        VALUE,
        lambda data: data.parameters.get(key.says(data), ""),
    )


@st.composite
def ints(draw: st.DrawFn, depth: int) -> Written:
    kind = draw(st.sampled_from(["constant", "field", "size", "int"] if depth else ["constant", "field"]))
    if kind == "constant":
        value = draw(numbers)
        return Written(str(value), VALUE, lambda _: value)
    if kind == "field":
        name = draw(st.sampled_from(["lead_days", "offer_version"]))
        return Written(f"request.{name}", VALUE, lambda data: getattr(data, name))
    if kind == "size":
        whole = draw(strings(depth - 1) | lists_of(strings, depth - 1) | maps)
        return Written(f"{whole.text}.size()", VALUE, lambda data: len(whole.says(data)))
    part, otherwise = draw(strings(depth - 1)), draw(ints(depth - 1))

    def says(data: RequestData) -> int:
        digits = part.says(data).removeprefix("-")
        is_number = 1 <= len(digits) <= 18 and set(digits) <= set("0123456789")
        return int(part.says(data)) if is_number else otherwise.says(data)

    return Written(f"int({part.text}, {otherwise.text})", VALUE, says)


maps = st.just(Written("request.parameters", VALUE, lambda data: data.parameters))


@st.composite
def lists_of(draw: st.DrawFn, what: Callable[[int], st.SearchStrategy[Written]], depth: int) -> Written:
    members = draw(st.lists(what(depth), min_size=1, max_size=3))
    return Written(
        f"[{', '.join(member.text for member in members)}]",
        VALUE,
        lambda data: [member.says(data) for member in members],
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> Written:
    """Well-typed conditions, with as few parentheses as the precedence allows."""
    leaves = ["constant", "equal", "order", "in", "method"]
    return draw(
        _KINDS[draw(st.sampled_from([*leaves, "not", "and", "or", "same"] if depth else leaves))](depth)
    )


def _constant(_: int) -> st.SearchStrategy[Written]:
    return st.booleans().map(lambda value: Written(str(value).lower(), VALUE, lambda _: value))


@st.composite
def _compared(draw: st.DrawFn, sides: Any, signs: dict[str, Callable[[Any, Any], bool]]) -> Written:
    left, right = draw(sides), draw(sides)
    sign = draw(st.sampled_from(sorted(signs)))
    return Written(
        f"{left.inside(NEGATION)} {sign} {right.inside(NEGATION)}",
        COMPARISON,
        lambda data: signs[sign](left.says(data), right.says(data)),
    )


_EQUAL = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b}
_ORDER = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@st.composite
def _member(draw: st.DrawFn, depth: int) -> Written:
    what = draw(st.sampled_from([strings, ints]))
    places = lists_of(what, 1) | maps if what is strings else lists_of(what, 1)
    member, place = draw(what(1)), draw(places)
    return Written(
        f"{member.text} in {place.text}",
        COMPARISON,
        lambda data: any(member.says(data) == each for each in place.says(data)),
    )


@st.composite
def _method(draw: st.DrawFn, depth: int) -> Written:
    whole, part = draw(strings(1)), draw(strings(1))
    name, finds = draw(
        st.sampled_from(
            [
                ("startsWith", lambda a, b: a[: len(b)] == b),
                ("endsWith", lambda a, b: a[max(0, len(a) - len(b)) :] == b),
                ("contains", lambda a, b: any(a[n : n + len(b)] == b for n in range(len(a) + 1))),
            ]
        )
    )
    return Written(
        f"{whole.text}.{name}({part.text})", VALUE, lambda data: finds(whole.says(data), part.says(data))
    )


@st.composite
def _negated(draw: st.DrawFn, depth: int) -> Written:
    part = draw(conditions(depth - 1))
    return Written(f"!{part.inside(NEGATION)}", NEGATION, lambda data: not part.says(data))


@st.composite
def _joined(draw: st.DrawFn, depth: int, sign: str, binds: int, enough: bool) -> Written:
    parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
    return Written(
        f" {sign} ".join(part.inside(binds + 1) for part in parts),
        binds,
        lambda data: enough if any(part.says(data) is enough for part in parts) else not enough,
    )


_KINDS: dict[str, Callable[[int], st.SearchStrategy[Written]]] = {
    "constant": _constant,
    "equal": lambda _: _compared(strings(1), _EQUAL) | _compared(ints(1), _EQUAL),
    "order": lambda _: _compared(strings(1), _ORDER) | _compared(ints(1), _ORDER),
    "in": _member,
    "method": _method,
    "not": _negated,
    "and": lambda depth: _joined(depth, "&&", AND, enough=False),
    "or": lambda depth: _joined(depth, "||", OR, enough=True),
    "same": lambda depth: _compared(conditions(depth - 1), _EQUAL),
}

PIECES = [
    *["request", "request.", "offer", "lead_days", "parameters", "request.offer", "request.lead_days"],
    *[
        'request.parameters["x"]',
        "request.parameters",
        ".",
        "size",
        "startsWith",
        "contains",
        "int",
        ".size()",
    ],
    *[
        '"a"',
        "'b'",
        "1",
        "-2",
        "true",
        "false",
        "(",
        ")",
        "[",
        "]",
        ",",
        "!",
        "&&",
        "||",
        "==",
        "!=",
        "<",
        ">=",
    ],
    *["in", " ", "\n", "//", '"', "'", "\\", "=", "&", "|", "+", "?", "{", "\0", "\ud800", "ß", "9" * 30],
]
"""What a text close to a condition is made of."""
