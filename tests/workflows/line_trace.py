"""One line in random hands: what people and the world do to it, and whether run and second opinion agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any, Protocol

from hypothesis import note

from domain import wire
from domain.contact import Contact, ContactState
from domain.mail import Template
from domain.orders import Line
from domain.transitions import ProcessView, Transition
from tests.domain.line_axes import DAY, HOUR, Kind, LineAxes
from tests.domain.models import ROWS
from tests.workflows.world import OWNERSHIP, definition, line, stage

CLOSE = timedelta(minutes=3)
"""A model's clock stands between steps, a server's does not; all that falls due is minutes apart."""

FIRST_CONTACT, *OTHERS = PEOPLE = ("carla-1", "carla-2", "gone-1", "slow-1")
FORM = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
PREPARATION = [{"name": "site", "title": "Site", "adapter": "local"}]
MAPPING = {
    "actor": "dora",
    "purpose": "for_customer",
    "partner": {"key": "partner"},
    "customer": {"key": "customer"},
}

WAYS = {way for before, after in ROWS.values() for way in product(before, after)}
"""From one state to another, by the rows of b.2."""

WAYS |= {("awaiting_provisioning_details", "failed")}
"""What is prepared for a contact who was not asked yet is executed, too, and can fail (L23)."""


class Run(Protocol):
    """A line's run, wherever it runs; and the world around it."""

    async def now(self) -> datetime: ...

    async def update(self, name: str, command: dict[str, Any]) -> str | None:
        """Sends a command and returns the code it is refused with."""
        ...

    async def pass_until(self, moment: datetime) -> None: ...

    async def backends_are(self, how: str) -> None: ...

    async def records_appear(self) -> None: ...

    async def settles(self, how: Callable[[], Awaitable[bool]]) -> None:
        """Waits, for a while, until the run has done what follows by itself."""

    async def view(self) -> ProcessView: ...

    @property
    def steps(self) -> list[Transition]:
        """What the run has announced, in its order."""
        ...

    @property
    def reserved(self) -> set[str]:
        """What backends hold for the line."""
        ...


def address_of(name: str) -> str:
    return f"{name}@contoso.example"


def any_kind(dice: Random, now: datetime, backends: Sequence[str]) -> Kind:
    """Every kind of line, those with a contact most of all."""
    has_contact = dice.random() < 0.7
    return Kind(
        has_contact=has_contact,
        on_demand=not has_contact and dice.random() < 0.5,
        approval=dice.choice([None, None, 20 * DAY]),
        start=now + dice.choice([timedelta(), timedelta(), 40 * DAY]),
        closes_after=dice.choice([7 * DAY, 7 * DAY, 30 * DAY, None]),
        asks_set_up=has_contact and dice.random() < 0.5,
        has_records=dice.random() < 0.5,
        is_prepared=dice.random() < 0.5,
        patience=dice.choice([None, 10 * DAY]),
        backend=dice.choice(["work", *backends]),
    )


def line_of(kind: Kind) -> Line:
    """The line that an order would make of it."""
    wanted = line(
        approval=definition(stage(deadline=kind.approval)) if kind.approval else None,
        needs_contact=kind.has_contact,
        deployment="on_demand" if kind.on_demand else "at_once",
        closes_after=kind.closes_after,
        form=FORM if kind.asks_set_up else None,
        records=(OWNERSHIP,) if kind.has_records else (),
        preparation=PREPARATION if kind.is_prepared else (),
        retry_for=kind.patience,
        adapter="local",
    )
    contact = Contact(email=address_of(FIRST_CONTACT)) if kind.has_contact else None
    return wanted.model_copy(update={"contact": contact})


