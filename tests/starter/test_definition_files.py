"""Files of definitions: bounded, and refused with the place in the file."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

import pytest

from domain.errors import Code, Refusal
from starter.dev.samples import CATALOGUE
from starter.files import MAX_DEFINITION_BYTES, read_definitions

STAGE = "{name: one, title: One, approvers: {people: [ann]}}"


def refused(path: Path) -> str:
    with pytest.raises(Refusal) as caught:
        read_definitions(path)
    assert caught.value.code is Code.INVALID_INPUT
    return caught.value.message


def written(folder: Path, *, stages: str = f"[{STAGE}]", more: str = "") -> Path:
    file = folder / "odd.yaml"
    file.write_text(f"name: odd\nversion: 1\ntitle: Odd\nstages: {stages}\n{more}")
    return file


def test_one_file_a_folder_of_them_and_a_catalogue_can_be_read(tmp_path: Path) -> None:
    [one] = read_definitions(written(tmp_path))
    assert read_definitions(tmp_path) == [one]
    names = [each.name for each in read_definitions(CATALOGUE)]
    assert names == sorted(names)
    assert "cost-release" in names
    assert [each.name for each in read_definitions(CATALOGUE / "definitions")] == names


def test_a_folder_without_definitions_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        read_definitions(tmp_path)
    assert caught.value.code is Code.NOT_FOUND


def test_a_definition_of_a_megabyte_is_refused_at_once(tmp_path: Path) -> None:
    began = monotonic()
    message = refused(written(tmp_path, more="# " + "x" * 1_000_000))
    assert message == "odd.yaml: is larger than 256 kB"
    assert monotonic() - began < 1


def test_a_definition_of_bounded_size_is_read_with_all_its_comments(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_text(file.read_text() + "#" * (MAX_DEFINITION_BYTES - file.stat().st_size))
    assert [each.name for each in read_definitions(file)] == ["odd"]


def test_five_hundred_stages_are_refused(tmp_path: Path) -> None:
    stages = [{"name": f"s{index}", "title": "S", "approvers": {"people": ["ann"]}} for index in range(500)]
    message = refused(written(tmp_path, stages=json.dumps(stages)))
    assert message.startswith("odd.yaml: stages: ")
    assert "at most 20" in message


def test_a_thousand_approvers_of_one_stage_are_refused(tmp_path: Path) -> None:
    people = [f"p{index}" for index in range(1_000)]
    stages = json.dumps([{"name": "one", "title": "One", "approvers": {"people": people}}])
    message = refused(written(tmp_path, stages=stages))
    assert message.startswith("odd.yaml: stages.0.approvers.people: ")
    assert "at most 100" in message


def test_everything_that_is_wrong_is_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    wrong = "{name: one, title: One, approvers: {role: emperor}, when: [], on_deadline: explode}"
    places = [line.split(": ")[:2] for line in refused(written(tmp_path, stages=f"[{wrong}]")).splitlines()]
    fields = ("approvers.role", "on_deadline", "when")
    assert sorted(places) == [["odd.yaml", f"stages.0.{field}"] for field in fields]


def test_of_very_many_problems_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    stage = {"name": "Not A Key", "title": "", "approvers": {"role": "emperor"}, "combine": "none"}
    message = refused(written(tmp_path, stages=json.dumps([stage] * 10)))
    assert len(message.splitlines()) == 20
    assert message.endswith(" (and 20 more)")


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("{name: one, title: One, approvers: {people: []}}", "stages.0.approvers: "),
        (STAGE.replace("}}", "}, deadline: P1D, reminders: [P1D]}"), "stages.0: reminders: P1D "),
        (STAGE.replace("}}", "}, combine: quorum, quorum: 2}"), "stages.0: quorum: "),
        (STAGE.replace("people: [ann]", "role: emperor"), "stages.0.approvers.role: "),
        (STAGE.replace("name: one", "name: one, no_such: 1"), "stages.0.no_such: "),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(tmp_path: Path, stage: str, place: str) -> None:
    assert refused(written(tmp_path, stages=f"[{stage}]")).startswith(f"odd.yaml: {place}")
