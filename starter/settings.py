"""What every part outside a workflow is told by its environment, and the way to Temporal.

Two sources, each with its owner: `COUNTERSIGN_*` variables are ours (`__` leads into a group, so
`COUNTERSIGN_LOG__LEVEL`); where Temporal is and how to sign in there is Temporal's own configuration, the
`TEMPORAL_*` variables or `temporal.toml` that its CLI uses as well (SPEC D11).
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from domain import wire
from domain.links import LinkSigner, check_keys
from starter.resending import ResendDroppedUpdates
from storage.database import DEFAULT_URL, parse_url

PREFIX = "COUNTERSIGN_"
GROUP = "__"
FOLDER = Path(".countersign")
"""Where the embedded stack of a working directory keeps its state."""
TEMPORAL_ADDRESS = "localhost:7233"
"""Where Temporal's own tools look when nobody says otherwise."""

AnySettings = TypeVar("AnySettings", bound="Settings")


def _database_url(written: str) -> str:
    parse_url(written)
    return written


def _separated(written: Any) -> Any:
    if not isinstance(written, str):
        return written
    return tuple(filter(None, (each.strip() for each in written.split(","))))


def _link_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    check_keys(keys)
    return keys


class LogFormat(StrEnum):
    """One JSON object per line for machines, or aligned and coloured text for people."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(BaseModel):
    """What is logged, and how it looks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: LogFormat = LogFormat.JSON


class Settings(BaseSettings):
    """What the command line and the worker share; the worker's own are in `worker.py`.

    Attributes:
        database_url: SQLAlchemy URL of the SQLite file or the PostgreSQL database.
        task_queue: Where workers look for work.
        link_keys: Sign the links in mails, separated by commas, the newest first; the older ones stay as long
            as links of theirs do. Each has at least 32 characters.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=GROUP, frozen=True, extra="ignore"
    )

    database_url: Annotated[str, AfterValidator(_database_url)] = Field(default=DEFAULT_URL, repr=False)
    task_queue: str = wire.TASK_QUEUE
    link_keys: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_separated), AfterValidator(_link_keys)
    ] = Field(default=(), repr=False)
    log: LogSettings = LogSettings()

    @property
    def links(self) -> LinkSigner | None:
        """What signs and reads links; None without keys."""
        return LinkSigner(self.link_keys) if self.link_keys else None


class Misconfigured(Exception):
    """The environment does not fit; the message names every variable and what is wrong with it."""


def load(kind: type[AnySettings]) -> AnySettings:
    """Reads the environment.

    Raises:
        Misconfigured: A variable is missing or has a value that does not fit.
    """
    try:
        return kind()
    except ValidationError as error:
        raise Misconfigured("\n".join(_fault(each) for each in error.errors())) from None
    except SettingsError as error:
        group = re.search(r'field "(\w+)"', str(error))
        raise Misconfigured(f"{_variable((group[1],))}: must be JSON" if group else str(error)) from None


async def connect(runtime: Runtime | None = None, *, lazy: bool = False) -> Client:
    """Connects to Temporal as its own configuration says, by default to `localhost:7233`.

    Args:
        lazy: Connect at the first call only.
        runtime: Where the SDK's core logs to; its default if None.

    Raises:
        RuntimeError: Temporal does not answer there, or the configuration cannot be read.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", TEMPORAL_ADDRESS)
    return await Client.connect(
        **config,
        data_converter=pydantic_data_converter,
        interceptors=[ResendDroppedUpdates()],
        runtime=runtime,
        lazy=lazy,
    )


def _fault(error: ErrorDetails) -> str:
    return f"{_variable(error['loc'])}: {error['msg'].removeprefix('Value error, ')}"


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + (GROUP.join(str(part) for part in location).upper() or "*")
