"""What a simulation comes to."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from domain.base import Message, UtcDatetime
from domain.decisions import ApprovalStatus
from domain.definition_checks import Severity
from domain.errors import Code
from domain.mail import Template
from domain.request_data import RequestData


class SaidOfDefinition(Message):
    """What publication finds; see `domain/definition_checks.py`."""

    path: str
    severity: Severity
    message: str


class SimulatedStep(Message):
    """Something that happened, or was refused.

    Attributes:
        after: Time since the start, in whole seconds.
        seq: The process's own number of it; None for what left no trace there.
        action: Such as `approval.opened`, as in the audit.
        data: Further facts, as in the audit.
        code: Why it was refused; None if it was not.
        message: What whoever did it was told.
        script: The number, from 1, of the script's step that did it.
        complaint: How that differs from what the script expects.
        waiting_for: Whom the process waits for then; empty while that is as before.
        until: Until when, and `what_then` what follows.
    """

    after: timedelta
    at: UtcDatetime
    seq: int | None
    action: str
    stage: str | None
    round: int | None
    actor: str
    on_behalf_of: str | None = None
    reason: str | None = None
    data: dict[str, str] = Field(default_factory=dict)
    code: Code | None = None
    message: str | None = None
    script: int | None = None
    complaint: str | None = None
    waiting_for: str = ""
    until: UtcDatetime | None = None
    what_then: str = ""


class SimulatedMail(Message):
    """A mail that would have gone out.

    Attributes:
        seq: The step that caused it.
        person: The recipient's key.
        collected: Whether it would have waited for the recipient's hourly digest.
        asks: Whether it wants something of the recipient; otherwise it is only news to them.
    """

    after: timedelta
    at: UtcDatetime
    seq: int
    template: Template
    person: str
    name: str
    recipient: str
    collected: bool
    asks: bool = False


class Simulation(Message):
    """The course of one simulated request.

    Attributes:
        definition: `name@version`.
        directory: Where the people came from.
        findings: What publication would say of the definition.
        request: What its conditions looked at.
        outcome: How the approval ended.
        state: Where that left the line.
        reason: Why, if anybody said.
        days: How long the approval took.
        undone: Steps of the script whose moment never came, in words.
    """

    definition: str
    title: str
    directory: str
    findings: tuple[SaidOfDefinition, ...]
    request: RequestData
    started_at: UtcDatetime
    steps: tuple[SimulatedStep, ...]
    mails: tuple[SimulatedMail, ...]
    outcome: ApprovalStatus
    state: str
    ended_at: UtcDatetime
    reason: str | None
    days: float
    undone: tuple[str, ...]
