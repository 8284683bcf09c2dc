"""An SMTP server that does what a test tells it to, and the facts most tests mail."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activities.mail.delivery import MailSettings, Tls
from domain.links import LinkPurpose
from domain.mail import ApprovalFact, FindingFact, LinkFact, MailFacts, RecordFact, ServiceFact, Template

SENDER = "noreply@countersign.example"


class SmtpServer:
    """Speaks SMTP by a script.

    `replies` replaces the reply to a verb, `hangs_up_at` cuts the connection instead of replying,
    `silent_at` never replies; `says_goodbye_at_body` closes its own direction and reads on. Verbs are
    upper case; GREETING, BODY (after 354, the mail unread) and DOT (after the complete mail) stand for
    the places that have none.
    """

    def __init__(self) -> None:
        self.replies: dict[str, str] = {}
        self.hangs_up_at: str | None = None
        self.silent_at: str | None = None
        self.says_goodbye_at_body = False
        self.offers: list[str] = []
        self.password = "right"
        self.tls: ssl.SSLContext | None = None
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def start(self, *, implicit_tls: bool = False) -> None:
        tls = self.tls if implicit_tls else None
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def hang_up(self) -> None:
        for writer in self._sessions.values():
            writer.transport.abort()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._sessions[task] = writer
        try:
            await self._answer(writer, "GREETING", "220 test server")
            while line := await reader.readline():
                command = line.decode().rstrip()
                self.commands.append(command)
                await self._obey(reader, writer, command)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            del self._sessions[task]
            writer.close()

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str) -> None:
        match command.split(maxsplit=1)[0].upper():
            case "EHLO":
                lines = ["test", *self.offers]
                reply = "\r\n".join(f"250{'-' if n < len(lines) else ' '}{x}" for n, x in enumerate(lines, 1))
                await self._answer(writer, "EHLO", reply)
            case "STARTTLS":
                await self._answer(writer, "STARTTLS", "220 go ahead")
                if "STARTTLS" not in self.replies:
                    assert self.tls is not None
                    await writer.start_tls(self.tls)
            case "AUTH":
                name_and_password = base64.b64decode(command.split()[2]).split(b"\0")[1:]
                known = name_and_password == [b"user", self.password.encode()]
                await self._answer(writer, "AUTH", "235 welcome" if known else "535 wrong password")
            case "DATA":
                if await self._answer(writer, "DATA", "354 go ahead") == "354 go ahead":
                    await self._take_mail(reader, writer)
            case "QUIT":
                await self._answer(writer, "QUIT", "221 bye")
                raise ConnectionResetError
            case verb:
                await self._answer(writer, verb, "250 ok")

    async def _take_mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._obstruct("BODY", writer)
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            if self.says_goodbye_at_body and not lines:
                writer.write_eof()
            lines.append(line[1:] if line.startswith(b".") else line)
        self.mails.append(b"".join(lines))
        await self._answer(writer, "DOT", "250 taken over as 42")

    async def _answer(self, writer: asyncio.StreamWriter, place: str, usual: str) -> str:
        await self._obstruct(place, writer)
        reply = self.replies.get(place, usual)
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return reply

    async def _obstruct(self, place: str, writer: asyncio.StreamWriter) -> None:
        if self.hangs_up_at == place:
            writer.transport.abort()
            raise ConnectionResetError
        if self.silent_at == place:
            await asyncio.Event().wait()


@pytest.fixture
def settings_for() -> Callable[..., MailSettings]:
    def build(server: SmtpServer, **changes: object) -> MailSettings:
        fields = {"host": "127.0.0.1", "port": server.port, "sender": SENDER, "tls": Tls.NONE}
        return MailSettings(**(fields | {"sender_name": "Countersign"} | changes))  # type: ignore[arg-type]

    return build


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key for 127.0.0.1, signed by itself, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test server")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="session")
def full_facts() -> MailFacts:
    """Facts with every field set, each value easily told apart."""
    return MailFacts(
        order="4711",
        line=3,
        process="order-4711-line-3",
        organisation="Muster & Söhne AG",
        offer="Signatur <Plus>",
        domain="xn--bcher-kva.example",
        domain_display="bücher.example",
        requested_by="Anna Auftrag",
        reason="Zu teuer.\nBitte günstiger.",
        decided_by="Dora Entscheid",
        stage="Finanzen",
        target="Technik",
        question="Wozu so viel?\nUnd bis wann?",
        answer="Für die Messe.\nBis Mai.",
        deadline=datetime(2026, 3, 2, 8, 5, tzinfo=UTC),
        closes_at=datetime(2027, 12, 31, 23, 59, tzinfo=UTC),
        waiting_for="Bea Bewilligung",
        what_then="expire",
        records=(
            RecordFact(
                owner="_challenge.xn--bcher-kva.example",
                relative_owner="_challenge",
                rrtype="TXT",
                value='token="a&b"  expiry=never ' + "x" * 300,
                purpose="Besitznachweis",
                verdict="MISSING",
                hint="TTL verkürzen",
            ),
            RecordFact(
                owner="xn--bcher-kva.example",
                relative_owner="@",
                rrtype="MX",
                value="10 gate.example.",
                verdict="MISMATCH",
                found="20 mail.old.example.",
            ),
        ),
        findings=(
            FindingFact(code="SPF_BUDGET", severity="blocking", field="domain", message="11 of 10 lookups"),
        ),
        approvals=(
            ApprovalFact(
                template=Template.APPROVAL_REMINDER,
                order="4712",
                line=1,
                process="order-4712-line-1",
                organisation="Kunz & Cie",
                offer="Archiv",
                domain="kunz.example",
                requested_by="Beat Besteller",
                stage="Technik",
                deadline=datetime(2026, 3, 4, 10, 0, tzinfo=UTC),
                url="https://portal.example/processes/order-4712-line-1",
                command="countersign approve order-4712-line-1",
            ),
            ApprovalFact(
                template=Template.APPROVAL_ASKED,
                order="4713",
                decided_by="Carla Frage",
                question="Seit wann?\nUnd für wen?",
            ),
        ),
        services=(
            ServiceFact(
                template=Template.OPEN_TASKS,
                order="4714",
                line=2,
                process="order-4714-line-2",
                organisation="Lenz <Holding>",
                offer="Meetings",
                domain="lenz.example",
                requested_by="Berta Bestellerin",
                closes_at=datetime(2026, 3, 9, 6, 0, tzinfo=UTC),
                records=(
                    RecordFact(
                        owner="lenz.example",
                        relative_owner="@",
                        rrtype="TXT",
                        value="token=lenz",
                        purpose="Inhaberschaft",
                        verdict="PARTIAL",
                    ),
                ),
                url="https://portal.example/processes/order-4714-line-2",
                command="countersign order check 4714",
            ),
            ServiceFact(
                template=Template.FAILED,
                order="4715",
                contact="carlo@kontakt.example",
                decided_by="Egon Entscheider",
                reason="Kein Platz.\nMorgen wieder.",
            ),
        ),
        further=7,
        details=("erste Einzelheit", "zweite Einzelheit"),
        url="https://portal.example/orders/4711?a=1&b=2",
        command="countersign approve order-4711-line-3 --stage finanzen",
        contact="carla.contact@customer.example",
        link=LinkFact(
            purpose=LinkPurpose.PROVISION,
            generation=2,
            expires_at=datetime(2026, 5, 31, 12, 30, tzinfo=UTC),
        ),
    )
