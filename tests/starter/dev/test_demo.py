"""What the demo shows can be read and copied in any terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from starter.client import Countersign
from starter.dev import demo
from starter.dev.examples import read_examples
from starter.dev.player import Outcome
from starter.dev.samples import ORDERS

ORDER = "0192f3c4d5e67890abcdef0123456789"
PROCESS = f"order-{ORDER}-line-1"
UI = "http://127.0.0.1:8233"


class OneStep:
    """A client whose order has one step that mailed two people."""

    async def show(self, order: str) -> object:
        step = SimpleNamespace(
            at=datetime(2026, 3, 2, 9, tzinfo=UTC),
            process=PROCESS,
            seq=1,
            action="approval.opened",
            from_state="",
            to_state="awaiting_approval",
            actor="service:countersign",
            accepted=True,
            code=None,
        )
        return SimpleNamespace(timeline=(step,))

    async def mails(self, order: str, limit: int) -> object:
        people = ("manager-1@nordwall.example", "manager-2@nordwall.example")
        return tuple(
            SimpleNamespace(process=PROCESS, seq=1, template="approval_requested", recipient=each)
            for each in people
        )


@pytest.mark.parametrize("columns", [80, 200])
async def test_neither_steps_nor_links_are_folded_in_a_narrow_terminal(columns: int) -> None:
    console = Console(file=io.StringIO(), width=columns, highlight=False)
    outcomes = [Outcome(read_examples(ORDERS)[0], order=ORDER, ended="archive provisioned")]
    await demo._show_timeline(console, cast(Countersign, OneStep()), outcomes)
    demo._show_outcomes(console, outcomes, UI)

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    (step,) = (line for line in lines if PROCESS in line and not line.strip().startswith("http"))
    assert step.startswith("2026-03-02 09:00:00")
    assert step.endswith("service:countersign")
    letters = lines[lines.index(step) + 1]
    assert letters.startswith("    ")
    assert letters.endswith("approval_requested: manager-1@nordwall.example, manager-2@nordwall.example")
    assert f"    {UI}/namespaces/default/workflows/order-{ORDER}" in lines
