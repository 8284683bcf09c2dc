"""Rules on TXT records: ownership token, a term, a DKIM key."""

from __future__ import annotations

import base64
import binascii
import hmac

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.dns.asking import (
    Finding,
    Steps,
    UndecidedError,
    agreed,
    ask,
    glance,
    host,
    records,
    slow_to_change,
    txt_value,
)
from domain.dns.evidence import Lookup, Outcome, Question, Security
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement
from domain.dns.verdicts import Hint, Verdict


def txt_token(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """Ownership: one of the TXT values is the token, and resolvers in other networks see it, too."""
    lookup = yield from ask(requirement.owner, "TXT")
    values = tuple(txt_value(text) for text in agreed(lookup))
    if any(_same(value, requirement.expected) for value in values):
        finding = yield from _corroborate(requirement, lookup)
        return finding._replace(found=values)
    near = tuple(hint for value in values for hint in _near_miss(value, requirement.expected))
    if near:
        return Finding(Verdict.MISMATCH, values, near + slow_to_change(lookup))
    hints = yield from _misplaced(requirement, domain)
    return Finding(Verdict.MISMATCH if values else Verdict.MISSING, values, hints)


def _same(value: str, expected: str) -> bool:
    return hmac.compare_digest(value.encode(), expected.encode())


def _corroborate(requirement: Requirement, lookup: Lookup) -> Steps[Finding]:
    """Demand AD from one validating resolver or the same answer from two (provisioning.md e.4.7)."""
    wildcard = (_WILDCARD,) if lookup.wildcard else ()
    if lookup.security is Security.SECURE:
        return Finding(Verdict.PASS, hints=wildcard)
    public = yield Question(host(requirement.owner), "TXT", public=True)
    if public.security is Security.BOGUS:
        agreed(public)
    answers = public.last_answers
    seen = [a for a in answers if any(_same(txt_value(t), requirement.expected) for t in a.rrset)]
    if any(answer.ad for answer in seen) or len(seen) >= min(2, len(answers)):
        return Finding(Verdict.PASS, hints=wildcard)
    if all(a.outcome in {Outcome.TIMEOUT, Outcome.SERVFAIL, Outcome.REFUSED} for a in answers):
        silent = Hint(code="no_perspective", message="The resolvers that confirm the record do not answer.")
        raise UndecidedError(Verdict.UNKNOWN, silent)
    seconds = max([lookup.negative_ttl or 0, *(answer.ttl or 0 for answer in answers)])
    message = (
        "The record is set, but resolvers still remember the time before; it is visible everywhere "
        f"at the latest in {seconds // 60 + 1} min."
    )
    return Finding(Verdict.PARTIAL, hints=(Hint(code="not_yet_public", message=message),))


_WILDCARD = Hint(
    code="wildcard", message="A wildcard record answers for this name and every other beside it."
)


def _near_miss(value: str, expected: str) -> tuple[Hint, ...]:
    """Name the ways in which DNS consoles and people spoil a value."""
    bare = value.strip().strip("\"'“”„").replace('" "', "")
    if bare == expected and bare != value.strip():
        return (
            Hint(code="quotes_in_value", message="The value contains quotation marks: enter it without."),
        )
    if "".join(bare.split()) == "".join(expected.split()):
        return (Hint(code="spaces_in_value", message="The value has been split or padded with spaces."),)
    if bare.casefold() == expected.casefold():
        return (Hint(code="letter_case", message="Upper and lower case differ: copy the value exactly."),)
    if value.startswith("token=") and expected.startswith("token="):
        return (Hint(code="other_token", message="Another token is there, perhaps from an earlier order."),)
    return ()


def _misplaced(requirement: Requirement, domain: DomainName) -> Steps[tuple[Hint, ...]]:
    owner = host(requirement.owner)
    places = {
        f"{owner}.{domain.key}": ("doubled_suffix", "the console has appended the domain once more"),
        domain.key: ("at_apex", "it belongs at the record name shown"),
        f"www.{domain.key}": ("at_www", "it belongs at the record name shown"),
    }
    hints: tuple[Hint, ...] = ()
    for place, (code, why) in places.items():
        if place == owner:
            continue
        values = yield from glance(place, "TXT")
        if any(_same(txt_value(text), requirement.expected) for text in values):
            hints += (Hint(code=code, message=f"The value stands at {place}: {why}."),)
    return hints + (yield from undelegated_servers(domain))


def undelegated_servers(domain: DomainName) -> Steps[tuple[Hint, ...]]:
    """Hint at a registry and a zone that name different servers: the record may be at the wrong host."""
    lookup = yield from ask(domain.key, "NS")
    delegated = {answer.server for answer in lookup.last_answers}
    strangers = sorted({host(name) for name in lookup.records} - delegated)
    if not strangers or lookup.hops[-1].zone != domain.key:
        return ()
    message = (
        f"The registry delegates to {', '.join(sorted(delegated))}, the zone itself also names "
        f"{', '.join(strangers)}: set the record where the domain is delegated to."
    )
    return (Hint(code="undelegated_servers", message=message),)


def txt_contains_term(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """Some TXT value contains the term, for example the check value of a certification authority."""
    values = tuple(txt_value(text) for text in (yield from records(requirement.owner, "TXT")))
    having = tuple(value for value in values if requirement.expected in value)
    if having:
        return Finding(Verdict.PASS, having)
    return Finding(Verdict.MISSING, values, (yield from undelegated_servers(domain)))


def dkim_txt_equals(requirement: Requirement, domain: DomainName) -> Steps[Finding]:
    """The selector holds our public key, usable and not revoked (RFC 6376 3.6.1)."""
    values = tuple(txt_value(text) for text in (yield from records(requirement.owner, "TXT")))
    keys = [tags for tags in map(_tags, values) if "p" in tags]
    if not keys:
        hints = yield from undelegated_servers(domain)
        return Finding(Verdict.MISMATCH if values else Verdict.MISSING, values, hints)
    wanted = _tags(requirement.expected)
    problems = [_dkim_problem(tags, wanted.get("p", requirement.expected)) for tags in keys]
    if len(keys) > 1 or problems[0]:
        problem = problems[0] or Hint(
            code="dkim_several", message="There is more than one key: leave ours alone."
        )
        return Finding(Verdict.MISMATCH, values, (problem,))
    return Finding(Verdict.PASS, values, _dkim_advice(keys[0]))


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, found, value in pairs if found}


def _dkim_problem(tags: dict[str, str], key: str) -> Hint | None:
    if not tags["p"]:
        return Hint(code="dkim_revoked", message="The key is revoked: p is empty.")
    if tags["p"] != "".join(key.split()):
        return Hint(code="dkim_other_key", message="The selector holds another key than ours.")
    if tags.get("v", "DKIM1") != "DKIM1":
        return Hint(code="dkim_version", message="The record must start with v=DKIM1.")
    if tags.get("k", "rsa") not in {"rsa", "ed25519"}:
        return Hint(code="dkim_key_type", message=f"The key type {tags['k']} is unknown.")
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        return Hint(code="dkim_hash", message="The tag h excludes sha256.")
    if 0 < _rsa_bits(tags) < 1024:
        return Hint(code="dkim_short_key", message="The RSA key is shorter than 1024 bit and is ignored.")
    return None


def _dkim_advice(tags: dict[str, str]) -> tuple[Hint, ...]:
    advice: tuple[Hint, ...] = ()
    if "y" in tags.get("t", "").split(":"):
        advice += (Hint(code="dkim_testing", message="t=y tells receivers to ignore failures: remove it."),)
    if 0 < _rsa_bits(tags) < 2048:
        advice += (Hint(code="dkim_weak_key", message="The RSA key is shorter than 2048 bit."),)
    return advice


def _rsa_bits(tags: dict[str, str]) -> int:
    """Return the length of an RSA key; 0 for another or an unreadable one."""
    if tags.get("k", "rsa") != "rsa":
        return 0
    try:
        key = load_der_public_key(base64.b64decode(tags["p"]))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0
