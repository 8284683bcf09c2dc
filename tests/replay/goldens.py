"""What activities were asked in a scripted run, with everything that changes from run to run taken out."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tests.workflows.world import World

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_READABLE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC")


def activity_inputs(world: World) -> list[dict[str, Any]]:
    """Every activity's input, process by process, with ids and instants made comparable.

    Instants become minutes since the first one of the run, which is exact enough for days and never
    off by a slow machine.
    """
    asked = [(process, name, request) for process, calls in world.asked.items() for name, request in calls]
    order = min(process for process, _, _ in asked).split("-line-")[0].removeprefix("order-")
    starts = [
        datetime.fromisoformat(m.group())
        for _, _, r in asked
        for m in [_INSTANT.search(r.model_dump_json())]
        if m
    ]
    start = min(starts)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, str):
            return _READABLE.sub("<instant>", _INSTANT.sub(minutes, value.replace(order, "<order>")))
        return value

    def minutes(found: re.Match[str]) -> str:
        return f"<+{round((datetime.fromisoformat(found.group()) - start).total_seconds() / 60)} min>"

    return [
        {"process": plain(process), "activity": name, "input": plain(request.model_dump(mode="json"))}
        for process, name, request in sorted(asked, key=lambda call: call[0])
    ]
