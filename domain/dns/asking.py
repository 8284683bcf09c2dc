"""How a rule asks: as a generator that yields questions and is sent look-ups.

A rule stays pure and testable with a dictionary, while an activity answers the same questions from the
network (SPEC D3).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar, cast

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from domain.dns.evidence import Ending, Lookup, Outcome, Question, Security, describe_split
from domain.dns.verdicts import Hint, Verdict

T = TypeVar("T")
Steps: TypeAlias = Generator[Question, Lookup, T]
"""Asks some questions, then returns a T."""

DAY = 86_400


class Finding(NamedTuple):
    """What a rule concludes."""

    verdict: Verdict
    found: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()


class UndecidedError(Exception):
    """The answers do not allow a verdict on the record's content; carries the finding instead."""

    def __init__(self, verdict: Verdict, hint: Hint) -> None:
        super().__init__(hint.message)
        self.finding = Finding(verdict, hints=(hint,))


def ask(name: str, rrtype: str) -> Steps[Lookup]:
    """Ask the authoritative servers about a name."""
    return (yield Question(host(name), rrtype))


def records(name: str, rrtype: str) -> Steps[tuple[str, ...]]:
    """Ask and return the records all servers agree on, none if there are none.

    Raises:
        UndecidedError: The servers disagree, do not answer, or the answer is bogus or runs in circles.
    """
    return agreed((yield from ask(name, rrtype)))


def glance(name: str, rrtype: str) -> Steps[tuple[str, ...]]:
    """Ask for a hint's sake: whatever cannot be learnt counts as nothing."""
    return (yield from ask(name, rrtype)).records


def has_address(name: str) -> Steps[bool]:
    """Ask whether a host has an IPv4 or IPv6 address.

    Raises:
        UndecidedError: It cannot be told.
    """
    for rrtype in ("A", "AAAA"):
        lookup = yield from ask(name, rrtype)
        if lookup.has_data or agreed(lookup):
            return True
    return False


def agreed(lookup: Lookup) -> tuple[str, ...]:
    """Return the records of a look-up the servers agree on.

    Raises:
        UndecidedError: As for `records`.
    """
    if lookup.security is Security.BOGUS:
        raise UndecidedError(Verdict.CONFLICT, _BOGUS)
    if lookup.end is Ending.DISAGREE:
        split = f"The name servers of {lookup.hops[-1].zone} disagree. {describe_split(lookup.last_answers)}."
        raise UndecidedError(Verdict.PARTIAL, Hint(code="servers_disagree", message=split))
    if lookup.end is Ending.UNREACHABLE:
        raise UndecidedError(Verdict.UNKNOWN, _unreachable(lookup))
    if lookup.end in {Ending.LOOP, Ending.TOO_LONG}:
        chain = " → ".join(hop.name for hop in lookup.hops)
        problem = "runs in a circle" if lookup.end is Ending.LOOP else "is longer than 8 steps"
        hint = Hint(code=f"alias_{lookup.end}", message=f"The chain of aliases {problem}: {chain}.")
        raise UndecidedError(Verdict.MISMATCH, hint)
    return lookup.records


_BOGUS = Hint(
    code="dnssec_bogus",
    message="The DNSSEC signatures are not valid, so validating resolvers refuse the domain and mail to it "
    "fails: re-sign the zone, or have the DS record at the registry corrected or removed.",
)


def _unreachable(lookup: Lookup) -> Hint:
    if not lookup.hops:
        return Hint(code="no_answer", message=f"Nothing could be learnt about {lookup.name} in time.")
    said = ", ".join(f"{a.server} [{a.address}] {a.outcome}" for a in lookup.last_answers) or "none known"
    zone = lookup.hops[-1].zone
    if lookup.is_lame:
        return Hint(
            code="lame_delegation", message=f"The servers delegated for {zone} do not serve it: {said}."
        )
    if any(a.outcome is Outcome.FORBIDDEN for a in lookup.last_answers):
        message = f"{zone} names servers at addresses that are not public, which are not asked: {said}."
        return Hint(code="private_address", message=message)
    return Hint(code="no_answer", message=f"No name server of {zone} gave a usable answer: {said}.")


def slow_to_change(lookup: Lookup) -> tuple[Hint, ...]:
    """Return a hint if resolvers keep the present records for more than a day."""
    longest = max((a.ttl or 0 for a in lookup.last_answers), default=0)
    if longest <= DAY:
        return ()
    hours = longest // 3600
    return (
        Hint(code="long_ttl", message=f"The present record may be seen for up to {hours} h after a change."),
    )


def host(name: str) -> str:
    """Return a host name in the form in which names are compared."""
    return name.strip().removesuffix(".").lower()


def txt_value(text: str) -> str:
    """Return the value of a TXT record: its strings joined without anything between (RFC 7208 3.3)."""
    rdata = cast(TXT, dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, text))
    return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
