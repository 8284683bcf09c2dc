"""What people are told of, and how they change it (SPEC 6.4, provisioning.md b.7)."""

from __future__ import annotations

from domain.mail import MailGroup
from domain.notifications import Choice, NotificationChoice
from starter.files import validated
from starter.gateway import Gateway
from storage import directory, notifications
from storage.notifications import Setting


class People(Gateway):
    """People of the directory."""

    async def notifications(self, person: str) -> tuple[Setting, ...]:
        """What somebody is told of: every group that can be chosen, for every organisation that tells them.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        async with self._reading() as session:
            await directory.person(session, person)
            return await notifications.settings(session, person)

    async def choose_notifications(
        self, person: str, organisation: str, group: MailGroup, choice: Choice
    ) -> tuple[Setting, ...]:
        """Makes a choice for somebody, which counts from the next mail on, and returns all settings.

        Raises:
            Refusal: NOT_FOUND; INVALID_INPUT for what cannot be chosen for that group; NOT_ALLOWED if no role
                is notified for that organisation; UNAVAILABLE.
        """
        made = validated(NotificationChoice, {"organisation": organisation, "group": group, "choice": choice})
        async with self._writing() as session:
            await directory.person(session, person)
            await notifications.choose(session, person, made)
            return await notifications.settings(session, person)
