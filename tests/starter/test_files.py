"""Reading what people wrote down: errors name the place and quote what stands there."""

from __future__ import annotations

import pytest

from domain.base import Command
from domain.errors import Code, Refusal
from domain.orders import OrderState
from starter.files import validated


class Part(Command):
    """A part of what is to be filled in."""

    name: str


class Form(Command):
    """Something to fill in."""

    state: OrderState
    part: Part | None = None


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"state": "failed\r\nBcc: eve"}, r"state: 'failed\r\nBcc: eve': Input should be"),
        ({"state": "a\\b"}, r"state: 'a\b': Input should be"),
        ({"state": "failed", "\x1b[2J": 1}, r"\x1b[2J: '1': Extra inputs are not permitted"),
        ({}, "state: Field required"),
        ({"state": "failed", "part": "x"}, "part: 'x': must be an object with named fields"),
    ],
    ids=["a value over two lines", "a backslash", "a field that steers terminals", "nothing", "no object"],
)
def test_a_wrong_field_is_named_and_its_value_quoted_on_one_line(
    document: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Refusal) as refused:
        validated(Form, document, "order.yaml")
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.startswith(f"order.yaml: {sentence}")
    assert refused.value.message.isprintable()
