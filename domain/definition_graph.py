"""Where the stages of a definition lead, and what it takes to go there (SPEC 4.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from domain.definitions import (
    END,
    ApprovalDefinition,
    OnDeadline,
    OnNobody,
    RequesterIsApprover,
    Stage,
)


class Way(StrEnum):
    """What takes a request from one stage to another: somebody's word, a system's answer, or neither."""

    BY_PEOPLE = "by_people"
    BY_SYSTEM = "by_system"
    BY_ITSELF = "by_itself"


class Graph:
    """The stages of one definition as a graph; its nodes are their positions."""

    def __init__(self, definition: ApprovalDefinition) -> None:
        self._stages = definition.stages
        self._positions = {stage.name: index for index, stage in enumerate(definition.stages)}
        self._requester = definition.requester_is_approver
        self._ways = [tuple(self._ways_from(index, stage)) for index, stage in enumerate(self._stages)]

    def reached(self) -> frozenset[int]:
        """The stages that any way at all leads to."""
        return frozenset(self._paths(0, set(Way)))

    def loops(self, ways: Collection[Way]) -> dict[int, tuple[int, ...]]:
        """The loops that can be gone round by these ways alone.

        Returns:
            Each loop's stages in order, under the position of the last, which is the one that leads back.
        """
        found: dict[int, tuple[int, ...]] = {}
        for index, outgoing in enumerate(self._ways):
            for target, way in outgoing:
                if target <= index and way in ways:
                    path = self._paths(target, ways).get(index)
                    if path is not None:
                        found[index] = path
        return found

    def _paths(self, start: int, ways: Collection[Way]) -> dict[int, tuple[int, ...]]:
        """Every stage that can be come to from one, with a shortest path there."""
        found: dict[int, tuple[int, ...]] = {start: (start,)}
        queue = [start]
        for index in queue:
            for target, way in self._ways[index]:
                if way in ways and target not in found:
                    found[target] = (*found[index], target)
                    queue.append(target)
        return found

    def _ways_from(self, index: int, stage: Stage) -> Iterator[tuple[int, Way]]:
        """Where a stage leads, and by what; ways to the end are left out."""
        targets = [
            (index + 1, Way.BY_ITSELF if stage.when is not None else None),
            (self._granted(index, stage), self._by(stage, _passes_by_itself(stage, self._requester))),
            (self._positions.get(stage.on_deny or END), self._by(stage, _is_denied_by_itself(stage))),
            *((self._positions[name], Way.BY_PEOPLE) for name in stage.reroute_to),
        ]
        for target, way in targets:
            if target is not None and way is not None and target < len(self._stages):
                yield target, way

    def _granted(self, index: int, stage: Stage) -> int | None:
        if stage.on_approve is None:
            return index + 1
        return self._positions.get(stage.on_approve)

    @staticmethod
    def _by(stage: Stage, by_itself: bool) -> Way:
        if by_itself:
            return Way.BY_ITSELF
        return Way.BY_PEOPLE if stage.approvers is not None else Way.BY_SYSTEM


def _passes_by_itself(stage: Stage, requester: RequesterIsApprover) -> bool:
    """Whether a stage may be granted though nobody answered: by time, for want of approvers, or by rule."""
    if OnDeadline.APPROVE in _at_deadline(stage):
        return True
    if stage.approvers is None:
        return False
    by_rule = requester is not RequesterIsApprover.FORBIDDEN and not stage.always_ask
    return by_rule or stage.on_nobody is OnNobody.SKIP


def _is_denied_by_itself(stage: Stage) -> bool:
    """Whether a stage may be denied though nobody answered."""
    nobody = stage.approvers is not None and stage.on_nobody is OnNobody.DENY
    return nobody or OnDeadline.DENY in _at_deadline(stage)


def _at_deadline(stage: Stage) -> set[OnDeadline]:
    """What time can do to a stage in the end: escalation by hand makes `after_escalation` possible, too."""
    return {stage.on_deadline, *([stage.after_escalation] if stage.escalations else [])}