class Trace:
    """One line, as it runs and in the model.

    Attributes:
        seen: The combinations of the four axes that its run has announced.
    """

    def __init__(self, run: Run, kind: Kind, dice: Random, now: datetime, backends: Sequence[str]) -> None:
        note(str(kind))
        self.run, self.dice, self.backends = run, dice, backends
        self.model = LineAxes(kind, FIRST_CONTACT, now)
        self.seen: set[Combination] = set()

    async def goes_on(self, steps: int) -> None:
        """Lets something happen so many times, or until the line has ended."""
        await self._they_agree()
        for _ in range(steps):
            if self.model.has_ended:
                break
            move = self.dice.choice(self._moves())
            note(move.__name__)
            await move()
            await self._they_agree()

    def _moves(self) -> list[Any]:
        likely = {
            "awaiting_approval": [self.approvers_decide],
            "confirmed": [self.somebody_deploys],
            "scheduled": [self.somebody_deploys],
            "awaiting_provisioning_details": [self.somebody_maps, self.contact_is_replaced],
            "closed": [self.somebody_maps, self.somebody_sets_up, self.the_world_changes],
            "provisioning": [self.somebody_sets_up, self.the_world_changes],
        }.get(self.model.line, [])
        moves = [*likely * 4, *[self.time_passes] * 3, self.the_world_changes]
        moves += [self.contact_is_replaced, self.contact_is_mailed_again, self.somebody_maps]
        moves += [self.somebody_sets_up, self.somebody_deploys, self.an_operator_retries]
        return [*moves, self.somebody_cancels]

    # What happens

    async def approvers_decide(self) -> None:
        if self.model.approval == "PENDING":
            verdict = self.dice.choice(["approve", "approve", "approve", "deny"])
            decision = {"stage": "sales", "actor": "ann", "verdict": verdict, "reason": "because"}
            assert await self.run.update(wire.DECIDE, decision) is None
            self.model.decide(verdict)
            self.model.goes_on(await self.run.now())

    async def contact_is_mailed_again(self) -> None:
        if self.dice.random() < 0.5:
            await self._pass_until(await self.run.now() + CLOSE)
        await self._command("resend", wire.RESEND_MAIL, {"actor": "dora"})

    async def contact_is_replaced(self) -> None:
        who = self.dice.choice(PEOPLE)
        contact = {"email": address_of(who)}
        if self.dice.random() < 0.5:
            command = {"actor": "dora", "contact": contact}
            await self._command("change", wire.CHANGE_CONTACT, command, address=who)
        else:
            generation = self._some_generation()
            command = {"generation": generation, "contact": contact}
            await self._command("hand_over", wire.HAND_OVER, command, address=who, generation=generation)

    async def somebody_maps(self) -> None:
        generation = self.dice.choice([None, self._some_generation()])
        await self._command("map", wire.MAP_LINE, MAPPING | {"generation": generation}, generation=generation)

    async def somebody_sets_up(self) -> None:
        await self._command("set_up", wire.SET_UP_LINE, {"actor": "dora", "answers": {"site": "Bern"}})

    async def somebody_deploys(self) -> None:
        await self._command("deploy", wire.DEPLOY_LINE, {"actor": "dora"})

    async def an_operator_retries(self) -> None:
        await self._command("retry", wire.RETRY_LINE, {"actor": "otto"})

    async def somebody_cancels(self) -> None:
        if self.model.is_bound or self.dice.random() < 0.3:
            await self._command("cancel", wire.CANCEL_LINE, {"actor": "dora"})

    async def the_world_changes(self) -> None:
        """Backends work, refuse or fall silent; records appear, and polling sees them within hours."""
        if self.dice.random() < 0.6 or self.model.records_pass:
            how = self.dice.choice(self.backends)
            note(how)
            await self.run.backends_are(how)
            self.model.finds_backends(await self.run.now(), how)
        else:
            await self.run.records_appear()
            self.model.finds_records(await self.run.now())
            await self._pass_until(await self.run.now() + 5 * HOUR)
            if self.model.refused_until:  # A backend was asked, and said no, when polling came round.
                self.model.refused_until = (await self.run.view()).until

    async def time_passes(self) -> None:
        """A while, or until just after something falls due."""
        target = await self.run.now() + self.dice.choice([HOUR, DAY, 6 * DAY])
        if self.model.next_due is not None and self.dice.random() < 0.5:
            target = max(await self.run.now(), self.model.next_due) + CLOSE
        await self._pass_until(target)

    def _some_generation(self) -> int:
        return self.dice.choice([self.model.generation, self.model.generation, 1])

    async def _pass_until(self, target: datetime) -> None:
        """What falls due on the way happens in its order; nothing may fall due just at the end."""
        while self.model.next_due is not None and abs(target - self.model.next_due) < CLOSE:
            target += CLOSE
        note(f"until {target:%m-%d %H:%M}")
        await self.run.pass_until(target)
        while (due := self.model.next_due) is not None and due <= target and not self.model.has_ended:
            self.model.is_at(due)
        if not self.model.has_ended:
            self.model.is_at(target)

    async def _command(self, name: str, update: str, payload: dict[str, Any], **given: Any) -> None:
        now = await self.run.now()
        expected = self.model.refusal_of(name, now, **given)
        note(f"{name} {given} -> {expected}")
        assert await self.run.update(update, payload) == expected
        if expected is None:
            getattr(self.model, name)(now, **given)
            self.model.goes_on(now)

    # What they agree on

    async def _they_agree(self) -> None:
        """The four axes stand as the model's do, and what became of them on the way obeys SPEC 5."""
        await self.run.settles(self._stand_as_modelled)
        stood, modelled = self._stood(await self.run.view()), self._modelled()
        note(f"{stood}")
        assert stood == modelled
        self._obeys(await self.run.view())

    async def _stand_as_modelled(self) -> bool:
        return self._stood(await self.run.view()) == self._modelled()

    def _modelled(self) -> dict[str, Any]:
        model = self.model
        asked = (address_of(model.address), model.generation, model.mail) if model.kind.has_contact else None
        return {
            "line": model.line,
            "approval": model.approval,
            "service": model.service,
            "contact": asked,
            "bound": model.is_bound,
            "refused": model.refused_until is not None,
        }

    def _stood(self, view: ProcessView) -> dict[str, Any]:
        contact = view.contact
        asked = (contact.contact.email, contact.generation, mail_of(contact)) if contact else None
        return {
            "line": view.state,
            "approval": view.approval.status if view.approval else None,
            "service": self.services[-1] if self.services else "ordered",
            "contact": asked,
            "bound": view.ponr_at is not None,
            "refused": view.held,
        }

    @property
    def services(self) -> list[str]:
        """The statuses the service went through."""
        return [str(change.status) for step in self.run.steps for change in step.services]

    def _obeys(self, view: ProcessView) -> None:
        """What has to hold whatever the model believes."""
        service, actions = "ordered", []
        first = self.run.steps[0]
        unasked = "unasked" if first.view.contact else "-"
        self.seen.add(Combination(first.from_state, "-", service, unasked, "no"))
        for step in self.run.steps:
            service = str(step.services[-1].status) if step.services else service
            self.seen.add(Combination.of(step.view, service))
            actions.append(step.action)
            way = (step.from_state, step.to_state)
            assert way in WAYS or way[0] == way[1], f"b.2 has no row from {way[0]} to {way[1]}"
        assert actions.count("line.closed") == self.model.closures <= 1, "a line closes once"
        asked = [n for s in self.run.steps for n in s.notices if n.template is Template.PROVISIONING_DETAILS]
        assert len(asked) == len(self.model.mailed), "nobody is asked who should not be"
        waits = view.state in {"awaiting_provisioning_details", "provisioning"}
        if waits and self.model.closes_at and not self.model.refused_until and view.until is not None:
            assert abs(view.until - self.model.closes_at) < CLOSE
        if view.ended and view.state != "provisioned" and not self.model.is_busy:
            assert not self.run.reserved, f"{self.run.reserved} is left of a line that is {view.state}"


def mail_of(contact: ContactState) -> str | None:
    """What became of the mail to a contact."""
    if contact.bounced:
        return "lost"
    if contact.accepted_at:
        return "taken"
    return "sent" if contact.sent_at else None


@dataclass(frozen=True)
class Combination:
    """Where the four axes of a line stand at one time, and whether its point of no return is past."""

    line: str
    approval: str
    service: str
    contact: str
    bound: str

    @classmethod
    def of(cls, view: ProcessView, service: str) -> Combination:
        """As a view shows them; the service is an inventory's business."""
        mail = (mail_of(view.contact) or "unasked") if view.contact else "-"
        approval = str(view.approval.status) if view.approval else "-"
        return cls(view.state, approval, service, mail, "yes" if view.ponr_at else "no")
