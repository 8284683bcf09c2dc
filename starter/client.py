"""The one client: everything that can be asked of Countersign from outside, by CLI, API and tests."""

from __future__ import annotations

from starter.acting import Acting
from starter.approvals import Approvals
from starter.archive import Archive
from starter.audit import Audit
from starter.customers import Customers
from starter.definitions import Definitions
from starter.people import People
from starter.schedule import Schedules
from starter.submission import Submissions
from starter.summaries import Summaries


class Countersign(
    Submissions,
    Customers,
    Definitions,
    Approvals,
    Acting,
    Summaries,
    Archive,
    Audit,
    People,
    Schedules,
):
    """All operations in one place; see the classes it is made of, and `Gateway` for how to make one.

    Every operation answers with models, or raises `domain.errors.Refusal`.
    """
