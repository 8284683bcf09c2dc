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
    forms,
    fulfilment,
    links,
    mails,
    orders,
    organisations,
    people,
    schedule,
    simulation,
    stack,
    summary,
)

app = typer.Typer(
    name="countersign",
    help="Approvals and provisioning as durable processes on Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
orders.app.add_typer(summary.app)
orders.app.add_typer(forms.app)
orders.app.add_typer(fulfilment.app)
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
app.add_typer(people.app, name="people")
app.add_typer(schedule.app, name="schedule")
stack.add_to(app)
