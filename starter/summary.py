"""The summary of an order: who ordered what for whom, and how it came about (SPEC 5.5; provisioning.md a.5).

What it says follows from what is stored alone, its date included: the same order in the same state has the
same summary, whoever asks, and however often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.base import Key, Language, Message, UtcDatetime
from domain.contact import ContactState
from domain.decisions import ApprovalStatus, Verdict
from domain.dns.names import parse_domain
from domain.errors import Code, Refusal
from domain.forms import answers_in, rows
from domain.offers import Offer
from domain.organisations import OrganisationKind, Parties
from starter.reading import OrderStatus
from storage.drafts import Draft
from storage.processes import ProcessEntry, StageEntry, TimelineEntry

MAPPED = "line.mapped"
"""The step that binds a line to its organisations."""

_VOTES = frozenset(f"approval.{verdict}" for verdict in Verdict)


class Named(Message):
    """Somebody, or an organisation; the name is the key where the directory does not know it any more."""

    key: str
    name: str


class Party(Named):
    """An organisation with its part in the order."""

    kind: OrganisationKind


class Decision(Message):
    """What somebody decided in a stage, and why.

    Attributes:
        on_behalf_of: Key of whoever delegated the seat, if somebody did.
    """

    person: Named
    verdict: Verdict
    at: UtcDatetime
    reason: str | None = None
    on_behalf_of: Key | None = None


class StageSummary(Message):
    """A stage of an approval.

    Attributes:
        round: Counts the times it was opened, from 1.
        definition: `name@version`: the rules it was decided under.
    """

    title: str
    round: int
    status: ApprovalStatus
    definition: str
    opened_at: UtcDatetime
    decisions: tuple[Decision, ...]


class Binding(Message):
    """The organisations a line is bound to since its point of no return."""

    at: UtcDatetime
    partner: Named
    customer: Named


class Answered(Message):
    """An answer for people: what was asked, and what was said."""

    title: str
    value: str


class SetUp(Message):
    """How a line is set up.

    Attributes:
        confirmed: Whether the line took the answers; a draft's can still change.
        answers: As they are kept, by field; `shown` has them for people.
    """

    confirmed: bool
    by: str
    at: UtcDatetime
    answers: dict[str, Any]
    shown: tuple[Answered, ...]


class LineSummary(Message):
    """One line of an order.

    Attributes:
        offer: `name@version`.
        requested_start: When provisioning may begin at the earliest, if the order says so (RSD).
        started_at: When it began; `updated_at` is when its state last changed.
        until: When what it waits for ends by itself.
    """

    number: int
    process: str
    offer: str
    title: str
    state: str
    requested_start: UtcDatetime | None = None
    started_at: UtcDatetime
    updated_at: UtcDatetime
    waiting_for: str = ""
    until: UtcDatetime | None = None
    what_then: str = ""
    contact: ContactState | None = None
    binding: Binding | None = None
    set_up: SetUp | None = None
    approval: tuple[StageSummary, ...] = ()


class OrderSummary(Message):
    """An order for somebody's records.

    Attributes:
        language: Of the questions and answers of set-up forms.
        domain: As people read it.
        placed_at: When it was placed; `as_of` is when something last happened to it.
        parties: Provider, partner and customer.
    """

    order: Key
    title: str
    state: str
    language: Language
    placed_at: UtcDatetime
    as_of: UtcDatetime
    requested_by: Named
    parties: tuple[Party, ...]
    domain: str | None = None
    external_id: str | None = None
    note: str | None = None
    lines: tuple[LineSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What a summary is made of beside the order itself.

    Attributes:
        offers: By line process, as they were ordered.
        drafts: By line process; `stages` likewise.
        organisations: Names by key; `people` likewise.
    """

    offers: Mapping[str, Offer]
    drafts: Mapping[str, Draft]
    stages: Mapping[str, tuple[StageEntry, ...]]
    organisations: Mapping[str, str]
    people: Mapping[str, str]


