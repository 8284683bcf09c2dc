"""The worker: the one place where everything is put together and run (SPEC D11).

`python -m worker` runs until it is told to end (SIGTERM, SIGINT); it then takes no new work and finishes
what it holds. Any number of them may run side by side.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

from activities.checks import Checks
from activities.conditions import Conditions
from activities.conditions.http import HttpSource, HttpSourceSettings
from activities.deployment import Deployments
from activities.directory import Directory
from activities.dns import Checker, DnsSettings
from activities.mail.delivery import MailSettings
from activities.maintenance import Maintenance
from activities.notices import Notices
from activities.outbox import Outbox
from activities.provisioning import Provisioning
from activities.provisioning.adapter import Adapter
from activities.provisioning.http import HttpAdapter, HttpAdapterSettings
from activities.provisioning.local import LocalAdapter
from activities.records import Records
from activities.rollout import Rollouts
from domain.base import Key
from starter.engine import ensure_engine, housekeeping_queue
from starter.leaving import leave
from starter.logs import WORKER_READY, configure_logging, core_runtime
from starter.settings import Misconfigured, Settings, connect, load
from storage.database import Database
from workflows.registry import INTERCEPTORS, WORKFLOWS, workflow_runner

TAKE_OVER_AFTER = timedelta(seconds=3)
"""How long a run waits for the worker that has it cached before any other may have it. The SDK's 10 seconds
are most of what a killed worker costs (engineering.md 2.3)."""

BEAT_AT_LEAST_EVERY = timedelta(seconds=2)
"""The SDK would keep heartbeats back until the time-out is nearly over; a slow call would then be a death."""

CACHED_RUNS = 500
"""Runs kept in memory; one that is not is replayed, which costs milliseconds."""

Activity = Callable[..., Any]
_log = structlog.get_logger("worker")


class HttpBackend(HttpAdapterSettings):
    """A backend that speaks our contract over HTTP (docs/provisioning-adapters.md)."""

    kind: Literal["http"]


class LocalBackend(BaseModel):
    """No backend: services exist in our database only. For trying things out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local"]


class HttpConditionSource(HttpSourceSettings):
    """A condition source that speaks our contract over HTTP (docs/condition-sources.md)."""

    kind: Literal["http"]


class WorkerSettings(Settings):
    """What only a worker needs to know.

    Attributes:
        mail: The server that takes our mails.
        dns: How records are checked.
        adapters: Backends, by the name that offers call them.
        condition_sources: Systems that approvals wait for, by the name that definitions call them.
        public_url: Where something serves the pages that mails then link to (docs/notifications.md). We serve
            none so far: without it mails name commands instead.
        relay_connections: Mails handed over side by side.
        relay_idle: How often the outbox is looked at while it is empty.
        finish_within: How long activities may go on once the worker was told to end; then another one repeats
            them.
        deployment_name: Of a versioned worker: what it is a version of (SPEC 11, Code versions).
        build_id: Of a versioned worker: which version. Runs wait until it is made the current one.
    """

    mail: MailSettings
    dns: DnsSettings = DnsSettings()
    adapters: dict[str, Annotated[HttpBackend | LocalBackend, Field(discriminator="kind")]] = Field(
        default_factory=dict
    )
    condition_sources: dict[Key, HttpConditionSource] = Field(default_factory=dict)
    public_url: HttpUrl | None = None
    relay_connections: Annotated[int, Field(ge=1, le=50)] = 4
    relay_idle: Annotated[timedelta, Field(gt=timedelta(0))] = timedelta(milliseconds=500)
    finish_within: timedelta = timedelta(seconds=20)
    deployment_name: str | None = None
    build_id: str | None = None

    @model_validator(mode="after")
    def _can_sign_links(self) -> Self:
        if self.public_url is not None and not self.link_keys:
            raise ValueError(
                "public_url, link_keys: links in mails lead to the one and are signed with the other; give "
                "at least one key, such as the output of `openssl rand -base64 48`"
            )
        return self

    @model_validator(mode="after")
    def _is_versioned_or_not(self) -> Self:
        if (self.deployment_name is None) != (self.build_id is None):
            raise ValueError("deployment_name, build_id: give both or neither")
        return self


