"""What docs/condition-sources.md prints is what is."""

from __future__ import annotations

import json
import re
import threading
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.conditions.http import HttpSource, HttpSourceSettings
from domain.definitions import ApprovalDefinition
from domain.external import AwaitCondition, ConditionState
from starter.settings import load
from tests.activities.provisioning.backend import Backend
from worker import WorkerSettings

PAGE = (Path(__file__).parents[3] / "docs" / "condition-sources.md").read_text()


def printed(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_printed_stage_is_one() -> None:
    definition: dict[str, Any] = {"name": "credit", "version": 1, "title": "Credit"}
    read = ApprovalDefinition.model_validate(definition | yaml.safe_load(printed("yaml")[0]))
    assert read.stages[0].wait is not None
    assert read.stages[0].wait.source == "credit"


async def test_the_printed_question_is_what_is_sent(source: HttpSource, backend: Backend) -> None:
    wanted = json.loads(printed("json")[0])
    backend.says(200, {"answer": "fulfilled"})
    await source.ask(AwaitCondition.model_validate(wanted | {"source": "credit"}))
    assert json.loads(backend.requests[0].body) == wanted


async def test_the_printed_answers_are_the_three_there_are(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    answers = printed("json")[1:]
    for body in answers:
        backend.says(200, body.encode())
    assert [(await source.ask(question)).answer for _ in answers] == list(ConditionState)


async def test_the_printed_source_says_yes_the_second_time(question: AwaitCondition) -> None:
    program, last_line = printed("python")[0].rstrip().rsplit("\n", 1)
    assert last_line == 'HTTPServer(("127.0.0.1", 8900), Source).serve_forever()'
    names: dict[str, Any] = {}
    exec(program, names)
    server = HTTPServer(("127.0.0.1", 0), names["Source"])
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        async with HttpSource(HttpSourceSettings(url=f"http://127.0.0.1:{server.server_port}/")) as source:
            said = [(await source.ask(question)).answer for _ in range(2)]
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert said == [ConditionState.NOT_YET, ConditionState.FULFILLED]


def test_both_printed_settings_name_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = {"HOST": "127.0.0.1", "PORT": "25", "SENDER": "a@provider.example", "SENDER_NAME": "A"}
    for name, value in mail.items():
        monkeypatch.setenv(f"COUNTERSIGN_MAIL__{name}", value)
    settings = re.findall(r"^(COUNTERSIGN_CONDITION_SOURCES\w*)='(.*)'$", PAGE, re.MULTILINE)
    assert len(settings) == 2
    for name, value in settings:
        with monkeypatch.context() as environment:
            fitted = value.replace("https://…", "https://credit.example").replace("…", "secret")
            environment.setenv(name, fitted)
            assert set(load(WorkerSettings).condition_sources) == {"credit"}
