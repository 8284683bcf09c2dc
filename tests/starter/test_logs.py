from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from domain import wire
from starter.logs import configure_logging
from starter.settings import LogFormat, LogSettings
from tests.temporal import new_worker


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    workflow.logger.workflow_info_on_message = activity.logger.activity_info_on_message = True


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_lines_and_those_of_libraries_have_one_shape(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings())
    structlog.get_logger("ours").info("mail_sent", mail="m1")
    logging.getLogger("theirs").warning("lost %s", "connection")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["mail"], ours["logger"]) == ("mail_sent", "m1", "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("lost connection", "warning", "theirs")
    assert set(theirs) == {"event", "level", "logger", "timestamp"}


@pytest.mark.parametrize(
    "logger", [structlog.stdlib.get_logger("ours"), logging.getLogger("x"), activity.logger]
)
async def test_lines_from_an_activity_say_which(logger: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings())

    async def work() -> None:
        logger.warning("slow")

    environment = ActivityEnvironment()
    await environment.run(work)
    (line,) = lines(capsys)
    info = environment.info
    assert line["event"] == "slow"
    assert (line["workflow"], line["type"]) == (info.workflow_id, info.workflow_type)
    assert (line["activity"], line["attempt"]) == (info.activity_type, info.attempt)


async def test_lines_from_a_workflow_say_which(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    @activity.defn(name=wire.RELAY)
    async def relay(shift: timedelta) -> None:
        raise ApplicationError("no database", non_retryable=True)

    configure_logging(LogSettings())
    run = f"relay-{uuid4()}"
    async with new_worker(client, relay) as worker:
        handle = await client.start_workflow(wire.RELAY_OUTBOX, id=run, task_queue=worker.task_queue)
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                break
        await handle.terminate()
    line = next(line for line in lines(capsys) if line["event"].startswith("The relay ended its shift early"))
    assert (line["workflow"], line["type"], line["attempt"]) == (run, wire.RELAY_OUTBOX, 1)


def test_a_fault_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings())
    try:
        raise ValueError("bad luck")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(capsys)
    assert "ValueError: bad luck" in line["exception"]


def test_quieter_levels_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(level="WARNING"))
    structlog.get_logger("ours").info("detail")
    logging.getLogger("theirs").info("detail")
    assert capsys.readouterr().err == ""


def test_people_get_text_instead_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format=LogFormat.CONSOLE))
    structlog.get_logger("ours").info("mail_sent", mail="m1")
    assert "mail_sent" in (said := capsys.readouterr().err)
    assert "mail=m1" in said
    assert "{" not in said
