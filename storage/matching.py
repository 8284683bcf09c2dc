"""Finding organisations by people's addresses, domains and words of names, and what they are found by.

At most so much is looked at that an answer takes some milliseconds, however many there are (bench/README.md):
every way ends at `POOL` organisations, and the index brings the closest names first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.dns.names import parse_domain
from domain.matching import (
    LIMIT,
    Candidate,
    Circle,
    MatchedBy,
    address_key,
    closest,
    domain_key,
    in_one,
    ranked,
    searched_domain,
    searched_words,
    together,
    words_of,
)
from domain.organisations import Organisation, OrganisationKind, Role
from storage.tables import (
    ClaimStatus,
    DomainClaimRow,
    GrantRow,
    OrganisationRow,
    OrganisationWordRow,
    PersonRow,
    TransitionRow,
)

POOL = 100
"""Organisations that are compared, of all that one way finds."""

COLLEAGUES = 1_000
"""People of one domain whose organisations are looked at."""

COMMON = 2_000
"""Names from which on a word tells little; how many more there are is not counted."""

NO_USERS = (Role.WORKFLOW_MAILS, Role.SERVICE)
"""Roles that mere addresses and programs have."""

_PAST_ALL = "\U0010ffff"
"""Comes after every letter, so that the words with a beginning are a range."""

# Statements are built once: that takes longer than running them.
_KINDS: BindParameter[Any] = bindparam("kinds", expanding=True)
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)


async def find_organisations(
    session: AsyncSession,
    email: str | None,
    search: str | None,
    kinds: Collection[OrganisationKind],
    circle: Circle | None = None,
) -> tuple[Candidate, ...]:
    """The organisations that somebody may mean, at most `LIMIT`, the likeliest first.

    Those found by the address or its domain come before those that only the search finds.

    Args:
        session: Where to look.
        email: An address that `domain.mail.parse_address` has read.
        search: Beginnings of words of the name, or a domain.
        kinds: Only of these kinds.
        circle: Whose names the search goes through; everybody's if left out.

    Raises:
        Refusal: INVALID_INPUT for a search without a word.
    """
    by_email = await _by_email(session, email, kinds) if email is not None else ()
    by_search = await _by_search(session, search, kinds, circle) if search is not None else ()
    return await _with_domains(session, together(by_email, by_search))


# By address and domain


def _of_people(column: Any) -> Select[str]:
    """Organisations in which somebody active with this address or domain has a role; most of them first."""
    people = (
        select(col(PersonRow.key))
        .where(column == bindparam("of"), col(PersonRow.active))
        .limit(COLLEAGUES)
        .subquery()
    )
    return (
        select(col(GrantRow.organisation))
        .join(people, people.c.key == col(GrantRow.person))
        .join(OrganisationRow, col(OrganisationRow.key) == col(GrantRow.organisation))
        .where(col(OrganisationRow.kind).in_(_KINDS))
        .group_by(col(GrantRow.organisation))
        .order_by(func.count(col(GrantRow.person).distinct()).desc(), col(GrantRow.organisation))
        .limit(POOL)
    )


_WITH_ADDRESS = _of_people(col(PersonRow.address))
_WITH_DOMAIN = _of_people(col(PersonRow.domain))
_HOLDERS = (
    select(col(DomainClaimRow.organisation))
    .distinct()
    .join(OrganisationRow, col(OrganisationRow.key) == col(DomainClaimRow.organisation))
    .where(
        col(DomainClaimRow.registrable) == bindparam("of"),
        col(DomainClaimRow.status) == ClaimStatus.VERIFIED,
        col(OrganisationRow.kind).in_(_KINDS),
    )
    .order_by(col(DomainClaimRow.organisation))
    .limit(POOL)
)
"""Organisations that have verified a domain, or one below it."""


async def _by_email(
    session: AsyncSession, email: str, kinds: Collection[OrganisationKind]
) -> tuple[Candidate, ...]:
    async def found_by(statement: Select[str], of: str) -> tuple[str, ...]:
        return tuple(await session.scalars(statement, {"of": of, "kinds": kinds}))

    domain = domain_key(email)
    named = await found_by(_WITH_ADDRESS, address_key(email))
    holders = await found_by(_HOLDERS, domain) if domain is not None else ()
    colleagues = await found_by(_WITH_DOMAIN, domain) if domain is not None else ()
    found = dict.fromkeys((*named, *holders, *colleagues), MatchedBy.DOMAIN)
    found |= dict.fromkeys(named, MatchedBy.ADDRESS)
    return ranked(await _candidates(session, found), holders)[:LIMIT]


# By search


_WORD = col(OrganisationWordRow.word)


_CIRCLE = select(col(OrganisationRow.key)).where(
    col(OrganisationRow.key).in_(bindparam("circle", expanding=True))
    | col(OrganisationRow.partner).in_(bindparam("acting", expanding=True))
)


@cache
def _of_words(others: int, *, whole: bool, bounded: bool) -> Select[str, str]:
    """Keys and names with a word, or only its beginning, and with so many others; short names come first."""
    begins = (bindparam("word") < _WORD) & (bindparam("past") > _WORD)
    keys = (
        select(col(OrganisationWordRow.organisation))
        .where(
            col(OrganisationWordRow.kind) == bindparam("kind"),
            bindparam("word") == _WORD if whole else begins,
            *(col(OrganisationWordRow.words).like(bindparam(f"other_{number}")) for number in range(others)),
            *((col(OrganisationWordRow.organisation).in_(_CIRCLE),) if bounded else ()),
        )
        .order_by(_WORD, col(OrganisationWordRow.size), col(OrganisationWordRow.organisation))
        .limit(POOL)
    )
    return select(col(OrganisationRow.key), col(OrganisationRow.name)).where(
        col(OrganisationRow.key).in_(keys)
    )


_FREQUENCY = select(func.count()).select_from(
    select(_WORD)
    .where(col(OrganisationWordRow.kind).in_(_KINDS), bindparam("word") <= _WORD, bindparam("past") > _WORD)
    .limit(COMMON)
    .subquery()
)


async def _by_search(
    session: AsyncSession, search: str, kinds: Collection[OrganisationKind], circle: Circle | None
) -> tuple[Candidate, ...]:
    domain = searched_domain(search)
    holders = await session.scalars(_HOLDERS, {"of": domain, "kinds": kinds}) if domain is not None else ()
    words = await _rarest_first(session, searched_words(search), kinds)
    named: dict[str, str] = {}
    for kind in kinds:
        named |= await _named(session, kind, words, circle)
    keys = tuple(dict.fromkeys((*holders, *closest(search, named.items()))))[:LIMIT]
    found = {each.key: each for each in await _candidates(session, dict.fromkeys(keys, MatchedBy.SEARCH))}
    return tuple(found[key] for key in keys)


async def _rarest_first(
    session: AsyncSession, words: Sequence[str], kinds: Collection[OrganisationKind]
) -> list[str]:
    """The words, that one first which the fewest names have: the others are looked for in these only."""
    if len(words) == 1:
        return list(words)
    frequency = {
        word: await session.scalar(_FREQUENCY, {"kinds": kinds, "word": word, "past": word + _PAST_ALL})
        for word in words
    }
    return sorted(words, key=lambda word: (frequency[word], -len(word)))


async def _named(
    session: AsyncSession, kind: OrganisationKind, words: Sequence[str], circle: Circle | None
) -> dict[str, str]:
    """Names that have all words, by key; those that have the first one whole come first."""
    first, *others = words
    given: dict[str, Any] = {"kind": kind, "word": first, "past": first + _PAST_ALL}
    given |= {f"other_{number}": f"% {other}%" for number, other in enumerate(others)}
    if circle is not None:
        given |= {"circle": sorted(circle.acting | circle.beside), "acting": sorted(circle.acting)}
    found: dict[str, str] = {}
    for whole in (True, False):
        if len(found) < POOL:
            rows = await session.execute(
                _of_words(len(others), whole=whole, bounded=circle is not None), given
            )
            found |= {row.key: row.name for row in rows}
    return found


# What tells them apart

_ORGANISATIONS = select(OrganisationRow).where(col(OrganisationRow.key).in_(_KEYS))
_DOMAINS = (
    select(col(DomainClaimRow.organisation), col(DomainClaimRow.domain))
    .where(col(DomainClaimRow.organisation).in_(_KEYS), col(DomainClaimRow.status) == ClaimStatus.VERIFIED)
    .order_by(col(DomainClaimRow.verified_at), col(DomainClaimRow.domain))
)
_LAST = (
    select(func.max(col(TransitionRow.at)))
    .where(col(TransitionRow.actor) == col(GrantRow.person))
    .correlate(GrantRow)
    .scalar_subquery()
)
_USERS = (
    select(col(GrantRow.organisation), func.count(col(GrantRow.person).distinct()), func.max(_LAST))
    .join(PersonRow, col(PersonRow.key) == col(GrantRow.person))
    .where(col(GrantRow.organisation).in_(_KEYS), col(GrantRow.role).not_in(NO_USERS), col(PersonRow.active))
    .group_by(col(GrantRow.organisation))
)
"""How many people are active in each organisation, and when one of them last did something."""


async def _candidates(session: AsyncSession, found: dict[str, MatchedBy]) -> list[Candidate]:
    if not found:
        return []
    keys = {"keys": list(found)}
    rows = await session.scalars(_ORGANISATIONS, keys)
    users = {key: (number, last) for key, number, last in await session.execute(_USERS, keys)}
    candidates = []
    for row in rows:
        active_users, last_activity = users.get(row.key, (0, None))
        candidates.append(
            Candidate(
                key=row.key,
                kind=row.kind,
                name=row.name,
                matched=found[row.key],
                partner=row.partner,
                industry=row.industry,
                country=row.country,
                active_users=active_users,
                last_activity=last_activity,
            )
        )
    return candidates


async def _with_domains(session: AsyncSession, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    if not candidates:
        return ()
    domains: dict[str, tuple[str, ...]] = {}
    for organisation, domain in await session.execute(
        _DOMAINS, {"keys": [candidate.key for candidate in candidates]}
    ):
        shown = parse_domain(domain, allow_special_use=True).display
        domains[organisation] = (*domains.get(organisation, ()), shown)
    return tuple(
        candidate.model_copy(update={"verified_domains": domains.get(candidate.key, ())})
        for candidate in candidates
    )


# What they are found by


def person_keys(email: str | None) -> tuple[str | None, str | None]:
    """Address and domain that somebody is matched by."""
    return (None, None) if email is None else (address_key(email), domain_key(email))


async def index_names(session: AsyncSession, organisations: Collection[Organisation]) -> None:
    """Makes organisations found by the words of the names they have now."""
    keys = [each.key for each in organisations]
    await session.execute(delete(OrganisationWordRow).where(col(OrganisationWordRow.organisation).in_(keys)))
    for organisation in organisations:
        words = words_of(organisation.name)
        session.add_all(
            OrganisationWordRow(
                organisation=organisation.key,
                kind=organisation.kind,
                word=word,
                size=len(words),
                words=in_one(words),
            )
            for word in words
        )
    await session.flush()
