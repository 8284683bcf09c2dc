"""What a change of definitions means for the requests that are open (SPEC 4.6; approvals.md a4).

A definition got a new version: `on_update` of the new one says what becomes of requests on older ones. An
offer names another definition: `on_assign` of that one says it. An offer's renewal or unsubscribe definition
was removed: running procedures of that kind are aborted, and the service stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from domain import wire
from domain.base import Command, Key, Message, Name, Text, UtcDatetime
from domain.calendars import Calendar
from domain.definitions import ApprovalDefinition, OnChange, Purpose
from domain.offers import Offer
from domain.organisations import OrganisationKind
from domain.transitions import ProcessKind

PROCESS_KINDS: dict[Purpose, str] = {
    Purpose.REQUEST: ProcessKind.ORDER_LINE,
    Purpose.RENEWAL: "renewal",
    Purpose.UNSUBSCRIBE: "unsubscribe",
}
"""The kind of process that asks for each approval."""

PER_SECOND = 20.0
"""Requests told per second, so that people's own decisions are not kept waiting."""

SETTLE = timedelta(seconds=15)
"""How long requests that are just being started, still on the old definition, may take to be listed."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that waits for its approval, or will.

    Attributes:
        process: Who is told of changes; of a line that has not started, its order.
        offer: `name@version`; empty if that is not known.
        definition: What it runs on, as `name@version`; anything else if it needs no approval.
    """

    process: str
    kind: str
    offer: str
    definition: str


class DefinitionChange(Message):
    """One change, and which requests it concerns.

    Attributes:
        mode: What becomes of them.
        definition: What they get; of one that was removed from an offer, what they had.
        definition_hash: Its content hash.
        offer: Name of the offer whose requests are meant; None for those on older versions of the definition.
        offer_version: The version of the offer that brought the change.
        removed: Whether the offer names no definition of this purpose any more.
    """

    mode: OnChange
    definition: ApprovalDefinition
    definition_hash: Name
    offer: Key | None = None
    offer_version: int = 0
    removed: bool = False

    def query(self, task_queue: str) -> str:
        """A visibility query for the open requests concerned, by what they started with.

        Args:
            task_queue: Where our processes run; other installations in the namespace are left alone.
        """
        if self.offer is None:
            wanted = [f"{wire.DEFINITION_VERSION} STARTS_WITH '{self.definition.name}@'"]
        else:
            wanted = [
                f"{wire.OFFER_VERSION} STARTS_WITH '{self.offer}@'",
                f"{wire.PROCESS_KIND} = '{self.kind}'",
            ]
        return " AND ".join([*wanted, "ExecutionStatus = 'Running'", f"TaskQueue = '{task_queue}'"])

    @property
    def kind(self) -> str:
        """The kind of the processes that `query` finds."""
        return PROCESS_KINDS[self.definition.purpose]

    def among(self, listed: Iterable[OpenRequest], known: Iterable[OpenRequest]) -> dict[str, OpenRequest]:
        """The processes to tell, each once, in the order of their ids.

        Args:
            listed: What `query` found, by the search attributes that runs were started with.
            known: What the projection knows. It has followed each run from definition to definition, so it
                counts for more.
        """
        kinds = {self.kind, ProcessKind.ORDER} if self.kind == ProcessKind.ORDER_LINE else {self.kind}
        kept = [each for each in known if each.kind in kinds]
        followed = {each.process for each in kept}
        found = [*kept, *(each for each in listed if each.process not in followed)]
        concerned = {each.process: each for each in found if self.concerns(each.offer, each.definition)}
        return dict(sorted(concerned.items()))

    def concerns(self, offer: str, definition: str) -> bool:
        """Whether a request is concerned.

        Args:
            offer: `name@version` of its offer.
            definition: `name@version` of its definition; anything else if it needs no approval.
        """
        name, version = _parts(definition)
        if self.offer is None:
            return name == self.definition.name and version < self.definition.version
        offered, offer_version = _parts(offer)
        older = offered == self.offer and offer_version < self.offer_version
        return older and name != "" and (self.removed or name != self.definition.name)


