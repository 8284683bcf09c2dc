"""Where a simulation takes place: the installation's people and offers, or the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from domain.offers import Offer
from domain.organisations import Directory
from starter.dev.samples import CATALOGUE, DIRECTORY
from starter.faults import database_errors
from starter.files import read_catalogue, read_model
from storage import catalogue
from storage.calendars import check_calendars
from storage.database import Database, NoDatabase
from storage.directory import load_directory
from storage.snapshot import copy_directory


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was brought in.

    Attributes:
        directory: Where the people came from, in words.
        offers: The catalogue, by name.
    """

    directory: str
    offers: Mapping[str, Offer]


async def bring_in(
    target: AsyncSession, installation: Database, given: Directory | None, at: datetime
) -> Surroundings:
    """Fills a simulation's database with a directory.

    Args:
        target: The simulation's own database.
        installation: Only read; where there is none, or an empty one, the samples take its place.
        given: A directory to use instead.
        at: When the simulation starts.

    Raises:
        Refusal: INVALID_INPUT for a directory that does not fit, NOT_FOUND without any, UNAVAILABLE.
    """
    offers, copied = await _from_installation(target, installation, with_directory=given is None)
    if copied:
        return Surroundings("the installation's", offers)
    if given is None and not DIRECTORY.exists():
        raise Refusal(Code.NOT_FOUND, "directory: there is none here; give one with --directory")
    chosen = given or read_model(DIRECTORY, Directory)
    check_calendars(chosen, at)
    await load_directory(target, chosen)
    return Surroundings("the file's" if given else "the sample's", offers)


async def _from_installation(
    target: AsyncSession, installation: Database, *, with_directory: bool
) -> tuple[dict[str, Offer], int]:
    """The catalogue, or the sample's, and how many people were copied."""
    with database_errors():
        try:
            async with installation.reading() as source:
                offers = await catalogue.current_offers(source)
                people = await copy_directory(source, target) if with_directory else 0
                return {name: offer for name, (offer, _) in offers.items()}, people
        except NoDatabase:
            samples = read_catalogue(CATALOGUE)[0] if CATALOGUE.exists() else []
            return {offer.name: offer for offer in samples}, 0
