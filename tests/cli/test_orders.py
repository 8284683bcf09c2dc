from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.checks import CheckReport
from domain.errors import REFUSALS, Code
from starter.dev.samples import ORDERS
from starter.gateway import utc_now
from storage import reports
from tests.cli.conftest import Run
from tests.starter.office import Office
from tests.storage.test_reports import SEEN

ARCHIVE = str(ORDERS / "2-two-of-three.yaml")
SERVICES = str(ORDERS / "1-services-for-a-domain.yaml")


async def test_an_order_is_placed_shown_approved_and_found_in_the_archive(run: Run, office: Office) -> None:
    placed = await run("order", "submit", ARCHIVE, "--json")
    assert placed.code == 0
    order = placed.json["order"]
    process = await office.pending(order, "managers")

    listed = await run("approvals", "list", "--json")
    assert [each["process"] for each in listed.json] == [process]
    inbox = await run("approvals", "list", "--person", "nordwall-manager-2", "--json")
    assert inbox.json[0]["pending"] is True

    shown = await run("order", "show", order)
    assert "Service managers: 2 of 3" in shown.out
    assert "the approval expires" in shown.out
    assert "approval.opened" in shown.out

    one = await run("approvals", "approve", process, "--as", "nordwall-manager-1", "--json")
    assert one.json["status"] == "PENDING"
    two = await run("approvals", "approve", process, "--as", "nordwall-manager-2", "--reason", "fine")
    assert "The approval is APPROVED." in two.out
    await office.closed(process)
    late = await run("approvals", "deny", process, "--as", "nordwall-manager-3", "--reason", "no", "--json")
    assert (late.code, late.error["code"]) == (5, "ALREADY_DECIDED")

    await office.until(order, lambda status: status.view.ended)
    shown = await run("order", "show", order, "--json")
    assert shown.json["view"]["state"] == "completed"
    assert shown.json["timeline"][0]["action"] == "order.submitted"
    listed = await run("order", "list", "--ended", "--json")
    assert [each["view"]["order"] for each in listed.json] == [order]

    mails = await run("mails", "list", "--order", order, "--json")
    requested = next(each for each in mails.json if each["template"] == "approval_requested")
    assert "raw" not in requested
    mail = await run("mails", "show", requested["id"], "--json")
    assert mail.json["facts"]["command"] == f"countersign approvals approve {process}"
    assert requested["recipient"] in (await run("mails", "list", "--order", order)).out
    assert requested["recipient"] in (await run("mails", "show", requested["id"])).out


async def test_the_same_file_is_the_same_order_and_a_key_makes_another(run: Run, office: Office) -> None:
    first = (await run("order", "submit", SERVICES, "--json")).json
    again = (await run("order", "submit", SERVICES, "--json")).json
    assert (again["order"], again["created"]) == (first["order"], False)
    assert "accepted before" in (await run("order", "submit", SERVICES)).out

    await office.line_is(first["order"], "confirmed")
    other = await run("order", "submit", SERVICES, "--key", "another", "--json")
    assert (other.code, other.error["code"]) == (5, "DUPLICATE")


async def test_lines_are_deployed_and_cancelled_with_a_result_for_each(run: Run, office: Office) -> None:
    order = (await run("order", "submit", SERVICES, "--json")).json["order"]
    for number in (1, 2, 3):
        await office.line_is(order, "confirmed", number)

    checked = await run("order", "check", order, "--as", "bergsicht-sales-1", "--json")
    assert checked.json["findings"] == []
    cancelled = await run(
        "order", "cancel", order, "--line", "3", "--as", "bergsicht-sales-1", "--reason", "no"
    )
    assert "cancelled" in cancelled.out
    deployed = await run("order", "deploy", order, "--as", "bergsicht-sales-1", "--json")
    assert [each["line"] for each in deployed.json] == [1, 2]
    await office.until(order, lambda status: status.view.ended)
    assert "partial" in (await run("order", "show", order)).out


