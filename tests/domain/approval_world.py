"""People, definitions and words to draw for approvals, and the pure gate that the rules are tried through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from domain.acting import needs
from domain.actions import ActionRecorded, ChangeDefinition, StageCommand
from domain.approval import Approval
from domain.decisions import Approver, Decide, DecisionRecorded, Part
from domain.definitions import ApprovalDefinition, Approvers, OnDeadline, OnNobody, content_hash
from domain.errors import Code, Refusal
from domain.lookups import LookedUp, LookUp
from domain.opening import Opening
from domain.organisations import OrganisationKind, Parties
from tests.domain.approval_sheet import Rules

PARTIES = Parties(provider="nordwall", partner="helvetic", customer="contoso")
REQUESTER, BENEFICIARY, STRANGER, GHOST, OPERATOR = "requester", "beneficiary", "stranger", "ghost", "otto"
STAFF = ["ann", "ben", "cas", "dee"]
OTHERS = ["eve", "fay"]
EVERYBODY = [*STAFF, *OTHERS, REQUESTER, BENEFICIARY, STRANGER, OPERATOR]
NAMES = ["first", "second", "third", "fourth"]


class HalfTime:
    """A calendar in which half of all time is working time."""

    @staticmethod
    def add(start: datetime, working: timedelta) -> datetime:
        return start + working * 2


class Register:
    """The directory: who there is, and who may approve; `staff` is who a permission means."""

    def __init__(self) -> None:
        self.active = set(EVERYBODY)
        self.staff = set(STAFF)
        self.is_away = False

    def may_approve(self, person: str) -> bool:
        return person in self.active and (person in self.staff or person in {*OTHERS, REQUESTER, BENEFICIARY})

    def exists(self, person: str) -> bool:
        return person in self.active

    def who(self, approvers: Rules) -> list[str]:
        """Whom approvers mean at present."""
        named = [person for person in approvers["people"] if self.may_approve(person)]
        meant = [person for person in EVERYBODY if person in self.staff & self.active]
        return [*named, *(meant if approvers["permission"] else [])]

    def look_up(self, question: LookUp) -> LookedUp | None:
        if question == LookUp(parties=question.parties):
            return LookedUp()
        if self.is_away:
            return None
        wish, wanted, person = question.authorise, question.roster, question.person
        authorised = wish is None or (
            wish.actor in self._meant(wish.approvers)
            and (wish.delegate is None or self.may_approve(wish.delegate))
        )
        return LookedUp(
            authorised=authorised,
            person=seats(person)[0] if person and self.exists(person) else None,
            person_may_approve=bool(person and self.may_approve(person)),
            is_operator=question.operator == OPERATOR,
            roster=seats(*self._meant(wanted)) if wanted else None,
        )

    def _meant(self, approvers: Approvers) -> list[str]:
        return self.who(approvers.model_dump())


def seats(*people: str) -> tuple[Approver, ...]:
    return tuple(Approver(key=person, name=person.title()) for person in people)


Ask = Callable[[tuple[Approver, ...], datetime], None]
"""What is done with those whom the directory names, at the time it names them."""


class PureGate:
    """What `workflows/gate.py` does with an approval, without Temporal: opens, asks, holds, acts on time."""

    def __init__(self, definition: ApprovalDefinition, beneficiary: str | None, register: Register) -> None:
        self.approval = Approval(
            definition,
            REQUESTER,
            beneficiary,
            holds=lambda condition: condition == "true",
            calendars={OrganisationKind.PROVIDER: HalfTime()},
        )
        self.register = register
        self.is_held = False
        self._unanswered: list[tuple[Opening, int | None, LookUp, Ask]] = []

    # What comes in

    def decide(self, decision: Decide, now: datetime) -> DecisionRecorded | None:
        """The answer; None if the decision waits for the roster."""
        stored = self.approval.answer_to(decision)
        if stored is not None:
            return stored
        self.approval.check(decision, now)
        if self.approval.roster is None:
            return None
        seat = self.approval.seat_of(decision.actor)
        assert seat is not None
        found = self.register.look_up(
            LookUp(parties=PARTIES, authorise=self.approval.authorisation(seat, PARTIES))
        )
        if found is not None and not found.authorised:
            raise Refusal(Code.NOT_PERMITTED, "actor: may no longer decide")
        return self.approval.decide(decision, now)

    def act(self, command: StageCommand, now: datetime) -> ActionRecorded | None:
        """The answer; None if the action waits for the roster."""
        self.approval.check_action(command, now)
        if self.approval.roster is None:
            return None
        found = self.register.look_up(needs(self.approval, command, PARTIES))
        if found is None:
            raise Refusal(Code.UNAVAILABLE, "the directory does not answer")
        recorded = self.approval.act(command, now, found)
        self.go_on(now)
        return recorded

    def change(self, definition: ApprovalDefinition, mode: str, actor: str, now: datetime) -> int:
        command = ChangeDefinition.model_validate(
            {
                "definition": definition,
                "definition_hash": content_hash(definition),
                "mode": mode,
                "actor": actor,
            }
        )
        voided = self.approval.change_definition(command)
        self.go_on(now)
        return len(voided)

    def come_back(self, now: datetime) -> None:
        """The directory answers again."""
        waiting, self._unanswered = self._unanswered, []
        for opening, level, question, then in waiting:
            found = self.register.look_up(question)
            assert found is not None
            is_same = self.approval.opening is opening and level in {None, opening.level}
            if is_same and not self.approval.stage_is_over:
                then(found.roster or (), now)

    # What follows

    def go_on(self, now: datetime) -> None:
        approval = self.approval
        while approval.is_pending:
            if approval.opened_at is None or approval.stage_is_over:
                self.is_held = False
                if approval.open_next(now) is not None and approval.stage.wait is None:
                    self._open(now)
            elif approval.lacks_approvers and not self.is_held:
                self.is_held = True
                self._settle_nobody(now)
            else:
                self.is_held = approval.lacks_approvers
                return

    def look_at_the_clock(self, now: datetime) -> list[str]:
        """Who is reminded."""
        outcome = self.approval.pass_deadline(now)
        if outcome is OnDeadline.ESCALATE:
            asked = self.approval.next_asked
            self.approval.opening.escalate(now)
            self._ask(asked, lambda people, _: self.approval.seat_level(people), now)
        return [] if outcome else [person.key for person in self.approval.remind(now)]

    def _open(self, now: datetime) -> None:
        asked = self.approval.stage.asks
        if self.approval.seats_before_asking:
            self._ask(asked, self._seat, now, at_any_level=True)
            return
        excluded = set() if self.approval.stage.self_approval else self.approval.affected
        self._ask(
            asked,
            lambda people, _: self.approval.seat(e for e in people if e.key not in excluded),
            now,
            at_any_level=True,
        )

    def _seat(self, people: tuple[Approver, ...], now: datetime) -> None:
        if self.approval.passes_over(people):
            self.approval.pass_stage()
            return
        self.approval.seat(people)
        for vote in self.approval.automatic_votes(now):
            if not self.approval.stage_is_over:
                self.approval.count(vote)

    def _settle_nobody(self, now: datetime) -> None:
        approval = self.approval
        if approval.settle_nobody():
            return
        if approval.stage.on_nobody is OnNobody.FALLBACK:
            self._ask(approval.stage.fallback, self._seat_fallback, now)
        else:
            self._ask_team(now)

    def _seat_fallback(self, people: tuple[Approver, ...], now: datetime) -> None:
        self.approval.bring_in(people, Part.FALLBACK)
        if self.approval.lacks_approvers:
            self._ask_team(now)

    def _ask_team(self, now: datetime) -> None:
        team = self.approval.definition.escalation_team
        if team is not None:
            self._ask(team, lambda people, _: self.approval.bring_in(people, Part.ESCALATION), now)

    def _ask(self, whom: Approvers | None, then: Ask, now: datetime, *, at_any_level: bool = False) -> None:
        question = LookUp(parties=PARTIES, roster=whom)
        found = self.register.look_up(question)
        if found is not None:
            then(found.roster or (), now)
        else:
            opening = self.approval.opening
            level = None if at_any_level else opening.level
            self._unanswered.append((opening, level, question, then))


# Definitions to draw

HOURS = st.integers(1, 60).map(lambda hours: timedelta(hours=hours))


def often(value: Any, *rare: Any) -> st.SearchStrategy[Any]:
    """Mostly one value, now and then another."""
    return st.sampled_from([value] * 3 * len(rare) + list(rare))


APPROVERS = st.lists(st.sampled_from([*STAFF, *OTHERS, REQUESTER]), min_size=1, max_size=3, unique=True).map(
    lambda people: {"people": people}
)
MEANT = st.just({"permission": "approve"}) | APPROVERS


@st.composite
def stages(draw: st.DrawFn, position: int, names: list[str], *, rich: bool) -> Rules:
    """A stage; a rich one has everything the language has, another only votes and clocks."""
    combine, deadline = draw(st.sampled_from(["any", "all", "quorum"])), draw(HOURS)
    before = [timedelta(hours=h) for h in (1, 2, 5, 8, 13) if timedelta(hours=h) < deadline]
    rule = {
        "name": names[position],
        "title": names[position].title(),
        "approvers": {"permission": "approve"},
        "combine": combine,
        "quorum": draw(st.integers(1, 3)) if combine == "quorum" else None,
        "denials": draw(st.integers(1, 3)),
        "deadline": deadline,
        "on_deadline": draw(st.sampled_from(["expire", "approve", "deny"])),
        "reminders": draw(st.lists(st.sampled_from(before), max_size=3)) if before else [],
        "on_nobody": draw(st.sampled_from(["hold", "skip", "deny"])),
        "self_approval": draw(st.booleans()),
        "reason_required": draw(st.booleans()),
    }
    return {**rule, **draw(_more(position, names, rule))} if rich else rule


@st.composite
def _more(draw: st.DrawFn, position: int, names: list[str], rule: Rules) -> Rules:
    levels = draw(st.lists(_levels(), max_size=2))
    elsewhere = [name for name in names if name != names[position]]
    targets = draw(st.lists(st.sampled_from(elsewhere), unique=True)) if elsewhere else []
    earlier, later = names[:position], names[position + 1 :]
    allowed = draw(often(["delegate", "add_approver", "inquire"], ["delegate"], []))
    fallback = draw(often(None, {"people": ["eve", "ann"]}, {"people": ["fay", REQUESTER]}))
    waits = draw(often(False, *[False] * 4, True))
    named = draw(MEANT)
    if rule["quorum"] and "permission" not in named:
        named["permission"] = "approve"
    return {
        "approvers": None if waits else named,
        "wait": {"source": "ledger"} if waits else None,
        "denials": draw(st.integers(1, 2)),
        "on_deadline": draw(
            st.sampled_from(["expire", "escalate"] if levels else ["expire", "approve", "deny"])
        ),
        "when": draw(often(None, "true", "false")),
        "approval_reason_required": draw(often(False, True)),
        "calendar": draw(often(None, "provider")),
        "on_approve": draw(often(None, *later, "end")),
        "on_deny": draw(st.sampled_from([None, *earlier])),
        "escalations": levels,
        "after_escalation": draw(st.sampled_from(["expire", "approve", "deny"])),
        "fallback": fallback,
        "on_nobody": "fallback" if fallback else rule["on_nobody"],
        "allow": [*allowed, *(["reroute"] if targets else [])],
        "reroute_to": targets,
        "always_ask": draw(often(False, True)),
    }


@st.composite
def _levels(draw: st.DrawFn) -> Rules:
    return {"approvers": draw(MEANT), "deadline": draw(HOURS), "replaces": draw(st.booleans())}


@st.composite
def definitions(draw: st.DrawFn, version: int = 1, *, rich: bool) -> Rules:
    """A definition as JSON that means the same as the parsed one, defaults and all."""
    names = NAMES[: draw(st.integers(1, 4 if rich else 3))]
    more: Rules = {}
    if rich:
        more = {
            "escalation_team": draw(st.none() | APPROVERS),
            "requester_is_approver": draw(often("forbidden", "granted", "skipped")),
            "reuse_grants": draw(st.booleans()),
        }
    parts = [draw(stages(position, names, rich=rich)) for position in range(len(names))]
    drawn = {"name": "random", "version": version, "title": "Random", "stages": parts, **more}
    return ApprovalDefinition.model_validate(drawn).model_dump()
