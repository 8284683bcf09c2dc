"""Which open requests a change of definitions concerns, and what becomes of them (SPEC 4.6)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.definitions import ApprovalDefinition, Approvers, OnChange, Purpose, Stage, content_hash
from domain.offers import Offer
from domain.rollouts import DefinitionChange, OpenRequest, RolloutProgress, of_offer, of_update
from domain.transitions import ProcessKind


def definition(name: str, version: int = 1, **more: Any) -> ApprovalDefinition:
    stage = Stage(name="one", title="One", approvers=Approvers(people=("ann",)))
    return ApprovalDefinition.model_validate(
        {"name": name, "version": version, "title": name, "stages": [stage]} | more
    )


def offer(version: int = 1, **more: Any) -> Offer:
    return Offer.model_validate({"name": "gateway", "version": version, "title": "Gateway"} | more)


def known(*definitions: ApprovalDefinition) -> dict[str, tuple[ApprovalDefinition, str]]:
    return {each.name: (each, content_hash(each)) for each in definitions}


def changes(old: Offer, new: Offer, *definitions: ApprovalDefinition) -> list[tuple[str, str, bool]]:
    found = of_offer(old, new, known(*definitions))
    return [(each.definition.name, each.mode, each.removed) for each in found]


@pytest.mark.parametrize("mode", list(OnChange))
def test_a_new_version_says_itself_what_becomes_of_requests_on_older_ones(mode: OnChange) -> None:
    new = definition("wf", 5, on_update=mode, on_assign="reset")
    change = of_update(new, content_hash(new))
    assert (change.mode, change.definition, change.definition_hash) == (mode, new, content_hash(new))


@pytest.mark.parametrize(
    ("running", "concerned"),
    [("wf@4", True), ("wf@1", True), ("wf@5", False), ("wf@6", False), ("wf-more@4", False), ("none", False)],
)
def test_an_update_concerns_older_versions_of_the_same_name(running: str, concerned: bool) -> None:
    change = of_update(definition("wf", 5), "hash")
    assert change.concerns("gateway@1", running) is concerned


@pytest.mark.parametrize("mode", list(OnChange))
def test_a_definition_that_an_offer_names_now_says_what_becomes_of_requests_on_others(mode: OnChange) -> None:
    new = definition("new", on_assign=mode, on_update="abort")
    moved = offer(approval="old"), offer(2, approval="new")
    assert changes(*moved, definition("old"), new) == [("new", mode, False)]


@pytest.mark.parametrize(
    ("offered", "running", "concerned"),
    [
        ("gateway@1", "old@3", True),
        ("gateway@1", "other@1", True),
        ("gateway@1", "new@1", False),
        ("gateway@1", "none", False),
        ("gateway@2", "old@3", False),
        ("gateway-more@1", "old@3", False),
    ],
)
def test_an_assignment_concerns_requests_on_earlier_versions_of_the_offer_and_other_definitions(
    offered: str, running: str, concerned: bool
) -> None:
    [change] = of_offer(offer(approval="old"), offer(2, approval="new"), known(definition("new")))
    assert change.concerns(offered, running) is concerned


UPDATE = of_update(definition("wf", 5), "hash")


def request(process: str, definition: str, kind: str = ProcessKind.ORDER_LINE) -> OpenRequest:
    return OpenRequest(process, kind, "gateway@1", definition)


@pytest.mark.parametrize(
    ("listed", "followed", "told"),
    [
        ("wf@4", None, True),
        ("wf@4", "wf@4", True),
        ("wf@4", "other@1", False),
        ("other@1", "wf@4", True),
        (None, "wf@4", True),
        ("other@1", None, False),
    ],
)
def test_what_the_projection_knows_of_a_request_counts_for_more_than_what_it_started_with(
    listed: str | None, followed: str | None, told: bool
) -> None:
    found = UPDATE.among(
        [request("p", listed)] if listed else [], [request("p", followed)] if followed else []
    )
    assert list(found) == (["p"] if told else [])


def test_a_process_is_told_once_even_if_several_of_its_lines_are_concerned() -> None:
    lines = [request("order-b", each, ProcessKind.ORDER) for each in ("wf@3", "other@1", "wf@4")]
    assert list(UPDATE.among([request("order-c", "wf@1")], [*lines, request("order-a", "wf@2")])) == [
        "order-a",
        "order-b",
        "order-c",
    ]


def test_procedures_of_another_kind_are_left_alone() -> None:
    renewal = of_update(definition("wf", 5, purpose="renewal"), "hash")
    known = [
        request("line", "wf@4"),
        request("order", "wf@4", ProcessKind.ORDER),
        request("p", "wf@4", "renewal"),
    ]
    assert list(renewal.among([], known)) == ["p"]


def test_an_offer_that_names_the_same_definitions_changes_nothing() -> None:
    same = {"approval": "a", "renewal": "b", "unsubscribe": "c"}
    assert changes(offer(**same), offer(2, **same)) == []


def test_an_offer_that_needs_no_approval_any_more_lets_running_ones_go_on() -> None:
    assert changes(offer(approval="old"), offer(2), definition("old")) == []


def test_an_offer_that_needs_an_approval_from_now_on_asks_nothing_of_running_requests() -> None:
    assert changes(offer(), offer(2, approval="new"), definition("new", on_assign="reset")) == []


@pytest.mark.parametrize("purpose", [Purpose.RENEWAL, Purpose.UNSUBSCRIBE])
def test_removing_a_renewal_or_unsubscribe_definition_aborts_what_runs_of_that_kind(purpose: Purpose) -> None:
    old = definition("old", 7, purpose=purpose)
    moved = offer(**{purpose: "old"}), offer(2)
    assert changes(*moved, old) == [("old", OnChange.ABORT, True)]
    [change] = of_offer(*moved, known(old))
    assert change.concerns("gateway@1", "old@7")
    assert f"ProcessKind = '{purpose}'" in change.query("countersign")


def test_a_rollout_asks_for_running_requests_of_its_own_installation() -> None:
    update = of_update(definition("wf", 5), "hash")
    assert update.query("second") == (
        "DefinitionVersion STARTS_WITH 'wf@' AND ExecutionStatus = 'Running' AND TaskQueue = 'second'"
    )
    assigned = DefinitionChange(
        mode=OnChange.RESET,
        definition=definition("wf"),
        definition_hash="hash",
        offer="gateway",
        offer_version=2,
    )
    assert assigned.query("second") == (
        "OfferVersion STARTS_WITH 'gateway@' AND ProcessKind = 'order_line' "
        "AND ExecutionStatus = 'Running' AND TaskQueue = 'second'"
    )


def test_who_was_not_reached_is_counted_where_they_are_told_again() -> None:
    first = RolloutProgress(cursor="c", changed=3, passed_by=1, refused={"x": "no"}, unreached=("a", "b"))
    again = RolloutProgress(cursor="b", changed=1, unreached=("b",))
    assert first.plus(again) == RolloutProgress(
        cursor="b", changed=4, passed_by=1, refused={"x": "no"}, unreached=("b",)
    )
