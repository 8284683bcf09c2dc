"""Runs the migrations on the connection that `storage.database` hands over."""

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter constraints: Alembic rebuilds the table instead.
    render_as_batch=True,
)
context.run_migrations()
