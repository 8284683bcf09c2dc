"""Asking the systems that approvals wait for, each through a source (docs/condition-sources.md)."""

from activities.conditions.activity import Conditions

__all__ = ["Conditions"]
