"""Finding organisations: by whom an address names, by its domain, by words of names (SPEC 5.5, seed 004)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Refusal
from domain.mapping import NewOrganisation
from domain.matching import LIMIT, Candidate, Circle
from domain.organisations import Directory, Organisation, OrganisationKind, Permission
from storage import audit, circles, directory, inventory, matching
from storage.database import Database
from tests.storage.samples import AT, HOUR, step

PARTNER, CUSTOMER = OrganisationKind.PARTNER, OrganisationKind.CUSTOMER


def organisation(key: str, name: str, kind: str = "customer", **more: Any) -> dict[str, Any]:
    return {"key": key, "name": name, "kind": kind, **more}


def person(
    key: str, email: str | None, *organisations: str, role: str = "sales", **more: Any
) -> dict[str, Any]:
    grants = [{"organisation": each, "role": role} for each in organisations]
    return {"key": key, "name": key.title(), "email": email, "grants": grants, **more}


async def load(session: AsyncSession, organisations: list[Any], people: list[Any] | None = None) -> None:
    loaded = Directory.model_validate({"organisations": organisations, "people": people or []})
    await directory.load_directory(session, loaded)


async def find(
    session: AsyncSession,
    email: str | None = None,
    search: str | None = None,
    *kinds: OrganisationKind,
) -> tuple[Candidate, ...]:
    return await matching.find_organisations(session, email, search, kinds or (PARTNER, CUSTOMER))


async def found(
    session: AsyncSession,
    email: str | None = None,
    search: str | None = None,
    *kinds: OrganisationKind,
) -> list[tuple[str, str]]:
    return [(each.key, each.matched) for each in await find(session, email, search, *kinds)]


async def searched(session: AsyncSession, search: str) -> list[str]:
    return [each.key for each in await find(session, None, search)]


async def verify(session: AsyncSession, domain: str, organisation: str, after: int = 0) -> None:
    assert await inventory.verify_claim(session, domain, organisation, "token", AT + after * HOUR)


@pytest.fixture(scope="session")
async def peopled(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url)
    yield database
    await database.dispose()


@pytest.fixture
async def session(peopled: Database) -> AsyncIterator[AsyncSession]:
    """One transaction for a whole test; what it writes is gone afterwards."""
    async with peopled.session() as opened:
        await load(
            opened,
            [
                organisation("berg", "Bergsicht IT GmbH", "partner"),
                organisation("alp", "Alpenblick Treuhand AG", industry="Treuhand", country="CH"),
                organisation("kufer", "Küferei Müller & Söhne", partner="berg"),
                organisation("mull", "Müller Bau AG"),
                organisation("owner", "Nordwall", "provider"),
            ],
            [
                person("lena", "lena@bergsicht.example", "berg", "alp"),
                person("max", "max@mail.kueferei.example", "kufer"),
                person("gina", "gina@gmail.com", "mull"),
                person("root", "root@bergsicht.example", "owner"),
            ],
        )
        yield opened
        await opened.rollback()


class TestInACircle:
    async def names(self, session: AsyncSession, circle: Circle, search: str) -> list[str]:
        both = (PARTNER, CUSTOMER)
        found = await matching.find_organisations(session, None, search, both, circle)
        return [each.key for each in found]

    async def test_words_find_those_within_and_customers_of_those_acted_for(
        self, session: AsyncSession
    ) -> None:
        acting = Circle(acting=frozenset({"berg"}), beside=frozenset({"alp"}))
        beside = Circle(acting=frozenset(), beside=frozenset({"berg", "alp"}))
        for circle, customers in ((acting, ["kufer"]), (beside, [])):
            assert await self.names(session, circle, "mueller") == customers
            assert await self.names(session, circle, "mueller soehne") == customers
            assert await self.names(session, circle, "bergsicht") == ["berg"]
            assert await self.names(session, circle, "alpen") == ["alp"]
        assert await self.names(session, Circle(frozenset(), frozenset()), "mueller") == []

    async def test_a_verified_domain_finds_whose_it_is(self, session: AsyncSession) -> None:
        await verify(session, "mueller-bau.example", "mull")
        nobody = Circle(frozenset(), frozenset())
        assert await self.names(session, nobody, "mueller-bau.example") == ["mull"]

    async def test_is_what_somebody_may_order_or_deploy_for_and_beside_it_its_partner(
        self, session: AsyncSession
    ) -> None:
        extra = [person("kim", "kim@x.example", "kufer"), person("ron", None, "berg", role="read_only")]
        await load(session, [], extra)
        may = (Permission.ORDER, Permission.DEPLOY)
        lena = await circles.circle_of(session, "lena", may)
        assert (lena.acting, lena.beside) == (frozenset({"berg", "alp"}), frozenset())
        kim = await circles.circle_of(session, "kim", may)
        assert (kim.acting, kim.beside) == (frozenset({"kufer"}), frozenset({"berg"}))
        assert not (await circles.circle_of(session, "ron", may)).acting
        await load(session, [], [person("kim", "kim@x.example", "kufer", active=False)])
        assert not (await circles.circle_of(session, "kim", may)).acting

    async def test_of_an_address_is_that_of_whoever_has_it(self, session: AsyncSession) -> None:
        may = (Permission.ORDER, Permission.DEPLOY)
        await load(session, [], [person("ron", "ron@x.example", "mull", role="technical_contact")])
        ron = await circles.circle_of_address(session, "Ron@X.example", may, ["alp"])
        assert (ron.acting, ron.beside) == (frozenset(), frozenset({"mull", "alp"}))
        lena = await circles.circle_of_address(session, "lena@bergsicht.example", may, ["kufer"])
        assert lena.acting == {"berg", "alp"}
        unknown = await circles.circle_of_address(session, None, may, ["alp"])
        assert (unknown.acting, unknown.beside) == (frozenset(), frozenset({"alp"}))

    async def test_an_address_names_whom_the_search_by_it_finds(self, session: AsyncSession) -> None:
        await verify(session, "mail.kueferei.example", "mull")
        everybody = ["berg", "alp", "kufer", "mull", "owner"]
        for address in (
            "Lena@bergsicht.example",
            "new@kueferei.example",
            "gina@gmail.com",
            "somebody@gmail.com",
            "new@nowhere.example",
        ):
            every_kind = await found(session, address, None, *OrganisationKind)
            matched = await circles.matched(session, address, everybody)
            assert matched == {key for key, _ in every_kind}, address
        assert await circles.matched(session, "new@kueferei.example", ["kufer"]) == {"kufer"}


class TestByAddress:
    async def test_finds_wherever_somebody_has_a_role(self, session: AsyncSession) -> None:
        assert await found(session, "lena@bergsicht.example") == [("alp", "address"), ("berg", "address")]

    async def test_takes_the_kinds_that_are_wanted(self, session: AsyncSession) -> None:
        assert await found(session, "lena@bergsicht.example", None, PARTNER) == [("berg", "address")]
        assert await found(session, "max@mail.kueferei.example", None, PARTNER) == []

    async def test_does_not_mind_case(self, session: AsyncSession) -> None:
        assert ("alp", "address") in await found(session, "LENA@bergsicht.example")

    async def test_of_a_free_mail_provider_counts_by_itself(self, session: AsyncSession) -> None:
        assert await found(session, "gina@gmail.com") == [("mull", "address")]
        assert await found(session, "somebody@gmail.com") == []

    async def test_of_somebody_who_left_counts_no_more(self, session: AsyncSession) -> None:
        await load(session, [], [person("gina", "gina@gmail.com", "mull", active=False)])
        assert await found(session, "gina@gmail.com") == []

    async def test_counts_as_it_is_now(self, session: AsyncSession) -> None:
        await load(session, [], [person("gina", "gina@kueferei.example", "mull")])
        assert await found(session, "gina@gmail.com") == []
        assert ("mull", "address") in await found(session, "gina@kueferei.example")


class TestByDomain:
    async def test_finds_where_colleagues_are(self, session: AsyncSession) -> None:
        assert await found(session, "new@kueferei.example") == [("kufer", "domain")]
        assert await found(session, "new@shop.kueferei.example") == [("kufer", "domain")]

    async def test_finds_who_verified_it_or_one_below_it(self, session: AsyncSession) -> None:
        await verify(session, "mail.muller.example", "mull")
        assert await found(session, "new@muller.example") == [("mull", "domain")]

    async def test_counts_claims_only_once_they_are_verified(self, session: AsyncSession) -> None:
        await inventory.claim(session, "muller.example", "mull", "token")
        assert await found(session, "new@muller.example") == []
        await verify(session, "muller.example", "mull")
        assert await found(session, "new@muller.example") == [("mull", "domain")]
        await inventory.release_claim(session, "muller.example", "mull")
        assert await found(session, "new@muller.example") == []

    async def test_is_less_sure_than_the_address_and_surer_where_it_was_verified(
        self, session: AsyncSession
    ) -> None:
        await load(
            session,
            [organisation("busy", "Busy"), organisation("holder", "Holder")],
            [person(f"p{n}", f"p{n}@bergsicht.example", "busy") for n in range(5)],
        )
        await verify(session, "bergsicht.example", "holder")
        assert await found(session, "lena@bergsicht.example") == [
            ("alp", "address"),
            ("berg", "address"),
            ("holder", "domain"),
            ("busy", "domain"),
        ]

    async def test_shows_the_likeliest_of_very_many(self, session: AsyncSession) -> None:
        many = [f"c{n:03}" for n in range(matching.POOL + 20)]
        await load(
            session,
            [organisation(key, key.title()) for key in many],
            [
                *(person(f"m{n}", f"m{n}@many.example", *many[n::10]) for n in range(10)),
                person("twice", "twice@many.example", "c077"),
            ],
        )
        candidates = await find(session, "new@many.example")
        assert len(candidates) == LIMIT
        assert (candidates[0].key, candidates[0].active_users) == ("c077", 2)


class TestBySearch:
    @pytest.mark.parametrize(
        ("search", "keys"),
        [
            ("müller", ["mull", "kufer"]),
            ("MUELLER", ["mull", "kufer"]),
            ("muller bau", ["mull"]),
            ("bau muller", ["mull"]),
            ("bau mü", ["mull"]),
            ("söhne kufer", ["kufer"]),
            ("alp treu", ["alp"]),
            ("ag", ["alp", "mull"]),
            ("Treuhand Bau", []),
            ("lpenblick", []),
            ("%", None),
            ("mull_r", []),
            ("' OR 1=1 --", []),
            ("nordwall", []),
        ],
    )
    async def test_finds_beginnings_of_all_words_in_any_spelling(
        self, session: AsyncSession, search: str, keys: list[str] | None
    ) -> None:
        if keys is None:
            with pytest.raises(Refusal, match="search: "):
                await searched(session, search)
        else:
            assert await searched(session, search) == keys

    async def test_goes_by_the_name_of_now(self, session: AsyncSession) -> None:
        await load(session, [organisation("mull", "Ebner Bau AG", "partner")])
        assert await searched(session, "muller") == ["kufer"]
        assert await found(session, None, "ebner", PARTNER) == [("mull", "search")]
        assert await found(session, None, "ebner", CUSTOMER) == []

    @pytest.mark.parametrize("letter", ["x", "\N{SQUARE CORPORATION}", "\N{GRINNING FACE}"])
    async def test_takes_names_of_any_letters(self, session: AsyncSession, letter: str) -> None:
        name = f"Zunft {letter * 190}"
        await load(
            session, [organisation("odd", name), organisation("long", " ".join(f"w{n}" for n in range(50)))]
        )
        assert await searched(session, "zunft") == ["odd"]
        assert await searched(session, name) == ["odd"]
        assert await searched(session, "w49 w0 w25") == ["long"]

    async def test_finds_a_domain_that_was_verified(self, session: AsyncSession) -> None:
        await verify(session, "xn--mller-kva.example", "alp")
        assert await searched(session, "müller.example") == ["alp"]
        assert await searched(session, "mail.müller.example") == ["alp"]

    async def test_brings_the_closest_of_very_many(self, session: AsyncSession) -> None:
        many = [organisation(f"g{n:03}", f"Garten Nummer {n} GmbH") for n in range(matching.POOL + 20)]
        await load(session, [*many, organisation("zz", "Garten"), organisation("zy", "Gartenbau")])
        keys = await searched(session, "garten")
        assert len(keys) == LIMIT
        assert keys[0] == "zz"
        assert await searched(session, "gmbh garten 113") == ["g113"]
        assert "zy" in await searched(session, "gartenb")

    async def test_and_address_together_show_both(self, session: AsyncSession) -> None:
        assert await found(session, "lena@bergsicht.example", "treuhand") == [
            ("alp", "address"),
            ("berg", "address"),
        ]
        assert await found(session, "gina@gmail.com", "müller") == [("mull", "address"), ("kufer", "search")]


NEW = NewOrganisation(name="Ébéniste Vögeli", industry="Crafts", country="CH")


class TestCreating:
    async def test_makes_it_known_and_found_at_once(self, session: AsyncSession) -> None:
        created = await directory.create_organisation(session, "new", CUSTOMER, NEW, "berg")
        assert created == await directory.organisation(session, "new")
        assert created.model_dump(exclude={"calendar", "key", "kind"}) == {
            "name": "Ébéniste Vögeli",
            "industry": "Crafts",
            "country": "CH",
            "partner": "berg",
        }
        (candidate,) = await find(session, None, "voegeli")
        assert (candidate.key, candidate.industry, candidate.country) == ("new", "Crafts", "CH")

    async def test_again_changes_nothing(self, session: AsyncSession) -> None:
        first = await directory.create_organisation(session, "new", PARTNER, NEW)
        assert await directory.create_organisation(session, "new", PARTNER, NEW) == first
        assert await searched(session, "vogeli") == ["new"]

    async def test_refuses_a_key_that_stands_for_another(self, session: AsyncSession) -> None:
        with pytest.raises(Refusal, match="mull") as caught:
            await directory.create_organisation(session, "mull", CUSTOMER, NEW)
        assert caught.value.code == "DUPLICATE"
        assert await searched(session, "vogeli") == []

    @pytest.mark.parametrize(
        ("kind", "partner"), [(CUSTOMER, "kufer"), (CUSTOMER, "nobody"), (PARTNER, "berg")]
    )
    async def test_refuses_a_partner_that_is_none(
        self, session: AsyncSession, kind: OrganisationKind, partner: str
    ) -> None:
        with pytest.raises(Refusal, match=r"organisations\.new\.partner") as caught:
            await directory.create_organisation(session, "new", kind, NEW, partner)
        assert caught.value.code == "INVALID_INPUT"


async def test_two_who_create_the_same_at_once_get_the_same(database: Database) -> None:
    async def create() -> Organisation:
        async with database.session() as session:
            return await directory.create_organisation(session, "new", PARTNER, NEW)

    first, *others = await asyncio.gather(*(create() for _ in range(4)))
    assert others == [first] * 3
    async with database.reading() as session:
        assert await searched(session, "vogeli") == ["new"]


class TestWhatTellsThemApart:
    async def test_is_shown(self, session: AsyncSession) -> None:
        await verify(session, "zwei.example", "alp", after=2)
        await verify(session, "xn--mller-kva.example", "alp", after=1)
        await load(
            session,
            [],
            [
                person("one", "one@alp.example", "alp"),
                person("left", "left@alp.example", "alp", active=False),
                person("tickets", "tickets@alp.example", "alp", role="workflow_mails"),
                person("robot", None, "alp", role="service"),
            ],
        )
        steps = [step(1, actor="lena"), step(2, actor="one"), step(3, actor="robot")]
        await audit.record(session, steps)
        (candidate,) = await find(session, None, "alpenblick")
        assert candidate == Candidate(
            key="alp",
            kind=CUSTOMER,
            name="Alpenblick Treuhand AG",
            matched="search",
            industry="Treuhand",
            country="CH",
            verified_domains=("müller.example", "zwei.example"),
            active_users=2,
            last_activity=AT + timedelta(hours=2),
        )

    async def test_is_nothing_where_nobody_was_ever_seen(self, session: AsyncSession) -> None:
        await load(session, [organisation("void", "Void", partner="berg")])
        (candidate,) = await find(session, None, "void")
        assert (candidate.partner, candidate.verified_domains) == ("berg", ())
        assert (candidate.active_users, candidate.last_activity) == (0, None)