class ChangeLines(Command):
    """To an order: lines that have not started get another definition, or are dropped (SPEC 4.6).

    Attributes:
        change: What has changed; each line it concerns is reset or aborted.
        calendars: The calendars of the parties that the new definition's stages name.
    """

    change: DefinitionChange
    actor: Key
    reason: Text | None = None
    calendars: dict[OrganisationKind, Calendar] = Field(default_factory=dict)


class LinesChanged(Message):
    """The answer of an order to a change.

    Attributes:
        changed: The numbers of the lines that will run on the new definition, or not at all.
        started: The processes of lines that are concerned and have started; they answer for themselves.
    """

    changed: tuple[int, ...] = ()
    started: tuple[str, ...] = ()


class Rollout(Message):
    """Asks for the open requests to be told of changes.

    Attributes:
        changes: In this order.
        actor: Who published them.
        task_queue: Where the requests run.
        per_second: At most so many requests are told in a second.
        settle: How long to wait before the requests are listed.
    """

    changes: tuple[DefinitionChange, ...]
    actor: Key
    task_queue: Name
    reason: Text | None = None
    per_second: Annotated[float, Field(gt=0, le=1_000)] = PER_SECOND
    settle: timedelta = SETTLE


class TellRequests(Message):
    """Asks for the requests of one change to be told.

    Attributes:
        rollout: Id of the rollout; a request that hears of it twice answers as before.
        only: Just these requests; None for every one the change concerns.
    """

    rollout: str
    change: DefinitionChange
    actor: Key
    task_queue: Name
    reason: Text | None = None
    per_second: float = PER_SECOND
    only: tuple[str, ...] | None = None


class RolloutProgress(Message):
    """How far a rollout has come.

    Attributes:
        cursor: The last request told, in the order of their ids.
        changed: Requests that were reset or aborted, or had been already.
        passed_by: Requests whose approval, or whose process, was over before.
        refused: Requests that cannot be changed, with the reason.
        unreached: Requests that did not answer; they are told again.
    """

    cursor: str = ""
    changed: int = 0
    passed_by: int = 0
    refused: dict[str, str] = Field(default_factory=dict)
    unreached: tuple[str, ...] = ()

    def plus(self, later: RolloutProgress) -> RolloutProgress:
        """Both together; who was not reached before was told again later."""
        return RolloutProgress(
            cursor=later.cursor,
            changed=self.changed + later.changed,
            passed_by=self.passed_by + later.passed_by,
            refused=self.refused | later.refused,
            unreached=later.unreached,
        )


class RemoveUnused(Message):
    """Asks for definitions to be removed that no new request has taken since, and no open process uses.

    Attributes:
        idle_since: Retired or superseded before.
        at: The time of removal.
    """

    idle_since: UtcDatetime
    at: UtcDatetime


def of_update(new: ApprovalDefinition, new_hash: str) -> DefinitionChange:
    """What a new version of a definition means for requests on older ones."""
    return DefinitionChange(mode=new.on_update, definition=new, definition_hash=new_hash)


def of_offer(
    old: Offer, new: Offer, definitions: Mapping[str, tuple[ApprovalDefinition, str]]
) -> tuple[DefinitionChange, ...]:
    """What a new version of an offer means for requests on older ones.

    An offer that needs no approval any more lets the running ones go on: what was asked is answered.

    Args:
        old: The version before.
        new: The new one.
        definitions: The current version of every definition with its hash, by name.
    """
    changes = []
    for purpose, name in old.definitions.items():
        named = new.definitions.get(purpose)
        if named == name or (named is None and purpose is Purpose.REQUEST):
            continue
        definition, definition_hash = definitions[named or name]
        changes.append(
            DefinitionChange(
                mode=definition.on_assign if named else OnChange.ABORT,
                definition=definition,
                definition_hash=definition_hash,
                offer=new.name,
                offer_version=new.version,
                removed=named is None,
            )
        )
    return tuple(changes)


def _parts(reference: str) -> tuple[str, int]:
    """Name and version of `name@version`; no name for anything else."""
    name, at, version = reference.rpartition("@")
    return (name, int(version)) if at and version.isdecimal() else ("", 0)
