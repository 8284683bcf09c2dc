"""Content hashes stay what they are: those stored and pinned by one release hold for every later one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, Field

from domain.audit import AuditEntry
from domain.content import ADDED_LATER
from domain.definitions import ApprovalDefinition, Approvers, Escalation, Stage, content_hash
from domain.offers import Offer
from domain.orders import SubmitOrder
from tests.domain.samples import definition, offer, stage

FIRST: dict[str, list[str]] = json.loads((Path(__file__).parent / "hashed_fields.json").read_text())
"""The fields that every hashed model had when it was first released: a model is added here, a field never."""

HASHED = (ApprovalDefinition, Offer, SubmitOrder, AuditEntry)


class NewerApprovers(Approvers):
    """As a later release might have it."""

    language: Annotated[str | None, ADDED_LATER] = None


class NewerLevel(Escalation):
    """As a later release might have it."""

    approvers: NewerApprovers
    loud: Annotated[bool, ADDED_LATER] = False


class NewerStage(Stage):
    """As a later release might have it."""

    approvers: NewerApprovers | None = None
    escalations: tuple[NewerLevel, ...] = ()
    extras: Annotated[dict[str, NewerApprovers], ADDED_LATER] = Field(default_factory=dict)
    weight: Annotated[int, ADDED_LATER] = 1


class NewerDefinition(ApprovalDefinition):
    """As a later release might have it."""

    stages: tuple[NewerStage, ...]
    colour: Annotated[str, ADDED_LATER] = "none"


LEVEL = {"approvers": {"permission": "approve"}, "deadline": "P1D"}
PUBLISHED = definition(stage(on_deadline="escalate", escalations=[LEVEL]), stage("second"))


def newer(**more: Any) -> NewerDefinition:
    """The same definition, as a later release reads what an older one has written."""
    return NewerDefinition.model_validate(PUBLISHED.model_dump(mode="json") | more)


def test_a_later_release_comes_to_the_same_hash_of_what_an_older_one_published() -> None:
    assert newer().stages[0].escalations[0].loud is False
    assert content_hash(newer()) == content_hash(PUBLISHED)
    written_out = NewerDefinition.model_validate(newer().model_dump(mode="json"))
    assert content_hash(written_out) == content_hash(PUBLISHED)


@pytest.mark.parametrize(
    "used",
    [
        {"weight": 2},
        {"extras": {"a": {"permission": "approve"}}},
        {"approvers": {"permission": "approve", "language": "de"}},
        {"escalations": [LEVEL | {"loud": True}]},
    ],
)
def test_what_a_later_release_adds_counts_where_it_is_used(used: dict[str, Any]) -> None:
    first, *others = PUBLISHED.model_dump(mode="json")["stages"]
    assert content_hash(newer(stages=[first | used, *others])) != content_hash(PUBLISHED)
    assert content_hash(newer(colour="red")) != content_hash(PUBLISHED)


def test_the_hash_of_the_first_release_is_the_one_that_is_stored() -> None:
    of_definition = "cfb283d4b3d2631e35ec84b9e8b0e95829fbaaa687dc10fb2cace375716d6eea"
    of_offer = "0ecf7fe59db514e1c3a64ebeda7204a63ddbe17714c11089c85f05241a34a23a"
    assert (content_hash(PUBLISHED), content_hash(offer())) == (of_definition, of_offer)


def test_every_field_that_came_after_the_first_release_is_marked() -> None:
    unmarked = [
        f"{name}.{field}"
        for name, model in reachable().items()
        for field, info in model.model_fields.items()
        if field not in FIRST.get(name, model.model_fields) and ADDED_LATER not in info.metadata
    ]
    assert unmarked == [], "mark it ADDED_LATER (domain/content.py), or all stored hashes change"


def test_no_field_of_the_first_release_is_gone_or_renamed() -> None:
    now = {name: set(model.model_fields) for name, model in reachable().items()}
    assert {name for name, fields in FIRST.items() if not set(fields) <= now[name]} == set()


def reachable() -> dict[str, type[BaseModel]]:
    """Every model that may be part of what is hashed, by name."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = list(HASHED)
    while waiting:
        model = waiting.pop()
        if model.__name__ not in found:
            found[model.__name__] = model
            for info in model.model_fields.values():
                waiting += _models_in(info.annotation)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
