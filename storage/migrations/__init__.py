"""Alembic migrations; `Database.migrate` runs them."""
