"""The closure clock of an order line: warned in time, closed after 7 or 30 days, never twice (L17, L18)."""

from __future__ import annotations

from datetime import datetime

from domain.offers import Offer


class ClosureClock:
    """Counts from when provisioning begins to when the line closes.

    Offers with a provisioning contact start it at the first accepted hand-off of the provisioning mail;
    all others when the line is deployed.
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._warnings: list[datetime] = []
        self.closes_at: datetime | None = None

    def start(self, now: datetime) -> None:
        """Starts the clock, if the offer has one."""
        self.closes_at = self.if_started(now)
        if self.closes_at is None:
            return
        self._warnings = [self.closes_at - before for before in self._offer.warnings]

    def if_started(self, now: datetime) -> datetime | None:
        """When the line would close if the clock started now; never, if the offer has none."""
        return None if self._offer.closes_after is None else now + self._offer.closes_after

    @property
    def next_due(self) -> datetime | None:
        """The next warning, or the closure."""
        return self._warnings[0] if self._warnings else self.closes_at

    def is_over(self, now: datetime) -> bool:
        """Whether the line is to be closed now."""
        return self.closes_at is not None and now >= self.closes_at

    def warn(self, now: datetime) -> None:
        """Strikes off every warning that is due: after an outage several collapse into one (SPEC 4.5)."""
        self._warnings = [at for at in self._warnings if at > now]

    def stop(self) -> None:
        """Stops the clock for good: a closed line never closes again."""
        self.closes_at, self._warnings = None, []
