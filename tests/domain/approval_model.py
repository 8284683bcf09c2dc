"""A second opinion on approvals: SPEC 4, 11 and approvals.md a5, without a look at how `domain` does it.

Nothing is kept but a log of what happened. Every question is answered from the log: a `Sheet` reads one
opening of one stage, an `ApprovalModel` what the openings come to, and `tests/domain/approval_moves.py` adds
what people may do and what follows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.domain.approval_sheet import Fact, Rules, Sheet
from tests.domain.models import first_true

MOST_ROUNDS = 20


class ApprovalModel:
    """An approval by SPEC 4.

    Args:
        definition: What it starts on.
        requester: Who asks; `beneficiary` whom it is for.
        who: Whom approvers mean at present; None while nobody can tell.
    """

    def __init__(
        self,
        definition: Rules,
        requester: str,
        beneficiary: str | None,
        who: Callable[[Rules], list[str]],
    ) -> None:
        self.first, self.requester, self.who = definition, requester, who
        self.affected = {requester, beneficiary} - {None}
        self.log: list[Fact] = []

    def happened(self, what: str, at: datetime, *who: str, **more: Any) -> None:
        self.log.append(Fact(what, at, who, more))
        for name in ("sheets", "sheet", "votes", "status"):
            self.__dict__.pop(name, None)

    def as_of(self, length: int) -> ApprovalModel:
        """The approval as it was when its log was shorter."""
        past = ApprovalModel(self.first, self.requester, None, self.who)
        past.affected, past.log = self.affected, self.log[:length]
        return past

    # Definition and openings

    @property
    def definition(self) -> Rules:
        return next((fact.more["to"] for fact in reversed(self.log) if fact.what == "resets"), self.first)

    @property
    def stages(self) -> list[Rules]:
        stages: list[Rules] = self.definition["stages"]
        return stages

    def position(self, name: str) -> int:
        return [stage["name"] for stage in self.stages].index(name)

    @cached_property
    def sheets(self) -> list[Sheet]:
        """Every opening since the definition last changed."""
        openings: list[list[Fact]] = []
        for fact in self.log:
            if fact.what == "resets":
                openings = openings[-1:]
            elif fact.what == "opens":
                openings.append([fact])
            elif fact.what not in {"begins", "is_taken_back", "is_aborted"}:
                openings[-1].append(fact)
        return [Sheet(facts) for facts in openings]

    @cached_property
    def sheet(self) -> Sheet | None:
        return self.sheets[-1] if self.sheets else None

    @property
    def open_sheet(self) -> Sheet:
        assert self.sheet is not None
        return self.sheet

    @property
    def stage(self) -> str:
        """The stage opened last; the first before any is."""
        return str(self.sheet.rule["name"] if self.sheet else self.stages[0]["name"])

    @property
    def round(self) -> int:
        return self.sheet.round if self.sheet else 1

    @property
    def goes_back(self) -> bool:
        return bool(self.open_sheet.rule["on_deny"]) and self.round < MOST_ROUNDS

    def what_follows(self) -> tuple[int, list[str], Rules | None]:
        """Round, stages passed over and stage of the next opening; None for the stage once none is left."""
        sheet, number = self.sheet, self.round
        if sheet is None:
            start = 0
        elif sheet.ended == "passed":
            after = sheet.rule["on_approve"]
            start = self.position(self.stage) + 1 if after is None else -1
            start = self.position(after) if after not in {None, "end"} else start
        else:
            number += 1
            target = {"denied": sheet.rule["on_deny"], "voided": self.stages[0]["name"]}.get(
                sheet.ended or "", sheet.ended
            )
            start = self.position(target)
        over = []
        for stage in self.stages[start:] if start >= 0 else []:
            if stage["when"] in {None, "true"}:
                return number, over, stage
            over.append(stage["name"])
        return number, over, None

    @cached_property
    def status(self) -> str:
        if any(fact.what in {"is_taken_back", "is_aborted"} for fact in self.log):
            return "WITHDRAWN"
        ended = self.sheet.ended if self.sheet else None
        if ended == "expired":
            return "EXPIRED"
        if ended == "denied" and not self.goes_back:
            return "REJECTED"
        waits = ended is None if self.sheet else all(fact.what != "begins" for fact in self.log)
        return "PENDING" if waits or self.what_follows()[2] is not None else "APPROVED"

    @property
    def is_pending(self) -> bool:
        return self.status == "PENDING"

    @property
    def is_over(self) -> bool:
        """Whether the open stage waits for nothing any more."""
        return not self.is_pending or (self.sheet is not None and self.sheet.ended is not None)

    @property
    def through(self) -> set[str]:
        """The stages of this round that nobody has to decide any more."""
        names: set[str] = set()
        for sheet, fact in zip(self.sheets, self._openings(), strict=True):
            if sheet.round == self.round:
                names.update(fact.more["over"])
                names.update([sheet.rule["name"]] if sheet.ended is not None else [])
        return names

    def _openings(self) -> list[Fact]:
        return [fact for fact in self.log if fact.what == "opens"][-len(self.sheets) :] if self.sheets else []

    # Votes and what ended it

    @cached_property
    def votes(self) -> list[Fact]:
        """The votes that stand, in the order they were cast."""
        voted: list[Fact] = []
        for fact in self.log:
            if fact.what == "votes":
                voted.append(fact)
            elif fact.what == "undoes":
                voted = [each for each in voted if not self._is_last_of(each, fact)]
            elif fact.what == "resets":
                voted = []
        return voted

    @staticmethod
    def _is_last_of(vote: Fact, undo: Fact) -> bool:
        return vote.who[0] == undo.who[0] and vote.more["in"] == undo.more["in"]

    @property
    def winner(self) -> str | None:
        """Whose word ended the approval."""
        last = self.log[-1] if self.log else None
        if self.is_pending or last is None or last.what not in {"votes", "is_taken_back", "is_aborted"}:
            return None
        return last.who[0]

    @property
    def waiting_for(self) -> list[str]:
        return [chair.who for chair in self.sheet.silent] if self.sheet and self.is_pending else []

    @property
    def deadline(self) -> datetime | None:
        return self.sheet.deadline if self.sheet and self.is_pending else None

    @property
    def next_due(self) -> datetime | None:
        return min([self.deadline, *self.open_sheet.reminders]) if self.deadline else None

    # Who may

    def is_barred(self, person: str) -> bool:
        """SPEC 4.3: requester and beneficiary may not decide unless the stage says so."""
        rule = self.sheet.rule if self.sheet else self.stages[0]
        return person in self.affected and not rule["self_approval"]

    def eligible(self, people: Iterable[str]) -> list[str]:
        return [person for person in dict.fromkeys(people) if not self.is_barred(person)]

    def is_entitled(self, person: str) -> bool:
        """SPEC 4.3: whether the chair is theirs by the directory as it is now; a delegate's owner's, too."""
        chair = self.open_sheet.chair(person)
        if chair is None:
            return True
        rule, owner = self.open_sheet.rule, chair.owner or chair.who
        levels = [self.definition["escalation_team"], *(each["approvers"] for each in rule["escalations"])]
        meant = {
            "approver": rule["approvers"],
            "fallback": rule["fallback"],
            "escalation": levels[chair.level],
            "additional": {"people": [owner], "permission": None, "role": None},
        }[chair.part]
        may = {*self.who({"people": [chair.who], "permission": None, "role": None})}
        return owner in self.who(meant) and (chair.owner is None or chair.who in may)

    def stage_refusal(self, meant: Rules, now: datetime, *, whenever: bool = False) -> str | None:
        """Why nothing can be done to the stage that is meant: SPEC 11, Codes."""
        stage, number = meant["stage"], meant["round"]
        rows = [
            (self.status == "EXPIRED", "APPROVAL_EXPIRED"),
            (not self.is_pending, "ALREADY_DECIDED"),
            (number == self.round and stage in self.through, "ALREADY_DECIDED"),
            ((stage, number) != (self.stage, self.round), "WRONG_STAGE"),
            (not whenever and self.is_late(meant, now), "APPROVAL_EXPIRED"),
        ]
        return first_true(rows)

    def is_late(self, meant: Rules, now: datetime) -> bool:
        """Whether the half-open interval until the deadline was over when it was received (SPEC D9)."""
        return self.deadline is not None and received(meant, now) >= self.deadline

    def refusal(self, decision: Rules, now: datetime) -> str | None:
        """The code a decision is refused with, None if it counts."""
        actor, sheet = decision["actor"], self.sheet
        rule = sheet.rule if sheet else self.stages[0]
        mute = not (decision["reason"] or "").strip()
        wanted = "reason_required" if decision["verdict"] == "deny" else "approval_reason_required"
        seated = sheet is not None and sheet.chairs is not None
        rows = [
            (self.is_barred(actor), "SELF_APPROVAL"),
            (sheet is not None and actor in sheet.said, "ALREADY_DECIDED"),
            (seated and self.open_sheet.chair(actor) is None, "NOT_AN_APPROVER"),
            (bool(sheet and sheet.pending), "ON_HOLD"),
            (mute and rule.get(wanted), "REASON_REQUIRED"),
        ]
        return self.stage_refusal(decision, now) or first_true(rows)

    # Decisions

    def stored(self, decision: Rules) -> Rules | None:
        """The answer this person got when they said the same before: as it was then (SPEC 11)."""
        where = (decision["stage"], decision["round"])
        for fact in self.votes:
            if (fact.who[0], fact.more["verdict"]) == (decision["actor"], decision["verdict"]) and fact.more[
                "in"
            ] == where:
                length = next(n for n, each in enumerate(self.log, 1) if each is fact)
                return self.as_of(length).answer(fact)
        return None

    def answer(self, fact: Fact) -> Rules:
        stage, number = fact.more["in"]
        return {
            "stage": stage,
            "round": number,
            "actor": fact.who[0],
            "verdict": fact.more["verdict"],
            "at": fact.at,
            "status": self.status,
        }

    def count(self, decision: Rules, now: datetime) -> Rules:
        """Counts a decision that is not refused and answers it."""
        at, where = received(decision, now), (self.stage, self.round)
        self.happened("votes", at, decision["actor"], verdict=decision["verdict"], **{"in": where})
        return self.answer(self.log[-1])


def received(meant: Rules, now: datetime) -> datetime:
    """When something counts from: our starter's stamp, never later than the process's own time (SPEC 11)."""
    stamp: datetime | None = meant["received_at"]
    return now if stamp is None or stamp > now else stamp
