"""Tokens into a tree: a recursive descent, one method for each rule of the grammar.

condition  = all { "||" all }
all        = comparison { "&&" comparison }
comparison = negation [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" ) negation ]
negation   = { "!" } operand
operand    = value [ "." name arguments ]
value      = number | string | "true" | "false" | list | field | name arguments | "(" condition ")"
field      = "request" "." name [ "[" condition "]" ]
list       = "[" [ condition { "," condition } ] "]"
arguments  = "(" [ condition { "," condition } ] ")"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.conditions.tokens import ConditionError, Kind, Place, Token, number, string_value, tokens

MAX_DEPTH = 20
"""Parentheses, lists, arguments and `!` within each other. Keeps reader, checker and evaluation off the
recursion limit, wherever on the stack they are called."""

MAX_LIST = 100
"""Members of a list."""

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """Whatever stands somewhere; the place says nothing about what it means."""

    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Constant(_Node):
    """A value as it is written."""

    value: bool | int | str


@dataclass(frozen=True, slots=True)
class Listed(_Node):
    """`[a, b]`."""

    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class RequestField(_Node):
    """`request.name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Lookup(_Node):
    """`request.name[key]`."""

    within: RequestField
    key: Node


@dataclass(frozen=True, slots=True)
class Call(_Node):
    """`name(a, b)`, or `a.name(b)` if it is a method."""

    name: str
    arguments: tuple[Node, ...]
    is_method: bool


@dataclass(frozen=True, slots=True)
class Comparison(_Node):
    """`a == b` and its like, one of `COMPARISONS`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(_Node):
    """`!a`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class And(_Node):
    """`a && b && c`."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(_Node):
    """`a || b || c`."""

    operands: tuple[Node, ...]


Node: TypeAlias = Constant | Listed | RequestField | Lookup | Call | Comparison | Not | And | Or

_FOREIGN = {
    "and": "write &&",
    "or": "write ||",
    "not": "write ! before parentheses, as in !(a in b)",
    "True": "write true",
    "False": "write false",
    "null": 'nothing is ever null; what was not given is "" or 0',
    "None": 'nothing is ever null; what was not given is "" or 0',
}


def parse(text: str) -> Node:
    """Reads a condition; whether it makes sense is for `checking` to say.

    Raises:
        ConditionError: It does not follow the grammar, or a bound is exceeded.
    """
    return _Parser(text).whole()


class _Parser:
    """Reads one text once; `_next` is the first token not yet taken."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._next = next(self._tokens)
        self._depth = 0

    def whole(self) -> Node:
        if self._has_ended():
            raise ConditionError(
                "an empty condition; leave it out if the stage always applies", self._next.place
            )
        condition = self._condition()
        if not self._has_ended():
            raise self._misplaced("join conditions with && or ||")
        return condition

    def _condition(self) -> Node:
        operands = [self._all()]
        while self._takes("||"):
            operands.append(self._all())
        return operands[0] if len(operands) == 1 else Or(tuple(operands), place=operands[0].place)

    def _all(self) -> Node:
        operands = [self._comparison()]
        while self._takes("&&"):
            operands.append(self._comparison())
        return operands[0] if len(operands) == 1 else And(tuple(operands), place=operands[0].place)

    def _comparison(self) -> Node:
        left = self._negation()
        operator = self._takes(*COMPARISONS)
        if not operator:
            return left
        right = self._negation()
        if self._is_next(*COMPARISONS):
            raise ConditionError("comparisons make no chain; join two with &&", self._next.place)
        return Comparison(operator.text, left, right, place=operator.place)

    def _negation(self) -> Node:
        sign = self._takes("!")
        if not sign:
            return self._operand()
        with self._deeper(sign):
            return Not(self._negation(), place=sign.place)

    def _operand(self) -> Node:
        value = self._value()
        if not self._takes("."):
            return value
        name = self._word("the name of a method, such as startsWith")
        if not self._is_next("("):
            raise ConditionError(
                f'a method has parentheses; one of the parameters is request.parameters["{name.text}"]',
                name.place,
            )
        arguments = (value, *self._series("(", ")"))
        if self._is_next("."):
            raise ConditionError("nothing more can be asked of an answer", self._next.place)
        return Call(name.text, arguments, is_method=True, place=name.place)

    def _value(self) -> Node:
        token = self._next
        if token.kind is Kind.NUMBER:
            return Constant(number(self._advance()), place=token.place)
        if token.kind is Kind.STRING:
            return Constant(string_value(self._advance()), place=token.place)
        if token.kind is Kind.WORD:
            return self._named()
        if token.text == "[":
            return Listed(self._series("[", "]"), place=token.place)
        if not self._takes("("):
            raise self._misplaced("a field, a string, a number or a list should stand here")
        with self._deeper(token):
            inner = self._condition()
        self._expect(")")
        return inner

    def _named(self) -> Node:
        if self._next.text in {*_FOREIGN, "in"}:
            raise self._misplaced("a field, a string, a number or a list should stand here")
        word = self._advance()
        if word.text in {"true", "false"}:
            return Constant(word.text == "true", place=word.place)
        if word.text == "request":
            return self._field(word.place)
        if self._is_next("("):
            return Call(word.text, self._series("(", ")"), is_method=False, place=word.place)
        raise ConditionError(
            f"unknown name {word.text}; fields are request.{word.text}, strings stand between quotes",
            word.place,
        )

    def _field(self, place: Place) -> Node:
        if not self._takes("."):
            raise ConditionError("request is everything there is; name a field, as in request.offer", place)
        name = self._word("the name of a field, such as offer")
        found = RequestField(name.text, place=name.place)
        bracket = self._takes("[")
        if not bracket:
            return found
        with self._deeper(bracket):
            key = self._condition()
        self._expect("]")
        return Lookup(found, key, place=bracket.place)

    def _series(self, opening: str, closing: str) -> tuple[Node, ...]:
        bracket = self._expect(opening)
        members: list[Node] = []
        with self._deeper(bracket):
            while not self._is_next(closing):
                if members:
                    self._expect(",")
                members.append(self._condition())
                if len(members) > MAX_LIST:
                    raise ConditionError(f"a list has at most {MAX_LIST} members", bracket.place)
        self._expect(closing)
        return tuple(members)

    # Tokens

    def _has_ended(self) -> bool:
        return self._next.kind is Kind.END

    def _is_next(self, *texts: str) -> bool:
        return self._next.kind in {Kind.SYMBOL, Kind.WORD} and self._next.text in texts

    def _takes(self, *texts: str) -> Token | None:
        return self._advance() if self._is_next(*texts) else None

    def _advance(self) -> Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _expect(self, text: str) -> Token:
        if not self._is_next(text):
            raise self._misplaced(f"{text} should stand here")
        return self._advance()

    def _word(self, what: str) -> Token:
        if self._next.kind is not Kind.WORD:
            raise self._misplaced(f"{what} should stand here")
        return self._advance()

    def _misplaced(self, advice: str) -> ConditionError:
        better = _FOREIGN.get(self._next.text, advice) if self._next.kind is Kind.WORD else advice
        return ConditionError(f"{self._next} does not fit here; {better}", self._next.place)

    @contextmanager
    def _deeper(self, token: Token) -> Iterator[None]:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"nested more than {MAX_DEPTH} deep; make several stages of it", token.place)
        yield
        self._depth -= 1
