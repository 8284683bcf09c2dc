from __future__ import annotations

from tests.starter.office import sampled

__all__ = ["sampled"]
