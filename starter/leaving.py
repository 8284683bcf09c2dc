"""How a process of ours ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends this process at once.

    A thread of the Temporal SDK may still be handing over its last answer or a line of its log. If Python is
    torn down under it, the process is aborted with a wrong exit code, or waits for that thread for ever.

    Args:
        code: The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # Whoever reads may have left, as `head` does.
            stream.flush()
    os._exit(code)
