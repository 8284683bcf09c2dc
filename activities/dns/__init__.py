"""Asks the world's name servers what a rule wants to know; decides nothing."""

from activities.dns.checker import Checker
from activities.dns.settings import DnsSettings

__all__ = ["Checker", "DnsSettings"]
