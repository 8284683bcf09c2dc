"""Validation from an own trust anchor: secure, insecure, bogus and indeterminate are told apart."""

from __future__ import annotations

from datetime import timedelta

import dns.dnssec
import dns.name
import dns.rdtypes.ANY.DNSKEY
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from domain.dns.evidence import Security
from domain.dns.verdicts import ObservationSeverity, Overall, Verdict
from tests.activities.dns.world import (
    CUSTOMER,
    NOW,
    OWNERSHIP,
    ROOT,
    TLD,
    TOKEN_LINE,
    World,
    customer_zone,
    delegation,
    hint_codes,
    named,
    small_zone,
)

ALGORITHM = dns.dnssec.Algorithm.ECDSAP256SHA256


class Signer:
    """A key of a zone."""

    def __init__(self, origin: str) -> None:
        self.origin = dns.name.from_text(origin)
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = dns.dnssec.make_dnskey(self._private.public_key(), ALGORITHM, flags=257)

    @property
    def ds(self) -> str:
        return dns.dnssec.make_ds(self.origin, self.public, "SHA256").to_text()

    def sign(self, text: str, lifetime: timedelta = timedelta(days=14)) -> str:
        zone = dns.zone.from_text(text, origin=self.origin, relativize=False)
        dns.dnssec.sign_zone(
            zone,
            keys=[(self._private, self.public)],
            inception=NOW - timedelta(days=1),
            expiration=NOW + lifetime,
        )
        return zone.to_text(relativize=False)


class Signed:
    """The world of `World`, signed from the root to the customer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.root, self.tld, self.customer = Signer("."), Signer("test."), Signer("contoso.test.")

    async def publish(self, *lines: str, ds: bool = True, lifetime: timedelta = timedelta(days=14)) -> None:
        test = delegation("test.", a=TLD) + f"test. DS {self.tld.ds}"
        await self.world.serve(ROOT, root=self.root.sign(small_zone(test, address=ROOT)))
        contoso = delegation("contoso", **{f"ns{n}": a for n, a in enumerate(CUSTOMER, 1)})
        contoso += f"contoso DS {self.customer.ds}" if ds else ""
        await self.world.serve(TLD, test=self.tld.sign(small_zone(contoso, address=TLD)))
        text = self.customer.sign(customer_zone(*lines), lifetime)
        for address in CUSTOMER:
            await self.world.serve(address, contoso_test=text)

    @property
    def anchors(self) -> tuple[str, ...]:
        return (self.root.ds,)


@pytest.fixture
def signed(world: World) -> Signed:
    return Signed(world)


async def test_a_chain_of_signatures_from_the_anchor_is_secure(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.VERIFIED, Security.SECURE)
    evidence = report.results[0].evidence[0]
    assert (evidence.security, evidence.signature_expires) == (Security.SECURE, NOW + timedelta(days=14))


async def test_a_zone_without_ds_is_insecure_and_allowed(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE, ds=False)
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.VERIFIED, Security.INSECURE)


@pytest.mark.parametrize("changes", [{"anchors": ()}, {"dnssec": False}])
async def test_without_an_anchor_nothing_is_claimed(signed: Signed, changes: dict[str, object]) -> None:
    await signed.publish(TOKEN_LINE)
    report = await signed.world.check(OWNERSHIP, **({"anchors": signed.anchors} | changes))
    assert (report.overall, report.dnssec) == (Overall.VERIFIED, Security.INDETERMINATE)


async def test_expired_signatures_are_bogus_and_a_conflict_although_the_token_is_there(
    signed: Signed,
) -> None:
    await signed.publish(TOKEN_LINE, lifetime=timedelta(hours=-1))
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.CONFLICT, Security.BOGUS)
    assert hint_codes(report.results[0]) == {"dnssec_bogus"}


async def test_signatures_missing_where_the_registry_demands_them_are_bogus(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    await signed.world.publish(TOKEN_LINE)
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.CONFLICT, Security.BOGUS)


async def test_a_record_changed_after_signing_is_bogus(signed: Signed) -> None:
    await signed.publish('_countersign-challenge TXT "something else"')
    for address in CUSTOMER:
        path = signed.world.folder / address / "contoso.test.zone"
        forged = path.read_text().replace('"something else"', TOKEN_LINE.partition("TXT ")[2])
        path.write_text(forged)
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert report.results[0].verdict is Verdict.CONFLICT
    assert report.dnssec is Security.BOGUS


async def test_a_forged_ds_does_not_help_a_foreign_key(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    genuine, forger = signed.customer, Signer("contoso.test.")
    tld = signed.world.folder / TLD / "test.zone"
    tld.write_text(tld.read_text().replace(genuine.ds, forger.ds))
    for address in CUSTOMER:
        await signed.world.serve(address, contoso_test=forger.sign(customer_zone(TOKEN_LINE)))
    assert genuine.ds not in tld.read_text()
    assert forger.ds in tld.read_text()
    assert (await signed.world.check(OWNERSHIP, anchors=signed.anchors)).dnssec is Security.BOGUS


async def test_a_foreign_key_at_the_top_makes_everything_below_bogus(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    report = await signed.world.check(OWNERSHIP, anchors=(Signer(".").ds,))
    assert report.dnssec is Security.BOGUS


async def test_a_zone_signed_with_an_unknown_algorithm_counts_as_unsigned(signed: Signed) -> None:
    unknown = signed.customer.ds.replace(" 13 2 ", " 200 2 ")
    await signed.publish(TOKEN_LINE)
    contoso = delegation("contoso", **{f"ns{n}": a for n, a in enumerate(CUSTOMER, 1)})
    text = small_zone(contoso, f"contoso DS {unknown}", address=TLD)
    await signed.world.serve(TLD, test=signed.tld.sign(text))
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.VERIFIED, Security.INSECURE)


async def test_one_healthy_server_is_enough_to_validate(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    await signed.world.publish(TOKEN_LINE, servers=CUSTOMER[2:])
    report = await signed.world.check(OWNERSHIP, anchors=signed.anchors)
    assert (report.overall, report.dnssec) == (Overall.VERIFIED, Security.SECURE)


async def test_signatures_about_to_expire_are_a_warning_before_ordering(signed: Signed) -> None:
    await signed.publish(lifetime=timedelta(days=2))
    checker = signed.world.checker(anchors=signed.anchors)
    seen = await checker.feasibility(named("contoso.test"), checked_at=NOW)
    assert [(o.code, o.severity) for o in seen if o.code.startswith("DNSSEC")] == [
        ("DNSSEC_EXPIRES_SOON", ObservationSeverity.WARNING)
    ]


async def test_a_bogus_zone_blocks_an_order(signed: Signed) -> None:
    await signed.publish(lifetime=timedelta(hours=-1))
    checker = signed.world.checker(anchors=signed.anchors)
    (seen,) = await checker.feasibility(named("contoso.test"), checked_at=NOW)
    assert (seen.code, seen.severity) == ("DNSSEC_BOGUS", ObservationSeverity.BLOCKING)


async def test_signatures_follow_the_worlds_time_and_not_the_time_of_a_process(signed: Signed) -> None:
    await signed.publish(TOKEN_LINE)
    checker = signed.world.checker(anchors=signed.anchors)
    late = NOW + timedelta(days=400)
    report = await checker.check(named("contoso.test"), [OWNERSHIP], checked_at=late)
    assert (report.checked_at, report.dnssec) == (late, Security.SECURE)
