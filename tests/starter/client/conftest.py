"""The office, for every test of the client."""

from tests.starter.office import office, sampled

__all__ = ["office", "sampled"]
