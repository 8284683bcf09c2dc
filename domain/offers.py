"""Offers: what can be ordered, and how an order line for it runs (SPEC 5; provisioning.md a.4).

An offer is data like an approval definition: versioned, immutable once published, hashed, and carried
along by every process that was started with it (SPEC D8).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.base import Key, Message, Name
from domain.content import ADDED_LATER
from domain.definitions import LONGEST, Purpose
from domain.dns.requirements import RequirementTemplate, Rule, Severity
from domain.forms import Form


class Deployment(StrEnum):
    """When a confirmed line is deployed: by somebody or the schedule (SPEC 5.3), or without waiting."""

    ON_DEMAND = "on_demand"
    AT_ONCE = "at_once"


class Feasibility(Message):
    """What the order check looks at in the domain's zone before anything is set (provisioning.md e.9).

    Attributes:
        spf_include: The include our service will need in the domain's SPF record.
        certificate_host: Host that will get a certificate, with `{domain}`.
        certificate_authority: Its issuer's CAA domain.
    """

    spf_include: str | None = None
    certificate_host: str | None = None
    certificate_authority: str | None = None


SERVICE_STEP = "provision"
"""Name of the step that provides the service itself."""

MAX_STEP_NAME = 30
"""Longest name of a preparation step: with the line's service before it, it is a key that backends get."""


class PreparationStep(Message):
    """Something a backend does before the point of no return, and takes back if the line is cancelled.

    Attributes:
        name: Stable id; part of the step's idempotency key and of what the backend knows it by.
        title: What operators read.
        adapter: Name of the provisioning adapter.
        parameters: What the adapter is given, as is.
    """

    name: Key
    title: Name
    adapter: Key
    parameters: dict[str, str] = Field(default_factory=dict, max_length=50)


class Offer(Message):
    """One thing a partner can order.

    Attributes:
        approval: Name of the approval definition, or None where none is needed. `renewal` and `unsubscribe`
            likewise name those of the other purposes (SPEC 4.1).
        includes: Offers that are ordered along unless the domain already has them (the base service).
        requires: Offers that must be in the order or already in place.
        excludes: Offers that cannot stand beside this one.
        needs_domain: Whether an order for it must name a domain.
        repeatable: Whether a customer may have it several times without a domain, each from an order of its
            own: licences that are bought again, a second contract. For a domain there is never more than one
            (provisioning.md d.9).
        accepts_free_mail: Whether a free-mail domain may be used.
        records: DNS records that must be found before the service is provisioned.
        closes_after: Time from the start of provisioning until the line closes; None for never.
        closure_warnings: Times before closure at which people are warned.
        adapter: Name of the provisioning adapter, or None where verified records are all there is.
        parameters: What the adapter is given, as is.
        needs_contact: Whether a provisioning contact has to complete the order (SPEC 5.4).
        preparation: What is reserved before that, in order; compensated in reverse (SPEC 5.7).
        retry_for: How long an operator may have a refused step tried again before the line fails (L23); the
            line fails at once if left out.
        form: What is asked when the service is set up, once the line is mapped (SPEC 5.5).
    """

    name: Key
    version: Annotated[int, Field(ge=1)]
    title: Name
    approval: Key | None = None
    renewal: Key | None = None
    unsubscribe: Key | None = None
    deployment: Deployment = Deployment.ON_DEMAND
    includes: tuple[Key, ...] = Field(default=(), max_length=20)
    requires: tuple[Key, ...] = Field(default=(), max_length=20)
    excludes: tuple[Key, ...] = Field(default=(), max_length=20)
    needs_domain: bool = True
    repeatable: Annotated[bool, ADDED_LATER] = False
    accepts_free_mail: bool = False
    records: tuple[RequirementTemplate, ...] = Field(default=(), max_length=30)
    feasibility: Feasibility = Feasibility()
    closes_after: timedelta | None = timedelta(days=30)
    closure_warnings: tuple[timedelta, ...] = Field(
        default=(timedelta(days=3), timedelta(days=1)), max_length=10
    )
    adapter: Key | None = None
    parameters: dict[str, str] = Field(default_factory=dict, max_length=50)
    needs_contact: bool = False
    preparation: tuple[PreparationStep, ...] = Field(default=(), max_length=10)
    retry_for: timedelta | None = None
    form: Form | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.closes_after is not None and not timedelta() < self.closes_after <= LONGEST:
            raise ValueError(f"closes_after: must be longer than nothing and at most {LONGEST.days} days")
        if self.retry_for is not None and not timedelta() < self.retry_for <= LONGEST:
            raise ValueError(f"retry_for: must be longer than nothing and at most {LONGEST.days} days")
        if any(warning <= timedelta() for warning in self.closure_warnings):
            raise ValueError(
                "closure_warnings: a warning comes before the closure; give a time above nothing"
            )
        tokens = [record for record in self.records if record.rule is Rule.TXT_TOKEN]
        if any(record.severity is Severity.ADVISORY for record in tokens):
            raise ValueError("records: a txt_token proves ownership, which is never advisory")
        ids = [record.id for record in self.records]
        if len(set(ids)) != len(ids):
            raise ValueError("records: every record needs an id of its own")
        steps = [SERVICE_STEP, *(step.name for step in self.preparation)]
        if len(set(steps)) != len(steps):
            raise ValueError(f"preparation: every step needs a name of its own, and none is {SERVICE_STEP!r}")
        if max(map(len, steps)) > MAX_STEP_NAME:
            raise ValueError(f"preparation: the name of a step has at most {MAX_STEP_NAME} characters")
        if self.form is not None:
            self.form.check_parameters(self.parameters)
        return self

    @model_validator(mode="after")
    def _fits_a_domain(self) -> Self:
        if self.records and not self.needs_domain:
            raise ValueError("records: an offer with DNS records needs a domain")
        if self.repeatable and self.needs_domain:
            raise ValueError("repeatable: a service that needs a domain is there once for each")
        return self

    @property
    def definitions(self) -> dict[Purpose, str]:
        """The names of its approval definitions, for the purposes that have one."""
        named = {
            Purpose.REQUEST: self.approval,
            Purpose.RENEWAL: self.renewal,
            Purpose.UNSUBSCRIBE: self.unsubscribe,
        }
        return {purpose: name for purpose, name in named.items() if name is not None}

    @property
    def reference(self) -> str:
        """`name@version`, as shown to people and kept in search attributes."""
        return f"{self.name}@{self.version}"

    @property
    def warnings(self) -> tuple[timedelta, ...]:
        """The closure warnings that fit into `closes_after`, longest first (L17: a 7-day one warns once)."""
        if self.closes_after is None:
            return ()
        week = timedelta(days=7)
        fitting = [
            w
            for w in self.closure_warnings
            if w < self.closes_after and (self.closes_after > week or w <= timedelta(days=1))
        ]
        return tuple(sorted(fitting, reverse=True))
