"""Composes the bytes of a mail: the same input gives the same bytes, whoever sends them and however often.

A mail may go out twice in the one window that SMTP leaves open (SPEC 9); mail systems and people take two
copies for one only if nothing differs, above all not the Message-ID (engineering.md 2.4).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from activities.mail.render import Rendered
from activities.mail.text import one_line
from domain.mail import MailGroup, parse_address

# `EmailMessage` decodes RFC 2047 encoded words in what it is given and writes line breaks inside them out
# as they are: "=?utf-8?q?=0D=0ABcc:_x?=" in an organisation's name would add a Bcc. It also loses spaces
# when it folds long headers. So headers are encoded here and it writes them as they are.
_AS_WRITTEN = SMTP.clone(refold_source="none")

_MAIL_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,98}(?<!\.)")
"""What may stand before the @ of a Message-ID without quoting (RFC 5322 3.2.3), as far as we use it."""

_URL = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,800}")
"""What may stand between the angle brackets of List-Unsubscribe: printable ASCII without any itself."""


def compose(
    *,
    mail_id: str,
    sender: str,
    sender_name: str,
    recipient: str,
    at: datetime,
    rendered: Rendered,
    group: MailGroup,
    process: str,
    unsubscribe: str | None = None,
) -> bytes:
    """Composes a mail to one recipient, ready for SMTP: CRLF lines, nothing but ASCII.

    Args:
        mail_id: Becomes the Message-ID, `<mail_id@domain of the sender>`.
        sender: Address in From.
        sender_name: Display name in From.
        recipient: The only address in To.
        at: Becomes the Date.
        rendered: What `render` wrote.
        group: For filters in the reader's mail client.
        process: Workflow id, likewise.
        unsubscribe: Where the reader can switch the group off, a URL without angle brackets (RFC 2369 3.2).

    Raises:
        Refusal: `sender` or `recipient` is not a single plain address.
        ValueError: `mail_id` cannot be part of a Message-ID, or `unsubscribe` is no plain URL.
    """
    if not _MAIL_ID.fullmatch(mail_id):
        raise ValueError(f"mail_id: {mail_id!a} cannot be part of a Message-ID")
    sender, recipient = parse_address(sender, "sender"), parse_address(recipient, "recipient")
    message = EmailMessage(policy=_AS_WRITTEN)
    message.set_raw("Message-ID", f"<{mail_id}@{sender.partition('@')[2]}>")
    message.set_raw("Date", format_datetime(at.astimezone(UTC)))
    message.set_raw("From", _mailbox(sender_name, sender))
    message.set_raw("To", recipient)
    message.set_raw("Subject", _unstructured("Subject", rendered.subject))
    # Keeps out-of-office replies from answering a machine (RFC 3834 5).
    message.set_raw("Auto-Submitted", "auto-generated")
    message.set_raw("X-Countersign-Group", group.value)
    message.set_raw("X-Countersign-Process", _unstructured("X-Countersign-Process", process))
    if unsubscribe is not None:
        if not _URL.fullmatch(unsubscribe):
            raise ValueError(f"unsubscribe: {unsubscribe!a} is no plain URL")
        # Without List-Unsubscribe-Post (RFC 8058): it promises that a POST alone switches the group off.
        message.set_raw("List-Unsubscribe", f"<{unsubscribe}>")
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    # "=" never stands by itself in quoted-printable, so no text can contain this boundary.
    message.set_boundary(f"=_{hashlib.sha256(mail_id.encode()).hexdigest()[:32]}")
    return message.as_bytes()


def _mailbox(name: str, address: str) -> str:
    display = one_line(name)
    if _is_plain(display):
        return formataddr((display, address))
    return f"{_encoded('From', display)} <{address}>"


def _unstructured(name: str, text: str) -> str:
    value = one_line(text)
    return value if _is_plain(value) else _encoded(name, value)


def _is_plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _encoded(name: str, text: str) -> str:
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")
