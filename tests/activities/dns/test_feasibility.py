"""What the order check sees before anything is published (provisioning.md e.9)."""

from __future__ import annotations

import pytest

from domain.dns.verdicts import Observation
from tests.activities.dns.world import (
    CUSTOMER,
    NOW,
    PROVIDER,
    World,
    failing,
    lame,
    named,
    silent,
    small_zone,
)


async def observe(world: World, domain: str = "contoso.test") -> dict[str, Observation]:
    seen = await world.checker().feasibility(
        named(domain),
        checked_at=NOW,
        spf_include="spf.gate.test",
        ca="ca.example",
        certificate_host=f"securemail.{domain}",
    )
    return {observation.code: observation for observation in seen}


async def test_an_ordinary_domain_has_nothing_in_the_way(world: World) -> None:
    await world.publish("@ MX 10 mail", '@ TXT "v=spf1 mx -all"', "mail A 192.0.2.9")
    seen = await observe(world)
    assert {code: str(o.severity) for code, o in seen.items()} == {"DNSSEC": "info", "MX_NOW": "info"}
    assert "10 mail.contoso.test." in seen["MX_NOW"].message


async def test_an_spf_policy_of_nine_queries_cannot_take_ours_of_two(world: World) -> None:
    await world.serve(
        PROVIDER,
        gate_test=small_zone(
            'spf TXT "v=spf1 include:pool.gate.test -all"', 'pool TXT "v=spf1 -all"', address=PROVIDER
        ),
    )
    nine = " ".join(f"include:s{n}.contoso.test" for n in range(1, 10))
    leaves = [f's{n} TXT "v=spf1 -all"' for n in range(1, 10)]
    await world.publish(f'@ TXT "v=spf1 {nine} -all"', *leaves)
    seen = await observe(world)
    assert str(seen["SPF_BUDGET"].severity) == "warning"
    assert "11 > 10" in seen["SPF_BUDGET"].message
    eight = " ".join(f"include:s{n}.contoso.test" for n in range(1, 9))
    await world.publish(f'@ TXT "v=spf1 {eight} -all"', *leaves)
    assert "SPF_BUDGET" not in await observe(world)


async def test_an_include_that_is_there_already_is_not_counted_twice(world: World) -> None:
    nine = " ".join(f"include:s{n}.contoso.test" for n in range(1, 10))
    leaves = [f's{n} TXT "v=spf1 -all"' for n in range(1, 10)]
    await world.publish(f'@ TXT "v=spf1 include:spf.gate.test {nine} -all"', *leaves)
    assert "SPF_BUDGET" not in await observe(world)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ('@ TXT "v=spf1 -all"\n@ TXT "v=spf1 ~all"', "SPF_MULTIPLE"),
        ('@ TXT "v=spf1 include:nothing.contoso.test -all"', "SPF_BROKEN"),
        ("@ MX 0 .", "NULL_MX"),
        ('@ CAA 0 issue "other.example"', "CAA_FORBIDS"),
        ("", "MX_NONE"),
    ],
)
async def test_what_stands_in_the_way_is_named(world: World, lines: str, code: str) -> None:
    await world.publish(lines)
    assert code in await observe(world)


async def test_a_domain_without_a_zone_blocks(world: World) -> None:
    assert {c: str(o.severity) for c, o in (await observe(world, "nobody.test")).items()} == {
        "ZONE_MISSING": "blocking"
    }


async def test_servers_that_do_not_serve_the_zone_block(world: World) -> None:
    world.fail(lame, *CUSTOMER)
    assert {c: str(o.severity) for c, o in (await observe(world)).items()} == {"ZONE_NOT_SERVED": "blocking"}


async def test_servers_that_do_not_answer_only_warn(world: World) -> None:
    world.fail(silent, *CUSTOMER)
    assert {c: str(o.severity) for c, o in (await observe(world)).items()} == {"ZONE_UNKNOWN": "warning"}


async def test_a_third_partys_trouble_only_warns(world: World) -> None:
    await world.publish('@ TXT "v=spf1 include:spf.gate.test -all"')
    world.fail(failing(2), PROVIDER)
    assert str((await observe(world))["SPF_UNKNOWN"].severity) == "warning"
