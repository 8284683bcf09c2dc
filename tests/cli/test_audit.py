from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import delete, update

from domain import wire
from domain.actions import ChangeDefinition
from domain.definitions import ApprovalDefinition, OnChange, content_hash
from domain.errors import REFUSALS, Code, Refusal
from starter.gateway import utc_now
from starter.publishing import publish
from storage import audit, projection
from storage.database import Database
from storage.tables import metadata
from tests.cli.conftest import Run
from tests.starter.office import Office
from tests.storage.samples import LINE, open_approval, step, view, vote
from tests.workflows.world import definition, offer, stage

TABLE = metadata.tables["transition"]
DECIDED = view("awaiting_approval", approval=open_approval(), definition_hash="0123456789abcdef")


@pytest.fixture
async def told(sqlite_database: Database) -> Database:
    """An order with a line on which somebody has voted, and another order."""
    order = view("inProgress", kind="order", line=None)
    other = view("draft", kind="order", line=None, order="o2")
    stories = (
        [step(1, "order.submitted", process="order-o1", view=order)],
        [
            step(1, "line.ordered"),
            step(2, "approval.approve", actor="bob", view=DECIDED, vote=vote("bob"), reason="fine"),
        ],
        [step(1, "order.submitted", process="order-o2", view=other)],
    )
    async with sqlite_database.session() as session:
        for steps in stories:
            await projection.advance(session, steps)
            await audit.record(session, steps)
    return sqlite_database


async def test_the_audit_of_a_process_says_who_decided_under_which_rules(run: Run, told: Database) -> None:
    shown = await run("audit", "show", LINE)
    assert "two-steps@1 0123456789ab stage technical, round 1" in shown.out
    entries = (await run("audit", "show", LINE, "--json")).json
    assert [(each["seq"], each["actor"], each["reason"]) for each in entries] == [
        (1, "countersign", None),
        (2, "bob", "fine"),
    ]
    assert entries[1]["data"]["definition_hash"] == "0123456789abcdef"


async def test_the_audit_of_an_order_is_that_of_its_lines_too(run: Run, told: Database) -> None:
    entries = (await run("audit", "show", "o1", "--json")).json
    assert [(each["process"], each["seq"]) for each in entries] == [("order-o1", 1), (LINE, 1), (LINE, 2)]
    assert (await run("audit", "show", "nothing", "--json")).error["code"] == "NOT_FOUND"


async def test_an_export_has_one_entry_a_line_and_can_be_checked_without_us(run: Run, told: Database) -> None:
    exported = await run("audit", "export", "--order", "o1")
    entries = [json.loads(line) for line in exported.out.splitlines()]
    assert [(each["process"], each["seq"]) for each in entries] == [("order-o1", 1), (LINE, 1), (LINE, 2)]
    before = "0" * 64
    for entry in entries[1:]:
        claimed = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256((before + text).encode()).hexdigest()
        assert claimed == before
    assert len((await run("audit", "export", "--process", LINE)).out.splitlines()) == 2
    assert len((await run("audit", "export")).out.splitlines()) == 4
    assert (await run("audit", "export", "--order", "nothing", "--json")).error["code"] == "NOT_FOUND"


async def test_an_audit_nobody_touched_is_verified(run: Run, told: Database) -> None:
    assert (await run("audit", "verify")).out == "The audit holds: 4 entries of 3 processes.\n"
    (line,) = (await run("audit", "verify", LINE, "--json")).json
    assert (line["process"], line["entries"]) == (LINE, 2)
    assert line["hash"] == (await run("audit", "show", LINE, "--json")).json[-1]["hash"]
    assert line["hash"] in (await run("audit", "verify", LINE)).out


async def test_a_verification_names_every_entry_that_was_touched(run: Run, told: Database) -> None:
    async with told.session() as session:
        await session.execute(update(TABLE).where(TABLE.c.actor == "bob").values(actor="eve"))
        await session.execute(delete(TABLE).where(TABLE.c.process == "order-o2"))
    ran = await run("audit", "verify", "--json")
    assert ran.code == REFUSALS[Code.AUDIT_BROKEN].exit_code == 8
    assert ran.error["code"] == "AUDIT_BROKEN"
    assert ran.error["message"] == (
        f"{LINE}: entry 2 or the one before it was changed (changed); order-o2: entry 1 is missing (missing)"
    )
    assert (await run("audit", "verify", "order-o1")).code == 0
    assert (await run("audit", "verify", "o2")).code == 8


async def test_very_many_problems_are_counted(run: Run, told: Database) -> None:
    steps = [step(seq, process="order-o3-line-1") for seq in range(1, 61)]
    async with told.session() as session:
        await projection.advance(session, steps)
        await audit.record(session, steps)
        await session.execute(update(TABLE).where(TABLE.c.process == "order-o3-line-1").values(actor="eve"))
    assert (await run("audit", "verify", "--json")).error["message"].endswith("; and 10 more")


async def test_the_audit_of_a_run_tells_every_action_with_what_was_said(run: Run, office: Office) -> None:
    free = offer(name="free", approval="standard", records=(), needs_domain=False)
    managers = ("nordwall-manager-1", "nordwall-manager-2")
    steps = definition(stage("first", managers, allow=("delegate", "inquire"), combine="all"))
    await publish(office.database, [free], [steps], utc_now())
    accepted = await office.submit("free", domain=None)
    process = await office.pending(accepted.order, "first")
    one, admin, contact = managers[0], "alpenblick-admin-1", "bergsicht-contact-1"
    with pytest.raises(Refusal, match="does not hold the permission"):
        await office.client.delegate(process, one, contact, reason="on leave")
    await office.client.inquire(process, one, admin, "Which mailboxes?")
    await office.client.answer(process, admin, "The five of sales.")
    await office.client.delegate(process, one, "nordwall-manager-3")
    await office.client.approve(process, managers[1])
    await change_definition(office, process, steps.model_copy(update={"version": 2}))
    await office.pending(accepted.order, "first")

    shown = set((await run("audit", "show", process)).out.split())
    assert {"refused", "NOT_PERMITTED:", "mailboxes?", "inquiry:", "sales.", "nordwall-manager-3"} <= shown
    entries = (await run("audit", "show", process, "--json")).json
    rules = {"definition", "definition_hash", "stage", "round"}
    told = [
        (each["action"], each["code"], {k: v for k, v in each["data"].items() if k not in rules})
        for each in entries[1:-1]
    ]
    assert told == [
        ("approval.delegate", "NOT_PERMITTED", {"to": contact, "reason": "on leave"}),
        ("approval.inquire", None, {"asked": admin, "question": "Which mailboxes?"}),
        ("approval.answer", None, {"inquiry": "1", "answer": "The five of sales."}),
        ("approval.delegate", None, {"to": "nordwall-manager-3"}),
        ("approval.approve", None, {}),
        (
            "approval.reset",
            None,
            {"from": "standard@1", "to": "standard@2", "void": "first: approve (nordwall-manager-2)"},
        ),
    ]
    assert (await run("audit", "verify", process)).code == 0


async def change_definition(office: Office, process: str, new: ApprovalDefinition) -> None:
    command = ChangeDefinition(
        definition=new, definition_hash=content_hash(new), mode=OnChange.RESET, actor="nordwall-operator-1"
    )
    handle = office.client.client.get_workflow_handle(process)
    await handle.execute_update(wire.CHANGE_DEFINITION, command)