async def test_a_command_that_every_line_refuses_fails_with_the_first_refusal(
    run: Run, office: Office
) -> None:
    order = (await run("order", "submit", ARCHIVE, "--json")).json["order"]
    await office.pending(order, "managers")

    refused = await run("order", "deploy", order, "--as", "bergsicht-sales-1", "--json")
    (line,) = refused.json
    assert line["state"] is None
    assert refused.code == REFUSALS[Code(line["refused"]["code"])].exit_code == 5


async def test_the_evidence_of_a_check_is_printed_by_its_id(run: Run, office: Office) -> None:
    async with office.database.session() as session:
        found = await reports.save_check_report(session, "order-o1", CheckReport(id="", at=utc_now()))
        seen = await reports.save_dns_report(session, "order-o1-line-1", SEEN)

    assert (await run("order", "report", found, "--json")).json["findings"] == []
    assert (await run("order", "report", seen)).json["results"] == SEEN.model_dump(mode="json")["results"]
    unknown = await run("order", "report", "nothing", "--json")
    assert unknown.error["code"] == "NOT_FOUND"


async def test_reference_note_and_requested_start_are_shown_with_the_order(
    run: Run, office: Office, tmp_path: Path
) -> None:
    remarks = {"external_id": "PO-4711", "note": "Please ring first.\nThe porter knows."}
    (tmp_path / "order.json").write_text(
        json.dumps(
            {
                "customer": "kueferei",
                "requested_by": "bergsicht-sales-1",
                "items": [{"offer": "dedicated-gateway"}],
                "requested_start": "2026-01-05T09:00:00+01:00",
                **remarks,
            }
        )
    )
    order = (await run("order", "submit", "order.json", "--json")).json["order"]
    await office.pending(order, "finance")

    shown = await run("order", "show", order)
    for text in ("PO-4711", "Please ring first.", "The porter knows.", "2026-01-05 08:00"):
        assert text in shown.out
    timeline = (await run("order", "show", order, "--json")).json["timeline"]
    assert timeline[0]["data"] == {**remarks, "requested_start": "2026-01-05T08:00:00Z"}
    [line] = (await run("order", "summary", order, "--json")).json["lines"]
    assert line["requested_start"] == "2026-01-05T08:00:00Z"


async def test_the_actor_may_come_from_the_environment(
    run: Run, office: Office, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shell.setenv("COUNTERSIGN_ACTOR", "bergsicht-sales-1")
    (tmp_path / "order.json").write_text(
        '{"customer": "kueferei", "items": [{"offer": "dedicated-gateway"}]}'
    )
    order = (await run("order", "submit", "order.json", "--json")).json["order"]
    await office.pending(order, "finance")

    withdrawn = await run("order", "withdraw", order, "--json")
    assert [each["state"] for each in withdrawn.json] == ["WITHDRAWN"]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("broken.yaml", "items:\n  - offer: a\n  offer: b\n", "broken.yaml, line 3, column 3"),
        ("twice.yaml", "customer: a\ncustomer: b\n", "twice.yaml, line 2, column 1"),
        ("bomb.yaml", "a: &a [1]\nb: *a\n", "bomb.yaml, line 2, column 4"),
        ("broken.json", '{"customer": }', "broken.json, line 1, column 14"),
        ("list.yaml", "- a\n", "list.yaml: document"),
        ("field.yaml", "order: {customer: alpenblick, quantity: 3}\n", "field.yaml: "),
        ("deep.yaml", "[" * 5_000, "deep.yaml"),
        ("latin.yaml", b"customer: K\xfcferei\n", "latin.yaml: is not UTF-8 at byte 11"),
        ("tag.yaml", "!!python/object/apply:os.system ['true']\n", "tag.yaml, line 1"),
        ("big.yaml", "#" * 1_000_001, "big.yaml: is larger than 1000 kB"),
    ],
)
async def test_a_file_that_is_no_order_is_refused_by_its_place(
    run: Run, tmp_path: Path, name: str, content: str | bytes, named: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ran = await run("order", "submit", name, "--json")
    assert ran.code == 2
    assert ran.error["code"] == "INVALID_INPUT"
    assert ran.error["message"].startswith(named)


async def test_a_missing_file_is_named(run: Run) -> None:
    ran = await run("order", "submit", "nowhere.yaml", "--json")
    assert (ran.code, ran.error["message"]) == (3, "file: there is no nowhere.yaml")
