from __future__ import annotations

from storage.database import Database
from tests.cli.conftest import Run
from tests.starter.office import SALES

BY_SALES = ("--as", SALES)


async def test_finds_by_address_and_shows_what_tells_them_apart(sampled: Database, run: Run) -> None:
    found = await run("organisations", "find", *BY_SALES, "--email", "lena.brunner@bergsicht.example")
    assert found.code == 0
    assert "Bergsicht IT GmbH" in found.out
    assert "address" in found.out


async def test_finds_by_search_and_kind(sampled: Database, run: Run) -> None:
    found = (
        await run("organisations", "find", *BY_SALES, "--search", "mueller", "--kind", "customer", "--json")
    ).json
    assert [each["key"] for each in found] == ["kueferei"]
    none = await run("organisations", "find", *BY_SALES, "--search", "mueller", "--kind", "partner")
    assert (none.code, none.out) == (0, "No organisation was found; create a new one.\n")


async def test_needs_something_to_look_for(sampled: Database, run: Run) -> None:
    refused = await run("organisations", "find", *BY_SALES, "--json")
    assert refused.code == 2
    assert refused.error["code"] == "INVALID_INPUT"


async def test_refuses_whoever_may_not_order(sampled: Database, run: Run) -> None:
    refused = await run(
        "organisations", "find", "--search", "kueferei", "--as", "kueferei-contact-1", "--json"
    )
    assert (refused.code, refused.error["code"]) == (4, "NOT_PERMITTED")
    assert (await run("organisations", "find", "--search", "kueferei")).code == 2
