from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest

from domain.dns.evidence import Outcome, Security
from domain.dns.verdicts import Overall, Verdict
from tests.activities.dns.world import (
    CUSTOMER,
    OWNERSHIP,
    RESOLVERS,
    TLD,
    TOKEN,
    TOKEN_LINE,
    Fault,
    FaultyServer,
    World,
    customer_zone,
    failing,
    hint_codes,
    silent,
    small_zone,
)


async def test_a_token_on_all_servers_passes_with_the_evidence_of_each(world: World) -> None:
    await world.publish(TOKEN_LINE)
    report = await world.check(OWNERSHIP)
    assert report.overall is Overall.VERIFIED
    answers = report.results[0].evidence[0].last_answers
    assert [(a.server, a.address) for a in answers] == [
        (f"ns{n}.contoso.test", address) for n, address in enumerate(CUSTOMER, 1)
    ]
    assert {(a.outcome, a.aa, a.serial, a.ttl) for a in answers} == {(Outcome.ANSWER, True, 1, 300)}


async def test_a_record_appears_as_soon_as_the_zone_file_has_it(world: World) -> None:
    assert (await world.result(OWNERSHIP)).verdict is Verdict.MISSING
    await world.publish(TOKEN_LINE, serial=2)
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS


async def test_two_of_four_servers_lagging_are_partial_and_named_with_their_serials(world: World) -> None:
    await world.publish(TOKEN_LINE, serial=2, servers=CUSTOMER[:2])
    report = await world.check(OWNERSHIP)
    assert (report.overall, report.results[0].verdict) == (Overall.PENDING, Verdict.PARTIAL)
    (hint,) = report.results[0].hints
    assert "ns3.contoso.test (serial 1), ns4.contoso.test (serial 1): no record" in hint.message
    assert "ns1.contoso.test (serial 2), ns2.contoso.test (serial 2)" in hint.message
    await world.publish(TOKEN_LINE, serial=2)
    assert (await world.check(OWNERSHIP)).overall is Overall.VERIFIED


async def test_a_value_split_into_several_strings_is_read_as_one(world: World) -> None:
    await world.publish(f'_countersign-challenge TXT "{TOKEN[:20]}" "{TOKEN[20:]}"')
    assert (await world.result(OWNERSHIP)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("line", "verdict", "code"),
    [
        (f'_countersign-challenge.contoso.test TXT "{TOKEN}"', Verdict.MISSING, "doubled_suffix"),
        (f'@ TXT "{TOKEN}"', Verdict.MISSING, "at_apex"),
        (f'www TXT "{TOKEN}"', Verdict.MISSING, "at_www"),
        (f'_countersign-challenge TXT "\\"{TOKEN}\\""', Verdict.MISMATCH, "quotes_in_value"),
        (f'_countersign-challenge TXT "{TOKEN[:20]} {TOKEN[20:]}"', Verdict.MISMATCH, "spaces_in_value"),
        (f'_countersign-challenge TXT "{TOKEN.upper()}"', Verdict.MISMATCH, "letter_case"),
        ('_countersign-challenge TXT "token=old expiry=never"', Verdict.MISMATCH, "other_token"),
        ('_countersign-challenge 172800 TXT "token=old expiry=never"', Verdict.MISMATCH, "long_ttl"),
        ("@ NS ns.elsewhere.example.", Verdict.MISSING, "undelegated_servers"),
    ],
)
async def test_a_usual_mistake_is_recognised(world: World, line: str, verdict: Verdict, code: str) -> None:
    await world.publish(line)
    result = await world.result(OWNERSHIP)
    assert result.verdict is verdict
    assert code in hint_codes(result)


async def test_a_match_by_wildcard_is_marked(world: World) -> None:
    await world.publish(f'* TXT "{TOKEN}"')
    result = await world.result(OWNERSHIP)
    assert (result.verdict, hint_codes(result)) == (Verdict.PASS, {"wildcard"})


async def test_international_domains_are_asked_by_their_a_label(world: World) -> None:
    zone = small_zone("xn--mller-kva NS ns.xn--mller-kva\nns.xn--mller-kva A 127.0.0.11", address=TLD)
    await world.serve(TLD, test=zone)
    await world.serve(CUSTOMER[0], **{"xn--mller-kva_test": customer_zone(TOKEN_LINE)})
    requirement = OWNERSHIP.model_copy(update={"owner": "_countersign-challenge.xn--mller-kva.test"})
    report = await world.check(requirement, domain="Müller.TEST.")
    assert (report.domain, report.overall) == ("xn--mller-kva.test", Overall.VERIFIED)


def saying(value: str, flags: dns.flags.Flag = dns.flags.RA) -> Fault:
    async def resolver(_server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes:
        response = dns.message.make_response(query)
        response.flags |= flags
        name = query.question[0].name
        if value:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", f'"{value}"'))
        return response.to_wire()

    return resolver


async def bogus(_server: FaultyServer, query: dns.message.Message, _tcp: bool) -> bytes | None:
    """A validating resolver in front of broken signatures."""
    if query.flags & dns.flags.CD:
        return await saying(TOKEN)(_server, query, _tcp)
    return await failing(dns.rcode.SERVFAIL)(_server, query, _tcp)


@pytest.mark.parametrize(
    ("resolvers", "verdict", "code"),
    [
        ((saying(TOKEN), saying(TOKEN)), Verdict.PASS, None),
        ((saying(TOKEN, dns.flags.AD), silent), Verdict.PASS, None),
        ((saying(TOKEN), saying("")), Verdict.PARTIAL, "not_yet_public"),
        ((saying("token=old"), saying("")), Verdict.PARTIAL, "not_yet_public"),
        ((silent, failing(dns.rcode.REFUSED)), Verdict.UNKNOWN, "no_perspective"),
        ((bogus, saying(TOKEN)), Verdict.CONFLICT, "dnssec_bogus"),
    ],
)
async def test_a_token_needs_a_vouching_resolver_or_two_that_see_it(
    world: World, resolvers: tuple[Fault, Fault], verdict: Verdict, code: str | None
) -> None:
    await world.publish(TOKEN_LINE)
    for address, fault in zip(RESOLVERS, resolvers, strict=True):
        (await world.serve(address)).fault = fault
    result = await world.result(OWNERSHIP, perspectives=[f"{a}:{world.port}" for a in RESOLVERS])
    assert (result.verdict, hint_codes(result)) == (verdict, {code} if code else set())


async def test_resolvers_are_not_asked_for_what_the_authorities_do_not_have(world: World) -> None:
    resolver = await world.serve(RESOLVERS[0])
    result = await world.result(OWNERSHIP, perspectives=[f"{RESOLVERS[0]}:{world.port}"])
    assert result.verdict is Verdict.MISSING
    assert not [name for name, _ in resolver.asked if name.startswith("_countersign")]


async def test_the_ad_bit_of_a_resolver_is_reported_where_nothing_was_validated_here(world: World) -> None:
    await world.publish(TOKEN_LINE)
    (await world.serve(RESOLVERS[0])).fault = saying(TOKEN, dns.flags.AD)
    report = await world.check(perspectives=[f"{RESOLVERS[0]}:{world.port}"])
    assert report.dnssec is Security.SECURE
