"""The root of the command line; each group of commands is a module beside this one."""

from __future__ import annotations

import typer

from starter.cli import (
    acting,
    approvals,
    audit,
    catalog,
    definitions,
    directory,
    links,
    mails,
    orders,
    organisations,
    schedule,
    simulation,
    stack,
)

app = typer.Typer(
    name="countersign",
    help="Approvals and provisioning as durable processes on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(orders.app, name="order")
approvals.app.add_typer(acting.app)
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(links.app, name="link")
app.add_typer(mails.app, name="mails")
app.add_typer(catalog.app, name="catalog")
definitions.app.add_typer(simulation.app)
app.add_typer(definitions.app, name="definitions")
app.add_typer(directory.app, name="directory")
app.add_typer(organisations.app, name="organisations")
app.add_typer(schedule.app, name="schedule")
stack.add_to(app)
