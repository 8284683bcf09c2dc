"""Aliases, mail and certificate records against real packets."""

from __future__ import annotations

import pytest

from domain.dns.requirements import Rule
from domain.dns.verdicts import Verdict
from tests.activities.dns.world import PROVIDER, World, hint_codes, required, small_zone

MAIL = required(Rule.CNAME_EQUALS, "mail.contoso.test", "mx.gate.test.", "CNAME")
MX = required(Rule.MX_ONLY, "contoso.test", "mx.gate.test.", "MX")
SPF = required(Rule.SPF_INCLUDES, "contoso.test", "spf.gate.test")


async def test_an_alias_is_followed_into_the_providers_zone(world: World) -> None:
    await world.publish("mail CNAME MX.Gate.Test.")
    result = await world.result(MAIL)
    assert result.verdict is Verdict.PASS
    zones = [[hop.zone for hop in lookup.hops] for lookup in result.evidence]
    assert zones == [["contoso.test"], ["contoso.test", "gate.test"]]


@pytest.mark.parametrize(
    ("line", "expected", "verdict", "code"),
    [
        ("mail CNAME nothing.gate.test.", "nothing.gate.test", Verdict.MISMATCH, "dangling_alias"),
        ("mail CNAME b\nb CNAME mail", "b.contoso.test", Verdict.MISMATCH, "alias_loop"),
        ("mail A 192.0.2.1", "mx.gate.test", Verdict.MISMATCH, "flattened"),
        ("mail CNAME other.gate.test.", "mx.gate.test", Verdict.MISMATCH, None),
        ("mail.contoso.test CNAME mx.gate.test.", "mx.gate.test", Verdict.MISSING, "doubled_suffix"),
        ("", "mx.gate.test", Verdict.MISSING, None),
    ],
)
async def test_a_spoilt_alias_is_explained(
    world: World, line: str, expected: str, verdict: Verdict, code: str | None
) -> None:
    await world.publish(line)
    result = await world.result(MAIL.model_copy(update={"expected": expected}))
    assert (result.verdict, hint_codes(result)) == (verdict, {code} if code else set())


@pytest.mark.parametrize(("hops", "verdict"), [(8, Verdict.PASS), (9, Verdict.MISMATCH)])
async def test_a_chain_of_eight_aliases_is_followed_and_one_of_nine_is_not(
    world: World, hops: int, verdict: Verdict
) -> None:
    chain = [f"c{n} CNAME c{n + 1}" for n in range(1, hops)]
    await world.publish("mail CNAME c1", *chain, f"c{hops} A 192.0.2.1")
    result = await world.result(MAIL.model_copy(update={"expected": "c1.contoso.test"}))
    assert result.verdict is verdict
    assert hint_codes(result) == (set() if verdict is Verdict.PASS else {"alias_too_long"})


async def test_a_dname_is_followed(world: World) -> None:
    await world.publish("old DNAME gate.test.", "mail CNAME mx.old")
    result = await world.result(MAIL.model_copy(update={"expected": "mx.old.contoso.test"}))
    assert result.verdict is Verdict.PASS
    assert [hop.name for hop in result.evidence[1].hops] == [
        "mail.contoso.test",
        "mx.old.contoso.test",
        "mx.gate.test",
    ]


@pytest.mark.parametrize(
    ("lines", "verdict", "code"),
    [
        ("@ MX 10 mx.gate.test.", Verdict.PASS, None),
        ("@ MX 10 MX.gate.test.\n@ MX 20 backup.example.", Verdict.CONFLICT, "foreign_mx"),
        ("@ MX 10 backup.example.", Verdict.MISMATCH, None),
        ("@ MX 0 .", Verdict.CONFLICT, "null_mx"),
        ("", Verdict.MISSING, None),
    ],
)
async def test_the_gate_must_be_the_only_mail_exchanger(
    world: World, lines: str, verdict: Verdict, code: str | None
) -> None:
    await world.publish(lines)
    result = await world.result(MX)
    assert (result.verdict, hint_codes(result)) == (verdict, {code} if code else set())


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("mx CNAME other\nother A 192.0.2.1", "mx_target_is_alias"),
        ('mx TXT "-"', "mx_target_without_address"),
    ],
)
async def test_the_mail_exchanger_must_be_a_host(world: World, gate: str, code: str) -> None:
    await world.serve(PROVIDER, gate_test=small_zone(gate, address=PROVIDER))
    await world.publish("@ MX 10 mx.gate.test.")
    result = await world.result(MX)
    assert (result.verdict, hint_codes(result)) == (Verdict.MISMATCH, {code})


async def test_an_spf_tree_of_eleven_queries_is_counted_and_refused(world: World) -> None:
    includes = " ".join(f"include:s{n}.contoso.test" for n in range(1, 11))
    leaves = [f's{n} TXT "v=spf1 ip4:192.0.2.{n} -all"' for n in range(1, 11)]
    await world.publish(
        f'@ TXT "v=spf1 include:spf.gate.test " "{includes[:130]}" "{includes[130:]} -all"', *leaves
    )
    result = await world.result(SPF)
    assert (result.verdict, hint_codes(result)) == (Verdict.MISMATCH, {"spf_permerror"})
    assert "costs 11 DNS queries" in result.hints[0].message
    assert "include:s10.contoso.test" in result.found


async def test_three_void_queries_in_spf_are_too_many(world: World) -> None:
    await world.publish(
        '@ TXT "v=spf1 include:spf.gate.test a:x1.contoso.test a:x2.contoso.test exists:x3.contoso.test -all"'
    )
    result = await world.result(SPF)
    assert (result.verdict, hint_codes(result)) == (Verdict.MISMATCH, {"spf_permerror"})
    assert "3 names" in result.hints[0].message


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        ("", True),
        ('@ CAA 0 issue "ca.example"', True),
        ('@ CAA 0 issue "other.example"', False),
        ('@ CAA 0 issue ";"', False),
        ('@ CAA 0 issue "other.example"\nsecuremail CAA 0 issue "ca.example; policy=ev"', True),
        ('@ CAA 0 iodef "mailto:it@contoso.test"', True),
        ('securemail CNAME mx.gate.test.\n@ CAA 0 issue "other.example"', False),
    ],
)
async def test_caa_is_climbed_until_a_set_is_found(world: World, lines: str, allowed: bool) -> None:
    await world.publish(lines)
    result = await world.result(required(Rule.CAA_ALLOWS, "securemail.contoso.test", "ca.example", "CAA"))
    assert result.verdict is (Verdict.PASS if allowed else Verdict.CONFLICT)


@pytest.mark.parametrize(
    "include", ["a..b", "x" * 70 + ".test", ".", "ü.test", "\\\\", "a." * 100 + "test", "contoso.test.\\255"]
)
async def test_names_that_cannot_be_do_no_harm(world: World, include: str) -> None:
    await world.publish(f'@ TXT "v=spf1 include:spf.gate.test include:" "{include}" " -all"')
    result = await world.result(SPF)
    assert result.verdict is Verdict.MISMATCH
    assert result.hints


async def test_what_strangers_write_is_shown_without_control_characters(world: World) -> None:
    await world.publish('term TXT "\\027[2Jterm\\255"')
    result = await world.result(required(Rule.TXT_CONTAINS_TERM, "term.contoso.test", "term"))
    assert result.verdict is Verdict.PASS
    assert result.found == ("\\x1b[2Jterm\\xff",)
