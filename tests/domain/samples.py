"""The smallest valid things, to be changed where a test cares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.approval import Approval
from domain.decisions import Approver, Decide, DecisionRecorded
from domain.definitions import ApprovalDefinition, Stage
from domain.dns.names import DomainName
from domain.errors import Refusal
from domain.offers import Offer
from domain.orders import Line, OrderContext, OrderLine
from domain.organisations import Parties

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stage(name: str = "first", **more: Any) -> Stage:
    rule = {"name": name, "title": name.title(), "approvers": {"permission": "approve"}, **more}
    return Stage.model_validate(rule, extra="forbid")


def definition(*stages: Stage, **more: Any) -> ApprovalDefinition:
    return ApprovalDefinition.model_validate(
        {"name": "release", "version": 1, "title": "Release", "stages": stages or (stage(),), **more}
    )


def people(*keys: str) -> tuple[Approver, ...]:
    return tuple(Approver(key=key, name=key.title()) for key in keys)


def opened(*stages: Stage, roster: tuple[str, ...] = ("ann", "ben", "cas"), **more: Any) -> Approval:
    """An approval asked for by `req` whose first stage is open since NOW."""
    approval = Approval(definition(*stages), **{"requester": "req", **more})
    approval.open_next(NOW)
    approval.seat(people(*roster))
    return approval


def says(actor: str, verdict: str = "approve", **more: Any) -> Decide:
    words = {"stage": "first", "actor": actor, "verdict": verdict, "reason": "because", **more}
    return Decide.model_validate(words)


def vote(approval: Approval, *words: str, at: datetime = NOW) -> DecisionRecorded:
    """Has `ann+` approve and `ben-` deny, as if each came through the gate."""
    answers = [_vote(approval, word, at) for word in words]
    return answers[-1]


def _vote(approval: Approval, word: str, at: datetime) -> DecisionRecorded:
    decision = says(word[:-1], {"+": "approve", "-": "deny"}[word[-1]], stage=approval.stage.name)
    approval.check(decision, at)
    return approval.decide(decision, at)


def refused(approval: Approval, decision: Decide, now: datetime = NOW) -> Refusal:
    """What a decision is refused with."""
    with pytest.raises(Refusal) as caught:
        approval.check(decision, now)
    return caught.value


def offer(name: str = "mail", **more: Any) -> Offer:
    document = {"name": name, "version": 1, "title": name.title(), **more}
    return Offer.model_validate(document, extra="forbid")


def line(of: Offer | None = None, number: int = 1, **more: Any) -> Line:
    return Line.model_validate({"number": number, "offer": of or offer(), "offer_hash": "0" * 64, **more})


def context(domain: str | None = "contoso.ch", **more: Any) -> OrderContext:
    name = DomainName(key=domain, display=domain) if domain else None
    return OrderContext.model_validate(
        {
            "id": "7k3f",
            "parties": Parties(provider="nordwall", partner="helvetic", customer="contoso"),
            "requested_by": "req",
            "requested_by_name": "Regula Quirin",
            "customer_name": "Contoso AG",
            "submitted_at": NOW,
            "domain": name,
            **more,
        }
    )


def order_line(of: Offer | None = None, **more: Any) -> OrderLine:
    start = more.pop("requested_start", None)
    return OrderLine(context=context(requested_start=start), line=line(of, **more), checked_at=NOW)
