"""What of a model its content hash is taken over, so that every release hashes the same content alike.

Hashes are stored with what was published and pinned in open requests; a release that knows further fields
must come to the same ones (SPEC 4.6, 10). So the defaults of the fields that were there from the beginning
are written out, and a field that came later counts only where somebody has used it.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class _AddedLater:
    """Kept among a field's metadata; nothing validates by it."""


ADDED_LATER: Final = _AddedLater()
"""Marks a field of a hashed model that came after the first release: `Annotated[int, ADDED_LATER] = 0`.

Its default is the old behaviour, as that of every new field (SPEC 10), and never changes.
"""


def canonical(model: BaseModel) -> dict[str, Any]:
    """A model as JSON, without the fields that came later and have their defaults."""
    body: dict[str, Any] = _pruned(model, model.model_dump(mode="json"))
    return body


def _pruned(value: object, dumped: Any) -> Any:
    """What is left of a value's JSON; models may be anywhere in it."""
    if isinstance(value, BaseModel):
        return {
            name: _pruned(getattr(value, name), dumped[name])
            for name, field in type(value).model_fields.items()
            if not _is_unused(field, getattr(value, name))
        }
    if isinstance(value, tuple | list):
        return [_pruned(each, part) for each, part in zip(value, dumped, strict=True)]
    if isinstance(value, dict):
        return {
            key: _pruned(each, part) for (key, part), each in zip(dumped.items(), value.values(), strict=True)
        }
    return dumped


def _is_unused(field: FieldInfo, value: object) -> bool:
    return ADDED_LATER in field.metadata and value == field.get_default(call_default_factory=True)
