"""Fixtures for every test: a real Temporal server, both databases."""

pytest_plugins = ["tests.databases", "tests.temporal"]
