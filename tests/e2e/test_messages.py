"""The commands of docs/messages.md, run as printed: the `temporal` program, and no Python of ours."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain import wire
from starter.acting import UPDATES
from starter.dev.samples import ROOT, copy_zones, load_samples
from starter.dev.stack import Stack
from starter.gateway import utc_now

DOCUMENT = (ROOT / "docs" / "messages.md").read_text()
BLOCK = re.compile(r"((?:<!--[^\n]*-->\n)*)```sh\n(.*?)```", re.DOTALL)
ONCE = re.compile(r"<!-- once (\S+) (is|asks|waits) (\S+) -->")
REFUSED = re.compile(r"<!-- refused: (\w+) -->")


@dataclass(frozen=True)
class Ran:
    code: int
    said: str


@dataclass
class Shell:
    """A shell that knows where Temporal is, and nothing else of us."""

    folder: Path
    environment: dict[str, str]

    async def run(self, script: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", script,
            cwd=self.folder, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        return Ran(process.returncode or 0, said.decode())

    async def view(self, process: str) -> dict[str, Any] | None:
        """What a process says of itself; None while there is no such run."""
        ran = await self.run(f"temporal workflow query --workflow-id {process} --type view --output json")
        if ran.code:
            return None
        [view] = json.loads(ran.said)["queryResult"]
        return dict(view)

    async def once(self, process: str, what: str, wanted: str) -> None:
        """Waits for a line's state, for the stage it asks, or for somebody it waits for."""
        async with asyncio.timeout(80):
            while True:
                view = await self.view(process)
                if view is not None and _holds(view, what, wanted):
                    return
                await asyncio.sleep(0.05)


def _holds(view: dict[str, Any], what: str, wanted: str) -> bool:
    if what == "waits":
        return wanted in view["waiting_for"]
    return wanted == (view["state"] if what == "is" else _asked(view))


def _asked(view: dict[str, Any]) -> str | None:
    """The stage whose people are known and asked."""
    approval = view.get("approval") or {}
    return approval.get("stage") if approval.get("roster") else None


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """A shell beside a stack with its samples."""
    state = tmp_path / "state"
    copy_zones(state / "zones")
    async with Stack(state) as stack:
        await load_samples(stack.database, utc_now())
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield Shell(
            tmp_path, {"PATH": path, "HOME": str(tmp_path), "TEMPORAL_ADDRESS": stack.temporal.address}
        )


async def test_every_printed_command_does_what_the_page_says(shell: Shell) -> None:
    blocks = BLOCK.findall(DOCUMENT)
    assert len(blocks) > 10
    said = {}
    for notes, script in blocks:
        for process, what, wanted in ONCE.findall(notes):
            await shell.once(process, what, wanted)
        ran = await shell.run(script)
        refused = REFUSED.search(notes)
        assert (ran.code != 0) == bool(refused), f"{script}\n{ran.said}"
        assert refused is None or refused[1] in ran.said, ran.said
        said[script] = ran.said

    outcomes = [text for script, text in said.items() if "workflow result" in script]
    assert [re.findall(r'"state": ?"(\w+)"', text.replace("\\", "")) for text in outcomes] == [
        ["provisioned", "completed"],
        ["provisioned"] * 3 + ["cancelled", "cancelled", "rejected", "provisioned", "partial"],
        ["cancelled", "cancelled"],
        ["provisioned", "completed"],
        ["cancelled", "cancelled"],
    ]


@pytest.mark.parametrize(
    "name",
    [
        wire.CHECK_ORDER, wire.CANCEL_ORDER, wire.DECIDE, wire.WITHDRAW, wire.DEPLOY_LINE, wire.CANCEL_LINE,
        wire.CHECK_RECORDS, wire.RESEND_MAIL, wire.CHANGE_CONTACT, wire.HAND_OVER, wire.MAP_LINE,
        wire.SET_UP_LINE, wire.ASK_CUSTOMER, wire.RETRY_LINE, wire.APPROVE, wire.DENY, wire.DEPLOY, wire.VIEW,
        *UPDATES.values(),
    ],
)  # fmt: skip
def test_every_message_is_listed_and_sent(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENT
    assert re.search(rf"--(name|type) {re.escape(name)}\b", DOCUMENT)


@pytest.mark.parametrize("name", [wire.ORDER, wire.ORDER_LINE, wire.DEPLOYMENT_ROUND, wire.RELAY_OUTBOX])
def test_every_process_is_listed(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENT


@pytest.mark.parametrize("name", wire.SEARCH_ATTRIBUTES)
def test_every_search_attribute_is_listed(name: str) -> None:
    assert f"`{name}`" in DOCUMENT