def order_summary(status: OrderStatus, known: Known, language: Language) -> OrderSummary:
    """Puts a summary together."""
    view, steps = status.view, status.timeline
    remarks = status.remarks
    if not steps:
        raise Refusal(Code.UNAVAILABLE, f"order: {status.order} was placed just now; ask again in a moment")
    return OrderSummary(
        order=status.order,
        title=view.title,
        state=view.state,
        language=language,
        placed_at=steps[0].at,
        as_of=max(step.at for step in steps),
        requested_by=_named(view.requested_by, known.people),
        parties=tuple(_parties(view.parties, known)),
        domain=parse_domain(view.domain, allow_special_use=True).display if view.domain else None,
        external_id=remarks.get("external_id"),
        note=remarks.get("note"),
        lines=tuple(_line(entry, status, known, language) for entry in status.lines),
    )


def _line(entry: ProcessEntry, status: OrderStatus, known: Known, language: Language) -> LineSummary:
    view = entry.view
    steps = [step for step in status.timeline if step.process == entry.id and step.accepted]
    offer = known.offers.get(entry.id)
    return LineSummary(
        number=view.line or 0,
        process=entry.id,
        offer=view.offer or "",
        title=offer.title if offer else view.title,
        state=view.state,
        requested_start=status.requested_start,
        started_at=entry.started_at,
        updated_at=max(
            (step.at for step in steps if step.from_state != step.to_state), default=entry.started_at
        ),
        waiting_for=view.waiting_for,
        until=view.until,
        what_then=view.what_then,
        contact=view.contact,
        binding=_binding(steps, known),
        set_up=_set_up(offer, steps, known.drafts.get(entry.id), language),
        approval=tuple(_stage(stage, steps) for stage in known.stages.get(entry.id, ())),
    )


def _binding(steps: Iterable[TimelineEntry], known: Known) -> Binding | None:
    bound = next((step for step in steps if step.action == MAPPED), None)
    if bound is None:
        return None
    return Binding(
        at=bound.at,
        partner=_named(bound.data["partner"], known.organisations),
        customer=_named(bound.data["customer"], known.organisations),
    )


def _set_up(
    offer: Offer | None, steps: Iterable[TimelineEntry], draft: Draft | None, language: Language
) -> SetUp | None:
    """The answers that the line took, or else the draft."""
    if offer is None or offer.form is None:
        return None
    taken = [(step, given) for step in steps if (given := answers_in(step.data)) is not None]
    if taken:
        step, answers = taken[-1]
        by, at = step.actor, step.at
    elif draft is not None and draft.saved_by is not None and draft.saved_at is not None:
        answers, by, at = draft.answers, draft.saved_by, draft.saved_at
    else:
        return None
    shown = tuple(Answered(title=title, value=value) for title, value in rows(offer.form, answers, language))
    return SetUp(confirmed=bool(taken), by=by, at=at, answers=answers, shown=shown)


def _stage(stage: StageEntry, steps: Iterable[TimelineEntry]) -> StageSummary:
    names = {seat.key: seat.name for seat in stage.roster or ()}
    votes = {
        step.actor: step
        for step in steps
        if step.action in _VOTES
        and (step.data.get("stage"), step.data.get("round")) == (stage.stage, str(stage.round))
    }
    decisions = []
    for seat in stage.seats:
        if seat.verdict is None or seat.decided_at is None:
            continue
        vote = votes.get(seat.person)
        decisions.append(
            Decision(
                person=_named(seat.person, names),
                verdict=seat.verdict,
                at=seat.decided_at,
                reason=vote.reason if vote else None,
                on_behalf_of=vote.on_behalf_of if vote else None,
            )
        )
    return StageSummary(
        title=stage.stage_title,
        round=stage.round,
        status=stage.status,
        definition=stage.definition,
        opened_at=stage.opened_at,
        decisions=tuple(sorted(decisions, key=lambda each: (each.at, each.person.key))),
    )


def _parties(parties: Parties, known: Known) -> Iterable[Party]:
    for kind in OrganisationKind:
        named = _named(getattr(parties, kind), known.organisations)
        yield Party(kind=kind, key=named.key, name=named.name)


def _named(key: str, names: Mapping[str, str]) -> Named:
    return Named(key=key, name=names.get(key, key))
