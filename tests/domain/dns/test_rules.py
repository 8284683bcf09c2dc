"""Rules that need no network to be shown: the table is the world."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.dns.evidence import Ending, Security
from domain.dns.requirements import Rule, Severity
from domain.dns.rules import RULES
from domain.dns.verdicts import Verdict
from tests.domain.dns.answers import CONTOSO, Table, codes, judged, lookup, requirement


def rsa_key(bits: int) -> str:
    public = rsa.generate_private_key(65537, bits).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


KEY, WEAK = rsa_key(2048), rsa_key(1024)


def split(value: str) -> str:
    return " ".join(f'"{value[i : i + 200]}"' for i in range(0, len(value), 200)).replace(";", "\\;")


def test_every_rule_has_an_evaluator() -> None:
    assert set(RULES) == set(Rule)


def test_a_broken_conflict_requirement_is_a_conflict_and_an_advisory_one_is_not() -> None:
    table: Table = {("contoso.ch", "AAAA"): ("2001:db8::1",)}
    for severity, verdict in (
        (Severity.CONFLICT, Verdict.CONFLICT),
        (Severity.REQUIRED, Verdict.MISMATCH),
        (Severity.ADVISORY, Verdict.MISMATCH),
    ):
        asked = requirement(Rule.ABSENT, rrtype="AAAA", severity=severity)
        assert judged(asked, table).verdict is verdict
        assert judged(asked, {}).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({"end": Ending.DISAGREE}, Verdict.PARTIAL, "servers_disagree"),
        ({"end": Ending.UNREACHABLE}, Verdict.UNKNOWN, "no_answer"),
        ({"end": Ending.UNREACHABLE, "hops": ()}, Verdict.UNKNOWN, "no_answer"),
        ({"end": Ending.LOOP}, Verdict.MISMATCH, "alias_loop"),
        ({"end": Ending.TOO_LONG}, Verdict.MISMATCH, "alias_too_long"),
        ({"security": Security.BOGUS}, Verdict.CONFLICT, "dnssec_bogus"),
    ],
)
@pytest.mark.parametrize(
    ("rule", "rrtype"),
    [
        (Rule.TXT_TOKEN, "TXT"),
        (Rule.TXT_CONTAINS_TERM, "TXT"),
        (Rule.DKIM_TXT_EQUALS, "TXT"),
        (Rule.SPF_INCLUDES, "TXT"),
        (Rule.MX_ONLY, "MX"),
        (Rule.CNAME_EQUALS, "CNAME"),
        (Rule.CAA_ALLOWS, "CAA"),
        (Rule.ABSENT, "A"),
    ],
)
def test_what_cannot_be_learnt_is_the_same_for_every_rule(
    rule: Rule, rrtype: str, changes: dict[str, object], verdict: Verdict, code: str
) -> None:
    table: Table = {("contoso.ch", rrtype): lookup("contoso.ch", rrtype, **changes)}
    result = judged(requirement(rule, expected="it", rrtype=rrtype), table)
    assert (result.verdict, codes(result)) == (verdict, {code})
    assert len(result.evidence) == 1


@pytest.mark.parametrize(
    ("value", "expected", "verdict", "code"),
    [
        (f"v=DKIM1; k=rsa; p={KEY}", KEY, Verdict.PASS, None),
        (f"v=DKIM1; k=rsa; p={KEY}", f"v=DKIM1; p={KEY}", Verdict.PASS, None),
        (f"p = {KEY[:50]} {KEY[50:]}", KEY, Verdict.PASS, None),
        (f"v=DKIM1; t=y; p={KEY}", KEY, Verdict.PASS, "dkim_testing"),
        (f"v=DKIM1; p={WEAK}", WEAK, Verdict.PASS, "dkim_weak_key"),
        (f"v=DKIM1; p={KEY}", WEAK, Verdict.MISMATCH, "dkim_other_key"),
        ("v=DKIM1; p=", KEY, Verdict.MISMATCH, "dkim_revoked"),
        (f"v=DKIM2; p={KEY}", KEY, Verdict.MISMATCH, "dkim_version"),
        (f"v=DKIM1; k=dsa; p={KEY}", KEY, Verdict.MISMATCH, "dkim_key_type"),
        (f"v=DKIM1; h=sha1; p={KEY}", KEY, Verdict.MISMATCH, "dkim_hash"),
        (f"v=DKIM1; h=sha1:sha256; p={KEY}", KEY, Verdict.PASS, None),
        ("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg==", "11qYAYKxCrfVS/7TyWQHOg==", Verdict.PASS, None),
        ("something else", KEY, Verdict.MISMATCH, None),
    ],
)
def test_dkim_keys_are_compared_by_their_tags(
    value: str, expected: str, verdict: Verdict, code: str | None
) -> None:
    owner = "s1._domainkey.contoso.ch"
    result = judged(requirement(Rule.DKIM_TXT_EQUALS, owner, expected), {(owner, "TXT"): (split(value),)})
    assert (result.verdict, codes(result)) == (verdict, {code} if code else set())


def test_a_dkim_selector_holds_one_key() -> None:
    both = (split(f"v=DKIM1; p={KEY}"), split(f"v=DKIM1;  p={KEY}"))
    result = judged(requirement(Rule.DKIM_TXT_EQUALS, expected=KEY), {("contoso.ch", "TXT"): both})
    assert (result.verdict, codes(result)) == (Verdict.MISMATCH, {"dkim_several"})
    assert judged(requirement(Rule.DKIM_TXT_EQUALS, expected=KEY), {}).verdict is Verdict.MISSING


def test_a_term_may_stand_among_other_texts() -> None:
    table: Table = {("contoso.ch", "TXT"): ('"v=spf1 -all"', '"swisssign-check=abc"')}
    result = judged(requirement(Rule.TXT_CONTAINS_TERM, expected="swisssign-check"), table)
    assert (result.verdict, result.found) == (Verdict.PASS, ("swisssign-check=abc",))
    assert judged(requirement(Rule.TXT_CONTAINS_TERM, expected="other"), table).verdict is Verdict.MISSING


def test_an_alias_at_the_domain_itself_is_a_conflict() -> None:
    table: Table = {("contoso.ch", "CNAME"): ("gate.example.net.",)}
    result = judged(requirement(Rule.CNAME_EQUALS, expected="gate.example.net", rrtype="CNAME"), table)
    assert (result.verdict, codes(result)) == (Verdict.CONFLICT, {"cname_at_apex"})


def test_an_alias_beside_other_records_is_a_conflict() -> None:
    name = "mail.contoso.ch"
    table: Table = {(name, "CNAME"): ("gate.example.net.",), (name, "A"): ("192.0.2.1",)}
    result = judged(requirement(Rule.CNAME_EQUALS, name, "gate.example.net", "CNAME"), table)
    assert (result.verdict, codes(result)) == (Verdict.CONFLICT, {"cname_coexistence"})


FORWARD = ("mail.contoso.ch", "A"), ("192.0.2.1",)
PTR = ("1.2.0.192.in-addr.arpa", "PTR")


@pytest.mark.parametrize(
    ("table", "verdict", "code"),
    [
        (dict([FORWARD]) | {PTR: ("mail.contoso.ch.",)}, Verdict.PASS, None),
        (dict([FORWARD]) | {PTR: ("mail.contoso.ch.", "old.contoso.ch.")}, Verdict.MISMATCH, "ptr_mismatch"),
        (dict([FORWARD]), Verdict.MISSING, "no_ptr"),
        ({}, Verdict.MISSING, "no_address"),
    ],
)
def test_every_ptr_leads_back(table: Table, verdict: Verdict, code: str | None) -> None:
    result = judged(requirement(Rule.FCRDNS, "mail.contoso.ch", rrtype="PTR"), table)
    assert (result.verdict, codes(result)) == (verdict, {code} if code else set())


def test_an_address_itself_can_be_asked_for_its_ptr() -> None:
    table: Table = dict([FORWARD]) | {PTR: ("mail.contoso.ch.",)}
    assert judged(requirement(Rule.FCRDNS, "192.0.2.1", rrtype="PTR"), table).verdict is Verdict.PASS
    assert judged(requirement(Rule.FCRDNS, "192.0.2.7", rrtype="PTR"), table).verdict is Verdict.MISSING


def test_one_of_several_mail_exchangers_is_enough_where_the_offer_says_so() -> None:
    table: Table = {
        ("contoso.ch", "MX"): ("10 old.example.net.", "20 gate.example.net."),
        ("gate.example.net", "AAAA"): ("2001:db8::1",),
    }
    asked = requirement(Rule.MX_INCLUDES, expected="10 gate.example.net.", rrtype="MX")
    assert judged(asked, table).verdict is Verdict.PASS
    assert judged(asked.model_copy(update={"rule": Rule.MX_ONLY}), table).verdict is Verdict.CONFLICT


def test_a_critical_caa_property_nobody_knows_forbids_issuing() -> None:
    table: Table = {("contoso.ch", "CAA"): ('0 issue "ca.example"', '128 future "x"')}
    asked = requirement(Rule.CAA_ALLOWS, "www.contoso.ch", "ca.example", "CAA")
    assert judged(asked, table).verdict is Verdict.CONFLICT


def test_what_was_found_is_shortened_and_the_evidence_is_whole() -> None:
    many = tuple(f'"{"x" * 200}" "{"y" * 200}" "{n:0200}"' for n in range(60))
    result = judged(requirement(Rule.TXT_CONTAINS_TERM, expected="-"), {("contoso.ch", "TXT"): many}, CONTOSO)
    assert len(result.found) == 40
    assert max(map(len, result.found)) == 500
    assert result.evidence[0].records == many
