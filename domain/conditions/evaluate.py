"""What a checked condition says of a request: pure, and total once the types were checked."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

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
from domain.conditions.types import FUNCTIONS, METHODS
from domain.request_data import RequestData

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "in": lambda member, whole: member in whole,
    }
)


def evaluate(node: Node, data: RequestData) -> Any:
    """The value of a node whose type was worked out; `&&` and `||` stop as soon as they know."""
    match node:
        case Constant(value):
            return value
        case Listed(members):
            return tuple(evaluate(member, data) for member in members)
        case RequestField(name):
            return getattr(data, name)
        case Lookup(within, key):
            return evaluate(within, data).get(evaluate(key, data), "")
        case Call(name, arguments, is_method):
            function = (METHODS if is_method else FUNCTIONS)[name]
            return function.run(*(evaluate(argument, data) for argument in arguments))
        case Comparison(sign, left, right):
            return _OPERATORS[sign](evaluate(left, data), evaluate(right, data))
        case Not(operand):
            return not evaluate(operand, data)
        case And(operands):
            return all(evaluate(operand, data) for operand in operands)
        case Or(operands):
            return any(evaluate(operand, data) for operand in operands)
