"""Talking to the systems that provide services, each through an adapter (docs/provisioning-adapters.md)."""

from activities.provisioning.activity import Provisioning

__all__ = ["Provisioning"]
