"""One golden result per fault of a name server (provisioning.md e.8)."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rrset
import pytest

from domain.dns.evidence import Outcome
from domain.dns.requirements import Rule
from domain.dns.verdicts import Overall, Verdict
from tests.activities.dns.world import (
    CUSTOMER,
    OWNERSHIP,
    ROOT,
    TLD,
    TOKEN_LINE,
    Fault,
    FaultyServer,
    World,
    customer_zone,
    delegation,
    failing,
    garbage,
    hint_codes,
    lame,
    lowering_case,
    required,
    silent,
    small_zone,
    truncating,
    udp_lost,
    wrong_id,
)

ALL_FAULTS = {
    "silent": (silent, Outcome.TIMEOUT, "no_answer"),
    "servfail": (failing(dns.rcode.SERVFAIL), Outcome.SERVFAIL, "no_answer"),
    "formerr": (failing(dns.rcode.FORMERR), Outcome.SERVFAIL, "no_answer"),
    "refused": (failing(dns.rcode.REFUSED), Outcome.REFUSED, "lame_delegation"),
    "lame": (lame, Outcome.LAME, "lame_delegation"),
    "wrong_id": (wrong_id, Outcome.TIMEOUT, "no_answer"),
    "garbage": (garbage, Outcome.TIMEOUT, "no_answer"),
}


@pytest.mark.parametrize(("fault", "outcome", "code"), ALL_FAULTS.values(), ids=ALL_FAULTS)
async def test_a_fault_of_all_servers_is_unknown_and_never_an_exception(
    world: World, fault: Fault, outcome: Outcome, code: str
) -> None:
    await world.publish(TOKEN_LINE)
    world.fail(fault, *CUSTOMER)
    report = await world.check(OWNERSHIP)
    result = report.results[0]
    assert (report.overall, result.verdict, hint_codes(result)) == (Overall.UNKNOWN, Verdict.UNKNOWN, {code})
    assert {answer.outcome for answer in result.evidence[0].last_answers} == {outcome}


@pytest.mark.parametrize(("fault", "outcome", "_code"), ALL_FAULTS.values(), ids=ALL_FAULTS)
async def test_a_fault_of_one_server_is_reported_and_does_not_block(
    world: World, fault: Fault, outcome: Outcome, _code: str
) -> None:
    await world.publish(TOKEN_LINE)
    world.fail(fault, CUSTOMER[0])
    result = await world.result(OWNERSHIP)
    assert result.verdict is Verdict.PASS
    assert [a.outcome for a in result.evidence[0].last_answers] == [outcome, *[Outcome.ANSWER] * 3]


async def test_a_single_server_is_enough_only_when_no_other_can_be_reached(world: World) -> None:
    await world.publish(TOKEN_LINE)
    world.fail(silent, *CUSTOMER[1:])
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS
    server = world.servers[CUSTOMER[1]]

    async def only_soa(_server, query, tcp):  # type: ignore[no-untyped-def]
        return await server.honest(query, tcp) if query.question[0].rdtype.name == "SOA" else None

    server.fault = only_soa
    assert (await world.result(OWNERSHIP)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("fault", [truncating, udp_lost])
async def test_tcp_is_used_when_udp_is_cut_short_or_lost(world: World, fault: Fault) -> None:
    await world.publish(TOKEN_LINE)
    world.fail(fault, *CUSTOMER)
    result = await world.result(OWNERSHIP)
    assert result.verdict is Verdict.PASS
    assert {answer.transport for answer in result.evidence[0].last_answers} == {"tcp"}


async def test_a_record_set_too_large_for_udp_arrives_over_tcp(world: World) -> None:
    await world.publish(TOKEN_LINE, *(f'_countersign-challenge TXT "{n:0200}"' for n in range(10)))
    result = await world.result(OWNERSHIP)
    assert result.verdict is Verdict.PASS
    assert {answer.transport for answer in result.evidence[0].last_answers} == {"tcp"}


async def test_a_server_that_lowers_the_case_of_names_is_asked_again_without_0x20(world: World) -> None:
    await world.publish(TOKEN_LINE)
    world.fail(lowering_case, *CUSTOMER)
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS


@pytest.mark.parametrize("address", [ROOT, TLD])
async def test_silent_servers_above_the_zone_leave_it_unknown(world: World, address: str) -> None:
    world.fail(silent, address)
    assert (await world.check(OWNERSHIP)).overall is Overall.UNKNOWN


async def test_a_check_that_takes_too_long_is_unknown(world: World) -> None:
    world.fail(silent, *CUSTOMER)
    result = await world.result(OWNERSHIP, name_timeout=0.05)
    assert (result.verdict, hint_codes(result)) == (Verdict.UNKNOWN, {"no_answer"})


async def test_private_addresses_are_refused_and_never_asked(world: World) -> None:
    await world.publish(TOKEN_LINE)
    result = await world.result(OWNERSHIP, allow_private=False)
    assert (result.verdict, hint_codes(result)) == (Verdict.UNKNOWN, {"private_address"})
    assert world.servers[TLD].asked == []


async def test_a_sub_zone_on_other_servers_is_asked_there(world: World) -> None:
    await world.publish(delegation("sub", ns="127.0.0.21"))
    await world.serve("127.0.0.21", sub_contoso_test=small_zone('deep TXT "term"', address="127.0.0.21"))
    result = await world.result(required(Rule.TXT_CONTAINS_TERM, "deep.sub.contoso.test", "term"))
    assert result.verdict is Verdict.PASS
    assert result.evidence[0].hops[0].zone == "sub.contoso.test"


async def test_delegations_without_glue_and_in_circles_end_in_unknown(world: World) -> None:
    circle = "one NS ns.two\ntwo NS ns.one\nself NS ns.self\n"
    await world.serve(TLD, test=small_zone(circle, address=TLD))
    for domain in ("one.test", "self.test"):
        report = await world.check(required(Rule.DELEGATED, domain, rrtype="SOA"), domain=domain)
        assert report.overall is Overall.UNKNOWN


async def test_name_servers_named_in_another_zone_are_found(world: World) -> None:
    zones = delegation("gate", ns="127.0.0.20") + "contoso NS ns.gate\n"
    await world.serve(TLD, test=small_zone(zones, address=TLD))
    await world.serve("127.0.0.20", contoso_test=customer_zone(TOKEN_LINE))
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS


async def test_an_address_given_by_who_is_not_in_charge_of_it_is_ignored(world: World) -> None:
    tlds = delegation("test.", a=TLD) + delegation("net.", a="127.0.0.3")
    await world.serve(ROOT, root=small_zone(tlds, address=ROOT))
    await world.serve("127.0.0.3", net=small_zone("ns.gate A 127.0.0.20", address="127.0.0.3"))
    tld = await world.serve(TLD, test=small_zone("contoso NS ns.gate.net.", address=TLD))
    await world.serve("127.0.0.20", contoso_test=customer_zone(TOKEN_LINE))

    async def misleading(server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes:
        response = server.answer(query)
        response.additional.append(dns.rrset.from_text("ns.gate.net.", 300, "IN", "A", "127.0.0.66"))
        return response.to_wire()

    tld.fault = misleading
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS


async def test_one_server_for_all_zones_needs_no_root_zone(world: World) -> None:
    alone = await world.serve("127.0.0.40", alone_test=small_zone(TOKEN_LINE, address="127.0.0.40"))
    requirement = OWNERSHIP.model_copy(update={"owner": "_countersign-challenge.alone.test"})
    report = await world.check(requirement, domain="alone.test", roots=(alone.address,))
    assert report.overall is Overall.VERIFIED
    assert report.results[0].evidence[0].hops[0].zone == "alone.test"


async def test_an_unregistered_domain_is_missing(world: World) -> None:
    zone = required(Rule.DELEGATED, "nobody.test", rrtype="SOA")
    assert (await world.check(zone, domain="nobody.test")).results[0].verdict is Verdict.MISSING
    zone = required(Rule.DELEGATED, "contoso.test", rrtype="SOA")
    assert (await world.result(zone)).verdict is Verdict.PASS
    world.fail(lame, *CUSTOMER)
    result = await world.result(zone)
    assert (result.verdict, hint_codes(result)) == (Verdict.MISMATCH, {"lame_delegation"})


async def test_a_question_is_put_to_a_server_once_however_many_rules_ask(world: World) -> None:
    await world.publish(TOKEN_LINE)
    again = OWNERSHIP.model_copy(update={"id": "again"})
    await world.check(OWNERSHIP, again)
    asked = [name for name, _ in world.servers[CUSTOMER[0]].asked]
    assert asked.count("_countersign-challenge.contoso.test. TXT") == 1
