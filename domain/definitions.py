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

from pydantic import BaseModel, Field, TypeAdapter, model_validator

from domain.base import Key, Message, Name
from domain.content import ADDED_LATER, canonical
from domain.organisations import OrganisationKind, Permission, Role

MAX_STAGES = 20
MAX_APPROVERS = 100
"""Bounds that keep a definition within what people can overlook; a usual one stays below 4 KB (SPEC 9)."""

MAX_CONDITION = 1_000
"""Characters of a condition."""

END = "end"
"""What `on_approve` says instead of a stage to end the approval as granted."""

_DURATION = TypeAdapter(timedelta)

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
    ESCALATE = "escalate"


class OnNobody(StrEnum):
    """What happens when nobody may decide a stage: hold and alarm, ask the fallback, skip it, or deny."""

    HOLD = "hold"
    FALLBACK = "fallback"
    SKIP = "skip"
    DENY = "deny"


class Allowed(StrEnum):
    """What approvers of a stage may do besides deciding, if the stage allows it (SPEC 4.4)."""

    DELEGATE = "delegate"
    ADD_APPROVER = "add_approver"
    INQUIRE = "inquire"
    REROUTE = "reroute"


class RequesterIsApprover(StrEnum):
    """What becomes of a stage that asks the requester (approvals.md a5, automatic decisions).

    Forbidden: somebody else has to decide. Granted: the requester's own vote counts as given. Skipped: the
    whole stage is passed over. Stages marked `always_ask` are always `forbidden`.
    """

    FORBIDDEN = "forbidden"
    GRANTED = "granted"
    SKIPPED = "skipped"


class OnChange(StrEnum):
    """What becomes of open requests when their definition changes (SPEC 4.6)."""

    CONTINUE = "continue"
    RESET = "reset"
    ABORT = "abort"


class Purpose(StrEnum):
    """What a definition is for; an offer names one for each (SPEC 4.1)."""

    REQUEST = "request"
    RENEWAL = "renewal"
    UNSUBSCRIBE = "unsubscribe"


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


class Wait(Message):
    """A stage that asks no people but an outside system, until it answers (approvals.md a5, WC).

    Attributes:
        source: Name of the condition source a worker is configured with.
        parameters: What the source is given, as is.
    """

    source: Key
    parameters: dict[str, str] = Field(default_factory=dict, max_length=50)


class Escalation(Message):
    """Who is asked in addition once those before have let their time pass; one of them decides alone.

    Attributes:
        deadline: Time this level has, exact or in working time as the stage's own.
        replaces: Whether those who were asked before lose their seats.
    """

    approvers: Approvers
    deadline: timedelta
    replaces: bool = False


class Stage(Message):
    """One step of an approval.

    Attributes:
        name: Stable id; every decision names it (SPEC 4.3).
        approvers: Who decides; None only for a stage that waits for a condition.
        quorum: Approvals needed, with `combine: quorum` only.
        denials: How many denials end the stage.
        deadline: Time from the stage's opening until `on_deadline`: exact (SPEC 11), or in working time if
            `calendar` is set, where P1D is 24 working hours.
        reminders: Times from the opening at which those who have not decided are reminded, counted likewise.
        self_approval: Whether requester and beneficiary may decide, too.
        reason_required: Whether a denial must say why.
        approval_reason_required: Whether an approval must say why.
        when: Condition on the request's data (docs/conditions.md); the stage is passed over if it is false.
        wait: A condition of an outside system instead of people.
        calendar: Whose working hours and holidays the times are counted in; None for elapsed time.
        on_approve: A later stage, or `end`; the next one if left out.
        on_deny: An earlier stage to go back to; a denial ends the approval if left out.
        escalations: Levels of `on_deadline: escalate` and of escalation by hand, in order.
        after_escalation: What happens when the last level's time has passed.
        fallback: Whom `on_nobody: fallback` asks; one of them decides alone.
        allow: What approvers may do besides deciding.
        reroute_to: Stages to which `reroute` may lead.
        always_ask: No decision of this stage is ever taken over from another or given by itself.
    """

    name: Key
    title: Name
    approvers: Approvers | None = None
    combine: Combine = Combine.ANY
    quorum: Annotated[int, Field(ge=1, le=MAX_APPROVERS)] | None = None
    denials: Annotated[int, Field(ge=1, le=MAX_APPROVERS)] = 1
    deadline: timedelta = timedelta(days=60)
    on_deadline: OnDeadline = OnDeadline.EXPIRE
    reminders: tuple[timedelta, ...] = Field(default=(), max_length=20)
    on_nobody: OnNobody = OnNobody.HOLD
    self_approval: bool = False
    reason_required: bool = True
    when: Annotated[str, Field(min_length=1, max_length=MAX_CONDITION)] | None = None
    wait: Wait | None = None
    calendar: OrganisationKind | None = None
    on_approve: Key | None = None
    on_deny: Key | None = None
    escalations: tuple[Escalation, ...] = Field(default=(), max_length=5)
    after_escalation: OnDeadline = OnDeadline.EXPIRE
    fallback: Approvers | None = None
    allow: tuple[Allowed, ...] = ()
    reroute_to: tuple[Key, ...] = Field(default=(), max_length=MAX_STAGES)
    always_ask: bool = False
    approval_reason_required: Annotated[bool, ADDED_LATER] = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_stage(self)
        return self

    @property
    def asks(self) -> Approvers:
        """Who decides a stage that asks people.

        Raises:
            ValueError: It waits for a condition.
        """
        if self.approvers is None:
            raise ValueError(f"stage {self.name} asks nobody")
        return self.approvers


