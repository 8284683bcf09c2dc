"""`python -m starter.cli`, for where the console script is not on the path."""

from starter.cli import run

run()
