"""A second opinion on one opening of one stage, read from what happened in it (`approval_model.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

Rules = dict[str, Any]
"""JSON of a definition, a stage or its approvers: every default written out, durations as `timedelta`."""


@dataclass(frozen=True)
class Fact:
    """What happened to an approval, in the model's own words."""

    what: str
    at: datetime
    who: tuple[str, ...] = ()
    more: Rules = field(default_factory=dict)


@dataclass(frozen=True)
class Chair:
    """Somebody's part in a stage: one of its approvers, or beside them."""

    who: str
    part: str = "approver"
    level: int = 0
    owner: str | None = None

    @property
    def decides_alone(self) -> bool:
        return self.part in {"fallback", "escalation"}


class Sheet:
    """One opening of one stage, as its facts tell it; the first of them is that it opens."""

    def __init__(self, facts: list[Fact]) -> None:
        self.rule: Rules = facts[0].more["rule"]
        self.round: int = facts[0].more["round"]
        self.opened = self.reminded = facts[0].at
        self.deadline = self.after(self.opened, self.rule["deadline"])
        self.chairs: list[Chair] | None = None
        self.said: dict[str, Fact] = {}
        self.questions: list[Fact] = []
        self.closed: set[int] = set()
        self.level, self.wanted = 0, 1
        self.are_replaced = False
        self.ended: str | None = None
        for fact in facts[1:]:
            getattr(self, f"_{fact.what}")(fact)
        if self.ended is None and self._is_carried():
            self.ended = "passed"

    def after(self, at: datetime, span: timedelta) -> datetime:
        """Working time goes by half as fast as time in these tests (`HalfTime`)."""
        return at + span * (2 if self.rule["calendar"] else 1)

    # Who sits where

    def _seats(self, fact: Fact) -> None:
        """The approvers, once it is known who that is; a level may have been there before, or instead."""
        there = self.chairs or []
        come = [] if self.rule["wait"] or self.are_replaced else fact.who
        self.chairs = [*there, *(Chair(who) for who in come if who not in [chair.who for chair in there])]
        self._count_off()

    def _count_off(self) -> None:
        approvers = len(self._with("approver"))
        self.wanted = {"any": 1, "all": max(approvers, 1), "quorum": self.rule["quorum"]}[
            self.rule["combine"]
        ]

    def _with(self, part: str) -> list[str]:
        return [chair.who for chair in self.chairs or [] if chair.part == part]

    def chair(self, who: str) -> Chair | None:
        return next((chair for chair in self.chairs or [] if chair.who == who), None)

    def _put(self, old: str, *new: Chair) -> None:
        """Lets others sit where somebody sat, or nobody."""
        self.chairs = [
            each for chair in self.chairs or [] for each in (new if chair.who == old else (chair,))
        ]

    def _comes_back(self, chair: Chair) -> None:
        """A delegated chair goes back to its owner, who needs no second one."""
        if chair.owner is not None:
            has_another = self.chair(chair.owner) is not None
            self._put(chair.who, *([] if has_another else [replace(chair, who=chair.owner, owner=None)]))

    def _sits(self, fact: Fact) -> None:
        """People asked besides; who may decide alone from now on does not remain one of several."""
        for who in fact.who:
            chair, new = self.chair(who), Chair(who, fact.more["part"], fact.more["level"])
            if chair is not None and (who in self.said or chair.decides_alone or not new.decides_alone):
                continue
            if chair is not None:
                self._comes_back(chair)
                self._put(who)
            self.chairs = [*(self.chairs or []), new]

    def _makes_way(self, fact: Fact) -> None:
        self.chairs = [chair for chair in self.chairs or [] if chair.who in self.said]
        self.are_replaced = True

    def _delegates(self, fact: Fact) -> None:
        mine = self.chair(fact.who[0])
        assert mine is not None
        self._put(mine.who, replace(mine, who=fact.who[1], owner=mine.who))
        self._takes_its_time(fact.at)

    def _hands_back(self, fact: Fact) -> None:
        mine = self.chair(fact.who[0])
        assert mine is not None
        self._comes_back(mine)
        self._takes_its_time(fact.at)

    def _adds(self, fact: Fact) -> None:
        self.chairs = [*(self.chairs or []), Chair(fact.who[1], "additional")]
        self._takes_its_time(fact.at)

    def _refreshes(self, fact: Fact) -> None:
        def stays(chair: Chair) -> bool:
            entitled = (chair.owner or chair.who) in fact.who
            return chair.part != "approver" or entitled or chair.who in self.said

        self.chairs = [chair for chair in self.chairs or [] if stays(chair)]
        there = {name for chair in self.chairs for name in (chair.who, chair.owner)}
        self.chairs += [Chair(who) for who in fact.who if who not in there]
        self._count_off()

    # What they say

    def _votes(self, fact: Fact) -> None:
        self.said[fact.who[0]] = fact
        if fact.more["verdict"] == "deny" and self._is_denied(fact.who[0]):
            self.ended = "denied"

    def _undoes(self, fact: Fact) -> None:
        del self.said[fact.who[0]]

    def _having_said(self, verdict: str) -> set[str]:
        return {who for who, fact in self.said.items() if fact.more["verdict"] == verdict}

    @property
    def silent(self) -> list[Chair]:
        return [chair for chair in self.chairs or [] if chair.who not in self.said]

    def _is_carried(self) -> bool:
        yes = self._having_said("approve")
        if self.chairs is None:
            return False
        if any(chair.decides_alone and chair.who in yes for chair in self.chairs):
            return True
        return len(yes.intersection(self._with("approver"))) >= self.wanted and yes.issuperset(
            self._with("additional")
        )

    def _is_denied(self, by: str) -> bool:
        """Whether the denial that was just heard is one too many."""
        chair = self.chair(by)
        assert chair is not None
        enough = len(self._having_said("deny")) >= self.rule["denials"]
        never_enough = len(self._with("approver")) < self.wanted
        return chair.part != "approver" or enough or (self.is_stuck and not never_enough)

    @property
    def is_stuck(self) -> bool:
        """Whether it can never be carried, whatever those say who have not said anything yet."""
        if self.chairs is None or self.rule["wait"] or any(chair.decides_alone for chair in self.silent):
            return False
        hoped = sum(chair.part == "approver" for chair in self.silent)
        return len(self._having_said("approve").intersection(self._with("approver"))) + hoped < self.wanted

    # Questions

    def _asks(self, fact: Fact) -> None:
        self.questions.append(fact)

    def _closes(self, fact: Fact) -> None:
        self.closed.add(fact.more["inquiry"])

    @property
    def pending(self) -> dict[int, Fact]:
        """The questions nobody has answered or taken back, by number."""
        return {n: each for n, each in enumerate(self.questions, 1) if n not in self.closed}

    # Time

    @property
    def share(self) -> timedelta:
        """The time whoever is asked now has."""
        span: timedelta = (
            self.rule["escalations"][self.level - 1]["deadline"] if self.level else self.rule["deadline"]
        )
        return span

    def _takes_its_time(self, at: datetime) -> None:
        self.deadline = max(self.deadline, self.after(at, self.share))

    def _rises(self, fact: Fact) -> None:
        self.level += 1
        self.deadline = self.after(fact.at, self.share)

    def _reminds(self, fact: Fact) -> None:
        self.reminded = fact.at

    @property
    def reminders(self) -> list[datetime]:
        """Those that are still to come; whoever a stage was escalated to gets none."""
        if self.level:
            return []
        moments = [self.after(self.opened, span) for span in self.rule["reminders"]]
        return [moment for moment in moments if moment > self.reminded]

    @property
    def next_level(self) -> Rules | None:
        levels = self.rule["escalations"]
        return levels[self.level] if self.level < len(levels) else None

    @property
    def at_deadline(self) -> str:
        escalates = self.rule["on_deadline"] == "escalate" or self.level
        if escalates and self.next_level is not None:
            return "escalate"
        return str(self.rule["after_escalation" if escalates else "on_deadline"])

    def _ends(self, fact: Fact) -> None:
        self.ended = fact.more["how"]
