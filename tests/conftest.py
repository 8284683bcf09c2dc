"""Fixtures for every test: a real Temporal server, both databases. Hypothesis draws the same every time."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None, derandomize=True)
settings.load_profile("untimed")

pytest_plugins = ["tests.databases", "tests.temporal"]
