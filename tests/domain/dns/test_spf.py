from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dns.evidence import Ending
from domain.dns.requirements import Rule
from domain.dns.spf import SpfTree, evaluate, parse
from domain.dns.verdicts import Verdict
from tests.domain.dns.answers import Table, codes, drive, judged, lookup, requirement

ASKED = requirement(Rule.SPF_INCLUDES, expected="include:spf.gate.net")
OURS = {("spf.gate.net", "TXT"): ('"v=spf1 ip4:192.0.2.0/24 -all"',)}


def policy(text: str, **others: str) -> Table:
    more = {(f"{name}.net", "TXT"): (f'"{value}"',) for name, value in others.items()}
    strings = " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))
    return OURS | more | {("contoso.ch", "TXT"): (strings,)}


def tree(table: Table) -> SpfTree:
    return drive(evaluate("contoso.ch"), table)


@pytest.mark.parametrize(
    ("text", "verdict", "hints"),
    [
        ("v=spf1 include:spf.gate.net -all", Verdict.PASS, set()),
        ("V=SPF1 INCLUDE:SPF.Gate.Net. ~ALL", Verdict.PASS, set()),
        ("v=spf1 include:spf.gate.net", Verdict.PASS, {"spf_without_all"}),
        ("v=spf1 include:spf.gate.net ptr -all", Verdict.PASS, {"spf_ptr"}),
        ("v=spf1 include:spf.gate.net include:%{i}.x.net -all", Verdict.PASS, {"spf_macro"}),
        ("v=spf1 -all include:spf.gate.net", Verdict.MISMATCH, {"spf_include_missing"}),
        ("v=spf1 -include:spf.gate.net -all", Verdict.MISMATCH, {"spf_include_missing"}),
        ("v=spf1 redirect=spf.gate.net -all", Verdict.MISMATCH, {"spf_include_missing"}),
        ("v=spf1 -all", Verdict.MISMATCH, {"spf_include_missing"}),
        ("v=spf1 include:spf.gate.net +all", Verdict.CONFLICT, {"spf_plus_all"}),
        ("v=spf1 include:spf.gate.net all", Verdict.CONFLICT, {"spf_plus_all"}),
        ("v=spf1 include:spf.gate.net foo:bar -all", Verdict.MISMATCH, {"spf_syntax"}),
        ("v=spf1 include: -all", Verdict.MISMATCH, {"spf_syntax"}),
        ("v=spf1 include:spf.gate.net include:contoso.ch -all", Verdict.MISMATCH, {"spf_loop"}),
        ("v=spf1 include:spf.gate.net include:none.net -all", Verdict.MISMATCH, {"spf_include_broken"}),
        ("v=spf10 include:spf.gate.net -all", Verdict.MISSING, set()),
        (" v=spf1 include:spf.gate.net -all", Verdict.MISSING, set()),
    ],
)
def test_a_policy_admits_our_servers_or_says_why_not(text: str, verdict: Verdict, hints: set[str]) -> None:
    result = judged(ASKED, policy(text))
    assert (result.verdict, codes(result)) == (verdict, hints)


def test_an_include_of_an_include_and_a_redirect_admit_too() -> None:
    nested = policy("v=spf1 include:own.net -all", own="v=spf1 include:spf.gate.net -all")
    redirect = policy("v=spf1 redirect=own.net", own="v=spf1 include:spf.gate.net -all")
    hidden = policy("v=spf1 include:own.net -all", own="v=spf1 ?all include:spf.gate.net")
    assert judged(ASKED, nested).verdict is judged(ASKED, redirect).verdict is Verdict.PASS
    assert judged(ASKED, hidden).verdict is Verdict.MISMATCH


def test_an_include_that_lets_the_world_send_is_a_conflict() -> None:
    table = policy("v=spf1 include:spf.gate.net include:open.net -all", open="v=spf1 +all")
    assert judged(ASKED, table).verdict is Verdict.CONFLICT


