"""Versions that are retired, in use, or used by nobody any more (SPEC 4.6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.content import ADDED_LATER
from domain.decisions import ApprovalStatus, Verdict
from domain.definitions import ApprovalDefinition, Purpose, Stage, content_hash
from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.transitions import PlannedLine, ProcessKind
from storage import catalogue, definitions, projection
from storage.definitions import CastVote, NamedBy
from storage.stages import Stages
from tests.storage.samples import AT, BASE, DEFINITION, LINE, OFFER, open_approval, seats, step, view, vote

DAY = timedelta(days=1)
LATER = AT + 100 * DAY


def at_version(version: int, name: str = "two-steps") -> ApprovalDefinition:
    return DEFINITION.model_copy(update={"version": version, "name": name, "title": f"Two steps {version}"})


async def publish(
    session: AsyncSession, *bodies: Offer | ApprovalDefinition, at: datetime = AT
) -> catalogue.Publication:
    offers = [each for each in bodies if isinstance(each, Offer)]
    wanted = [each for each in bodies if isinstance(each, ApprovalDefinition)]
    return await catalogue.publish(session, offers, wanted, at)


async def refusal(attempt: object) -> tuple[Code, str]:
    with pytest.raises(Refusal) as caught:
        await attempt  # type: ignore[misc]
    return caught.value.code, caught.value.message


async def current(session: AsyncSession, name: str = "two-steps") -> int:
    return (await catalogue.current_definition(session, name))[0].version


# Which version new requests take


async def test_new_requests_take_the_newest_version_that_is_not_retired(session: AsyncSession) -> None:
    await publish(session, OFFER, *(at_version(version) for version in (1, 2, 3)))
    assert await current(session) == 3
    assert await definitions.retire(session, "two-steps", 3, LATER) == LATER
    assert await current(session) == 2
    assert await definitions.retire(session, "two-steps", 1, LATER) == LATER
    assert await current(session) == 2


async def test_retiring_again_keeps_the_first_time(session: AsyncSession) -> None:
    await publish(session, DEFINITION)
    await definitions.retire(session, "two-steps", 1, AT + DAY)
    assert await definitions.retire(session, "two-steps", 1, LATER) == AT + DAY
    [version] = await catalogue.list_versions(session, ApprovalDefinition)
    assert version.retired_at == AT + DAY


async def test_the_only_version_left_for_an_offer_cannot_be_retired(session: AsyncSession) -> None:
    await publish(session, OFFER, at_version(1), at_version(2))
    await definitions.retire(session, "two-steps", 2, LATER)
    code, message = await refusal(definitions.retire(session, "two-steps", 1, LATER))
    assert (code, "gateway@1" in message) == (Code.IN_USE, True)
    assert await current(session) == 1


async def test_a_definition_that_no_offer_names_any_more_can_be_retired_altogether(
    session: AsyncSession,
) -> None:
    await publish(session, OFFER, DEFINITION)
    await publish(session, OFFER.model_copy(update={"version": 2, "approval": None}))
    await definitions.retire(session, "two-steps", 1, LATER)
    assert (await refusal(catalogue.current_definition(session, "two-steps")))[0] is Code.NOT_FOUND


async def test_an_unknown_version_cannot_be_retired(session: AsyncSession) -> None:
    await publish(session, DEFINITION)
    assert await refusal(definitions.retire(session, "two-steps", 2, LATER)) == (
        Code.NOT_FOUND,
        "definition: there is no two-steps@2",
    )


async def test_an_offer_cannot_name_a_definition_that_is_retired_altogether(session: AsyncSession) -> None:
    await publish(session, DEFINITION)
    await definitions.retire(session, "two-steps", 1, LATER)
    assert (await refusal(publish(session, OFFER)))[0] is Code.INVALID_INPUT


# Purposes


@pytest.mark.parametrize("purpose", [Purpose.RENEWAL, Purpose.UNSUBSCRIBE])
async def test_an_offer_names_a_definition_only_for_its_purpose(
    session: AsyncSession, purpose: Purpose
) -> None:
    fitting = DEFINITION.model_copy(update={"purpose": purpose})
    await publish(session, BASE.model_copy(update={purpose: "two-steps"}), fitting)
    code, message = await refusal(publish(session, OFFER))
    assert code is Code.INVALID_INPUT
    assert message == f"offer gateway, approval: definition two-steps is for {purpose}, not for request"


@pytest.mark.parametrize("field", ["renewal", "unsubscribe"])
async def test_an_offer_cannot_name_an_unknown_definition_for_any_purpose(
    session: AsyncSession, field: str
) -> None:
    _, message = await refusal(publish(session, BASE.model_copy(update={field: "nothing"})))
    assert message.startswith(f"offer base, {field}: there is no definition nothing;")


async def test_a_definition_keeps_its_purpose_in_every_version(session: AsyncSession) -> None:
    await publish(session, DEFINITION)
    changed = at_version(2).model_copy(update={"purpose": Purpose.RENEWAL})
    code, message = await refusal(publish(session, changed))
    assert code is Code.INVALID_INPUT
    assert message.startswith(
        "approval definition two-steps, purpose: is renewal, but two-steps@1 is for request"
    )


# Who did it


async def test_who_published_and_retired_a_version_is_kept_whoever_does_it_again(
    session: AsyncSession,
) -> None:
    await catalogue.publish(session, [BASE], [DEFINITION], AT, by="ada", reason="first of all")
    await catalogue.publish(session, [BASE], [DEFINITION], LATER, by="bob", reason="again")
    await definitions.retire(session, "two-steps", 1, LATER, by="cleo", reason="never fitted")
    await definitions.retire(session, "two-steps", 1, LATER + DAY, by="dora")
    [found] = await definitions.usage(session)
    assert (found.published_at, found.published_by, found.published_reason) == (AT, "ada", "first of all")
    assert (found.retired_at, found.retired_by, found.retired_reason) == (LATER, "cleo", "never fitted")
    [offer] = await catalogue.list_versions(session, Offer)
    assert (offer.published_by, offer.published_reason) == ("ada", "first of all")


async def test_who_published_and_retired_a_version_is_still_told_once_it_is_removed(
    session: AsyncSession,
) -> None:
    await catalogue.publish(session, [], [at_version(1)], AT, by="ada", reason="first of all")
    await definitions.retire(session, "two-steps", 1, AT + DAY, by="bob", reason="never fitted")
    [before] = await definitions.usage(session)
    assert await removed(session) == ("two-steps@1",)
    assert await definitions.usage(session) == (replace(before, removed_at=LATER),)


# Usage


async def test_usage_names_open_processes_and_the_offers_whose_new_requests_take_a_version(
    session: AsyncSession,
) -> None:
    await publish(session, OFFER, at_version(1), at_version(2), at_version(1, "other"))
    running = {"p1": "two-steps@1", "p2": "two-steps@2", "p3": "two-steps@1"}
    for process, reference in running.items():
        await projection.advance(session, [step(1, process=process, view=view(definition=reference))])
    ended = view("rejected", definition="two-steps@1", ended=True)
    await projection.advance(session, [step(1, process="p4", view=ended)])
    await projection.advance(session, [step(1, process="p5", view=view(definition=None))])
    other, second, first = await definitions.usage(session)
    assert (first.reference, first.is_current, first.processes, first.offers) == (
        "two-steps@1",
        False,
        ("p1", "p3"),
        (),
    )
    assert (second.is_current, second.processes) == (True, ("p2",))
    assert second.offers == (NamedBy("gateway@1", Purpose.REQUEST),)
    assert (other.reference, other.is_current, other.processes, other.offers) == ("other@1", True, (), ())
    assert await definitions.usage(session, "two-steps", 1) == (first,)
    assert await definitions.usage(session, "two-steps") == (second, first)


async def test_orders_use_the_definitions_that_their_lines_will_run_on(session: AsyncSession) -> None:
    await publish(session, DEFINITION, at_version(2))
    lines = (
        PlannedLine(number=1, offer="gateway@1", definition="two-steps@1"),
        PlannedLine(number=2, offer="gateway@1", definition="two-steps@1"),
    )
    more = {"kind": ProcessKind.ORDER, "line": None, "definition": None}
    waiting = view("acknowledged", planned=lines, **more)
    started = view("inProgress", **more)
    for process, shown in {"order-o1": waiting, "order-o2": started}.items():
        await projection.advance(session, [step(1, process=process, view=shown)])
    second, first = await definitions.usage(session, "two-steps")
    assert (first.processes, second.processes) == (("order-o1",), ())
    assert await removed(session) == ()


# Maintenance


async def removed(session: AsyncSession, idle_since: datetime = LATER) -> tuple[str, ...]:
    return await definitions.remove_unused(session, idle_since, LATER)


async def listed(session: AsyncSession) -> list[int]:
    return [each.version for each in await catalogue.list_versions(session, ApprovalDefinition)]


async def test_superseded_and_retired_versions_that_nobody_uses_are_removed(session: AsyncSession) -> None:
    for version in (1, 2, 3):
        await publish(session, at_version(version), at=AT + version * DAY)
    await definitions.retire(session, "two-steps", 3, AT + 4 * DAY)
    assert await removed(session) == ("two-steps@1", "two-steps@3")
    assert await listed(session) == [2]
    assert await removed(session) == ()


async def test_versions_of_open_processes_stay_until_the_last_of_them_has_ended(
    session: AsyncSession,
) -> None:
    await publish(session, OFFER, at_version(1), at_version(2))
    await projection.advance(session, [step(1)])
    assert await removed(session) == ()
    await projection.advance(session, [step(2, view=view("rejected", ended=True))])
    assert await removed(session) == ("two-steps@1",)


async def test_a_version_has_to_be_idle_long_enough(session: AsyncSession) -> None:
    """Not its age counts but the time since the last new request could take it."""
    await publish(session, at_version(1))
    await publish(session, at_version(2), at=AT + 50 * DAY)
    assert await removed(session, AT + 50 * DAY) == ()
    assert await removed(session, AT + 50 * DAY + timedelta(microseconds=1)) == ("two-steps@1",)


async def test_a_version_that_was_current_again_is_idle_from_then_on(session: AsyncSession) -> None:
    """The second was retired on day 20, which gave the first its place back until the third came."""
    for version, day in ((1, 0), (2, 10), (3, 30)):
        await publish(session, at_version(version), at=AT + day * DAY)
    await definitions.retire(session, "two-steps", 2, AT + 20 * DAY)
    assert await removed(session, AT + 25 * DAY) == ("two-steps@2",)
    assert await removed(session, AT + 31 * DAY) == ("two-steps@1",)


async def test_the_version_that_new_requests_take_is_never_removed(session: AsyncSession) -> None:
    await publish(session, DEFINITION)
    assert await removed(session) == ()


async def test_what_was_removed_may_be_published_again_without_effect_but_never_changed(
    session: AsyncSession,
) -> None:
    await publish(session, at_version(1), at_version(2))
    await removed(session)
    assert (await publish(session, at_version(1))).unchanged == ("two-steps@1",)
    assert await listed(session) == [2]
    code, message = await refusal(publish(session, at_version(1).model_copy(update={"title": "Other"})))
    assert code is Code.VERSION_CONFLICT
    assert "removed as unused" in message


class NewerDefinition(ApprovalDefinition):
    """As a later release reads what an older one has published."""

    colour: Annotated[str, ADDED_LATER] = "none"


async def test_a_later_release_may_publish_what_an_older_one_published_and_removed(
    session: AsyncSession,
) -> None:
    await publish(session, at_version(1), at_version(2))
    await removed(session)
    same = NewerDefinition.model_validate(at_version(1).model_dump())
    assert (await publish(session, same)).unchanged == ("two-steps@1",)
    code, _ = await refusal(publish(session, same.model_copy(update={"colour": "red"})))
    assert code is Code.VERSION_CONFLICT


# How far requests have come


async def test_the_standing_of_a_request_is_its_stage_and_its_votes(session: AsyncSession) -> None:
    opened = step(1, view=view("awaiting_approval", approval=open_approval(roster=seats("ada", "bob"))))
    voted = step(2, view=view("awaiting_approval", approval=open_approval("money")), vote=vote("ada"))
    for transition in (opened, voted):
        stands = await projection.advance(session, [transition])
        await (await Stages.of(session, LINE)).update(stands, [transition], None)
    await projection.advance(session, [step(1, process="fresh")])
    over = open_approval(status=ApprovalStatus.REJECTED)
    await projection.advance(session, [step(1, process="over", view=view("rejected", approval=over))])
    found = await definitions.standings(session, [LINE, "fresh", "over", "unknown"])
    assert set(found) == {LINE, "fresh", "over"}
    standing = found[LINE]
    assert (standing.definition, standing.stage, standing.is_pending) == ("two-steps@1", "money", True)
    assert standing.votes == (CastVote("technical", 1, "ada", Verdict.APPROVE),)
    assert (found["fresh"].stage, found["fresh"].is_pending, found["fresh"].votes) == (None, True, ())
    assert found["over"].is_pending is False


async def test_finding_a_version_gives_its_body_and_hash(session: AsyncSession) -> None:
    await publish(session, at_version(1), at_version(2))
    version = await definitions.find(session, "two-steps", 1)
    assert (version.body, version.hash) == (at_version(1), content_hash(at_version(1)))
    assert (await refusal(definitions.find(session, "two-steps", 3)))[0] is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ({"party": "customer", "permission": "approve"}, 2),
        ({"party": "customer", "role": "finance"}, 1),
        ({"party": "customer", "role": "finance", "permission": "approve"}, 2),
        ({"party": "customer", "role": "finance", "people": ["bob", "zoe"]}, 2),
        ({"party": "provider", "role": "finance"}, 0),
        ({"people": ["ada", "bob", "zoe"]}, 3),
    ],
)
async def test_a_quorum_has_those_it_names_and_the_people_of_the_party_that_has_most(
    session: AsyncSession, asked: dict[str, Any], most: int
) -> None:
    rule = {"name": "one", "title": "One", "combine": "quorum", "quorum": 1, "approvers": asked}
    stages = (Stage.model_validate(rule), *DEFINITION.stages)
    found = await definitions.most_seats(session, DEFINITION.model_copy(update={"stages": stages}))
    assert found == {"one": most}
