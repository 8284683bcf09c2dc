"""SPF: the tree of a domain's policy, its cost, and whether it lets our servers send (RFC 7208)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from domain.dns.asking import Finding, Steps, UndecidedError, agreed, ask, host, records, txt_value
from domain.dns.evidence import Ending, Lookup
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement
from domain.dns.verdicts import Hint, Verdict

MAX_LOOKUPS = 10
MAX_VOIDS = 2
MAX_MX_NAMES = 10
"""Limits beyond which receivers see a permanent error (RFC 7208 4.6.4)."""

MAX_RRSET = 450
"""Octets of all TXT records of a name that still fit a UDP answer (RFC 7208 3.4)."""

_TREE_CAP = 40
_RECORD = re.compile(r"v=spf1( |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_MECHANISM = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/]+(?:/.*)?)|(/.*))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism or modifier of a record; `value` is its domain, without prefix length."""

    text: str
    name: str
    qualifier: str = "+"
    value: str = ""


@dataclass(slots=True)
class SpfTree:
    """What evaluating a policy comes to.

    Attributes:
        records: How many SPF records the domain itself has; a policy needs exactly one.
        lookups: Terms that make a receiver ask DNS; at most 10.
        voids: Those among them that found nothing; at most 2.
        admitted: Domains whose servers may send: includes in front of any `all`.
        problems: What makes receivers ignore the policy, as hints.
        accepts_all: Some `+all` lets everybody send.
        notes: Advice that changes nothing.
        lines: The tree as text, one term per line, indented.
    """

    records: int = 0
    lookups: int = 0
    voids: int = 0
    admitted: set[str] = field(default_factory=set)
    problems: list[Hint] = field(default_factory=list)
    accepts_all: bool = False
    notes: list[Hint] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def spf_includes(requirement: Requirement, _domain: DomainName) -> Steps[Finding]:
    """The domain's one SPF record admits our include within the budget of DNS queries."""
    tree = yield from evaluate(requirement.owner)
    found = tuple(tree.lines)
    ours = host(requirement.expected.removeprefix("include:"))
    if not tree.records:
        return Finding(Verdict.MISSING)
    if tree.accepts_all:
        return Finding(Verdict.CONFLICT, found, (_PLUS_ALL,))
    if tree.problems:
        return Finding(Verdict.MISMATCH, found, (*tree.problems, *tree.notes))
    if ours not in tree.admitted:
        message = f"Nothing in front of “all” admits {ours}: add include:{ours} near the start."
        return Finding(
            Verdict.MISMATCH, found, (Hint(code="spf_include_missing", message=message), *tree.notes)
        )
    return Finding(Verdict.PASS, found, tuple(tree.notes))


_PLUS_ALL = Hint(
    code="spf_plus_all", message="“+all” lets the whole world send in your name: use ~all or -all."
)


def evaluate(domain: str) -> Steps[SpfTree]:
    """Walk the whole tree of a domain's SPF policy and count what it costs.

    Raises:
        UndecidedError: Part of the tree cannot be learnt at the moment.
    """
    tree = SpfTree()
    texts = yield from records(domain, "TXT")
    policies = _policies(texts)
    tree.records = len(policies)
    if len(policies) > 1:
        tree.lines.extend(policies)
        _problem(
            tree, "spf_multiple", "There is more than one SPF record, so none counts: merge them into one."
        )
    elif policies:
        if sum(len(txt_value(text).encode()) for text in texts) > MAX_RRSET:
            _note(tree, "spf_large", f"All TXT records together exceed {MAX_RRSET} octets.")
        yield from _walk(tree, policies[0], (host(domain),))
        _check_budget(tree)
    return tree


def _policies(texts: tuple[str, ...]) -> list[str]:
    return [value for value in map(txt_value, texts) if _RECORD.match(value)]


def _walk(tree: SpfTree, policy: str, path: tuple[str, ...]) -> Steps[None]:
    try:
        terms = parse(policy)
    except ValueError as error:
        _problem(tree, "spf_syntax", f"The SPF record of {path[-1]} has an error: {error}.")
        return
    ends = [number for number, term in enumerate(terms) if term.name == "all"]
    if ends:
        tree.accepts_all |= terms[ends[0]].qualifier == "+"
        terms = [term for term in terms[: ends[0] + 1] if term.name != "redirect"]
    else:
        terms.sort(key=lambda term: term.name == "redirect")
        if len(path) == 1 and not any(term.name == "redirect" for term in terms):
            _note(tree, "spf_without_all", "The record has no “all”: end it with ~all or -all.")
    for term in terms:
        tree.lines.append("  " * (len(path) - 1) + term.text)
        if term.name in _COSTS and tree.lookups < _TREE_CAP:
            tree.lookups += 1
            yield from _COSTS[term.name](tree, term, path)


