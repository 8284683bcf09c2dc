"""Fixtures for every test: a real Temporal server, both databases. Nothing is timed, even by Hypothesis."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

pytest_plugins = ["tests.databases", "tests.temporal"]
