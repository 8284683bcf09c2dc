"""What an author should know of a definition before it is published (SPEC 4.1, 4.6).

What contradicts itself does not even parse (`domain/definitions.py`). Here is what parses and still goes
wrong: stages nobody reaches, loops nobody has to agree to, votes that can never come together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain import conditions
from domain.definition_graph import Graph, Way
from domain.definitions import (
    ApprovalDefinition,
    Approvers,
    RequesterIsApprover,
    Stage,
)
from domain.organisations import PERMISSIONS, Permission

MAX_SNAPSHOT = 64_000
"""Bytes of a definition as every request carries it; Temporal refuses much larger inputs (peers.md B3.9)."""

USUAL_SNAPSHOT = 4_096
"""Bytes that a definition should stay below, as it is paid for with every request (SPEC 9)."""

MAX_PEOPLE = 500
"""People a definition may name; more belong into a role, where they can be looked after."""


class Severity(StrEnum):
    """A blocking finding keeps a definition from being published; a warning is shown."""

    BLOCKING = "blocking"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class DefinitionFinding:
    """Something an author should know.

    Attributes:
        path: The place in the file, such as `stages.1.on_deny`; empty for the whole of it.
    """

    path: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def findings(
    definition: ApprovalDefinition,
    people: Mapping[str, bool] | None = None,
    seats: Mapping[str, int] | None = None,
) -> tuple[DefinitionFinding, ...]:
    """Everything that can be said of a definition without a request, blocking findings first.

    Args:
        definition: What is to be published.
        people: Everybody in the directory by key, and whether they are still there; None if it is not at
            hand. Who is not in it is a warning only, as people may be loaded later.
        seats: How many people the directory could seat at most, by stage, where that is known.
    """
    graph = Graph(definition)
    found = [*_size(definition), *_ways(definition, graph), *_requester(definition)]
    for index, stage in enumerate(definition.stages):
        found += _stage(stage, f"stages.{index}")
    if people is not None:
        found += _people(definition, people)
    found += _quorums(definition, seats or {})
    return tuple(sorted(found, key=lambda each: each.severity is not Severity.BLOCKING))


def _blocking(path: str, message: str) -> DefinitionFinding:
    return DefinitionFinding(path, Severity.BLOCKING, message)


def _warning(path: str, message: str) -> DefinitionFinding:
    return DefinitionFinding(path, Severity.WARNING, message)


def _size(definition: ApprovalDefinition) -> Iterator[DefinitionFinding]:
    size = len(definition.model_dump_json().encode())
    if size > MAX_SNAPSHOT:
        yield _blocking("", f"{size} bytes as a snapshot; at most {MAX_SNAPSHOT} fit into a request")
    elif size > USUAL_SNAPSHOT:
        yield _warning(
            "", f"{size} bytes as a snapshot, which every request carries; {USUAL_SNAPSHOT} is usual"
        )
    named = {person for _, approvers in _asked(definition) for person in approvers.people}
    if len(named) > MAX_PEOPLE:
        yield _blocking("", f"names {len(named)} people; at most {MAX_PEOPLE} can be, use a role instead")


# Ways through the stages


def _ways(definition: ApprovalDefinition, graph: Graph) -> Iterator[DefinitionFinding]:
    reached = graph.reached()
    for index, stage in enumerate(definition.stages):
        if index not in reached:
            yield _blocking(
                f"stages.{index}", f"no way leads to {stage.name}: every stage before jumps over it"
            )
    silent = graph.loops({Way.BY_ITSELF})
    for back, loop in graph.loops({Way.BY_ITSELF, Way.BY_SYSTEM}).items():
        path = f"stages.{back}.on_deny"
        if back in silent:
            yield _blocking(
                path, f"goes round {_names(definition, silent[back])} and nobody has to answer for it"
            )
        else:
            yield _warning(path, f"can go round {_names(definition, loop)} and no person is asked")


def _names(definition: ApprovalDefinition, loop: tuple[int, ...]) -> str:
    return " > ".join(definition.stages[index].name for index in (*loop, loop[0]))


def _requester(definition: ApprovalDefinition) -> Iterator[DefinitionFinding]:
    """What the rules for the requester, and for grants that count again, come to stage by stage."""
    handling = definition.requester_is_approver
    if all(stage.always_ask or stage.approvers is None for stage in definition.stages):
        for field, is_set in (
            ("reuse_grants", definition.reuse_grants),
            ("requester_is_approver", handling is not RequesterIsApprover.FORBIDDEN),
        ):
            if is_set:
                yield _warning(field, "has no effect: every stage that asks people is marked always_ask")
        return
    if definition.reuse_grants and sum(stage.approvers is not None for stage in definition.stages) == 1:
        yield _warning("reuse_grants", "has no effect: only one stage asks people")
    for index, stage in enumerate(definition.stages):
        if stage.approvers is None or stage.always_ask:
            continue
        path = f"stages.{index}.self_approval"
        if handling is RequesterIsApprover.SKIPPED and stage.self_approval:
            yield _warning(
                path, "the requester may decide here, but the stage is skipped if it asks them; choose one"
            )
        elif handling is RequesterIsApprover.GRANTED and not stage.self_approval:
            yield _warning(
                path,
                "is off, yet the requester's own vote counts as given; `always_ask` forbids it",
            )


# Each stage


def _stage(stage: Stage, path: str) -> Iterator[DefinitionFinding]:
    if stage.when is not None:
        try:
            conditions.check(stage.when)
        except conditions.ConditionError as error:
            yield _blocking(f"{path}.when", str(error))
    if stage.approvers is None:
        return
    yield from _roster(stage, stage.approvers, path)
    yield from _others(stage, stage.approvers, path)


def _roster(stage: Stage, asked: Approvers, path: str) -> Iterator[DefinitionFinding]:
    if _names_only(asked):
        people = len(set(asked.people))
        if stage.denials > people:
            yield _blocking(f"{path}.denials", f"{stage.denials} of {people} people can never deny")
    if asked.role is not None and Permission.APPROVE not in PERMISSIONS[asked.role]:
        yield _warning(
            f"{path}.approvers.role",
            f"{asked.role} lacks the permission approve; only people with another role besides count",
        )


def _others(stage: Stage, asked: Approvers, path: str) -> Iterator[DefinitionFinding]:
    """Levels of escalation and a fallback that would ask the same people again."""
    if stage.fallback is not None and _adds_nobody(stage.fallback, [asked]):
        yield _blocking(f"{path}.fallback", "names nobody whom the stage does not ask already")
    before = [asked]
    for number, level in enumerate(stage.escalations):
        # Who loses their seat and is asked again may then decide alone, which is worth a level.
        if not level.replaces and _adds_nobody(level.approvers, before):
            yield _blocking(
                f"{path}.escalations.{number}.approvers", "names nobody who has not been asked before"
            )
        before.append(level.approvers)


def _names_only(approvers: Approvers) -> bool:
    return approvers.permission is None and approvers.role is None


def _adds_nobody(new: Approvers, before: list[Approvers]) -> bool:
    """Whether everybody meant is meant by those before, as far as it can be told without a directory."""
    named = {person for each in before for person in each.people}
    return (
        set(new.people) <= named
        and (new.permission is None or any(_same(new, each, "permission") for each in before))
        and (new.role is None or any(_same(new, each, "role") for each in before))
    )


def _same(new: Approvers, old: Approvers, field: str) -> bool:
    return new.party is old.party and getattr(new, field) == getattr(old, field)


# People


def _people(definition: ApprovalDefinition, people: Mapping[str, bool]) -> Iterator[DefinitionFinding]:
    for path, approvers in _asked(definition):
        for index, key in enumerate(approvers.people):
            place = f"{path}.people.{index}"
            if key not in people:
                yield _warning(place, f"{key} is not in the directory")
            elif not people[key]:
                yield _warning(place, f"{key} has left and can decide nothing")


def _quorums(definition: ApprovalDefinition, seats: Mapping[str, int]) -> Iterator[DefinitionFinding]:
    """Quorums of a role or permission that nobody has so many people with."""
    for index, stage in enumerate(definition.stages):
        most = seats.get(stage.name)
        if stage.quorum is not None and most is not None and stage.quorum > most:
            yield _warning(
                f"stages.{index}.quorum",
                f"{stage.quorum}, but no {stage.asks.party} in the directory has more than {most} to ask",
            )


def _asked(definition: ApprovalDefinition) -> Iterator[tuple[str, Approvers]]:
    """Everybody a definition can ask, with the place in the file."""
    if definition.escalation_team is not None:
        yield "escalation_team", definition.escalation_team
    for index, stage in enumerate(definition.stages):
        path = f"stages.{index}"
        if stage.approvers is not None:
            yield f"{path}.approvers", stage.approvers
        if stage.fallback is not None:
            yield f"{path}.fallback", stage.fallback
        for number, level in enumerate(stage.escalations):
            yield f"{path}.escalations.{number}.approvers", level.approvers
