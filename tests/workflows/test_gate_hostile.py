"""Votes that come late, twice, astray, too early, too large or too often (SPEC 4.3, 9; peers.md A3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

from domain import actions, wire
from domain.acting import MAX_ACTIONS
from domain.base import MAX_COMMENT
from domain.decisions import Verdict
from domain.errors import Code, Refusal
from domain.line import LineState
from starter.dev import temporal
from starter.dev.temporal import TemporalServer, VirtualTime
from starter.faults import temporal_errors
from tests.workflows.conftest import Scene
from tests.workflows.gate_case import DAY, HOUR, Case, code_of, free, refusal_of
from tests.workflows.world import World, stage

FEW = 6
"""Updates that one run may take on the server of these tests; 2,000 as delivered."""


# Late, twice, against each other, astray


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
async def test_a_vote_after_the_deadline_is_refused_while_the_run_still_answers(
    scene: Scene, verdict: Verdict
) -> None:
    rule = stage(deadline=DAY, on_deadline="approve")
    case = await Case.opens(scene, rule, stage("legal"))
    await case.skip(DAY + HOUR)
    await case.told("approval.opened", 2)
    assert await code_of(case.decide("ann", verdict)) == "ALREADY_DECIDED"
    forged = (await scene.time.now(case.id)) - 2 * HOUR
    assert await code_of(case.decide("ann", verdict, received_at=forged)) == "ALREADY_DECIDED"
    await case.cancel()


async def test_a_receive_time_from_the_future_does_not_outlive_the_deadline(scene: Scene) -> None:
    case = await Case.opens(scene, free(deadline=DAY))
    now = await scene.time.now(case.id)
    answer = await case.decide("ann", received_at=now + 400 * DAY)
    assert answer.at <= now + HOUR
    await case.skip(DAY + HOUR)
    assert await case.ends() == LineState.EXPIRED


async def test_a_storm_of_votes_of_everybody_at_once_counts_each_once(scene: Scene) -> None:
    case = await Case.opens(scene, free(combine="all", denials=2))
    storm = [case.decide(actor, verdict) for actor in ("ann", "bob") for verdict in Verdict for _ in range(2)]
    answers = await asyncio.gather(*storm, return_exceptions=True)
    # A denial that leaves too few ends the run; who comes after that finds none.
    refused = [each for each in answers if isinstance(each, WorkflowUpdateFailedError | RPCError)]
    assert len(refused) == sum(isinstance(each, BaseException) for each in answers)
    assert 4 <= len(refused) < len(answers)
    votes = [step.vote for step in case.world.announced[case.id] if step.vote is not None]
    assert sorted(vote.actor for vote in votes) == sorted({vote.actor for vote in votes})
    assert {"ann", "bob"} >= {vote.actor for vote in votes}


async def test_votes_for_stages_that_are_not_open_yet_wait_for_nobody_and_are_refused(scene: Scene) -> None:
    case = await Case.opens(scene, stage(), stage("legal"))
    assert await code_of(case.decide("ann", stage="legal")) == "WRONG_STAGE"
    await case.handle.signal(wire.DENY, {"stage": "legal", "actor": "ann", "reason": "no"})
    refused = await case.told("approval.deny")
    assert (refused.accepted, refused.code) == (False, "WRONG_STAGE")
    await case.decide("ann")
    await case.told("approval.opened", 2)
    assert (await case.approval()).decided == ()
    await case.cancel()


# In a circle


async def test_a_delegation_in_a_circle_ends_at_once(scene: Scene) -> None:
    case = await Case.opens(scene)
    await case.act(actions.Delegate, "ann", to="cleo")
    for to in ("ann", "emma", "bob", "cleo"):
        assert await code_of(case.act(actions.Delegate, "cleo", to=to)) == "NOT_ALLOWED"
    assert await code_of(case.act(actions.Delegate, "bob", to="cleo")) == "NOT_ALLOWED"
    assert (await case.decide("cleo")).status == "PENDING"
    assert (await case.decide("bob")).status == "APPROVED"
    await case.ends()


async def test_handing_to_and_fro_comes_to_an_end_and_voting_goes_on(scene: Scene) -> None:
    case = await Case.opens(scene)
    for _ in range(MAX_ACTIONS // 2):
        await case.act(actions.Delegate, "ann", to="cleo")
        await case.act(actions.HandBack, "cleo")
    assert await code_of(case.act(actions.Delegate, "ann", to="cleo")) == "LIMIT_REACHED"
    await case.decide("ann")
    assert (await case.decide("bob")).status == "APPROVED"
    assert await case.ends() == LineState.PROVISIONED
    assert len((await case.handle.fetch_history()).events) < 1_000


# Too large


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
async def test_an_oversize_comment_is_refused_names_its_field_and_loses_nothing(
    scene: Scene, verdict: Verdict
) -> None:
    case = await Case.opens(scene)
    await case.decide("bob")
    words = {"stage": "sales", "actor": "ann", "verdict": verdict, "reason": "x" * (MAX_COMMENT + 1)}
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await case.handle.execute_update(wire.DECIDE, words)
    said = str(failure.value.cause.__cause__)  # Temporal wraps it in "failed decoding arguments"
    assert "reason\n  String should have at most 2000 characters" in said
    await case.handle.signal(f"{verdict}", {key: words[key] for key in ("stage", "actor", "reason")})
    refused = await case.told(f"approval.{verdict}", 1 if verdict is Verdict.DENY else 2)
    assert (refused.code, refused.accepted) == ("INVALID_INPUT", False)
    assert refused.reason is not None
    assert refused.reason.startswith("reason: ")
    assert len(refused.reason) < 500
    assert (await case.decide("ann", reason="x" * MAX_COMMENT)).status == "APPROVED"
    await case.ends()


# Nothing


async def test_a_command_that_is_nothing_is_refused_and_holds_nobody_up(scene: Scene) -> None:
    case = await Case.opens(scene, free(combine="any"))
    updates = (wire.DECIDE, wire.WITHDRAW, wire.DELEGATE, wire.CHANGE_DEFINITION, wire.DEPLOY_LINE)
    for name in (*updates, wire.CANCEL_LINE):
        for nothing in ([None], []):
            refusal = await refusal_of(case.handle.execute_update(name, args=nothing))
            assert refusal == ("INVALID_INPUT", "payload: must be an object, not nothing")
    assert (await case.decide("ann")).status == "APPROVED"
    await case.ends()


# Too often


@pytest.fixture
async def strict_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> AsyncIterator[Scene]:
    """A scene on a server of its own that takes few updates of one run."""
    limit = f"history.maxTotalUpdates={FEW}"
    monkeypatch.setattr(temporal, "DYNAMIC_CONFIG", (*temporal.DYNAMIC_CONFIG, limit))
    async with TemporalServer(tmp_path) as server:
        time = VirtualTime(await server.connect())
        async with world.worker(time.client, "strict"):
            yield Scene(world, time, "strict")


async def test_more_updates_than_a_run_may_take_are_refused_clearly_and_lose_no_vote(
    strict_scene: Scene,
) -> None:
    case = await Case.opens(strict_scene, free(people=("ann", "bob")))
    for _ in range(3 * FEW):  # what the validator refuses costs nothing
        assert await code_of(case.decide("mallory")) == "NOT_AN_APPROVER"
    first = await case.decide("ann")
    for _ in range(FEW - 1):
        assert await case.decide("ann") == first

    with pytest.raises(Refusal) as caught, temporal_errors(f"{case.id}: the answer to {wire.DECIDE}"):
        await case.decide("bob")
    assert caught.value.code is Code.LIMIT_REACHED
    assert case.id in caught.value.message
    assert "signals approve and deny" in caught.value.message

    assert (await case.approval()).decided == ("ann",)
    await case.handle.signal(wire.APPROVE, {"stage": "sales", "actor": "bob"})
    assert await case.ends() == LineState.PROVISIONED
    counted = [step.vote for step in case.world.announced[case.id] if step.vote is not None]
    assert [vote.actor for vote in counted] == ["ann", "bob"]
