"""An outbox with relays and a clock of the test's, and recipients for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from activities import outbox
from activities.mail.delivery import MailSettings, Tls
from activities.outbox import Outbox
from domain.base import Language
from domain.mail import MailFacts, Template, Why
from domain.transitions import Audience, Notice
from starter.dev.mailcatcher import MailCatcher
from storage import mails
from storage.database import Database
from storage.mails import Mail
from storage.recipients import Recipient
from tests.activities.mail.conftest import SENDER, SmtpServer
from tests.storage.samples import AT, LINE, step

ADA = Recipient("ada", "Ada", "ada@contoso.example", Language.DE, Why.APPROVER)
BOB = Recipient("bob", "Bob", "bob@contoso.example", Language.EN, Why.APPROVER)
HELPDESK = Recipient("helpdesk", "Helpdesk", "help@reseller.example", Language.EN, Why.WORKFLOW_MAILS)
COMMAND = f"countersign approvals approve {LINE}"


class Clock:
    """The relay's time; it stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now


class Post:
    """An outbox, and relays that share it and the clock."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()

    def relay(
        self,
        server: SmtpServer | MailCatcher,
        database: Database | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> Outbox:
        fields = {"host": "127.0.0.1", "port": server.port, "sender": SENDER, "sender_name": "Countersign"}
        mail = MailSettings.model_validate(fields | {"tls": Tls.NONE} | (settings or {}))
        idle = timedelta(milliseconds=5)
        return Outbox(database or self.database, mail, clock=self.clock, idle=idle, **options)

    async def queue(self, *recipients: Recipient, count: int = 1) -> None:
        """Queues mails that ask for an approval: `count` to each recipient."""
        facts = MailFacts(order="o1", process=LINE, command=COMMAND)
        asking = Notice(template=Template.APPROVAL_REQUESTED, audience=Audience(), facts=facts)
        async with self.database.session() as session:
            for seq in range(1, count + 1):
                await mails.queue(session, step(seq, notices=[asking]), [(asking, recipients)])

    async def archive(self) -> list[Mail]:
        async with self.database.reading() as session:
            return list(await mails.list_mails(session, limit=1000))

    async def only(self) -> Mail:
        [mail] = await self.archive()
        return mail

    async def begin(self, mail: Mail) -> Mail:
        """What a relay does before it opens a connection."""
        async with self.database.session() as session:
            begun = await mails.begin_attempt(session, mail.id, self.clock(), self.clock() + outbox.LEASE)
        assert begun is not None
        return begun
