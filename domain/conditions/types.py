"""The types of conditions, what can be called, and what `request` has."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from domain.request_data import RequestData


class Type(StrEnum):
    """Types by CEL's names. A map has strings by strings."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    INTS = "list(int)"
    STRINGS = "list(string)"
    MAP = "map"


MEMBER = MappingProxyType({Type.INTS: Type.INT, Type.STRINGS: Type.STRING, Type.MAP: Type.STRING})
"""What can be `in` a value of this type: members of lists, keys of maps."""


@dataclass(frozen=True, slots=True)
class Function:
    """Something to call.

    Attributes:
        takes: The types each argument may have; a method's first is what stands before the dot.
        gives: The type of its answer.
        run: Gives it, for any arguments of these types.
    """

    takes: tuple[tuple[Type, ...], ...]
    gives: Type
    run: Callable[..., Any]


_WHOLE = re.compile(r"-?[0-9]{1,18}")


def _int(text: str, otherwise: int) -> int:
    return int(text) if _WHOLE.fullmatch(text) else otherwise


METHODS: Mapping[str, Function] = MappingProxyType(
    {
        "contains": Function(((Type.STRING,), (Type.STRING,)), Type.BOOL, operator.contains),
        "endsWith": Function(((Type.STRING,), (Type.STRING,)), Type.BOOL, str.endswith),
        "size": Function(((Type.STRING, *MEMBER),), Type.INT, len),
        "startsWith": Function(((Type.STRING,), (Type.STRING,)), Type.BOOL, str.startswith),
    }
)
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {"int": Function(((Type.STRING,), (Type.INT,)), Type.INT, _int)}
)
"""`int(string, otherwise)` is the one thing CEL does not have: its own `int(string)` can fail."""

_BY_ANNOTATION: Mapping[Any, Type] = {int: Type.INT, str: Type.STRING, dict[str, str]: Type.MAP}
FIELDS: Mapping[str, Type] = MappingProxyType(
    {name: _BY_ANNOTATION[field.annotation] for name, field in RequestData.model_fields.items()}
)
"""The fields of `request`; a type that is not provided for stops this module from loading."""
