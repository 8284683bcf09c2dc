"""The types of a condition, worked out before any request is there (issue 3: checked at publication)."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from domain.conditions.grammar import (
    And,
    Call,
    Comparison,
    Constant,
    Listed,
    Lookup,
    Node,
    Not,
    Or,
    RequestField,
)
from domain.conditions.tokens import ConditionError
from domain.conditions.types import FIELDS, FUNCTIONS, MEMBER, METHODS, Type

_LISTS = {member: whole for whole, member in MEMBER.items() if whole is not Type.MAP}


def check_condition(node: Node) -> None:
    """Refuses what is well formed and makes no sense.

    Raises:
        ConditionError: A field or function does not exist, types do not fit, or the whole is neither true nor
            false.
    """
    found = type_of(node)
    if found is not Type.BOOL:
        raise ConditionError(
            f'this is {_a(found)}, not true or false; compare it, as in request.offer == "mail"', node.place
        )


def type_of(node: Node) -> Type:
    """The type of whatever a node will give.

    Raises:
        ConditionError: It has none.
    """
    match node:
        case Constant(value):
            return {bool: Type.BOOL, int: Type.INT, str: Type.STRING}[type(value)]
        case Listed():
            return _type_of_list(node)
        case RequestField():
            return _type_of_field(node)
        case Lookup():
            return _type_of_lookup(node)
        case Call():
            return _type_of_call(node)
        case Comparison():
            return _type_of_comparison(node)
        case Not(operand):
            return _must_be_bool(operand, "!", "; put what it negates in parentheses")
        case And() | Or():
            return _type_of_junction(node)


def _type_of_list(node: Listed) -> Type:
    if not node.members:
        raise ConditionError("an empty list has nothing in it; leave the comparison out", node.place)
    first, *others = [(type_of(member), member.place) for member in node.members]
    member_type, place = first
    if member_type not in _LISTS:
        raise ConditionError(f"a list holds strings or ints, not {_a(member_type)}", place)
    for found, place in others:
        if found is not member_type:
            raise ConditionError(f"{_a(found)} in a list of {member_type}s; make two lists", place)
    return _LISTS[member_type]


def _type_of_field(node: RequestField) -> Type:
    if node.name not in FIELDS:
        raise ConditionError(f"request has no field {node.name}{_nearest(node.name, FIELDS)}", node.place)
    return FIELDS[node.name]


def _type_of_lookup(node: Lookup) -> Type:
    within, key = type_of(node.within), type_of(node.key)
    if within is not Type.MAP:
        raise ConditionError(f"request.{node.within.name} is {_a(within)}; only a map has [ ]", node.place)
    if key is not Type.STRING:
        raise ConditionError(f"[ ] takes a string, this is {_a(key)}", node.key.place)
    return Type.STRING


def _type_of_call(node: Call) -> Type:
    known, other = (METHODS, FUNCTIONS) if node.is_method else (FUNCTIONS, METHODS)
    if node.name not in known:
        kind = "method" if node.is_method else "function"
        advice = _nearest(node.name, known)
        if node.name in other:
            advice = f"; write {node.name}(string, …)" if node.is_method else f"; write string.{node.name}(…)"
        raise ConditionError(f"there is no {kind} {node.name}{advice}", node.place)
    function, own = known[node.name], int(node.is_method)
    if len(node.arguments) != len(function.takes):
        wanted, given = len(function.takes) - own, len(node.arguments) - own
        raise ConditionError(f"{node.name} takes {wanted} in its parentheses, not {given}", node.place)
    for argument, allowed in zip(node.arguments, function.takes, strict=True):
        found = type_of(argument)
        if found not in allowed:
            raise ConditionError(
                f"{node.name} takes {' or '.join(_a(each) for each in allowed)}, this is {_a(found)}",
                argument.place,
            )
    return function.gives


def _type_of_comparison(node: Comparison) -> Type:
    left, right = type_of(node.left), type_of(node.right)
    if node.operator == "in":
        if right not in MEMBER:
            raise ConditionError(f"in looks into a list or a map, not into {_a(right)}", node.right.place)
        if left is not MEMBER[right]:
            raise ConditionError(f"{_a(left)} can never be in {_a(right)}", node.place)
        return Type.BOOL
    if left is not right:
        mixed = {left, right} == {Type.STRING, Type.INT}
        hint = "; int(string, otherwise) makes an int of a string" if mixed else ""
        raise ConditionError(
            f"{_a(left)} {node.operator} {_a(right)} compares unlike things{hint}", node.place
        )
    comparable = {Type.INT, Type.STRING} | ({Type.BOOL} if node.operator in {"==", "!="} else set())
    if left not in comparable:
        raise ConditionError(f"{node.operator} does not compare {_a(left)} with another", node.place)
    return Type.BOOL


def _type_of_junction(node: And | Or) -> Type:
    sign = "&&" if isinstance(node, And) else "||"
    for operand in node.operands:
        _must_be_bool(operand, sign)
    return Type.BOOL


def _must_be_bool(node: Node, sign: str, advice: str = "; compare it with something") -> Type:
    found = type_of(node)
    if found is not Type.BOOL:
        raise ConditionError(f"{sign} takes true or false, this is {_a(found)}{advice}", node.place)
    return found


def _a(kind: Type) -> str:
    return f"an {kind}" if kind is Type.INT else f"a {kind}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
