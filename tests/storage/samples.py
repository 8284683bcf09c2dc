"""A small world to store: one provider, one partner, two customers, and transitions of their processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.decisions import ApprovalStatus, Approver, Verdict, Vote
from domain.definitions import ApprovalDefinition, Approvers, Stage
from domain.line import ServiceStatus
from domain.mail import MailFacts, Template
from domain.offers import Offer
from domain.organisations import Directory, Parties, Permission, Role
from domain.transitions import (
    Audience,
    Notice,
    OpenApproval,
    ProcessKind,
    ProcessView,
    ServiceChange,
    Transition,
)

AT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)

PARTIES = Parties(provider="acme", partner="reseller", customer="contoso")


def _person(key: str, organisation: str, *roles: Role, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "name": key.title(),
        "email": f"{key}@{organisation}.example",
        "grants": [{"organisation": organisation, "role": role} for role in roles],
        **more,
    }


DIRECTORY = Directory.model_validate(
    {
        "organisations": [
            {"key": "fabrikam", "kind": "customer", "name": "Fabrikam", "partner": "reseller"},
            {"key": "contoso", "kind": "customer", "name": "Contoso", "partner": "reseller"},
            {"key": "acme", "kind": "provider", "name": "Acme"},
            {"key": "reseller", "kind": "partner", "name": "Reseller"},
        ],
        "people": [
            _person("ada", "contoso", Role.COMPANY_ADMIN, language="de"),
            _person("bob", "contoso", Role.FINANCE),
            _person("carl", "contoso", Role.READ_ONLY),
            _person("dora", "contoso", Role.COMPANY_ADMIN, active=False),
            _person("sam", "reseller", Role.SALES),
            _person("tess", "reseller", Role.TECHNICAL_ADMIN),
            _person("olga", "acme", Role.OPERATOR),
            _person("helpdesk", "reseller", Role.WORKFLOW_MAILS),
            _person("robot", "acme", Role.SERVICE, email=None),
            _person("erp", "acme", email=None),
        ],
    }
)

APPROVERS = Approvers(party="customer", permission=Permission.APPROVE)
DEFINITION = ApprovalDefinition(
    name="two-steps",
    version=1,
    title="Two steps",
    stages=(
        Stage(name="technical", title="Technical", approvers=APPROVERS),
        Stage(name="money", title="Money", approvers=APPROVERS),
    ),
)
OFFER = Offer(name="gateway", version=1, title="Mail gateway", approval="two-steps")
BASE = Offer(name="base", version=1, title="Base service")

LINE = "order-o1-line-1"


def seats(*keys: str) -> tuple[Approver, ...]:
    return tuple(Approver(key=key, name=key.title()) for key in keys)


def open_approval(
    stage: str = "technical",
    roster: tuple[Approver, ...] | None = None,
    status: ApprovalStatus = ApprovalStatus.PENDING,
) -> OpenApproval:
    return OpenApproval(
        status=status,
        stage=stage,
        stage_title=stage.title(),
        round=1,
        definition="two-steps@1",
        opened_at=AT,
        deadline=AT + 60 * 24 * HOUR if status is ApprovalStatus.PENDING else None,
        roster=roster,
    )


def view(state: str = "ordered", **more: Any) -> ProcessView:
    values = {
        "kind": ProcessKind.ORDER_LINE,
        "state": state,
        "order": "o1",
        "line": 1,
        "parties": PARTIES,
        "requested_by": "sam",
        "title": "Mail gateway for contoso.test, Contoso",
        "offer": "gateway@1",
        "definition": "two-steps@1",
        "domain": "contoso.test",
    }
    return ProcessView.model_validate(values | more)


def step(seq: int, action: str = "line.checked", *, process: str = LINE, **more: Any) -> Transition:
    view_ = more.pop("view", None) or view()
    values = {
        "process": process,
        "seq": seq,
        "action": action,
        "from_state": view_.state,
        "to_state": view_.state,
        "at": AT + seq * HOUR,
        "actor": "countersign",
        "view": view_,
    }
    return Transition.model_validate(values | more)


def vote(actor: str, verdict: Verdict = Verdict.APPROVE, stage: str = "technical") -> Vote:
    return Vote(stage=stage, round=1, actor=actor, verdict=verdict, reason=None, at=AT + HOUR)


def service(status: ServiceStatus = ServiceStatus.ORDERED, line: int = 1) -> ServiceChange:
    return ServiceChange(
        id=f"o1-{line}",
        status=status,
        organisation="contoso",
        offer="gateway",
        offer_version=1,
        order="o1",
        line=line,
        domain="contoso.test",
    )


def notice(template: Template = Template.ORDER_RECEIVED, **audience: Any) -> Notice:
    return Notice(template=template, audience=Audience(**audience), facts=MailFacts(order="o1", process=LINE))
