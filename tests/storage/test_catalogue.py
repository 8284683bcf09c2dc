"""Published versions are immutable, and an offer names only what exists."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.definitions import ApprovalDefinition, OnChange, content_hash
from domain.errors import Code, Refusal
from domain.offers import Offer
from storage import catalogue
from storage.catalogue import Publication
from storage.database import Database
from tests.storage.samples import AT, BASE, DEFINITION, OFFER


async def test_what_is_published_is_current_with_its_hash(session: AsyncSession) -> None:
    published = await catalogue.publish(session, [OFFER, BASE], [DEFINITION], AT)
    assert published == Publication(new=("two-steps@1", "gateway@1", "base@1"), unchanged=())
    assert await catalogue.current_offers(session) == {
        "gateway": (OFFER, content_hash(OFFER)),
        "base": (BASE, content_hash(BASE)),
    }
    assert await catalogue.current_definition(session, "two-steps") == (DEFINITION, content_hash(DEFINITION))


async def test_publishing_again_publishes_only_what_is_new(session: AsyncSession) -> None:
    await catalogue.publish(session, [OFFER], [DEFINITION], AT)
    again = await catalogue.publish(session, [OFFER, BASE], [DEFINITION], AT + timedelta(days=1))
    assert again == Publication(new=("base@1",), unchanged=("two-steps@1", "gateway@1"))


async def test_a_changed_body_under_a_published_version_is_refused_with_the_difference(
    session: AsyncSession,
) -> None:
    await catalogue.publish(session, [OFFER], [DEFINITION], AT)
    changed = OFFER.model_copy(update={"title": "Mail gateway, improved"})
    with pytest.raises(Refusal) as refusal:
        await catalogue.publish(session, [changed], [], AT)
    assert refusal.value.code is Code.VERSION_CONFLICT
    assert refusal.value.message.startswith("offer gateway: version 1 is published and differs:\n")
    assert "\n-title: Mail gateway\n+title: Mail gateway, improved" in refusal.value.message


async def test_a_refused_publication_publishes_nothing(session: AsyncSession) -> None:
    await catalogue.publish(session, [BASE], [], AT)
    changed = BASE.model_copy(update={"title": "Other"})
    with pytest.raises(Refusal):
        await catalogue.publish(session, [changed], [DEFINITION], AT)
    assert await catalogue.list_versions(session, ApprovalDefinition) == ()


async def test_a_published_version_written_before_a_new_field_existed_is_unchanged(
    session: AsyncSession,
) -> None:
    await catalogue.publish(session, [BASE], [], AT)
    older = BASE.model_dump_json(exclude={"feasibility"})
    await session.execute(text("UPDATE offer_version SET body = :body, hash = 'old'"), {"body": older})
    assert (await catalogue.publish(session, [BASE], [], AT)).unchanged == ("base@1",)


async def test_a_definition_an_older_release_wrote_is_unchanged_and_keeps_its_hash(
    session: AsyncSession,
) -> None:
    await catalogue.publish(session, [], [DEFINITION], AT)
    older = DEFINITION.model_dump(mode="json")
    del older["on_assign"]
    for stage in older["stages"]:
        del stage["always_ask"], stage["wait"], stage["escalations"]
    await session.execute(text("UPDATE definition_version SET body = :body"), {"body": json.dumps(older)})
    assert (await catalogue.publish(session, [], [DEFINITION], AT)).unchanged == ("two-steps@1",)
    stored = await catalogue.current_definition(session, "two-steps")
    assert stored == (DEFINITION, content_hash(DEFINITION))
    worse = DEFINITION.model_copy(update={"on_assign": OnChange.ABORT})
    with pytest.raises(Refusal, match="on_assign: abort"):
        await catalogue.publish(session, [], [worse], AT)


@pytest.mark.parametrize("field", ["includes", "requires", "excludes"])
async def test_an_offer_cannot_name_an_unknown_offer(session: AsyncSession, field: str) -> None:
    with pytest.raises(Refusal, match=rf"^offer base, {field}: there is no offer nothing;") as refusal:
        await catalogue.publish(session, [BASE.model_copy(update={field: ("nothing",)})], [], AT)
    assert refusal.value.code is Code.INVALID_INPUT


async def test_an_offer_cannot_name_an_unknown_definition(session: AsyncSession) -> None:
    with pytest.raises(Refusal, match=r"^offer gateway, approval: there is no definition two-steps;"):
        await catalogue.publish(session, [OFFER], [], AT)


async def test_offers_may_name_each_other_in_one_publication(session: AsyncSession) -> None:
    both = [
        BASE.model_copy(update={"excludes": ("gateway",)}),
        OFFER.model_copy(update={"requires": ("base",)}),
    ]
    assert len((await catalogue.publish(session, both, [DEFINITION], AT)).new) == 3


async def test_the_highest_version_is_current_whenever_it_was_published(session: AsyncSession) -> None:
    versions = [BASE.model_copy(update={"version": version}) for version in (2, 10, 9)]
    for offer in versions:
        await catalogue.publish(session, [offer], [], AT)
    assert (await catalogue.current_offers(session))["base"][0].version == 10
    listed = await catalogue.list_versions(session, Offer, "base")
    assert [(each.version, each.published_at) for each in listed] == [(10, AT), (9, AT), (2, AT)]


async def test_a_dry_run_answers_and_refuses_but_publishes_nothing(session: AsyncSession) -> None:
    dry = await catalogue.publish(session, [OFFER], [DEFINITION], AT, dry_run=True)
    assert dry.new == ("two-steps@1", "gateway@1")
    assert await catalogue.current_offers(session) == {}
    with pytest.raises(Refusal):
        await catalogue.publish(session, [OFFER], [], AT, dry_run=True)


async def test_a_definition_nobody_published_is_not_found(session: AsyncSession) -> None:
    with pytest.raises(Refusal) as refusal:
        await catalogue.current_definition(session, "nothing")
    assert refusal.value.code is Code.NOT_FOUND


async def test_of_two_publishers_at_once_one_is_first(database: Database) -> None:
    async def publish(title: str) -> str:
        try:
            async with database.session() as session:
                await catalogue.publish(session, [BASE.model_copy(update={"title": title})], [], AT)
        except Refusal as refusal:
            return refusal.code
        return title

    outcomes = await asyncio.gather(publish("One"), publish("Two"), publish("Three"))
    async with database.reading() as session:
        winner = (await catalogue.current_offers(session))["base"][0].title
    assert sorted(outcomes) == sorted([winner, Code.VERSION_CONFLICT, Code.VERSION_CONFLICT])


def test_the_difference_of_two_versions_shows_what_changed_and_nothing_else() -> None:
    assert catalogue.diff(OFFER, OFFER) == ""
    shown = catalogue.diff(OFFER, OFFER.model_copy(update={"requires": ("base",)}))
    assert [line for line in shown.splitlines() if line[0] in "+-"] == [
        "--- published",
        "+++ given",
        "-requires: []",
        "+requires:",
        "+- base",
    ]
