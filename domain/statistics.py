"""How long approvals take and what lies open: figures over them and their stages, from given facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.base import Message
from domain.decisions import ApprovalStatus

DAY = timedelta(days=1)
DECIDED = frozenset({ApprovalStatus.APPROVED, ApprovalStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class StageSeen:
    """One opening of a stage.

    Attributes:
        ended_at: When it was decided or ended otherwise; None while it has not.
        is_open: Whether it can be decided now.
        voted: Whether anybody's vote counted in it; votes that the rules cast do not matter here.
        held: Whether too few people may decide it.
        escalated: Whether others were asked because those before had not decided.
        sent_back: Whether its denial led to another stage instead of the end.
    """

    status: ApprovalStatus
    opened_at: datetime
    ended_at: datetime | None
    is_open: bool
    voted: bool
    held: bool
    escalated: bool = False
    sent_back: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalSeen:
    """All openings of stages that one approval had under one definition.

    Attributes:
        status: Of the last of them.
        opened_at: When the first of them opened.
        ended_at: When the last of them ended; None while it has not.
        is_open: Whether the last of them can be decided now.
    """

    status: ApprovalStatus
    opened_at: datetime
    ended_at: datetime | None
    is_open: bool


class OpenByAge(Message):
    """What is open, by the time since it opened; an age on a boundary counts as the greater."""

    under_1_day: int = 0
    from_1_to_7_days: int = 0
    from_7_to_30_days: int = 0
    over_30_days: int = 0


class StageFigures(Message):
    """What became of one stage of one definition.

    Each opening is counted once: as decided, undecided, expired, withdrawn or open.

    Attributes:
        definition: As `name@version`.
        decided: Ended as approved or rejected, by at least one vote; the percentiles are theirs.
        undecided: Passed or denied without a vote: by its deadline, by rule, by the outside system it waited
            for, or because nobody may decide it.
        withdrawn: Taken back, cancelled, ended from outside, or void since another definition took over.
        p50: Time from opening to end that half of them took at most; None if none was decided.
        held: Of the open ones, those too few people may decide.
        escalated: Of all of them, those that were escalated.
        sent_back: Of the decided ones, those whose denial led to another stage.
    """

    definition: str
    stage: str
    decided: int
    p50: timedelta | None
    p90: timedelta | None
    p95: timedelta | None
    undecided: int
    expired: int
    open: OpenByAge
    held: int
    escalated: int = 0
    sent_back: int = 0
    withdrawn: int = 0


class ApprovalFigures(Message):
    """What became of whole approvals under one definition.

    Each approval that opened a stage is counted once: as approved, rejected, expired, withdrawn or open. One
    that was reset counts as withdrawn under the definition it left, and anew under the one it came to.

    Attributes:
        definition: As `name@version`.
        p50: Time from the first opening to the end that half of those approved or rejected took at most,
            whether people, deadlines or rules decided them; None if there are none.
        withdrawn: As of stages.
    """

    definition: str
    approved: int
    rejected: int
    expired: int
    withdrawn: int
    open: OpenByAge
    p50: timedelta | None
    p90: timedelta | None
    p95: timedelta | None


class ApprovalStatistics(Message):
    """Figures over approvals, each in the order of their names."""

    approvals: tuple[ApprovalFigures, ...]
    stages: tuple[StageFigures, ...]


def percentile(ordered: Sequence[timedelta], percent: int) -> timedelta | None:
    """The shortest time that at least so many per cent of the times do not exceed (nearest rank).

    Args:
        ordered: Times, the shortest first.
        percent: From 1 to 100.
    """
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def figures(definition: str, stage: str, seen: Iterable[StageSeen], now: datetime) -> StageFigures:
    """The figures of a stage from all its openings."""
    openings = list(seen)
    ended = [each for each in openings if each.status in DECIDED and each.ended_at is not None]
    times = sorted(each.ended_at - each.opened_at for each in ended if each.voted and each.ended_at)
    expired = sum(each.status is ApprovalStatus.EXPIRED for each in openings)
    open_ = [each for each in openings if each.is_open]
    return StageFigures(
        definition=definition,
        stage=stage,
        decided=len(times),
        p50=percentile(times, 50),
        p90=percentile(times, 90),
        p95=percentile(times, 95),
        undecided=sum(not each.voted for each in ended),
        expired=expired,
        open=_by_age(now - each.opened_at for each in open_),
        held=sum(each.held for each in open_),
        escalated=sum(each.escalated for each in openings),
        sent_back=sum(each.sent_back for each in openings),
        withdrawn=len(openings) - len(ended) - expired - len(open_),
    )


def approval_figures(definition: str, seen: Iterable[ApprovalSeen], now: datetime) -> ApprovalFigures:
    """The figures of a definition from all its approvals."""
    approvals = list(seen)
    open_ = [each for each in approvals if each.is_open]
    over = Counter(each.status for each in approvals if not each.is_open)
    times = sorted(
        each.ended_at - each.opened_at for each in approvals if each.status in DECIDED and each.ended_at
    )
    counted = {status: over[status] for status in (*DECIDED, ApprovalStatus.EXPIRED)}
    return ApprovalFigures(
        definition=definition,
        approved=counted[ApprovalStatus.APPROVED],
        rejected=counted[ApprovalStatus.REJECTED],
        expired=counted[ApprovalStatus.EXPIRED],
        withdrawn=over.total() - sum(counted.values()),
        open=_by_age(now - each.opened_at for each in open_),
        p50=percentile(times, 50),
        p90=percentile(times, 90),
        p95=percentile(times, 95),
    )


def _by_age(ages: Iterable[timedelta]) -> OpenByAge:
    counts = [0, 0, 0, 0]
    for age in ages:
        counts[sum(age >= bound for bound in (DAY, 7 * DAY, 30 * DAY))] += 1
    return OpenByAge(**dict(zip(OpenByAge.model_fields, counts, strict=True)))
