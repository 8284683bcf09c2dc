"""What a change of definitions means for the requests that are open (SPEC 4.6; approvals.md a4).

A definition got a new version: `on_update` of the new one says what becomes of requests on older ones. An
offer names another definition: `on_assign` of that one says it. An offer's renewal or unsubscribe definition
was removed: running procedures of that kind are aborted, and the service stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from domain import wire
from domain.base import Key, Message, Name, Text, UtcDatetime
from domain.definitions import ApprovalDefinition, OnChange, Purpose
from domain.offers import Offer
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
        """A visibility query that finds every open request concerned, and few others.

        Args:
            task_queue: Where our processes run; other installations in the namespace are left alone.
        """
        if self.offer is None:
            wanted = [f"{wire.DEFINITION_VERSION} STARTS_WITH '{self.definition.name}@'"]
        else:
            kind = PROCESS_KINDS[self.definition.purpose]
            wanted = [
                f"{wire.OFFER_VERSION} STARTS_WITH '{self.offer}@'",
                f"{wire.PROCESS_KIND} = '{kind}'",
            ]
        return " AND ".join([*wanted, "ExecutionStatus = 'Running'", f"TaskQueue = '{task_queue}'"])

    def concerns(self, offer: str, definition: str) -> bool:
        """Whether a request is concerned.

        Args:
            offer: `name@version` of its offer, by its search attribute.
            definition: `name@version` of its definition likewise; anything else if it needs no approval.
        """
        name, version = _parts(definition)
        if self.offer is None:
            return name == self.definition.name and version < self.definition.version
        offered, offer_version = _parts(offer)
        older = offered == self.offer and offer_version < self.offer_version
        return older and name != "" and (self.removed or name != self.definition.name)


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
