"""docker-compose.yml and Dockerfile: what can be known of them without running them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from domain import wire
from starter.settings import GROUP, PREFIX, load

ROOT = Path(__file__).parent.parent
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SERVERS = {"postgres", "temporal", "temporal-ui", "mail", "worker"}
ONE_SHOTS = {"temporal-schema", "temporal-setup", "migrate"}


def command_of(service: str) -> str:
    return " ".join(SERVICES[service]["command"])


def test_every_part_of_an_installation_is_there_and_nothing_else() -> None:
    assert set(SERVICES) == SERVERS | ONE_SHOTS


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned_and_none_is_the_retired_one(service: str) -> None:
    name, _, tag = SERVICES[service]["image"].rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", tag), f"{service}: {tag} can change under us"
    assert "auto-setup" not in name


def test_server_and_its_tools_are_of_one_version() -> None:
    images = {service: SERVICES[service]["image"].rpartition(":")[2] for service in SERVICES}
    assert images["temporal"] == images["temporal-schema"] == images["temporal-setup"]


def test_nothing_waits_in_a_circle_nor_for_what_is_not_there() -> None:
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    assert set().union(*waits.values()) <= set(SERVICES)
    order = list(TopologicalSorter(waits).static_order())
    assert order.index("temporal-setup") < order.index("worker")
    assert order.index("migrate") < order.index("worker")


def test_one_shots_are_waited_for_to_the_end_and_servers_until_they_are_healthy() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            if needed in ONE_SHOTS:
                assert how["condition"] == "service_completed_successfully"
            else:
                assert how["condition"] == "service_healthy"
                assert "healthcheck" in SERVICES[needed]


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_to_this_machine_only(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("service", SERVICES)
def test_mounted_files_exist(service: str) -> None:
    for volume in SERVICES[service].get("volumes", []):
        source = volume.partition(":")[0]
        assert not source.startswith(".") or (ROOT / source).is_file()


def test_search_attributes_are_created_as_the_code_calls_them() -> None:
    created = re.findall(r"--name (\w+)", command_of("temporal-setup"))
    assert tuple(created) == wire.SEARCH_ATTRIBUTES


@pytest.mark.parametrize("service", ["worker", "migrate"])
def test_settings_are_ones_the_worker_knows_and_accepts(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker import WorkerSettings

    for name, value in SERVICES[service]["environment"].items():
        if not name.startswith(PREFIX):
            continue
        model: type[BaseModel] = WorkerSettings
        *groups, field = name.removeprefix(PREFIX).lower().split(GROUP.lower())
        for group in groups:
            annotation = model.model_fields[group].annotation
            assert isinstance(annotation, type)
            assert issubclass(annotation, BaseModel)
            model = annotation
        assert field in model.model_fields, f"{name}: no such setting"
        monkeypatch.setenv(name, value)
    load(WorkerSettings)


def test_worker_is_given_the_time_it_takes_to_finish() -> None:
    from worker import WorkerSettings

    finish_within = WorkerSettings.model_fields["finish_within"].default
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > finish_within.total_seconds()


def test_image_holds_every_package_and_module() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert packages | {f"{module}.py" for module in setuptools["py-modules"]} <= sources
    assert all((ROOT / source).exists() for source in sources)


def _has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        docker is not None
        and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")
def test_docker_compose_itself_accepts_the_file() -> None:
    subprocess.run(["docker", "compose", "config", "--quiet"], cwd=ROOT, check=True)
