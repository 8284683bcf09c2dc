"""What counts as the same address, domain and word, and who is likelier to be meant (SPEC 5.5, seed 004)."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refusal
from domain.matching import (
    LIMIT,
    LONGEST_TEXT,
    LONGEST_WORD,
    MAX_WORDS,
    Candidate,
    Circle,
    MatchedBy,
    Reach,
    closest,
    domain_key,
    in_one,
    ranked,
    searched_domain,
    searched_words,
    together,
    words_of,
)
from domain.organisations import Organisation, OrganisationKind, Parties

AT = datetime(2026, 3, 2, tzinfo=UTC)
SEARCHED, BY_DOMAIN, BY_ADDRESS = MatchedBy.SEARCH, MatchedBy.DOMAIN, MatchedBy.ADDRESS


def candidate(key: str, matched: MatchedBy = BY_DOMAIN, **more: object) -> Candidate:
    values = {"key": key, "kind": OrganisationKind.CUSTOMER, "name": key.title(), "matched": matched}
    return Candidate.model_validate(values | more)


def keys(candidates: tuple[Candidate, ...]) -> list[str]:
    return [each.key for each in candidates]


# Addresses and domains


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("anna@contoso.ch", "contoso.ch"),
        ("anna@Mail.Contoso.CH", "contoso.ch"),
        ("anna@contoso.co.uk", "contoso.co.uk"),
        ("anna@shop.contoso.co.uk", "contoso.co.uk"),
        ("anna@xn--mller-kva.ch", "xn--mller-kva.ch"),
        ("anna@contoso.example", "contoso.example"),
        ("anna@gmail.com", None),
        ("anna@mail.gmx.de", None),
        ("anna@co.uk", None),
        ("anna@team.github.io", "team.github.io"),
        ("anna@github.io", None),
    ],
)
def test_colleagues_share_a_registered_domain_and_strangers_none(email: str, domain: str | None) -> None:
    assert domain_key(email) == domain


@pytest.mark.parametrize(
    ("search", "domain"),
    [
        ("contoso.ch", "contoso.ch"),
        (" mail.contoso.ch ", "contoso.ch"),
        ("Müller.ch", "xn--mller-kva.ch"),
        ("contoso", None),
        ("Contoso Inc. Zürich", None),
        ("gmail.com", None),
        ("a..b", None),
        ("127.0.0.1", None),
    ],
)
def test_a_search_may_be_a_domain(search: str, domain: str | None) -> None:
    assert searched_domain(search) == domain


# Words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Küferei Müller & Söhne", ("kuferei", "muller", "sohne")),
        ("KUEFEREI MUELLER + SOEHNE", ("kuferei", "muller", "sohne")),
        ("Straßenbau", ("strassenbau",)),
        ("Ørsted Łódź Æbler", ("orsted", "lodz", "abler")),
        ("İstanbul Işık", ("istanbul", "isik")),
        ("ﬁrma ＡＧ™", ("firma", "agtm")),
        ("A.B.C.-Treuhand_AG", ("a", "b", "c", "treuhand", "ag")),
        ("Ag AG ag", ("ag",)),
        ("東京 株式会社", ("東京", "株式会社")),
        ("<b>&amp;</b>", ("b", "amp")),
        ("—!?", ()),
        ("", ()),
    ],
)
def test_words_are_told_apart_by_what_people_hear(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


@given(st.text(max_size=40))
def test_a_name_is_found_by_each_of_its_words(name: str) -> None:
    for word in words_of(name):
        assert words_of(word) == (word,)


@given(st.text(max_size=40))
def test_composition_does_not_matter(name: str) -> None:
    assert words_of(unicodedata.normalize("NFD", name)) == words_of(unicodedata.normalize("NFC", name))


@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_case_does_not_matter(name: str) -> None:
    assert words_of(name) == words_of(name.upper()) == words_of(name.lower())


@given(st.text("aeouäöüÄÖÜbß", min_size=1, max_size=12), st.data())
def test_the_beginning_of_a_word_stays_one(word: str, data: st.DataObject) -> None:
    beginning = word[: data.draw(st.integers(1, len(word)))]
    assert words_of(word)[0].startswith(words_of(beginning)[0])


@given(st.text(max_size=60), st.data())
def test_all_words_in_one_text_tell_with_which_letters_words_begin(name: str, data: st.DataObject) -> None:
    words = words_of(name)
    beginning = data.draw(
        st.sampled_from([word[: n + 1] for word in words for n in range(len(word))] or ["x"])
    )
    assert (f" {beginning}" in in_one(words)) is any(word.startswith(beginning) for word in words)


@pytest.mark.parametrize(
    "letter", ["x", "\N{SQUARE CORPORATION}", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"]
)
def test_no_name_is_too_long_for_an_index(letter: str) -> None:
    words = words_of(letter * 200)
    assert max(map(len, words)) <= LONGEST_WORD
    assert len(in_one(words_of(" ".join(f"{n}{letter * 3}" for n in range(500))))) <= LONGEST_TEXT


@pytest.mark.parametrize("search", ["", "   ", "&", "…"])
def test_a_search_needs_a_word(search: str) -> None:
    with pytest.raises(Refusal, match="search: ") as caught:
        searched_words(search)
    assert caught.value.code == "INVALID_INPUT"


def test_only_so_many_words_of_a_search_count() -> None:
    assert len(searched_words(" ".join(f"w{n}x" for n in range(50)))) == MAX_WORDS


# Ranking


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("muller", ["Müller", "Müller AG", "Müller Bau AG", "Müllerei"]),
        ("mü", ["Müller", "Munz", "Mühle am See"]),
        ("Mueller", ["Mueller", "Müller", "Muellerei"]),
        ("bau ag", ["Bau AG", "Müller Bau AG", "Bauer AG"]),
        ("keller", ["Keller A", "Keller B", "A. Keller"]),
    ],
)
def test_the_closest_name_comes_first(search: str, names: list[str]) -> None:
    backwards = [(f"key-{name}", name) for name in reversed(names)]
    assert list(closest(search, backwards)) == [f"key-{name}" for name in names]


def test_each_name_is_ranked_once() -> None:
    assert closest("a", [("k", "A"), ("k", "A"), ("l", "A")]) == ("k", "l")


def test_who_is_named_comes_first_then_who_verified_then_where_most_are_active_and_were_last() -> None:
    expected = [
        candidate("named", BY_ADDRESS),
        candidate("holder"),
        candidate("busy", active_users=9),
        candidate("recent", active_users=2, last_activity=AT),
        candidate("older", active_users=2, last_activity=AT - timedelta(days=400)),
        candidate("never", active_users=2),
        candidate("a-empty"),
        candidate("b-empty"),
    ]
    assert ranked(reversed(expected), ["holder", "elsewhere"]) == tuple(expected)


def test_an_answer_has_each_organisation_once_as_it_was_found_most_surely() -> None:
    found = together([candidate("a", BY_ADDRESS)], [candidate("b", SEARCHED), candidate("a", SEARCHED)])
    assert [(each.key, each.matched) for each in found] == [("a", BY_ADDRESS), ("b", SEARCHED)]


@given(st.integers(0, 30), st.integers(0, 30))
def test_neither_way_crowds_out_the_other(by_email: int, by_search: int) -> None:
    domain = [candidate(f"d{n}") for n in range(by_email)]
    searched = [candidate(f"s{n}", SEARCHED) for n in range(by_search)]
    found = together(domain, searched)
    assert len(found) == min(LIMIT, by_email + by_search)
    assert sum(each.matched is BY_DOMAIN for each in found) >= min(by_email, LIMIT // 2)
    assert sum(each.matched is SEARCHED for each in found) >= min(by_search, LIMIT // 2)
    assert keys(found) == sorted(keys(found), key=lambda key: (key[0], int(key[1:])))


PARTNER, CUSTOMER = OrganisationKind.PARTNER, OrganisationKind.CUSTOMER
PARTIES = Parties(provider="host", partner="berg", customer="kufer")
ORGANISATIONS = {
    each.key: each
    for each in (
        Organisation(key="host", kind=OrganisationKind.PROVIDER, name="Host"),
        Organisation(key="berg", kind=PARTNER, name="Berg"),
        Organisation(key="tal", kind=PARTNER, name="Tal"),
        Organisation(key="hafen", kind=PARTNER, name="Hafen"),
        Organisation(key="kufer", kind=CUSTOMER, name="Kufer", partner="berg"),
        Organisation(key="alp", kind=CUSTOMER, name="Alp", partner="berg"),
        Organisation(key="see", kind=CUSTOMER, name="See", partner="hafen"),
    )
}


@pytest.mark.parametrize(
    ("acting", "beside", "matched", "partners", "customers"),
    [
        ("", "", "", "berg", "berg kufer"),
        ("berg", "", "", "berg", "berg kufer alp"),
        ("berg tal", "", "", "berg tal", "berg tal kufer alp"),
        ("kufer", "berg", "", "berg", "berg kufer"),
        ("", "alp tal", "", "berg tal", "berg tal kufer alp"),
        ("", "", "see hafen", "berg", "berg kufer see hafen"),
    ],
    ids=["nobody", "a partner", "two partners", "the customer", "whose mail it is", "by address"],
)
def test_a_line_is_bound_to_its_parties_a_circle_and_whom_an_address_names_and_access_stays_with_partners(
    acting: str, beside: str, matched: str, partners: str, customers: str
) -> None:
    circle = Circle(frozenset(acting.split()), frozenset(beside.split()))
    reach = Reach(circle, PARTIES, frozenset(matched.split()))
    for part, expected in ((PARTNER, partners), (CUSTOMER, customers)):
        within = {each.key for each in ORGANISATIONS.values() if reach.includes(each, part)}
        assert within == set(expected.split())


def test_operators_bind_a_line_to_anybody() -> None:
    reach = Reach(None, PARTIES, frozenset())
    assert all(reach.includes(each, part) for each in ORGANISATIONS.values() for part in (PARTNER, CUSTOMER))


def test_whoever_orders_for_themselves_is_their_own_partner() -> None:
    direct = PARTIES.model_copy(update={"partner": "kufer"})
    reach = Reach(Circle(frozenset(), frozenset()), direct, frozenset())
    assert reach.includes(ORGANISATIONS["kufer"], PARTNER)
    assert not reach.includes(ORGANISATIONS["berg"], PARTNER)
