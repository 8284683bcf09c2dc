"""What an author is told of a definition before it is published."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.definition_checks import MAX_PEOPLE, Severity, findings
from domain.definition_graph import Graph, Way
from domain.definitions import ApprovalDefinition

PEOPLE = {"people": ["ann", "bob"]}


def stage(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "title": name.title(), "approvers": PEOPLE} | more


def definition(*stages: dict[str, Any], **more: Any) -> ApprovalDefinition:
    return ApprovalDefinition.model_validate(
        {"name": "steps", "version": 1, "title": "Steps", "stages": stages} | more
    )


def blocking(checked: ApprovalDefinition) -> dict[str, str]:
    return {each.path: each.message for each in findings(checked) if each.severity is Severity.BLOCKING}


def warnings(checked: ApprovalDefinition) -> dict[str, str]:
    return {each.path: each.message for each in findings(checked) if each.severity is Severity.WARNING}


def test_a_usual_definition_has_nothing_against_it() -> None:
    usual = definition(
        stage(
            "team",
            on_deadline="escalate",
            escalations=[{"approvers": {"role": "company_admin"}, "deadline": "P3D"}],
        ),
        stage("finance", on_deny="team", on_deadline="expire", when=None),
        stage("owner", on_deny="finance", fallback={"people": ["cleo"]}, on_nobody="fallback"),
    )
    assert findings(usual) == ()


def test_a_stage_that_every_way_jumps_over_is_unreachable() -> None:
    jumping = definition(stage("one", on_approve="three"), stage("two"), stage("three"))
    assert list(blocking(jumping)) == ["stages.1"]
    assert "no way leads to two" in blocking(jumping)["stages.1"]


@pytest.mark.parametrize(
    "way",
    [
        (stage("one", on_approve="three", when="request.offer == 'x'"), stage("two"), stage("three")),
        (stage("one", on_approve="three"), stage("two"), stage("three", on_deny="two")),
        (
            stage("one", on_approve="three", allow=["reroute"], reroute_to=["two"]),
            stage("two"),
            stage("three"),
        ),
    ],
    ids=["condition is false", "denial leads back", "reroute"],
)
def test_a_stage_that_any_way_leads_to_is_reached(way: tuple[dict[str, Any], ...]) -> None:
    assert Graph(definition(*way)).reached() == {0, 1, 2}


def test_what_lies_behind_an_approval_that_ends_it_all_is_unreachable() -> None:
    ending = definition(stage("one", on_approve="end"), stage("two"), stage("three"))
    assert list(blocking(ending)) == ["stages.1", "stages.2"]


DENIED = [
    {"on_deadline": "deny"},
    {"on_nobody": "deny"},
    {
        "on_deadline": "escalate",
        "escalations": [{"approvers": {"people": ["zoe"]}, "deadline": "P1D"}],
        "after_escalation": "deny",
    },
    {"escalations": [{"approvers": {"people": ["zoe"]}, "deadline": "P1D"}], "after_escalation": "deny"},
]
GRANTED = [
    {"on_deadline": "approve"},
    {"on_nobody": "skip"},
    {
        "on_deadline": "escalate",
        "escalations": [{"approvers": {"people": ["zoe"]}, "deadline": "P1D"}],
        "after_escalation": "approve",
    },
    {"when": "request.offer == 'x'"},
]


@pytest.mark.parametrize("granted", GRANTED)
@pytest.mark.parametrize("denied", DENIED)
def test_a_loop_that_nobody_has_to_answer_for_is_refused_whatever_drives_it(
    granted: dict[str, Any], denied: dict[str, Any]
) -> None:
    looping = definition(stage("one", **granted), stage("two", on_deny="one", **denied))
    found = [each for each in findings(looping) if each.path == "stages.1.on_deny"]
    assert [(each.severity, each.message) for each in found] == [
        (Severity.BLOCKING, "goes round one > two > one and nobody has to answer for it")
    ]


@pytest.mark.parametrize("denied", DENIED)
def test_a_loop_with_one_stage_that_somebody_has_to_grant_has_an_exit(denied: dict[str, Any]) -> None:
    asking = definition(
        stage("one", on_deadline="approve"), stage("two"), stage("three", on_deny="one", **denied)
    )
    assert blocking(asking) == {}


@pytest.mark.parametrize("granted", GRANTED)
def test_a_loop_whose_way_back_somebody_has_to_take_has_an_exit(granted: dict[str, Any]) -> None:
    asking = definition(stage("one", **granted), stage("two", on_deny="one"))
    assert "stages.1.on_deny" not in {each.path for each in findings(asking)}


@pytest.mark.parametrize("rule", ["granted", "skipped"])
def test_rules_that_decide_for_the_requester_may_close_a_loop_but_not_where_everybody_is_asked(
    rule: str,
) -> None:
    stages = [stage("one"), stage("two", on_deny="one", on_deadline="deny")]
    assert list(blocking(definition(*stages, requester_is_approver=rule))) == ["stages.1.on_deny"]
    stages[0]["always_ask"] = True
    assert blocking(definition(*stages, requester_is_approver=rule)) == {}


def test_a_loop_through_outside_systems_alone_is_a_warning() -> None:
    waits = {"approvers": None, "wait": {"source": "credit"}}
    waiting = definition(stage("one", **waits), stage("two", on_deny="one", **waits))
    assert blocking(waiting) == {}
    assert list(warnings(waiting)) == ["stages.1.on_deny"]


@given(st.data())
def test_every_loop_that_is_found_can_be_gone_round(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    names = [f"s{index}" for index in range(size)]
    stages = []
    for index, name in enumerate(names):
        more: dict[str, Any] = {
            "on_deadline": data.draw(st.sampled_from(["expire", "approve", "deny"])),
            "on_nobody": data.draw(st.sampled_from(["hold", "skip", "deny"])),
        }
        if names[index + 1 :]:
            more["on_approve"] = data.draw(st.sampled_from([None, *names[index + 1 :], "end"]))
        if index:
            more["on_deny"] = data.draw(st.sampled_from([None, *names[:index]]))
        stages.append(stage(name, **more))
    drawn = definition(*stages)
    loops = Graph(drawn).loops({Way.BY_ITSELF})
    for last, loop in loops.items():
        assert loop[-1] == last
        assert drawn.stages[last].on_deny == drawn.stages[loop[0]].name
        assert "deny" in {drawn.stages[last].on_deadline, drawn.stages[last].on_nobody}
        for here, there in pairwise(loop):
            passing, target = drawn.stages[here], drawn.stages[there].name
            granted = "approve" in passing.on_deadline or passing.on_nobody == "skip"
            assert (granted and passing.on_approve in {None, target}) or passing.on_deny == target
    if not loops:
        assert _ends_when_nobody_answers(drawn)


def _ends_when_nobody_answers(drawn: ApprovalDefinition) -> bool:
    """Follows every choice between deadline and want of approvers; no walk may be longer than the stages."""
    walks = [(0, 0)]
    while walks:
        index, steps = walks.pop()
        if steps > len(drawn.stages):
            return False
        here = drawn.stages[index]
        moves: set[int | None] = set()
        if here.on_deadline == "approve" or here.on_nobody == "skip":
            following = drawn.position(here.on_approve) if here.on_approve not in {None, "end"} else index + 1
            moves.add(None if here.on_approve == "end" or following >= len(drawn.stages) else following)
        if "deny" in {here.on_deadline, here.on_nobody} and here.on_deny is not None:
            moves.add(drawn.position(here.on_deny))
        walks += [(move, steps + 1) for move in moves if move is not None]
    return True


def test_more_denials_than_there_are_people_can_never_come_together() -> None:
    assert blocking(definition(stage("one", combine="all", denials=3))) == {
        "stages.0.denials": "3 of 2 people can never deny"
    }
    assert blocking(definition(stage("one", denials=3, approvers=PEOPLE | {"role": "company_admin"}))) == {}


def test_a_fallback_has_to_name_somebody_new() -> None:
    same = stage("one", on_nobody="fallback", fallback={"people": ["bob"]})
    assert list(blocking(definition(same))) == ["stages.0.fallback"]
    new = stage("one", on_nobody="fallback", fallback={"people": ["bob", "cleo"]})
    assert blocking(definition(new)) == {}


@pytest.mark.parametrize(
    ("asked", "level", "is_new"),
    [
        ({"role": "finance"}, {"role": "finance"}, False),
        ({"role": "finance"}, {"role": "company_admin"}, True),
        ({"role": "finance"}, {"role": "finance", "party": "customer"}, True),
        ({"permission": "approve"}, {"permission": "approve"}, False),
        ({"permission": "approve"}, {"permission": "approve", "people": ["ann"]}, True),
    ],
)
def test_an_escalation_has_to_name_somebody_new(
    asked: dict[str, Any], level: dict[str, Any], is_new: bool
) -> None:
    escalating = stage(
        "one", approvers=asked, on_deadline="escalate", escalations=[{"approvers": level, "deadline": "P1D"}]
    )
    paths = list(blocking(definition(escalating)))
    assert paths == ([] if is_new else ["stages.0.escalations.0.approvers"])


def test_a_level_may_name_the_same_people_if_it_takes_their_seats_so_that_one_of_them_decides() -> None:
    levels = [{"approvers": PEOPLE, "deadline": "P1D", "replaces": True}]
    assert blocking(definition(stage("one", on_deadline="escalate", escalations=levels))) == {}


def test_later_levels_are_compared_with_earlier_ones() -> None:
    levels = [{"approvers": {"people": ["zoe"]}, "deadline": "P1D"}] * 2
    escalating = definition(stage("one", on_deadline="escalate", escalations=levels))
    assert list(blocking(escalating)) == ["stages.0.escalations.1.approvers"]


def test_a_role_that_permits_no_approval_is_pointed_out() -> None:
    assert list(warnings(definition(stage("one", approvers={"role": "sales"})))) == [
        "stages.0.approvers.role"
    ]
    assert warnings(definition(stage("one", approvers={"role": "finance"}))) == {}


def test_a_condition_that_does_not_parse_is_refused_with_its_column() -> None:
    found = blocking(definition(stage("one", when="request.offer ==")))
    assert list(found) == ["stages.0.when"]
    assert "column" in found["stages.0.when"]


def test_rules_that_have_no_effect_are_pointed_out() -> None:
    always = stage("one", always_ask=True)
    both = definition(always, reuse_grants=True, requester_is_approver="granted")
    assert list(warnings(both)) == ["reuse_grants", "requester_is_approver"]
    assert list(warnings(definition(stage("one"), reuse_grants=True))) == ["reuse_grants"]
    assert warnings(definition(always, stage("two"), stage("three"), reuse_grants=True)) == {}


@pytest.mark.parametrize(
    ("rule", "self_approval", "contradicts"),
    [
        ("forbidden", True, False),
        ("forbidden", False, False),
        ("granted", True, False),
        ("granted", False, True),
        ("skipped", True, True),
        ("skipped", False, False),
    ],
)
def test_rules_for_the_requester_must_not_contradict_each_other(
    rule: str, self_approval: bool, contradicts: bool
) -> None:
    mixed = definition(stage("one", self_approval=self_approval), requester_is_approver=rule)
    assert ("stages.0.self_approval" in warnings(mixed)) is contradicts


def test_people_who_are_unknown_or_have_left_are_pointed_out_wherever_they_are_named() -> None:
    naming = definition(
        stage(
            "one",
            on_nobody="fallback",
            fallback={"people": ["cleo"]},
            escalations=[{"approvers": {"people": ["zoe"]}, "deadline": "P1D"}],
        ),
        escalation_team={"people": ["dora", "ann"]},
    )
    assert findings(naming) == ()
    found = findings(naming, {"ann": True, "bob": False})
    assert {each.path: each.message for each in found} == {
        "escalation_team.people.0": "dora is not in the directory",
        "stages.0.approvers.people.1": "bob has left and can decide nothing",
        "stages.0.fallback.people.0": "cleo is not in the directory",
        "stages.0.escalations.0.approvers.people.0": "zoe is not in the directory",
    }
    assert {each.severity for each in found} == {Severity.WARNING}


def test_a_quorum_that_nobody_has_so_many_people_for_is_pointed_out() -> None:
    of_role = definition(
        stage("one", combine="quorum", quorum=3, approvers={"party": "partner", "role": "finance"}),
        stage("two"),
    )
    assert findings(of_role) == findings(of_role, None, {"one": 3}) == ()
    (found,) = findings(of_role, None, {"one": 2})
    assert (found.path, found.severity) == ("stages.0.quorum", Severity.WARNING)
    assert found.message == "3, but no partner in the directory has more than 2 to ask"


def test_a_large_definition_is_a_warning_and_a_huge_one_is_refused() -> None:
    def naming(stages: int, people: int) -> ApprovalDefinition:
        return definition(
            *(
                stage(f"s{index}", approvers={"people": [f"p-{index}-{each}" for each in range(people)]})
                for index in range(stages)
            )
        )

    assert "snapshot" in warnings(naming(5, 50))[""]
    assert "people" in blocking(naming(20, MAX_PEOPLE // 20 + 1))[""]
    long = ["x" * 60 + f"{each:03}" for each in range(100)]
    huge = definition(*(stage(f"s{index}", approvers={"people": long}) for index in range(20)))
    assert "snapshot" in blocking(huge)[""]


def test_blocking_findings_come_first() -> None:
    mixed = definition(
        stage("one", approvers={"role": "sales"}, on_approve="three"), stage("two"), stage("three")
    )
    assert [each.severity for each in findings(mixed)] == [Severity.BLOCKING, Severity.WARNING]
