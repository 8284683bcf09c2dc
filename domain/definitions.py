"""Approval definitions: who decides, in which order, until when (SPEC 4.1).

A definition is data: versioned, immutable once published, identified by the hash of its content. A
process carries the definition it started with in its own input (SPEC D8).
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from domain.base import Key, Message, Name
from domain.organisations import OrganisationKind, Permission, Role

MAX_STAGES = 20
MAX_APPROVERS = 100
"""Bounds that keep a definition within what people can overlook; a usual one stays below 4 KB (SPEC 9)."""

LONGEST = timedelta(days=3650)
"""The longest a stage may wait: ten years. An instant has to come of it, not an overflow."""


class Combine(StrEnum):
    """How the votes of one stage add up."""

    ANY = "any"
    ALL = "all"
    QUORUM = "quorum"


class OnDeadline(StrEnum):
    """Where a stage leads when its deadline passes undecided (SPEC 11: default expire)."""

    EXPIRE = "expire"
    APPROVE = "approve"
    DENY = "deny"


class OnNobody(StrEnum):
    """What happens when nobody may decide a stage: hold and alarm, skip it, or deny."""

    HOLD = "hold"
    SKIP = "skip"
    DENY = "deny"


class Approvers(Message):
    """Who may decide a stage: named people, or whoever holds a permission or role at a party.

    Attributes:
        people: Keys of people or service principals.
        party: Whose people are meant by `permission` and `role`.
        permission: Anybody of the party with this permission.
        role: Anybody of the party with this role who also holds the `approve` permission.
    """

    people: tuple[Key, ...] = Field(default=(), max_length=MAX_APPROVERS)
    party: OrganisationKind = OrganisationKind.PROVIDER
    permission: Permission | None = None
    role: Role | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not (self.people or self.permission or self.role):
            raise ValueError("names nobody: give people, a permission or a role")
        return self


class Stage(Message):
    """One step of an approval.

    Attributes:
        name: Stable id; every decision names it (SPEC 4.3).
        quorum: Approvals needed, with `combine: quorum` only.
        denials: How many denials end the approval.
        deadline: Time from the stage's opening until `on_deadline`, exact (SPEC 11).
        reminders: Times from the opening at which those who have not decided are reminded.
        self_approval: Whether requester and beneficiary may decide, too.
        reason_required: Whether a denial must say why.
    """

    name: Key
    title: Name
    approvers: Approvers
    combine: Combine = Combine.ANY
    quorum: Annotated[int, Field(ge=1, le=MAX_APPROVERS)] | None = None
    denials: Annotated[int, Field(ge=1, le=MAX_APPROVERS)] = 1
    deadline: timedelta = timedelta(days=60)
    on_deadline: OnDeadline = OnDeadline.EXPIRE
    reminders: tuple[timedelta, ...] = Field(default=(), max_length=20)
    on_nobody: OnNobody = OnNobody.HOLD
    self_approval: bool = False
    reason_required: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.combine is Combine.QUORUM) != (self.quorum is not None):
            raise ValueError("quorum: goes with `combine: quorum`, and only with it")
        if not timedelta() < self.deadline <= LONGEST:
            raise ValueError(f"deadline: must be longer than nothing and at most {LONGEST.days} days")
        late = [each for each in self.reminders if not timedelta() < each < self.deadline]
        if late:
            raise ValueError(f"reminders: {late[0]} does not lie between opening and deadline")
        named_only = not (self.approvers.permission or self.approvers.role)
        people = len(set(self.approvers.people))
        if self.quorum and named_only and self.quorum > people:
            raise ValueError(f"quorum: {self.quorum} of {people} people can never be reached")
        return self


class ApprovalDefinition(Message):
    """Ordered stages, all of which must approve (SPEC 4.1)."""

    name: Key
    version: Annotated[int, Field(ge=1)]
    title: Name
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MAX_STAGES)]

    @model_validator(mode="after")
    def _distinct_stages(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("stages: every stage needs a name of its own")
        return self

    @property
    def reference(self) -> str:
        """`name@version`, as shown to people and kept in search attributes."""
        return f"{self.name}@{self.version}"


def content_hash(model: BaseModel) -> str:
    """SHA-256 over canonical JSON: sorted keys, defaults written out (peers.md B3.2)."""
    body = json.dumps(
        model.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(body.encode()).hexdigest()
