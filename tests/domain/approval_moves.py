"""A second opinion on what people do with an approval besides deciding, and on what follows by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.domain.approval_model import ApprovalModel
from tests.domain.approval_sheet import Chair, Rules, Sheet
from tests.domain.models import first_true


class WholeApproval(ApprovalModel):
    """An approval with everything that SPEC 4.4 to 4.6 let happen to it.

    Attributes:
        is_away: Whether the directory answers nobody; what it was asked for the approval's own sake is asked
            again once it does.
        exists: Whether a person is known and active, and `may_approve` whether they may decide anything.
    """

    def __init__(self, *args: Any, exists: Callable[[str], bool], may_approve: Callable[[str], bool]) -> None:
        super().__init__(*args)
        self.exists, self.may_approve = exists, may_approve
        self.is_away = self.is_held = False
        self.unanswered: list[tuple[str, int, int]] = []

    # Actions

    def action_refusal(self, kind: str, command: Rules, now: datetime) -> str | None:
        """The code an action is refused with before anybody is asked."""
        whenever = kind in {"answer", "recall_inquiry"}
        code = self.stage_refusal(command, now, whenever=whenever)
        if code is not None or self.sheet is None or self.sheet.chairs is None:
            return code
        return first_true(getattr(self, f"_{kind}_refusals")(command, self.sheet))

    def _seat_refusals(self, actor: str, sheet: Sheet) -> list[tuple[bool, str]]:
        return [
            (sheet.chair(actor) is None, "NOT_AN_APPROVER"),
            (actor in sheet.said, "ALREADY_DECIDED"),
        ]

    def _own_seat_refusals(self, actor: str, sheet: Sheet) -> list[tuple[bool, str]]:
        """Neither a delegate nor an additional approver passes anything on (approvals.md a5)."""
        chair = sheet.chair(actor) or Chair(actor)
        passed_on = chair.owner is not None or chair.part == "additional"
        return [*self._seat_refusals(actor, sheet), (passed_on, "NOT_ALLOWED")]

    def _newcomer_refusals(self, person: str, sheet: Sheet) -> list[tuple[bool, str]]:
        names = {name for chair in sheet.chairs or [] for name in (chair.who, chair.owner)}
        return [(self.is_barred(person), "SELF_APPROVAL"), (person in names, "NOT_ALLOWED")]

    def _delegate_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        return [
            ("delegate" not in sheet.rule["allow"], "NOT_ALLOWED"),
            *self._own_seat_refusals(command["actor"], sheet),
            *self._newcomer_refusals(command["to"], sheet),
        ]

    def _hand_back_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        chair = sheet.chair(command["actor"])
        nothing = chair is None or chair.owner is None
        return [*self._seat_refusals(command["actor"], sheet), (nothing, "NOT_ALLOWED")]

    def _add_approver_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        return [
            ("add_approver" not in sheet.rule["allow"], "NOT_ALLOWED"),
            *self._own_seat_refusals(command["actor"], sheet),
            *self._newcomer_refusals(command["person"], sheet),
        ]

    def _escalate_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        by_requester = command["actor"] == self.requester
        seat = [] if by_requester else self._seat_refusals(command["actor"], sheet)
        return [*seat, (self._further(sheet) is None, "NOT_ALLOWED")]

    def _further(self, sheet: Sheet) -> Rules | None:
        """Whom an escalation asks: the next level, where there is none the team, which is asked once."""
        if sheet.next_level is not None:
            level: Rules = sheet.next_level["approvers"]
            return level
        has_team = any((chair.part, chair.level) == ("escalation", 0) for chair in sheet.chairs or [])
        team: Rules | None = self.definition["escalation_team"]
        return None if has_team else team

    def _inquire_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        return [
            ("inquire" not in sheet.rule["allow"], "NOT_ALLOWED"),
            *self._seat_refusals(command["actor"], sheet),
            (command["asked"] == command["actor"], "NOT_ALLOWED"),
        ]

    def _answer_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        question = sheet.pending.get(command["inquiry"])
        return [
            (question is None, "NOT_PENDING"),
            (question is not None and question.who[1] != command["actor"], "NOT_PERMITTED"),
        ]

    def _recall_inquiry_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        question, chair = sheet.pending.get(command["inquiry"]), sheet.chair(command["actor"])
        mine = question is not None and question.who[0] == command["actor"]
        return [
            (question is None, "NOT_PENDING"),
            (not mine and not (chair and chair.decides_alone), "NOT_PERMITTED"),
        ]

    def _reroute_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        conditions = {stage["name"]: stage["when"] for stage in self.stages}
        return [
            ("reroute" not in sheet.rule["allow"], "NOT_ALLOWED"),
            *self._own_seat_refusals(command["actor"], sheet),
            (command["to"] not in sheet.rule["reroute_to"], "NOT_ALLOWED"),
            (conditions.get(command["to"]) == "false", "NOT_ALLOWED"),
            (self.round >= 20, "LIMIT_REACHED"),
        ]

    def _undo_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        vote = sheet.said.get(command["actor"])
        return [
            (vote is None, "NOT_ALLOWED"),
            (vote is not None and vote.more.get("by_rule") == "own request", "NOT_ALLOWED"),
        ]

    def _refresh_roster_refusals(self, command: Rules, sheet: Sheet) -> list[tuple[bool, str]]:
        return [(sheet.rule["wait"] is not None, "NOT_ALLOWED")]

    def directory_refusal(self, kind: str, command: Rules, *, is_operator: bool) -> str | None:
        """The code an action is refused with once the directory has been asked, if it has to be."""
        if kind in {"hand_back", "answer", "recall_inquiry"}:
            return None
        person = command.get({"delegate": "to", "add_approver": "person", "inquire": "asked"}.get(kind, ""))
        must_approve = kind in {"delegate", "add_approver"}
        by_operator = kind == "refresh_roster"
        rows = [
            (self.is_away, "UNAVAILABLE"),
            (by_operator and not is_operator, "NOT_PERMITTED"),
            (not by_operator and not self.is_entitled(command["actor"]), "NOT_PERMITTED"),
            (person is not None and not self.exists(person), "NOT_FOUND"),
            (person is not None and must_approve and not self.may_approve(person), "NOT_PERMITTED"),
        ]
        return first_true(rows)

    def act(self, kind: str, command: Rules, now: datetime) -> Rules:
        """Carries out an action that is not refused and answers it."""
        where = (self.stage, self.round)
        inquiry = getattr(self, f"_{kind}")(command, now)
        return {
            "action": kind,
            "actor": command["actor"],
            "stage": where[0],
            "round": where[1],
            "at": min(command["received_at"] or now, now),
            "deadline": self.open_sheet.deadline,
            "inquiry": inquiry,
        }

    def _delegate(self, command: Rules, now: datetime) -> None:
        self.happened("delegates", now, command["actor"], command["to"])

    def _hand_back(self, command: Rules, now: datetime) -> None:
        self.happened("hands_back", now, command["actor"])

    def _add_approver(self, command: Rules, now: datetime) -> None:
        self.happened("adds", now, command["actor"], command["person"])

    def _escalate(self, command: Rules, now: datetime) -> None:
        if self.open_sheet.next_level is None:
            self._ask("team", now)
        else:
            self.happened("rises", now)
            self._ask("level", now)

    def _inquire(self, command: Rules, now: datetime) -> int:
        self.happened("asks", now, command["actor"], command["asked"])
        return len(self.open_sheet.questions)

    def _answer(self, command: Rules, now: datetime) -> int:
        self.happened("closes", now, command["actor"], inquiry=command["inquiry"])
        number: int = command["inquiry"]
        return number

    _recall_inquiry = _answer

    def _reroute(self, command: Rules, now: datetime) -> None:
        self.happened("ends", now, command["actor"], how=command["to"])

    def _undo(self, command: Rules, now: datetime) -> None:
        self.happened("undoes", now, command["actor"], **{"in": (self.stage, self.round)})

    def _refresh_roster(self, command: Rules, now: datetime) -> None:
        people = self.eligible(self.who(self.open_sheet.rule["approvers"]))
        self.happened("refreshes", now, *people)

    def change(self, definition: Rules, mode: str, actor: str, now: datetime) -> int:
        """SPEC 4.6: what was decided so far is void; how many votes that are."""
        void = len(self.votes)
        if mode == "abort":
            self.happened("is_aborted", now, actor)
            return void
        if self.sheet is not None:
            self.happened("ends", now, how="voided")
        self.happened("resets", now, actor, to=definition)
        return void

    # What follows by itself

    def goes_on(self, now: datetime) -> None:
        """Opens what is to be opened, asks who is to be asked, and holds what nobody can decide."""
        if self.sheet is None and self.is_pending:
            self.happened("begins", now)
        while self.is_pending:
            sheet = self.sheet
            if sheet is None or sheet.ended is not None:
                number, over, rule = self.what_follows()
                assert rule is not None
                self.happened("opens", now, rule=rule, round=number, over=over)
                self.is_held = False
                if rule["wait"] is None:
                    self._ask("approvers", now)
                else:
                    self.happened("seats", now)
            elif sheet.is_stuck and not self.is_held:
                self.is_held = True
                self._settles(sheet, now)
            else:
                self.is_held = sheet.is_stuck
                return

    def _settles(self, sheet: Sheet, now: datetime) -> None:
        someone_denied = any(fact.more["verdict"] == "deny" for fact in sheet.said.values())
        what = sheet.rule["on_nobody"]
        if what == "deny":
            self.happened("ends", now, how="denied")
        elif what == "skip" and not someone_denied:
            self.happened("ends", now, how="passed")
        elif what == "fallback":
            self._ask("fallback", now)
        else:
            self._holds(now)

    def _holds(self, now: datetime) -> None:
        if self.definition["escalation_team"] is not None:
            self._ask("team", now)

    def _ask(self, whom: str, now: datetime) -> None:
        if self.is_away:
            self.unanswered.append((whom, len(self.log_of_openings), self.open_sheet.level))
        else:
            getattr(self, f"_seat_{whom}")(now)

    def comes_back(self, now: datetime) -> None:
        """The directory answers again: what is still of use is heard."""
        self.is_away = False
        waiting, self.unanswered = self.unanswered, []
        for whom, opening, level in waiting:
            is_asked = whom == "approvers" or level == self.open_sheet.level
            if opening == len(self.log_of_openings) and is_asked and not self.is_over:
                getattr(self, f"_seat_{whom}")(now)

    @property
    def log_of_openings(self) -> list[Any]:
        return [fact for fact in self.log if fact.what == "opens"]

    def _seat_approvers(self, now: datetime) -> None:
        rule = self.open_sheet.rule
        people = self.who(rule["approvers"])
        requester = "forbidden" if rule["always_ask"] else self.definition["requester_is_approver"]
        if requester == "skipped" and self.requester in people:
            self.happened("ends", now, how="passed")
            return
        counts = requester == "granted"
        seated = [
            person
            for person in dict.fromkeys(people)
            if not self.is_barred(person) or (counts and person == self.requester)
        ]
        self.happened("seats", now, *seated)
        if not rule["always_ask"]:
            self._vote_by_rule(now, own=counts)

    def _vote_by_rule(self, now: datetime, *, own: bool) -> None:
        """Votes nobody has to cast again: earlier grants of this round, and the requester's own step."""
        granted = {
            fact.who[0]
            for fact in self.votes
            if fact.more["verdict"] == "approve" and fact.more["in"][1] == self.round
        }
        for chair in self.open_sheet.silent:
            again = self.definition["reuse_grants"] and chair.who in granted
            mine = own and chair.who == self.requester
            if (again or mine) and not self.is_over:
                why = "again" if again else "own request"
                where = (self.stage, self.round)
                self.happened("votes", now, chair.who, verdict="approve", by_rule=why, **{"in": where})

    def _seat_fallback(self, now: datetime) -> None:
        self._sit(self.open_sheet.rule["fallback"], "fallback", 0, now)
        if self.open_sheet.is_stuck:
            self._holds(now)

    def _seat_level(self, now: datetime) -> None:
        sheet = self.open_sheet
        level = sheet.rule["escalations"][sheet.level - 1]
        can_decide = set(self.eligible(self.who(level["approvers"]))) - set(sheet.said)
        if level["replaces"] and can_decide:
            self.happened("makes_way", now)
        self._sit(level["approvers"], "escalation", sheet.level, now)

    def _seat_team(self, now: datetime) -> None:
        self._sit(self.definition["escalation_team"], "escalation", 0, now)

    def _sit(self, approvers: Rules, part: str, level: int, now: datetime) -> None:
        self.happened("sits", now, *self.eligible(self.who(approvers)), part=part, level=level)

    # Time

    def looks_at_the_clock(self, now: datetime) -> list[str]:
        """Lets the deadline pass if it has, or says who is to be reminded."""
        sheet = self.open_sheet
        if now >= sheet.deadline:
            self._runs_out(sheet, now)
            return []
        due = any(moment <= now for moment in sheet.reminders)
        if not due:
            return []
        self.happened("reminds", now)
        asked = list(dict.fromkeys(fact.who[1] for fact in sheet.pending.values()))
        return asked or self.waiting_for

    def _runs_out(self, sheet: Sheet, now: datetime) -> None:
        what = sheet.at_deadline
        if what == "escalate":
            self.happened("rises", now)
            self._ask("level", now)
        else:
            self.happened("ends", now, how={"expire": "expired", "approve": "passed", "deny": "denied"}[what])

    def the_condition_is(self, fulfilled: bool, now: datetime) -> None:
        """What an outside system says ends the stage that waits for it."""
        self.happened("ends", now, how="passed" if fulfilled else "denied")