def test_two_records_are_none() -> None:
    two = ('"v=spf1 include:spf.gate.net -all"', '"v=spf1 -all"')
    result = judged(ASKED, OURS | {("contoso.ch", "TXT"): two})
    assert (result.verdict, codes(result)) == (Verdict.MISMATCH, {"spf_multiple"})


@given(st.integers(0, 20))
def test_ten_queries_are_allowed_and_eleven_are_not(queries: int) -> None:
    text = " ".join(["v=spf1", *["exists:x.net"] * queries, "-all"])
    counted = tree(policy(text) | {("x.net", "A"): ("192.0.2.1",)})
    assert counted.lookups == queries
    assert bool(counted.problems) == (queries > 10)


@given(st.integers(0, 6))
def test_two_void_queries_are_allowed_and_three_are_not(voids: int) -> None:
    text = " ".join(["v=spf1", *(f"a:x{n}.net" for n in range(voids)), "-all"])
    counted = tree(policy(text))
    assert counted.voids == voids
    assert bool(counted.problems) == (voids > 2)


@pytest.mark.parametrize(("hosts", "fine"), [(10, True), (11, False)])
def test_a_mail_exchanger_term_stands_for_at_most_ten_hosts(hosts: int, fine: bool) -> None:
    exchangers = tuple(f"{n} mx{n}.contoso.ch." for n in range(hosts))
    counted = tree(policy("v=spf1 mx -all") | {("contoso.ch", "MX"): exchangers})
    assert (counted.lookups, not counted.problems) == (1, fine)


@pytest.mark.parametrize(
    "text", ["v=spf1 a/24 -all", "v=spf1 a:contoso.ch/24//64 -all", "v=spf1 mx//64 -all"]
)
def test_a_prefix_length_is_no_part_of_the_name(text: str) -> None:
    table = policy(text) | {("contoso.ch", "A"): ("192.0.2.1",), ("contoso.ch", "MX"): ("1 a.contoso.ch.",)}
    counted = tree(table)
    assert (counted.lookups, counted.voids, counted.problems) == (1, 0, [])


def test_a_chain_that_never_ends_is_cut() -> None:
    text = " ".join(["v=spf1", *(f"include:i{n}.net" for n in range(100)), "-all"])
    counted = tree(policy(text, **{f"i{n}": "v=spf1 -all" for n in range(100)}))
    assert counted.lookups == 40
    assert counted.problems


@pytest.mark.parametrize("end", [Ending.UNREACHABLE, Ending.DISAGREE])
def test_trouble_in_somebody_elses_zone_is_unknown(end: Ending) -> None:
    broken = lookup("other.net", "TXT", end=end)
    table = policy("v=spf1 include:spf.gate.net include:other.net -all") | {("other.net", "TXT"): broken}
    assert judged(ASKED, table).verdict is Verdict.UNKNOWN


def test_a_large_set_of_texts_is_pointed_out() -> None:
    large = ('"v=spf1 include:spf.gate.net -all"', f'"{"x" * 250}" "{"y" * 250}"')
    result = judged(ASKED, OURS | {("contoso.ch", "TXT"): large})
    assert (result.verdict, codes(result)) == (Verdict.PASS, {"spf_large"})


def test_the_tree_is_shown_with_its_nesting() -> None:
    result = judged(ASKED, policy("v=spf1 include:own.net -all", own="v=spf1 include:spf.gate.net ~all"))
    assert result.found == (
        "include:own.net",
        "  include:spf.gate.net",
        "    ip4:192.0.2.0/24",
        "    -all",
        "  ~all",
        "-all",
    )


@given(st.text(alphabet="a:/.=+-~?%{}0 includemxptr", max_size=60))
def test_any_text_is_a_policy_or_a_named_error(text: str) -> None:
    try:
        terms = parse(f"v=spf1 {text}")
    except ValueError as error:
        said = str(error)
    else:
        said = "fine"
        assert len(terms) == len(text.split())
    assert said
