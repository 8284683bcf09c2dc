"""What somebody does at a registrar: sets records in a zone, here by adding them to its master file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def set_records(zones: Path, wanted: Mapping[str, set[tuple[str, str, str]]]) -> None:
    """Adds records to zone files; the name server reads a changed file by itself.

    Args:
        zones: The folder of `<domain>.zone` files.
        wanted: By domain: owner (absolute), type and value of each record.
    """
    for domain, records in wanted.items():
        file = zones / f"{domain}.zone"
        present = file.read_text()
        new = [line for record in sorted(records) if (line := _line(*record)) not in present.splitlines()]
        file.write_text("\n".join([present.rstrip("\n"), *new, ""]))


def _line(owner: str, rrtype: str, value: str) -> str:
    """A record in master file format (RFC 1035 5.1)."""
    quoted = f'"{value}"' if rrtype == "TXT" else f"{value.rstrip('.')}."
    return f"{owner.rstrip('.')}. {rrtype} {quoted}"
