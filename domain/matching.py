"""Matching: which organisation somebody means, by their address, its domain, or what they search (SPEC 5.5).

The outcomes of seed 004: the address is known, or only its domain is, or there is a search; and what tells
several organisations apart. Nothing is bound by it: people choose (`domain.mapping`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.base import Key, Message, UtcDatetime
from domain.dns.names import is_free_mail, parse_domain, registrable_domain
from domain.errors import Code, Refusal
from domain.organisations import Organisation, OrganisationKind, Parties

LIMIT = 20
"""Candidates of one answer: more than people compare."""

MAX_WORDS = 8
"""Words of a search that count; the longest name that is told apart by fewer is yet to be seen."""

LONGEST_WORD = 40
"""Letters of a word that count."""

LONGEST_TEXT = 400
"""Letters of a name that count: of 200 that it may have, Unicode can make thousands."""

_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})
"""Letters that Unicode does not take apart."""

_UMLAUT = re.compile(r"([aou])e+")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Circle:
    """Whose names somebody may come across: business partners do not see each other's customers.

    It bounds what words of names find. Whoever knows an address or a domain finds whose it is, as an order
    may be for a customer whom others serve, too (seed 004).

    Attributes:
        acting: Where they may order or deploy; customers of these are in the circle as well.
        beside: Further organisations, without their customers.
    """

    acting: frozenset[str]
    beside: frozenset[str]

    def includes(self, organisation: Organisation) -> bool:
        """Whether words of its name find an organisation."""
        return organisation.key in self.acting | self.beside or organisation.partner in self.acting


@dataclass(frozen=True, slots=True)
class Reach:
    """Which organisations somebody may bind a line to: those that they could have found for it.

    Keys are short words that can be guessed; what a guess may bind is what a search may show.

    Attributes:
        circle: Whose names they may come across; None for everybody's.
        parties: The organisations of the line.
        matched: Whose the address of the line's contact is, or its domain.
    """

    circle: Circle | None
    parties: Parties
    matched: frozenset[str]

    def includes(self, organisation: Organisation, part: OrganisationKind) -> bool:
        """Whether an organisation may play a part.

        A partner keeps access to what is set up, so that an address alone makes nobody one.
        """
        if self.circle is None:
            return True
        is_theirs = self.circle.includes(organisation)
        if part is OrganisationKind.PARTNER:
            is_partner = organisation.kind is not OrganisationKind.CUSTOMER
            return organisation.key == self.parties.partner or (is_theirs and is_partner)
        is_party = organisation.key in {self.parties.partner, self.parties.customer}
        return is_party or is_theirs or organisation.key in self.matched


class MatchedBy(StrEnum):
    """How an organisation was found, the surest first."""

    ADDRESS = "address"
    DOMAIN = "domain"
    SEARCH = "search"


class Candidate(Message):
    """An organisation that may be meant, with what tells it from others (seed 004).

    Attributes:
        partner: For a customer: the partner that orders on its behalf.
        matched: The surest way in which it was found.
        verified_domains: Proved to be its own, as people read them.
        active_users: People who may do something there; programs and mere mail addresses are none.
        last_activity: When one of them last did something that a process has recorded.
    """

    key: Key
    kind: OrganisationKind
    name: str
    matched: MatchedBy
    partner: Key | None = None
    industry: str | None = None
    country: str | None = None
    verified_domains: tuple[str, ...] = ()
    active_users: int = 0
    last_activity: UtcDatetime | None = None


# Addresses and domains


def address_key(email: str) -> str:
    """What two spellings of one address have in common."""
    return email.casefold()


def domain_key(email: str) -> str | None:
    """What colleagues' addresses have in common: the registered domain; None where strangers share it."""
    domain = registrable_domain(email.rpartition("@")[2].lower())
    return None if domain is None or is_free_mail(domain) else domain


def searched_domain(search: str) -> str | None:
    """The registered domain that somebody searches by; None if the search is no domain."""
    if "." not in search:
        return None
    try:
        domain = parse_domain(search, allow_special_use=True).key
    except Refusal:
        return None
    return domain_key(domain)


# Words


def words_of(text: str) -> tuple[str, ...]:
    """The different words of a name or a search, without case, accents and punctuation.

    `ü`, `ue` and `u` become the same, as German names are written in all three ways. The beginning of a word
    becomes the beginning of what the word becomes; only `LONGEST_WORD` letters count. Whoever changes what
    comes out here has to write the index of names anew by a migration.
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    words = _WORD.findall(_UMLAUT.sub(r"\1", plain))
    return tuple(dict.fromkeys(word[:LONGEST_WORD] for word in words))


def in_one(words: Sequence[str]) -> str:
    """A name's words as one text, in which ` tre` stands wherever a word begins with `tre`.

    It is bounded as what an index can hold; no name that people write is that long.
    """
    return "".join(f" {word}" for word in words)[:LONGEST_TEXT]


def searched_words(search: str) -> tuple[str, ...]:
    """The words of a search.

    Raises:
        Refusal: INVALID_INPUT if it has none.
    """
    words = words_of(search)[:MAX_WORDS]
    if not words:
        raise Refusal(Code.INVALID_INPUT, "search: it needs at least one word, or the beginning of one")
    return words


# Ranking


def closest(search: str, named: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The keys of the names that are closest to a search, the closest first, each once.

    Whole words come before beginnings, short names before long ones, words that lead the name before others,
    the spelling that was searched before another.

    Args:
        search: What is searched.
        named: Keys and names, all of which it finds.
    """
    beginnings = words_of(search)
    wanted, typed = set(beginnings), search.strip().casefold()

    def distance(candidate: tuple[str, str]) -> tuple[int, int, int, bool, str, str]:
        key, name = candidate
        words = words_of(name)
        exact = len(wanted.intersection(words))
        first = next((n for n, word in enumerate(words) if word.startswith(beginnings)), len(words))
        return (-exact, len(words), first, typed not in name.casefold(), name.casefold(), key)

    return tuple(key for key, _ in sorted(set(named), key=distance))


def ranked(candidates: Iterable[Candidate], holders: Iterable[str]) -> tuple[Candidate, ...]:
    """Candidates by address or domain, the likeliest first.

    Whom the address names, then who has verified its domain, then where most people are active, then where
    somebody was last.

    Args:
        candidates: In any order.
        holders: Keys of those who have verified the address's domain.
    """
    verified = set(holders)
    never = datetime.min.replace(tzinfo=UTC)

    def likelihood(candidate: Candidate) -> tuple[bool, bool, int, datetime]:
        return (
            candidate.matched is MatchedBy.ADDRESS,
            candidate.key in verified,
            candidate.active_users,
            candidate.last_activity or never,
        )

    by_name = sorted(candidates, key=lambda candidate: (candidate.name.casefold(), candidate.key))
    return tuple(sorted(by_name, key=likelihood, reverse=True))


def together(by_email: Sequence[Candidate], by_search: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """One answer of both, each organisation once; neither crowds out the other."""
    found = {candidate.key for candidate in by_email}
    searched = [candidate for candidate in by_search if candidate.key not in found]
    room = LIMIT - min(len(searched), LIMIT // 2)
    return (*by_email[:room], *searched)[:LIMIT]
