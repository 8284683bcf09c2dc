"""One line without a server, short ways to act on it, and its mails in the words of b.2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain import wire
from domain.contact import Contact
from domain.dns.verdicts import Overall
from domain.orders import Line
from domain.transitions import Notice, ProcessView, Transition
from tests.workflows.offline_world import OfflineWorld, run_offline
from tests.workflows.world import line

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PLACED, READERS = "placing contact", "Workflow_Mails"
OWNERS = f"{PLACED}, {READERS}"


class Played:
    """One line, and what it has announced."""

    def __init__(self, wanted: Line, *, start: datetime = NOW, backend: str = "work") -> None:
        self.world = OfflineWorld(backend)
        self.run = run_offline(self.world, wanted, start, NOW)

    def says(self, action: str, times: int = 1) -> Transition:
        """What was announced of an action, the last time of so many."""
        found = [step for step in self.world.steps if step.action == action]
        assert len(found) == times, [step.action for step in self.world.steps]
        return found[-1]

    def does(self, name: str, command: dict[str, Any]) -> None:
        assert self.run.update(name, command) is None

    def decides(self, verdict: str) -> None:
        self.does(wire.DECIDE, {"stage": "sales", "actor": "ann", "verdict": verdict, "reason": "because"})

    def finds(self, records: Overall) -> None:
        self.world.records = records
        self.run.world_has_changed()

    @property
    def view(self) -> ProcessView:
        return self.run.query(wire.VIEW, ProcessView)

    @property
    def path(self) -> list[str]:
        """The states it went through."""
        first = self.world.steps[0].from_state
        changes = [step.to_state for step in self.world.steps if step.to_state != step.from_state]
        return [first, *changes]


def completed_by(email: str = "carla@contoso.example", **more: Any) -> Line:
    """A line with a provisioning contact and nothing else, unless told otherwise."""
    wanted = {"records": (), "closes_after": timedelta(days=7)} | more
    made = line(needs_contact=True, **wanted)
    return made.model_copy(update={"contact": Contact(email=email)})


def to(name: str) -> dict[str, str]:
    return {"email": f"{name}@contoso.example"}


def who(notice: Notice) -> str:
    """Whom a mail goes to, in the words of b.2."""
    audience = notice.audience
    told = ["approvers"] * audience.roster
    told += [PLACED if person == "dora" else person for person in audience.people]
    told += [f"{audience.permission} at {' and '.join(audience.organisations)}"] * bool(audience.permission)
    told += [READERS] * audience.workflow_mails
    told += [audience.contact.email.partition("@")[0]] if audience.contact else []
    return ", ".join(told)


def mails(step: Transition) -> dict[str, str]:
    """The mails of a step and whom they go to."""
    return {str(notice.template): who(notice) for notice in step.notices}


def moved(step: Transition) -> tuple[str, str]:
    return step.from_state, step.to_state
