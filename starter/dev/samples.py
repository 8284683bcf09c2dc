"""The samples that come with the source: catalogue, directory and zones, for `dev` and `demo`."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from domain.organisations import Directory
from starter.files import read_catalogue, read_model
from starter.publishing import publish
from storage.database import Database
from storage.directory import load_directory

ROOT = Path(__file__).resolve().parents[2]
"""The checkout; an installed package has no samples beside it."""

CATALOGUE = ROOT / "catalog"
DIRECTORY = CATALOGUE / "directory.yaml"
ZONES = ROOT / "examples" / "zones"
ORDERS = ROOT / "examples" / "orders"
SIMULATIONS = ROOT / "examples" / "simulations"


async def load_samples(database: Database, at: datetime) -> None:
    """Publishes the sample catalogue and loads the sample directory; again changes nothing.

    Raises:
        Refusal: A sample does not fit what is there.
    """
    offers, definitions = read_catalogue(CATALOGUE)
    await publish(database, offers, definitions, at)
    async with database.session() as session:
        await load_directory(session, read_model(DIRECTORY, Directory))


def copy_zones(folder: Path) -> None:
    """Copies the sample zones into a folder that has none yet; what is edited there later stays."""
    if any(folder.glob("*.zone")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for zone in ZONES.glob("*.zone"):
        shutil.copy(zone, folder)
