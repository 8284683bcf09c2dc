"""Conditions: when a stage of an approval applies (SPEC 4.1; docs/conditions.md).

A closed language over `RequestData`, a subset of CEL's syntax. A condition is checked when its definition is
published; one that passed gives true or false for every request and cannot fail.
"""

from __future__ import annotations

from functools import lru_cache

from domain.conditions.checking import check_condition
from domain.conditions.evaluate import evaluate
from domain.conditions.grammar import Node, parse
from domain.conditions.tokens import ConditionError
from domain.request_data import RequestData

__all__ = ["ConditionError", "check", "holds"]

_REMEMBERED = 512
"""Conditions kept in checked form; what was forgotten is read anew, to the same result."""


def check(text: str) -> None:
    """Refuses text that is no condition.

    Raises:
        ConditionError: Where it goes wrong, and what to write instead.
    """
    _checked(text)


def holds(text: str, data: RequestData) -> bool:
    """Whether a condition is true of a request.

    Raises:
        ConditionError: `check` would have refused it. Never because of the data.
    """
    return bool(evaluate(_checked(text), data))


@lru_cache(maxsize=_REMEMBERED)
def _checked(text: str) -> Node:
    condition = parse(text)
    check_condition(condition)
    return condition
