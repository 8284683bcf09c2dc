"""The processes of a stack, and what they use."""

from __future__ import annotations

from enum import StrEnum

import psutil

MEGABYTE = 1024 * 1024


class Part(StrEnum):
    """Who uses CPU and memory."""

    SERVER = "server"
    WORKERS = "workers"
    BARE = "bare workers"
    CLIENT = "client"


_COMMANDS = {"start-dev": Part.SERVER, "worker": Part.WORKERS, "bench.bare_worker": Part.BARE}


def processes() -> dict[Part, list[psutil.Process]]:
    """What we have started and what still runs of it; `CLIENT` is this process."""
    found: dict[Part, list[psutil.Process]] = {part: [] for part in Part}
    ours = psutil.Process()
    found[Part.CLIENT].append(ours)
    for child in ours.children():
        for word, part in _COMMANDS.items():
            if word in child.cmdline():
                found[part].append(child)
    return found


def cpu_seconds() -> dict[Part, float]:
    """CPU time every part has used since it was started."""
    used = {}
    for part, members in processes().items():
        times = [each.cpu_times() for each in members]
        used[part] = sum(each.user + each.system for each in times)
    return used


def resident_megabytes(part: Part) -> float:
    """Memory a part keeps in RAM (RSS), all its processes together."""
    return sum(each.memory_info().rss for each in processes()[part]) / MEGABYTE
