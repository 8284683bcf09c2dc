"""The key of an embedded stack: made once, kept with its state, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

BYTES = 48
"""Random bytes of a key: 64 characters."""


def link_key(folder: Path) -> str:
    """The key that signs the links of the stack in a folder; made at the first call.

    Whoever comes at the same time gets the same: the file appears whole, or was there.
    """
    file = folder / "link.key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Such files have mode 0600 from their first moment.
        with NamedTemporaryFile("w", dir=folder, prefix="link.key.") as new:
            new.write(secrets.token_urlsafe(BYTES))
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, file)
    return file.read_text()
