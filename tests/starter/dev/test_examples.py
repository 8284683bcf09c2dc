from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import Code, Refusal
from domain.orders import SubmitOrder
from domain.organisations import Directory
from starter.dev.examples import read_example, read_examples
from starter.dev.samples import CATALOGUE, DIRECTORY, ORDERS
from starter.files import read_catalogue, read_model, validated

HEAD = "title: t\norder: {customer: c}\n"


def test_examples_order_what_the_catalogue_has_by_people_the_directory_knows() -> None:
    offers = {offer.name for offer in read_catalogue(CATALOGUE)[0]}
    people = {person.key for person in read_model(DIRECTORY, Directory).people}
    examples = [each for each in read_examples(ORDERS) if each.expect.refused is None]
    assert len(examples) >= 5
    for example in examples:
        order = validated(SubmitOrder, example.document())
        assert {item.offer for item in order.items} <= offers
        named = {getattr(step, name, None) for step in example.script for name in ("by", "person", "asked")}
        assert named - {None} <= people
        assert {getattr(step, "offer", None) for step in example.script} - {None} <= set(example.expect.lines)


def test_an_order_may_stand_in_a_file_nobody_can_read(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "1-broken.yaml").write_text(
        "title: t\norder_file: broken.yaml\nexpect: {refused: {code: INVALID_INPUT, field: line 1}}\n"
    )
    example = read_example(tmp_path / "1-broken.yaml")
    assert example.name == "1-broken"
    with pytest.raises(Refusal, match=r"broken\.yaml, line 1"):
        example.document()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("expect: {}\n", "expect: expect either a refusal or the state of each line"),
        ("expect: {lines: {a: flying}}\n", "expect.lines.a: 'flying'"),
        ("expect: {lines: {a: closed}}\nscript: [{do: wait, offer: a}]\n", "script.0.wait: wait for a state"),
        (
            "expect: {lines: {a: closed}}\nscript: [{do: set_up, offer: a, answers: {}}]\n",
            "script.0.set_up: set_up takes either by or through",
        ),
        ("expect: {lines: {a: closed}}\nscript: [{do: jump}]\n", "script.0"),
        (
            "expect: {lines: {a: closed}}\nscript: [{do: delegate, offer: a, by: b}]\n",
            "script.0.delegate: delegate takes to besides",
        ),
        (
            "expect: {lines: {a: closed}}\nscript: [{do: undo, offer: a, by: b, answer: c}]\n",
            "script.0.undo: undo takes nothing besides",
        ),
        ("expect: {lines: {a: closed}}\norder_file: b.yaml\n", "document: give either order or order_file"),
    ],
)
def test_a_wrong_example_is_refused_by_its_field(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "x.yaml").write_text(HEAD + text)
    with pytest.raises(Refusal) as caught:
        read_example(tmp_path / "x.yaml")
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.message.startswith(f"x.yaml: {named}")
