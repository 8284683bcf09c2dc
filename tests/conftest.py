"""Fixtures for every test: a real Temporal server, both databases. Hypothesis draws the same every time."""

import os
import sys

from hypothesis import settings

settings.register_profile("untimed", deadline=None, derandomize=True)
settings.register_profile("anew", deadline=None)
settings.load_profile("untimed")

# Byte code is kept whatever the environment says: the programs that tests start, and every run in the guarded
# sandbox, import Countersign anew, and to compile it each time is a third of what the tests cost.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The Temporal server is written in Go. A heap that may grow further costs less CPU, and memory there is; one
# thread for each costs less as well where several share few cores.
os.environ.setdefault("GOGC", "400")
os.environ.setdefault("GOMAXPROCS", "1")

pytest_plugins = ["tests.databases", "tests.temporal"]
