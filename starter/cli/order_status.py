"""An order as `countersign order show` prints it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from domain.audit import AuditEntry
from domain.mail import shown_address
from domain.transitions import ProcessView
from starter.cli.binding import CUSTOMERS_ADMIN, contact_rows
from starter.cli.output import facts, table
from starter.reading import OrderStatus
from storage.processes import ProcessEntry, TimelineEntry


def show_status(status: OrderStatus) -> RenderableType:
    """An order, its lines, what was done about each, and all that happened."""
    view, remarks = status.view, status.remarks
    lines = (
        (
            each.view.line,
            each.view.offer,
            each.view.state,
            each.view.waiting_for,
            _until(each.view),
            each.view.what_then,
        )
        for each in status.lines
    )
    return Group(
        facts(
            view.title,
            [
                ("Order", status.order),
                ("State", view.state),
                ("Waiting for", view.waiting_for),
                ("Ordered by", view.requested_by),
                ("Domain", view.domain),
                ("Requested start (UTC)", status.requested_start),
                ("Their reference", remarks.get("external_id")),
                ("Note", remarks.get("note")),
            ],
        ),
        Text(),
        table(
            "Lines",
            "",
            "Offer",
            "State",
            "Waiting for",
            "Until (UTC)",
            "What then",
            rows=lines,
            empty="Its lines have not begun.",
        ),
        *(part for each in status.lines for part in _line(each, status)),
        Text(),
        table("Timeline", "UTC", "Process", "What", "State", "Who", "Why", rows=map(_step, status.timeline)),
    )


def _line(entry: ProcessEntry, status: OrderStatus) -> tuple[RenderableType, ...]:
    """Contact, open tasks, mapping and next step of a line, as far as it has any."""
    view, contact, next_step = entry.view, entry.view.contact, status.next_steps.get(entry.id)
    if contact is None and next_step is None:
        return ()
    customer, partner = (
        _named(key, status.organisations) for key in (view.parties.customer, view.parties.partner)
    )
    bound = f"{customer}, partner {partner}" if contact and view.ponr_at else None
    rows = [
        *(contact_rows(contact) if contact else ()),
        *(contact_rows(view.customer_admin, CUSTOMERS_ADMIN.capitalize()) if view.customer_admin else ()),
        ("Open tasks", view.open_tasks or None),
        ("Mapped to", bound),
        ("Mapped (UTC)", view.ponr_at if bound else None),
        ("Next step", next_step),
    ]
    return Text(), facts(f"Line {view.line}", rows)


def _named(key: str, names: Mapping[str, str]) -> str:
    return f"{names[key]} ({key})" if key in names else key


def _until(view: ProcessView) -> object:
    return view.until or ("no limit" if view.waiting_for else "")


def _step(entry: TimelineEntry) -> tuple[object, ...]:
    """A step of the timeline, which says of what backends do also for which step of the offer."""
    at, process, what, *rest = step(entry)
    return at, process, f"{what} {entry.data['step']}" if "step" in entry.data else what, *rest


def step(entry: TimelineEntry | AuditEntry) -> tuple[object, ...]:
    """One step as a row: when, which process, what, its states, who, and why."""
    moved = entry.to_state
    if entry.from_state not in {"", entry.to_state}:
        moved = f"{entry.from_state} → {entry.to_state}"
    why = f"{entry.code}: {entry.reason}" if entry.code else entry.reason
    actor = shown_address(entry.actor)
    who = f"{actor} for {entry.on_behalf_of}" if entry.on_behalf_of else actor
    action = entry.action if entry.accepted else f"{entry.action} refused"
    return f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.process, action, moved, who, why
