from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior
from temporalio.service import RPCError

import worker
from domain import wire
from starter.dev.temporal import TemporalServer
from starter.engine import ensure_engine
from starter.settings import Misconfigured, load
from worker import HttpBackend, LocalBackend, WorkerSettings
from workflows.registry import WORKFLOWS

MAIL = {"host": "127.0.0.1", "port": 1025, "sender": "a@provider.example", "sender_name": "A", "tls": "none"}


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings.model_validate(
        {
            "mail": MAIL,
            "database_url": f"sqlite:///{tmp_path / 'countersign.db'}",
            "task_queue": "one",
            "finish_within": timedelta(seconds=1),
        }
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await condition():
            return
        await asyncio.sleep(0.05)


async def test_every_activity_a_workflow_can_ask_for_is_there(
    settings: WorkerSettings, client: Client
) -> None:
    asked_for = {
        wire.ANNOUNCE,
        wire.LOOK_UP,
        wire.CHECK,
        wire.WATCH_CHECK,
        wire.WATCH_RECORDS,
        wire.SEE_RECORDS,
        wire.PROVISION,
        wire.DEPROVISION,
        wire.APPROVAL_AWAIT_CONDITION,
        wire.RELAY,
        wire.DELIVER,
        wire.DEPLOY_CONFIRMED,
        wire.ROLL_OUT,
        wire.REMOVE_UNUSED,
    }
    async with AsyncExitStack() as resources:
        activities = await worker.compose(settings, client, resources)
    names = {definition.name for a in activities if (definition := activity._Definition.from_callable(a))}
    assert names == asked_for


def test_every_workflow_type_of_the_wire_is_there() -> None:
    names = {workflow._Definition.must_from_class(each).name for each in WORKFLOWS}
    assert names == {
        wire.ORDER,
        wire.ORDER_LINE,
        wire.DEPLOYMENT_ROUND,
        wire.DEFINITION_ROLLOUT,
        wire.DEFINITIONS_MAINTENANCE,
        wire.RELAY_OUTBOX,
    }


def test_backends_are_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in MAIL.items():
        monkeypatch.setenv(f"COUNTERSIGN_MAIL__{name.upper()}", str(value))
    backends = {
        "mailgate": {"kind": "http", "base_url": "https://mailgate.example/v1", "token": "secret"},
        "trial": {"kind": "local"},
    }
    monkeypatch.setenv("COUNTERSIGN_ADAPTERS", json.dumps(backends))
    settings = load(WorkerSettings)
    assert isinstance(settings.adapters["mailgate"], HttpBackend)
    assert isinstance(settings.adapters["trial"], LocalBackend)
    assert "secret" not in repr(settings)


def test_condition_sources_are_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in MAIL.items():
        monkeypatch.setenv(f"COUNTERSIGN_MAIL__{name.upper()}", str(value))
    source = {"kind": "http", "url": "https://credit.example/check", "token": "secret", "timeout": 5}
    monkeypatch.setenv("COUNTERSIGN_CONDITION_SOURCES", json.dumps({"credit": source}))
    settings = load(WorkerSettings)
    assert settings.condition_sources["credit"].url == "https://credit.example/check"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("COUNTERSIGN_BUILD_ID", "7", r"COUNTERSIGN_\*: deployment_name, build_id: give both or neither"),
        ("COUNTERSIGN_MAIL__PORT", "0", "COUNTERSIGN_MAIL__PORT: Input should be greater than or equal to 1"),
        ("COUNTERSIGN_ADAPTERS", '{"a": {"kind": "soap"}}', "COUNTERSIGN_ADAPTERS__A: .*'http', 'local'"),
        ("COUNTERSIGN_CONDITION_SOURCES", '{"Credit": {}}', "COUNTERSIGN_CONDITION_SOURCES__CREDIT__.*match"),
        ("COUNTERSIGN_CONDITION_SOURCES", '{"a": {"kind": "http"}}', "COUNTERSIGN_CONDITION_SOURCES__A__URL"),
        ("COUNTERSIGN_PUBLIC_URL", "portal", "COUNTERSIGN_PUBLIC_URL: Input should be a valid URL"),
        ("COUNTERSIGN_PUBLIC_URL", "https://portal.example", "public_url, link_keys: .* at least one key"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(
    name: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field, fits in MAIL.items():
        monkeypatch.setenv(f"COUNTERSIGN_MAIL__{field.upper()}", str(fits))
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=complaint):
        load(WorkerSettings)


def test_a_worker_without_settings_says_which_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in MAIL:
        monkeypatch.delenv(f"COUNTERSIGN_MAIL__{name.upper()}", raising=False)
    assert worker.main() == 2
    assert "COUNTERSIGN_MAIL" in capsys.readouterr().err


async def test_workers_without_a_version_name_no_versioning_behaviour(
    settings: WorkerSettings, client: Client
) -> None:
    for each in worker.new_workers(client, settings, [relay]):
        assert each.config()["deployment_config"] is None


async def test_processes_are_pinned_and_the_relay_is_not(settings: WorkerSettings, client: Client) -> None:
    versioned = settings.model_copy(update={"deployment_name": "countersign", "build_id": "1"})
    behaviours = []
    for each in worker.new_workers(client, versioned, [relay]):
        deployment = each.config()["deployment_config"]
        assert deployment is not None
        behaviours.append(deployment.default_versioning_behavior)
    assert behaviours == [VersioningBehavior.PINNED, VersioningBehavior.AUTO_UPGRADE]


@activity.defn(name=wire.RELAY)
async def relay(shift: timedelta) -> None:
    while not activity.is_worker_shutdown():
        activity.heartbeat()
        await asyncio.sleep(0.05)


async def test_the_relay_moves_on_to_the_next_build(settings: WorkerSettings, tmp_path: Path) -> None:
    async with TemporalServer(tmp_path / "temporal") as server:
        client = await server.connect()
        await ensure_engine(client, task_queue=settings.task_queue)
        async with AsyncExitStack() as first:
            await start_build(first, client, settings, "1")
            await until(lambda: relay_runs_on(client, settings, "1"))
            async with AsyncExitStack() as second:
                await start_build(second, client, settings, "2")
                await first.aclose()
                await until(lambda: relay_runs_on(client, settings, "2"))


async def start_build(running: AsyncExitStack, client: Client, settings: WorkerSettings, build: str) -> None:
    versioned = settings.model_copy(update={"deployment_name": "countersign", "build_id": build})
    for each in worker.new_workers(client, versioned, [relay]):
        await running.enter_async_context(each)
    await until(lambda: is_made_current(client, build))


async def is_made_current(client: Client, build: str) -> bool:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name="countersign", build_id=build
    )
    try:
        await client.workflow_service.set_worker_deployment_current_version(request)
    except RPCError:
        return False
    return True


async def relay_runs_on(client: Client, settings: WorkerSettings, build: str) -> bool:
    described = await client.get_workflow_handle(wire.relay_id(settings.task_queue)).describe()
    version = described.raw_description.workflow_execution_info.versioning_info.deployment_version
    return version.build_id == build
