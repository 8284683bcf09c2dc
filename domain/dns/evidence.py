"""What name servers said: answers per server, how they add up, and the questions rules ask.

Evidence is kept as it was received, so that a person can see later on what a verdict was based.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from domain.base import Message, UtcDatetime


class Outcome(StrEnum):
    """What one server made of one question (provisioning.md e.4.4).

    FORBIDDEN: the address is not public and was not asked. BOGUS: a validating resolver refuses the
    answer it has.
    """

    ANSWER = "ANSWER"
    NODATA = "NODATA"
    NXDOMAIN = "NXDOMAIN"
    CNAME = "CNAME"
    DNAME = "DNAME"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    LAME = "LAME"
    TIMEOUT = "TIMEOUT"
    FORBIDDEN = "FORBIDDEN"
    BOGUS = "BOGUS"


ALIASES = frozenset({Outcome.CNAME, Outcome.DNAME})
ABSENCES = frozenset({Outcome.NODATA, Outcome.NXDOMAIN})
USEFUL = frozenset({Outcome.ANSWER}) | ALIASES | ABSENCES
DISOWNING = frozenset({Outcome.LAME, Outcome.REFUSED})


class Security(StrEnum):
    """DNSSEC status in the sense of RFC 4033 5."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


class Ending(StrEnum):
    """How a look-up ended, all servers of the last zone considered."""

    RECORDS = "records"
    NO_DATA = "no_data"
    NO_NAME = "no_name"
    ALIAS = "alias"
    DISAGREE = "disagree"
    UNREACHABLE = "unreachable"
    LOOP = "loop"
    TOO_LONG = "too_long"


class Answer(Message):
    """One server's answer to one question.

    Attributes:
        server: Host name of the server, or the address for a resolver.
        aa: Whether the server called itself authoritative.
        ad: Whether a validating resolver vouches for the answer.
        serial: The zone's serial at this server, where it could be learnt.
        ttl: Seconds; None without records.
        rrset: Record data in presentation form, sorted; names in lower case.
        target: Where an alias leads.
        rtt_ms: Milliseconds until the answer.
    """

    server: str
    address: str
    outcome: Outcome
    rcode: str = ""
    aa: bool = False
    ad: bool = False
    serial: int | None = None
    ttl: int | None = None
    rrset: tuple[str, ...] = ()
    target: str = ""
    transport: str = ""
    rtt_ms: int = 0


class Hop(Message):
    """One name of an alias chain, with what every server of its zone said about it."""

    name: str
    zone: str
    answers: tuple[Answer, ...]


class Lookup(Message):
    """Everything learnt about one name and type.

    Attributes:
        hops: The name itself, then each alias target.
        records: What the servers of the last hop agree on.
        wildcard: A random name beside it answers the same; the records may be synthesised.
        negative_ttl: Seconds for which resolvers remember that nothing was there (RFC 2308 5).
        signature_expires: The earliest expiry among the signatures that were validated.
    """

    name: str
    rrtype: str
    hops: tuple[Hop, ...]
    end: Ending
    records: tuple[str, ...] = ()
    security: Security = Security.INDETERMINATE
    wildcard: bool = False
    negative_ttl: int | None = None
    signature_expires: UtcDatetime | None = None

    @property
    def last_answers(self) -> tuple[Answer, ...]:
        """The answers about the last name of the chain."""
        return self.hops[-1].answers if self.hops else ()

    @property
    def has_data(self) -> bool:
        """Whether every server has some record, not necessarily the same: enough for addresses."""
        useful = [answer for answer in self.last_answers if answer.outcome in USEFUL]
        split = self.end is Ending.DISAGREE and all(a.outcome is Outcome.ANSWER for a in useful)
        return self.end is Ending.RECORDS or split

    @property
    def is_alias(self) -> bool:
        """Whether the name itself is only an alias of another."""
        return bool(self.hops) and any(a.outcome in ALIASES for a in self.hops[0].answers)

    @property
    def is_lame(self) -> bool:
        """Whether every server that spoke knows nothing of the zone it was delegated."""
        spoke = {a.outcome for a in self.last_answers} - {Outcome.TIMEOUT, Outcome.FORBIDDEN}
        return self.end is Ending.UNREACHABLE and bool(spoke) and spoke <= DISOWNING


class Question(NamedTuple):
    """What a rule wants to know next; `public` asks the validating resolvers, not the authorities."""

    name: str
    rrtype: str
    public: bool = False


class Agreement(NamedTuple):
    """What the servers of one zone say together; `target` with an alias, `records` with data."""

    end: Ending
    records: tuple[str, ...] = ()
    target: str = ""


def agree(answers: Sequence[Answer], reachable: int = 1) -> Agreement:
    """Add up the answers of all servers of a zone (provisioning.md e.4.5).

    Servers that do not answer are reported but do not block, as long as one answers, or two where the
    zone has two that can be reached at all.

    Args:
        answers: One per server address.
        reachable: How many of them answered for the zone itself.
    """
    useful = [answer for answer in answers if answer.outcome in USEFUL]
    if len(useful) < min(2, max(1, reachable)):
        return Agreement(Ending.UNREACHABLE)
    if len({_content(answer) for answer in useful}) > 1:
        return Agreement(Ending.DISAGREE)
    first = useful[0]
    if first.outcome in ALIASES:
        return Agreement(Ending.ALIAS, target=first.target)
    if first.outcome is Outcome.ANSWER:
        return Agreement(Ending.RECORDS, records=first.rrset)
    nowhere = all(answer.outcome is Outcome.NXDOMAIN for answer in useful)
    return Agreement(Ending.NO_NAME if nowhere else Ending.NO_DATA)


def _content(answer: Answer) -> tuple[str, ...]:
    """Return what makes two answers the same; that a name or only its record is absent does not matter."""
    if answer.outcome in ALIASES:
        return ("alias", answer.target)
    return answer.rrset


def describe_split(answers: Sequence[Answer]) -> str:
    """Say which servers hold what, with their serials, for people who have to mend it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for answer in answers:
        if answer.outcome in USEFUL:
            serial = f" (serial {answer.serial})" if answer.serial is not None else ""
            groups.setdefault(_content(answer), []).append(f"{answer.server}{serial}")
    return "; ".join(
        f"{', '.join(servers)}: {' '.join(content) or 'no record'}" for content, servers in groups.items()
    )