async def run(
    settings: WorkerSettings, stop: asyncio.Event, ready: Callable[[], None] = lambda: None
) -> None:
    """Works until `stop` is set.

    Args:
        settings: What to connect to.
        stop: Ends the worker in order.
        ready: Called once work is taken.

    Raises:
        RuntimeError: Temporal does not answer.
        RPCError: Temporal refuses what a worker needs.
    """
    client = await connect(core_runtime())
    await ensure_engine(client, task_queue=settings.task_queue)
    async with AsyncExitStack() as resources:
        activities = await compose(settings, client, resources)
        workers = new_workers(client, settings, activities)
        for each in workers:
            await resources.enter_async_context(each)
        _log.info(WORKER_READY, task_queue=settings.task_queue, build=settings.build_id)
        ready()
        await stop.wait()
        _log.info("worker_stopping", finish_within=settings.finish_within.total_seconds())
        await asyncio.gather(*(each.shutdown() for each in workers))
    _log.info("worker_stopped")


async def compose(settings: WorkerSettings, client: Client, resources: AsyncExitStack) -> list[Activity]:
    """Every activity, with what it needs; what has to be closed is given to `resources`."""
    database = Database(settings.database_url)
    resources.push_async_callback(database.dispose)
    checker = Checker(settings.dns)
    checks = Checks(checker, database)
    records = Records(checker, database)
    outbox = Outbox(
        database,
        settings.mail,
        public_url=str(settings.public_url).rstrip("/") if settings.public_url else None,
        signer=settings.links,
        connections=settings.relay_connections,
        idle=settings.relay_idle,
    )
    adapters: dict[str, Adapter] = {}
    for name, backend in settings.adapters.items():
        if isinstance(backend, HttpBackend):
            adapters[name] = await resources.enter_async_context(HttpAdapter(backend))
        else:
            adapters[name] = LocalAdapter(database)
    sources = {
        name: await resources.enter_async_context(HttpSource(source))
        for name, source in settings.condition_sources.items()
    }
    return [
        Notices(database).announce,
        Directory(database).look_up,
        checks.check,
        checks.watch,
        records.watch,
        records.look,
        Provisioning(adapters).provision,
        Provisioning(adapters).deprovision,
        Conditions(sources).await_condition,
        Deployments(client, settings.task_queue).deploy_confirmed,
        Rollouts(client, database).roll_out,
        Maintenance(database).remove_unused,
        outbox.relay,
        outbox.deliver,
    ]


def new_workers(
    client: Client, settings: WorkerSettings, activities: list[Activity]
) -> tuple[Worker, Worker]:
    """The worker of the processes and the one of housekeeping, each for all our workflows and activities."""

    def new(task_queue: str, behavior: VersioningBehavior) -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            workflows=WORKFLOWS,
            activities=activities,
            workflow_runner=workflow_runner(),
            interceptors=INTERCEPTORS,
            deployment_config=_deployment(settings, behavior),
            max_cached_workflows=CACHED_RUNS,
            sticky_queue_schedule_to_start_timeout=TAKE_OVER_AFTER,
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
            activity_task_poller_behavior=PollerBehaviorAutoscaling(),
            graceful_shutdown_timeout=settings.finish_within,
            max_heartbeat_throttle_interval=BEAT_AT_LEAST_EVERY,
        )

    return (
        new(settings.task_queue, VersioningBehavior.PINNED),
        new(housekeeping_queue(settings.task_queue), VersioningBehavior.AUTO_UPGRADE),
    )


def _deployment(settings: WorkerSettings, behavior: VersioningBehavior) -> WorkerDeploymentConfig | None:
    """What a versioned worker says of itself; any other must not even name a behaviour (SPEC 10)."""
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=behavior,
    )


async def run_until_told(settings: WorkerSettings) -> None:
    """Works until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def main() -> int:
    """Runs the worker of this environment.

    Returns:
        The exit code: 2 if the environment does not fit, 1 for other faults.
    """
    try:
        settings = load(WorkerSettings)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings.log)
    try:
        _run_on_fast_loop(run_until_told(settings))
    except (RuntimeError, RPCError) as error:
        _log.error("worker_failed", reason=str(error))
        return 1
    return 0


def _run_on_fast_loop(work: Coroutine[None, None, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop  # noqa: PLC0415 - there is none for Windows

        uvloop.run(work)


if __name__ == "__main__":
    leave(main())
