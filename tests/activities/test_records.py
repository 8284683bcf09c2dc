"""The DNS activities: the plan of the polls, what travels into histories, and whose domain it is.

Checker and database are the real ones; the answers come from name servers on loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_jsonable_python
from sqlalchemy import select
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.records import ASK_AGAIN, Records
from domain import wire
from domain.checks import Claim, RecordsSeen, WatchRecords
from domain.dns.polling import poll_delay
from domain.dns.requirements import Rule
from domain.dns.verdicts import Doubt, Overall, Report, Verdict
from storage import inventory, reports
from storage.database import Database
from storage.tables import DnsReportRow
from tests.activities.dns.world import (
    CUSTOMER,
    OWNERSHIP,
    TOKEN,
    TOKEN_LINE,
    World,
    build,
    named,
    required,
    silent,
)
from tests.storage.samples import AT, LINE

DOMAIN = named("contoso.test")
ALIAS = required(Rule.CNAME_EQUALS, "mail.contoso.test", "mx.gate.test.", "CNAME").model_copy(
    update={"id": "alias"}
)
ALIAS_LINE = "mail CNAME mx.gate.test."
OTHER_TOKEN = TOKEN.replace("abc", "xyz")

AT_ONCE, MINUTE, HOUR, DAY = timedelta(), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = await build(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def claimed(database: Database) -> Database:
    """A database in which two customers claim the domain."""
    async with database.session() as session:
        for organisation in ("contoso", "fabrikam"):
            await inventory.claim(session, DOMAIN.key, organisation, f"{organisation}-token")
    return database


@pytest.fixture
def records(claimed: Database, world: World) -> Records:
    return Records(world.checker(), claimed)


def watch(**more: Any) -> WatchRecords:
    values = {
        "process": LINE,
        "organisation": "contoso",
        "domain": DOMAIN,
        "requirements": (OWNERSHIP,),
        "at": AT,
    }
    return WatchRecords.model_validate(values | more)


async def after(
    waited: timedelta, activity: Any, request: WatchRecords, attempt: int = 1, beats: list[Any] | None = None
) -> RecordsSeen:
    """What the activity answers so long after it was scheduled.

    Its attempts hand the details of their last heartbeat on in `beats`.
    """
    beats = [] if beats is None else beats
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.__setitem__(slice(None), details)
    info = environment.info
    environment.info = replace(
        info,
        started_time=info.scheduled_time + waited,
        attempt=attempt,
        heartbeat_details=[to_jsonable_python(each) for each in beats],
    )
    seen: RecordsSeen = await environment.run(activity, request)
    return seen


async def not_yet(
    waited: timedelta, activity: Any, request: WatchRecords, attempt: int = 1, beats: list[Any] | None = None
) -> ApplicationError:
    """The expected failure so long after it was scheduled."""
    with pytest.raises(ApplicationError) as caught:
        await after(waited, activity, request, attempt, beats)
    assert caught.value.type == wire.NOT_YET
    assert caught.value.category is ApplicationErrorCategory.BENIGN
    return caught.value


async def evidence(database: Database, seen: RecordsSeen) -> Report:
    async with database.reading() as session:
        kept = await reports.report(session, seen.report)
    assert isinstance(kept, Report)
    return kept


async def holder(database: Database) -> str | None:
    async with database.reading() as session:
        return await inventory.holder(session, DOMAIN.key)


# Watching


async def test_the_first_look_is_news_and_says_what_to_set(records: Records) -> None:
    seen = await after(AT_ONCE, records.watch, watch())
    assert (seen.state, seen.digest, seen.claim) == (Overall.PENDING, "it=MISSING", Claim.OPEN)
    assert seen.summary == "TXT _countersign-challenge.contoso.test MISSING"
    [fact] = seen.open
    assert (fact.owner, fact.relative_owner) == (OWNERSHIP.owner, "_countersign-challenge")
    assert (fact.rrtype, fact.value, fact.verdict) == ("TXT", TOKEN, "MISSING")


@pytest.mark.parametrize("waited", [AT_ONCE, 5 * MINUTE, HOUR, 5 * DAY, 30 * DAY])
@pytest.mark.parametrize("closes_after", [None, timedelta(days=7)])
async def test_while_nothing_changes_temporal_is_told_when_to_look_again_and_why(
    records: Records, claimed: Database, waited: timedelta, closes_after: timedelta | None
) -> None:
    closes_at = AT + closes_after if closes_after else None
    error = await not_yet(waited, records.watch, watch(known="it=MISSING", closes_at=closes_at))
    assert error.message == "TXT _countersign-challenge.contoso.test MISSING"
    assert error.next_retry_delay == poll_delay(waited, closes_after, LINE)
    async with claimed.reading() as session:
        assert (await session.scalars(select(DnsReportRow.id))).all() == []


async def test_lines_that_wait_together_drift_apart(records: Records) -> None:
    delays = {
        (
            await not_yet(AT_ONCE, records.watch, watch(process=f"order-o1-line-{n}", known="it=MISSING"))
        ).next_retry_delay
        for n in range(1, 5)
    }
    assert len(delays) == 4


async def test_a_change_ends_the_watch_at_the_time_it_was_seen(records: Records, world: World) -> None:
    await world.publish(f'_countersign-challenge TXT "{OTHER_TOKEN}"')
    seen = await after(7 * HOUR, records.watch, watch(known="it=MISSING"))
    assert seen.state is Overall.PENDING
    assert seen.at == AT + 7 * HOUR
    assert seen.open[0].verdict == "MISMATCH"
    assert OTHER_TOKEN in seen.open[0].found
    assert "Another token is there" in seen.open[0].hint


async def test_servers_that_do_not_answer_are_no_news(records: Records, world: World) -> None:
    world.fail(silent, *CUSTOMER)
    error = await not_yet(HOUR, records.watch, watch(known="it=MISSING"))
    assert error.message == "TXT _countersign-challenge.contoso.test UNKNOWN"


async def test_a_record_that_is_in_place_stays_so_while_its_servers_are_away(
    records: Records, world: World
) -> None:
    both = watch(requirements=(OWNERSHIP, ALIAS), known="alias=MISSING it=PASS")
    await world.publish(ALIAS_LINE)
    world.fail(silent, *CUSTOMER)
    await not_yet(AT_ONCE, records.watch, both)


BOTH_WERE_WANTED = {"requirements": (OWNERSHIP, ALIAS), "known": "alias=PASS it=MISSING"}


async def test_a_record_that_was_in_place_is_lost_after_three_looks_over_72_hours(records: Records) -> None:
    beats: list[Any] = []
    for hours in (0, 4, 71):
        error = await not_yet(hours * HOUR, records.watch, watch(**BOTH_WERE_WANTED), beats=beats)
        assert "CNAME mail.contoso.test MISSING" in error.message
    seen = await after(72 * HOUR, records.watch, watch(**BOTH_WERE_WANTED), beats=beats)
    assert (seen.digest, seen.doubts) == ("alias=MISSING it=MISSING", ())


async def test_other_news_takes_the_doubts_along(records: Records, world: World) -> None:
    beats: list[Any] = []
    await not_yet(HOUR, records.watch, watch(**BOTH_WERE_WANTED), beats=beats)
    await world.publish(f'_countersign-challenge TXT "{OTHER_TOKEN}"')
    seen = await after(5 * HOUR, records.watch, watch(**BOTH_WERE_WANTED), beats=beats)
    assert seen.digest == "alias=PASS it=MISMATCH"
    assert seen.doubts == (Doubt(id="alias", since=AT + HOUR, runs=2),)
    assert seen.summary.endswith("; CNAME mail.contoso.test not found since 2026-03-02 09:00 UTC")
    more = {"known": seen.digest, "doubts": seen.doubts, "at": seen.at}
    lost = await after(70 * HOUR, records.look, watch(**(BOTH_WERE_WANTED | more)))
    assert lost.digest == "alias=MISSING it=MISMATCH"


async def test_a_watch_that_dies_keeps_what_was_in_doubt(records: Records, world: World) -> None:
    doubts = (Doubt(id="alias", since=AT, runs=2),)
    beats: list[Any] = []
    world.fail(silent, *CUSTOMER)
    await not_yet(HOUR, records.watch, watch(**BOTH_WERE_WANTED, doubts=doubts), beats=beats)
    assert beats == [doubts]


async def test_a_token_in_doubt_binds_nothing_until_it_is_found_again(
    records: Records, claimed: Database, world: World
) -> None:
    await world.publish(ALIAS_LINE, f'_countersign-challenge TXT "{OTHER_TOKEN}"')
    was_there = watch(requirements=(OWNERSHIP, ALIAS), known="alias=MISSING it=PASS")
    for activity in (records.watch, records.look):
        seen = await after(HOUR, activity, was_there)
        assert (seen.digest, seen.state) == ("alias=PASS it=MISMATCH", Overall.PENDING)
        assert (seen.claim, await holder(claimed)) == (Claim.OPEN, None)


# Looking once


async def test_a_look_reports_whatever_it_sees(records: Records, world: World) -> None:
    seen = await after(AT_ONCE, records.look, watch(known="it=MISSING"))
    assert seen.state is Overall.PENDING
    world.fail(silent, *CUSTOMER)
    seen = await after(AT_ONCE, records.look, watch())
    assert (seen.state, seen.claim) == (Overall.UNKNOWN, Claim.OPEN)


async def test_a_last_look_that_learns_nothing_is_repeated_every_hour_until_patience_ends(
    records: Records, world: World
) -> None:
    world.fail(silent, *CUSTOMER)
    for hours in (0, 1):
        error = await not_yet(hours * HOUR, records.look, watch(patience=2))
        assert error.next_retry_delay == ASK_AGAIN
    seen = await after(2 * HOUR, records.look, watch(patience=2))
    assert (seen.state, seen.at) == (Overall.UNKNOWN, AT + 2 * ASK_AGAIN)


async def test_attempts_that_never_got_to_look_do_not_count(records: Records, world: World) -> None:
    many = 500  # the database was away
    assert (await after(MINUTE, records.watch, watch(), attempt=many)).at == AT + MINUTE
    world.fail(silent, *CUSTOMER)
    error = await not_yet(MINUTE, records.watch, watch(known="it=MISSING"), attempt=many)
    assert error.next_retry_delay == poll_delay(MINUTE, None, LINE)
    await not_yet(MINUTE, records.look, watch(patience=2), attempt=many)


async def test_a_last_look_that_learns_something_needs_no_patience(records: Records) -> None:
    assert (await after(AT_ONCE, records.look, watch(patience=24))).state is Overall.PENDING


# What is kept, and what travels


async def test_the_evidence_is_kept_once_and_only_its_id_and_verdicts_travel(
    records: Records, claimed: Database, world: World
) -> None:
    await world.publish(TOKEN_LINE)
    seen = await after(AT_ONCE, records.watch, watch())
    report = await evidence(claimed, seen)
    assert (report.checked_at, report.overall, report.digest) == (seen.at, seen.state, seen.digest)
    answers = report.results[0].evidence[0].last_answers
    assert {answer.address for answer in answers} == set(CUSTOMER)
    travelling = seen.model_dump_json()
    assert len(travelling) < 300
    assert not any(address in travelling for address in CUSTOMER)
    assert TOKEN not in travelling


async def test_every_answer_has_evidence_of_its_own(records: Records, claimed: Database) -> None:
    first, second = [await after(AT_ONCE, records.look, watch()) for _ in range(2)]
    assert first.report != second.report
    assert (await evidence(claimed, second)).results[0].verdict is Verdict.MISSING


# Whose domain it is


async def test_a_proven_token_binds_the_domain(records: Records, claimed: Database, world: World) -> None:
    await world.publish(TOKEN_LINE)
    assert (await after(AT_ONCE, records.watch, watch())).claim is Claim.HELD
    assert await holder(claimed) == "contoso"


@pytest.mark.parametrize("activity", ["watch", "look"])
async def test_of_two_customers_who_prove_their_tokens_at_once_one_wins(
    records: Records, world: World, claimed: Database, database_url: str, activity: str
) -> None:
    other = OWNERSHIP.model_copy(update={"expected": OTHER_TOKEN})
    await world.publish(TOKEN_LINE, TOKEN_LINE.replace(TOKEN, OTHER_TOKEN))
    another = Database(database_url)
    rivals = {
        "contoso": (records, watch()),
        "fabrikam": (
            Records(world.checker(), another),
            watch(organisation="fabrikam", requirements=(other,)),
        ),
    }
    seen = await asyncio.gather(
        *(after(AT_ONCE, getattr(theirs, activity), request) for theirs, request in rivals.values())
    )
    await another.dispose()
    claims = dict(zip(rivals, (each.claim for each in seen), strict=True))
    assert sorted(claims.values()) == [Claim.HELD, Claim.TAKEN]
    assert claims[await holder(claimed) or ""] is Claim.HELD
    for each in seen:
        assert (await evidence(claimed, each)).overall is Overall.VERIFIED


async def hold(database: Database, organisation: str) -> None:
    async with database.session() as session:
        assert await inventory.verify_claim(session, DOMAIN.key, organisation, TOKEN, AT)


async def test_a_domain_that_somebody_else_has_verified_is_news_though_no_record_changed(
    records: Records, claimed: Database
) -> None:
    waiting = watch(known="it=MISSING")
    await not_yet(DAY, records.watch, waiting)
    await hold(claimed, "fabrikam")
    assert (await after(2 * DAY, records.watch, waiting)).claim is Claim.TAKEN


async def test_whoever_holds_the_domain_waits_for_other_records_as_before(
    records: Records, claimed: Database
) -> None:
    await hold(claimed, "contoso")
    await not_yet(DAY, records.watch, watch(known="it=MISSING"))


async def test_a_last_look_has_no_patience_for_a_domain_that_is_lost(
    records: Records, claimed: Database, world: World
) -> None:
    await hold(claimed, "fabrikam")
    world.fail(silent, *CUSTOMER)
    assert (await after(AT_ONCE, records.look, watch(patience=24))).claim is Claim.TAKEN


async def test_who_holds_the_domain_already_still_does_when_asked_again(
    records: Records, world: World
) -> None:
    await world.publish(TOKEN_LINE)
    assert [(await after(AT_ONCE, records.look, watch())).claim for _ in range(2)] == [Claim.HELD] * 2


@pytest.mark.parametrize("token", ["abcdefghijklmnopqrstuvwxyz234567", None])
async def test_a_proof_holds_the_domain_though_nobody_claimed_it(
    database: Database, world: World, token: str | None
) -> None:
    await world.publish(TOKEN_LINE)
    seen = await after(AT_ONCE, Records(world.checker(), database).watch, watch(token=token))
    assert seen.claim is Claim.HELD
    async with database.session() as session:
        assert await inventory.claim(session, DOMAIN.key, "contoso", "another") == (token or TOKEN)


@pytest.mark.parametrize(
    ("lines", "requirements"),
    [((ALIAS_LINE,), (ALIAS,)), ((TOKEN_LINE,), (OWNERSHIP, ALIAS)), ((ALIAS_LINE,), (OWNERSHIP, ALIAS))],
    ids=["without a token", "with other records missing", "with the token missing"],
)
async def test_nothing_less_than_everything_with_the_token_binds_the_domain(
    records: Records, claimed: Database, world: World, lines: tuple[str, ...], requirements: tuple[Any, ...]
) -> None:
    await world.publish(*lines)
    seen = await after(AT_ONCE, records.watch, watch(requirements=requirements))
    assert seen.claim is Claim.OPEN
    assert await holder(claimed) is None


async def test_evidence_and_claim_are_written_together_or_not_at_all(
    records: Records, claimed: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify_claim(*_: Any) -> bool:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(inventory, "verify_claim", verify_claim)
    await world.publish(TOKEN_LINE)
    with pytest.raises(ConnectionError):
        await after(AT_ONCE, records.watch, watch())
    async with claimed.reading() as session:
        assert (await session.scalars(select(DnsReportRow.id))).all() == []