class ApprovalDefinition(Message):
    """Ordered stages, all of which must approve unless they are passed over (SPEC 4.1).

    Attributes:
        purpose: What it approves; only an offer's field of that name may refer to it.
        escalation_team: Who may decide a stage that is held or escalated by hand; one of them decides alone.
        reuse_grants: Whether an earlier grant of the same person in this request counts again later.
        on_update: What becomes of open requests on older versions when this one is published.
        on_assign: What becomes of open requests when an offer names this definition instead of theirs.
    """

    name: Key
    version: Annotated[int, Field(ge=1)]
    title: Name
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MAX_STAGES)]
    purpose: Purpose = Purpose.REQUEST
    escalation_team: Approvers | None = None
    requester_is_approver: RequesterIsApprover = RequesterIsApprover.FORBIDDEN
    reuse_grants: bool = False
    on_update: OnChange = OnChange.CONTINUE
    on_assign: OnChange = OnChange.CONTINUE

    @model_validator(mode="after")
    def _connected(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("stages: every stage needs a name of its own")
        check_targets(self)
        return self

    @property
    def reference(self) -> str:
        """`name@version`, as shown to people and kept in search attributes."""
        return f"{self.name}@{self.version}"

    def position(self, stage: str) -> int:
        """The index of a stage.

        Raises:
            ValueError: There is none of that name.
        """
        return [each.name for each in self.stages].index(stage)


# What must hold in itself; what an author should know besides is in `domain/definition_checks.py`.


def check_stage(stage: Stage) -> None:
    """Refuses a stage whose fields contradict each other.

    Raises:
        ValueError: Naming the field.
    """
    if (stage.combine is Combine.QUORUM) != (stage.quorum is not None):
        raise ValueError("quorum: goes with `combine: quorum`, and only with it")
    if (stage.approvers is None) == (stage.wait is None):
        raise ValueError("approvers: a stage has either approvers or a condition to wait for")
    _check_times(stage)
    if stage.approvers is not None:
        named_only = not (stage.approvers.permission or stage.approvers.role)
        people = len(set(stage.approvers.people))
        if stage.quorum and named_only and stage.quorum > people:
            raise ValueError(f"quorum: {stage.quorum} of {people} people can never be reached")
    if stage.on_deadline is OnDeadline.ESCALATE and not stage.escalations:
        raise ValueError("escalations: `on_deadline: escalate` needs at least one level")
    if stage.after_escalation is OnDeadline.ESCALATE:
        raise ValueError("after_escalation: must be expire, approve or deny; add a level instead")
    if (stage.on_nobody is OnNobody.FALLBACK) != (stage.fallback is not None):
        raise ValueError("fallback: goes with `on_nobody: fallback`, and only with it")
    if (Allowed.REROUTE in stage.allow) != bool(stage.reroute_to):
        raise ValueError("reroute_to: goes with `allow: [reroute]`, and only with it")


def _check_times(stage: Stage) -> None:
    if not timedelta() < stage.deadline <= LONGEST:
        raise ValueError(f"deadline: must be longer than nothing and at most {LONGEST.days} days")
    late = [each for each in stage.reminders if not timedelta() < each < stage.deadline]
    if late:
        when = _DURATION.dump_python(late[0], mode="json")
        raise ValueError(f"reminders: {when} does not lie between opening and deadline")
    for number, level in enumerate(stage.escalations):
        if not timedelta() < level.deadline <= LONGEST:
            raise ValueError(
                f"escalations.{number}.deadline: must be longer than nothing and at most {LONGEST.days} days"
            )


def check_targets(definition: ApprovalDefinition) -> None:
    """Refuses a definition whose stages lead somewhere they cannot.

    Raises:
        ValueError: Naming stage and field.
    """
    names = [stage.name for stage in definition.stages]
    if END in names:
        raise ValueError(f"stages: no stage can be called {END}")
    for index, stage in enumerate(definition.stages):
        earlier, later = names[:index], names[index + 1 :]
        if stage.on_approve is not None and stage.on_approve not in [*later, END]:
            raise ValueError(f"stages.{index}.on_approve: {stage.on_approve} is no later stage, nor {END}")
        if stage.on_deny is not None and stage.on_deny not in earlier:
            raise ValueError(f"stages.{index}.on_deny: {stage.on_deny} is no earlier stage")
        wrong = [target for target in stage.reroute_to if target not in [*earlier, *later]]
        if wrong:
            raise ValueError(f"stages.{index}.reroute_to: {wrong[0]} is no other stage")


def content_hash(model: BaseModel) -> str:
    """SHA-256 over canonical JSON: sorted keys, defaults written out (peers.md B3.2).

    It never changes for the same content: a field that is added to a hashed model is marked `ADDED_LATER`.
    """
    body = json.dumps(canonical(model), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(body.encode()).hexdigest()
