"""What definitions weigh that come with the source; each run carries a copy of its own (SPEC D8, 9)."""

from __future__ import annotations

from pathlib import Path

from bench.cost import MOST_SNAPSHOT_BYTES, size
from bench.samples import TWO_STAGES
from bench.tables import Figures
from starter.dev.samples import CATALOGUE, SIMULATIONS
from starter.files import read_definitions

CONTRACT = SIMULATIONS / "contract.yaml"


async def measure(folder: Path) -> list[Figures]:  # noqa: ARG001 - nothing has to be started
    """Weighs every definition of `catalog/` and `examples/`, and the one of the reference request."""
    found = [
        *(("catalog/", each) for each in read_definitions(CATALOGUE)),
        *(("examples/", each) for each in read_definitions(CONTRACT)),
        ("the reference request", TWO_STAGES),
    ]
    rows = [
        (f"{each.reference}, {place}", str(len(each.stages)), str(size(each)), str(MOST_SNAPSHOT_BYTES))
        for place, each in found
    ]
    return [Figures("Definition snapshots", ("definition", "stages", "bytes", "at most"), rows)]
