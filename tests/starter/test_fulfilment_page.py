"""What docs/fulfilment.md says of states, limits and commands is what there is."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from typer.main import get_command

from domain.contact import LINK_VALID_FOR, MAILS_PER_DAY, RESEND_AFTER
from domain.line import CancelTask, LineState, OpenTask
from domain.links import LinkPurpose
from starter.cli.app import app
from starter.dev.samples import ROOT
from workflows.records import LAST_CHECK_PATIENCE
from workflows.set_up import REMIND_SET_UP_AFTER
from workflows.steps import LATE_LOOKS, STEP_PATIENCE

TEXT = (ROOT / "docs" / "fulfilment.md").read_text()
PAGE = " ".join(TEXT.split())
COMMANDS = re.findall(r"`countersign ([a-z]+ [a-z-]+)([^`]*)`", PAGE)


@pytest.mark.parametrize("word", [*LineState, *OpenTask, *LinkPurpose, *CancelTask])
def test_every_word_of_a_line_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_limits_are_the_real_ones() -> None:
    day, hour, minute = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
    assert f"within {RESEND_AFTER.seconds} seconds" in PAGE
    assert f"above {MAILS_PER_DAY} mails in 24 hours" in PAGE
    assert f"for {LINK_VALID_FOR // day} days" in PAGE
    assert (
        "reminded after {} and after {} days".format(*(each // day for each in REMIND_SET_UP_AFTER)) in PAGE
    )
    assert f"every hour for up to {LAST_CHECK_PATIENCE} hours" in PAGE
    assert f"for up to {STEP_PATIENCE // minute} minutes" in PAGE
    first, second, third = LATE_LOOKS
    assert f"after {first // minute} minutes, {second // hour} hour and {third // hour} hours" in PAGE


@pytest.mark.parametrize(("command", "options"), sorted(set(COMMANDS)))
def test_every_command_and_option_exists(command: str, options: str) -> None:
    group, name = command.split()
    found = get_command(app).commands[group].commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in found.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", options)) <= known


def test_every_option_of_a_mapping_is_shown() -> None:
    options = re.findall(r"--[a-z-]+", PAGE)
    for wanted in (
        "--partner",
        "--customer",
        "--new-customer",
        "--new-partner",
        "--own-company",
        "--answers",
    ):
        assert wanted in options


def test_the_pages_beside_it_are_there() -> None:
    for name in re.findall(r"\]\((\S+\.md)\)", PAGE):
        assert (ROOT / "docs" / name).exists(), name
