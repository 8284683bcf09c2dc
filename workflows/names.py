"""What the workflows share by name: typed search attributes, time-outs and retry policies."""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy, SearchAttributeKey

from domain import wire

PROCESS_STATE = SearchAttributeKey.for_keyword(wire.PROCESS_STATE)
TENANT_REF = SearchAttributeKey.for_keyword(wire.TENANT_REF)

ANNOUNCE_AT_ONCE = timedelta(seconds=3)
"""How long a decision waits for the database before its announcement goes on without it (SPEC D6)."""

QUICK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
"""For the local announcement: a lock or a dropped connection, not an outage."""

SILENT_AFTER = timedelta(seconds=10)
"""How long an activity that asks name servers or backends may be silent before it counts as dead."""

PATIENT_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
"""For everything that must happen in the end: never gives up."""
