"""Logs: one stream, one shape, whoever speaks (our code, the SDK, its core), with the run it is about."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from starter.settings import LogFormat, LogSettings

WORKER_READY = "worker_ready"
"""The event by which a worker says that it takes work from now on."""

_RUN = "temporal_workflow"
_ACTIVITY = "temporal_activity"
_FACTS = {
    "workflow_id": "workflow",
    "workflow_type": "type",
    "activity_type": "activity",
    "attempt": "attempt",
}


def configure_logging(settings: LogSettings) -> None:
    """Sends everything that is logged in this process to standard error.

    Lines from inside a workflow or an activity carry its id, type, activity and attempt.
    """
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_run,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow={_RUN, _ACTIVITY}), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.format),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.level, force=True)


def core_runtime() -> Runtime:
    """A runtime for the SDK whose core logs with us; for processes that have called `configure_logging`."""
    to_us = LogForwardingConfig(logging.getLogger("temporalio.core"), append_target_to_name=False)
    warnings = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=warnings, forwarding=to_us)))


def _renderers(wanted: LogFormat) -> list[Processor]:
    if wanted is LogFormat.CONSOLE:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _add_run(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Takes what the SDK's loggers know of the run, else asks the activity this is called in."""
    details = event.pop(_ACTIVITY, None) or event.pop(_RUN, None)
    if details is None and activity.in_activity():
        details = vars(activity.info())
    for theirs, ours in _FACTS.items():
        if details and details.get(theirs) is not None:
            event[ours] = details[theirs]
    return event
