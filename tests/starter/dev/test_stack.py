from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import dns.asyncquery
import dns.message
import dns.rcode
import pytest
from temporalio.client import Client

from domain import wire
from starter.dev.stack import Ports, Running, Stack, read_running, use_running


@dataclass(frozen=True)
class Before:
    """What was true of a stack before its restart."""

    running: Running
    relay: str | None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
async def before(folder: Path) -> Before:
    """A stack that has run and ended."""
    assert read_running(folder) is None
    async with Stack(folder) as stack:
        assert read_running(folder) == stack.running
        return Before(stack.running, await first_relay(stack))


@pytest.fixture(scope="module")
async def stack(folder: Path, before: Before) -> AsyncIterator[Stack]:
    """The same stack, started again by somebody whose settings are for another installation."""
    assert read_running(folder) is None
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("TEMPORAL_ADDRESS", "temporal.invalid:7233")
        shell.setenv("TEMPORAL_API_KEY", "secret")
        shell.setenv("COUNTERSIGN_TASK_QUEUE", "elsewhere")
        async with Stack(folder) as stack:
            yield stack


async def first_relay(stack: Stack) -> str | None:
    """The run that the relay began with."""
    relay = await stack.client.get_workflow_handle(wire.RELAY_ID).describe()
    return relay.raw_description.workflow_execution_info.first_run_id or None


async def work_is_done(client: Client) -> None:
    """A round of deployment goes through the worker and finds nothing to do."""
    asked = await client.execute_workflow(
        wire.DEPLOYMENT_ROUND,
        id=f"round-{uuid4()}",
        task_queue=wire.TASK_QUEUE,
        result_type=int,
        execution_timeout=timedelta(seconds=30),
    )
    assert asked == 0


async def test_a_killed_or_restarted_worker_is_back_at_work(stack: Stack) -> None:
    await work_is_done(stack.client)
    await stack.kill_worker()
    await stack.start_worker()
    await work_is_done(stack.client)
    await stack.restart_worker()
    await work_is_done(stack.client)


async def test_a_domain_without_a_zone_file_does_not_exist_and_one_with_it_does(stack: Stack) -> None:
    async def rcode_of(domain: str) -> int:
        query = dns.message.make_query(domain, "SOA")
        answer = await dns.asyncquery.udp(query, "127.0.0.1", port=stack.running.ports.dns, timeout=5)
        return answer.rcode()

    assert await rcode_of("contoso.example") == dns.rcode.NXDOMAIN
    zone = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
    (stack.zone_folder / "contoso.example.zone").write_text(zone)
    assert await rcode_of("contoso.example") == dns.rcode.NOERROR


async def test_state_and_addresses_outlive_a_restart(before: Before, stack: Stack) -> None:
    assert stack.running == before.running
    assert before.relay is not None
    assert await first_relay(stack) == before.relay


async def test_two_stacks_do_not_share_a_folder(stack: Stack) -> None:
    with pytest.raises(RuntimeError, match="a stack runs here already"):
        async with Stack(stack.folder):
            pass


async def test_settings_for_another_installation_do_not_reach_the_worker(stack: Stack) -> None:
    assert os.environ["COUNTERSIGN_TASK_QUEUE"] == "elsewhere"
    await work_is_done(stack.client)


async def test_a_worker_that_does_not_start_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the worker does not start: COUNTERSIGN_MAIL__PORT"):
        async with Stack(tmp_path, environment={"COUNTERSIGN_MAIL__PORT": "0"}):
            pass
    assert read_running(tmp_path) is None


async def test_what_the_worker_says_is_json_with_the_run_it_is_about(stack: Stack) -> None:
    await work_is_done(stack.client)
    lines = [json.loads(line) for line in (stack.folder / "worker.log").read_text().splitlines()]
    assert "worker_ready" in [line["event"] for line in lines]
    assert {"timestamp", "level", "logger"} <= set.intersection(*(set(line) for line in lines))


def pretend_to_run(folder: Path, listener: socket.socket) -> Running:
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    ports = Ports(temporal=listener.getsockname()[1])
    (folder / "ports.json").write_text(ports.model_dump_json())
    return Running(folder, ports)


def test_a_command_in_the_same_directory_talks_to_the_running_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    with socket.socket() as listener:
        running = pretend_to_run(tmp_path, listener)
        assert use_running(tmp_path) == running
    assert os.environ["TEMPORAL_ADDRESS"] == running.temporal_address
    assert os.environ["COUNTERSIGN_DATABASE_URL"] == running.database_url


@pytest.mark.parametrize("name", ["TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "COUNTERSIGN_DATABASE_URL"])
def test_whoever_names_another_installation_gets_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {name: "elsewhere"})
    with socket.socket() as listener:
        pretend_to_run(tmp_path, listener)
        assert use_running(tmp_path) is None
    assert os.environ == {name: "elsewhere"}


def test_a_damaged_port_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert read_running(tmp_path) is None