def _include(tree: SpfTree, term: Term, path: tuple[str, ...]) -> Steps[None]:
    target = host(term.value)
    if term.qualifier == "+":
        tree.admitted.add(target)
    yield from _descend(tree, target, path)


def _redirect(tree: SpfTree, term: Term, path: tuple[str, ...]) -> Steps[None]:
    yield from _descend(tree, host(term.value), path)


def _descend(tree: SpfTree, target: str, path: tuple[str, ...]) -> Steps[None]:
    if "%" in target:
        _note(tree, "spf_macro", f"{target} depends on the message and cannot be followed.")
        return
    if target in path:
        _problem(tree, "spf_loop", f"{' → '.join(path)} leads back to {target}.")
        return
    lookup = yield from ask(target, "TXT")
    policies = _policies(_of_others(lookup))
    tree.voids += not lookup.records
    if len(policies) != 1:
        _problem(
            tree, "spf_include_broken", f"{target} has {len(policies) or 'no'} SPF records instead of one."
        )
        return
    yield from _walk(tree, policies[0], (*path, target))


def _address(tree: SpfTree, term: Term, path: tuple[str, ...]) -> Steps[None]:
    name = term.value or path[-1]
    if "%" not in name and not (
        yield from _any_data(name, ("A",) if term.name == "exists" else ("A", "AAAA"))
    ):
        tree.voids += 1


def _mx(tree: SpfTree, term: Term, path: tuple[str, ...]) -> Steps[None]:
    name = term.value or path[-1]
    if "%" in name:
        return
    hosts = _of_others((yield from ask(name, "MX")))
    tree.voids += not hosts
    if len(hosts) > MAX_MX_NAMES:
        _problem(
            tree, "spf_permerror", f"mx:{name} stands for {len(hosts)} hosts, {MAX_MX_NAMES} are allowed."
        )


def _ptr(tree: SpfTree, _term: Term, _path: tuple[str, ...]) -> Steps[None]:
    _note(tree, "spf_ptr", "“ptr” is slow and deprecated (RFC 7208 5.5): remove it.")
    yield from ()


_COSTS = {
    "include": _include,
    "redirect": _redirect,
    "a": _address,
    "exists": _address,
    "mx": _mx,
    "ptr": _ptr,
}


def _any_data(name: str, rrtypes: tuple[str, ...]) -> Steps[bool]:
    for rrtype in rrtypes:
        lookup = yield from ask(name, rrtype)
        if lookup.has_data or _of_others(lookup):
            return True
    return False


def _of_others(lookup: Lookup) -> tuple[str, ...]:
    """Return agreed records of somebody else's zone; its lagging servers are no fault of the customer's."""
    if lookup.end is Ending.DISAGREE:
        message = f"The servers of {lookup.name} disagree at the moment."
        raise UndecidedError(Verdict.UNKNOWN, Hint(code="spf_temporary", message=message))
    return agreed(lookup)


def _check_budget(tree: SpfTree) -> None:
    if tree.lookups > MAX_LOOKUPS:
        message = f"The policy costs {tree.lookups} DNS queries, {MAX_LOOKUPS} are allowed: remove includes."
        _problem(tree, "spf_permerror", message)
    if tree.voids > MAX_VOIDS:
        message = f"{tree.voids} names in the policy do not exist, {MAX_VOIDS} are allowed: remove them."
        _problem(tree, "spf_permerror", message)


def parse(policy: str) -> list[Term]:
    """Read an SPF record into its terms (RFC 7208 4.6.1).

    Raises:
        ValueError: A term is unknown or incomplete.
    """
    terms = [_parse_term(text) for text in policy.split()[1:]]
    if sum(term.name == "redirect" for term in terms) > 1:
        raise ValueError("redirect occurs twice")
    return terms


def _parse_term(text: str) -> Term:
    modifier = _MODIFIER.fullmatch(text)
    if modifier:
        name = modifier[1].lower()
        if name == "redirect" and not modifier[2]:
            raise ValueError("redirect names no domain")
        return Term(text, name, value=modifier[2])
    mechanism = _MECHANISM.fullmatch(text)
    if mechanism is None:
        raise ValueError(f"unknown term {text[:60]!r}")
    name = mechanism[2].lower()
    value = mechanism[3] or ""
    if name in {"include", "exists", "ip4", "ip6"} and not value:
        raise ValueError(f"{name} names nothing")
    if name in {"a", "mx"}:
        value = value.partition("/")[0]
    return Term(text, name, mechanism[1] or "+", value)


def _problem(tree: SpfTree, code: str, message: str) -> None:
    tree.problems.append(Hint(code=code, message=message))


def _note(tree: SpfTree, code: str, message: str) -> None:
    if not any(note.code == code for note in tree.notes):
        tree.notes.append(Hint(code=code, message=message))
