"""Composed mails: the same bytes each time, and nobody's text gets out of its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activities.mail.message import compose
from activities.mail.render import Rendered, render
from activities.mail.text import one_line
from domain.base import Language
from domain.errors import Refusal
from domain.mail import MailFacts, MailGroup, Template, Why

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HEADERS = [
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "X-Countersign-Group",
    "X-Countersign-Process",
    "MIME-Version",
    "Content-Type",
]
# Encoded words that hide a line break: EmailMessage decodes them and writes the break out.
SMUGGLED = "=?utf-8?q?a=0D=0ABcc:_eve@evil.example?="
hostile = st.text(max_size=250) | st.sampled_from(
    [
        SMUGGLED,
        f"x {SMUGGLED} y",
        "a\r\nBcc: eve@evil.example",
        "a\nb",
        "a\0b",
        "\u2028Bcc: x",
        "a, b <c@d.example>",
    ]
)


def composed(
    subject: str = "Bestellung 4711",
    text: str = "Guten Tag\n",
    html: str = "<p>Guten Tag</p>",
    *,
    mail_id: str = "m-4711.1",
    sender: str = "noreply@countersign.example",
    sender_name: str = "Countersign",
    recipient: str = "anna@customer.example",
    at: datetime = AT,
    process: str = "order-4711",
    unsubscribe: str | None = None,
) -> bytes:
    return compose(
        mail_id=mail_id,
        sender=sender,
        sender_name=sender_name,
        recipient=recipient,
        at=at,
        rendered=Rendered(subject, text, html),
        group=MailGroup.ORDERING,
        process=process,
        unsubscribe=unsubscribe,
    )


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_the_headers_are_these_and_no_others() -> None:
    message = parsed(composed())
    assert message.keys() == HEADERS
    assert message["Message-ID"] == "<m-4711.1@countersign.example>"
    assert message["Date"].datetime == AT
    assert message["From"] == "Countersign <noreply@countersign.example>"
    assert message["To"] == "anna@customer.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Countersign-Group"] == "ordering"
    assert message["X-Countersign-Process"] == "order-4711"


@pytest.mark.parametrize(
    "way",
    ["https://portal.example/people/ada/notifications?group=services", "mailto:stop@a.example?subject=x%20y"],
)
def test_a_group_that_can_be_switched_off_says_where_but_promises_no_single_click(way: str) -> None:
    message = parsed(composed(unsubscribe=way))
    assert message["List-Unsubscribe"] == f"<{way}>"
    assert message["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    "way",
    [
        "https://portal.example/\r\nBcc: eve@evil.example",
        "https://portal.example/>, <https://evil.example",
        "javascript:alert(1)",
        "https://portal.example/ä",
        "https://" + "x" * 900,
        "",
    ],
)
def test_what_is_no_plain_url_never_gets_into_the_header(way: str) -> None:
    with pytest.raises(ValueError, match="unsubscribe"):
        composed(unsubscribe=way)


def test_a_real_mail_comes_back_as_it_was_rendered(full_facts: MailFacts) -> None:
    mail = render(Template.OPEN_TASKS, Language.DE, full_facts, Why.REQUESTER, action_links=True)
    message = parsed(composed(mail.subject, mail.text, mail.html))
    assert message["Subject"] == mail.subject
    assert body(message, "plain") == mail.text
    assert body(message, "html").rstrip("\n") == mail.html.rstrip("\n")


def test_the_date_is_in_utc_whatever_zone_it_is_given_in() -> None:
    zone = timezone(timedelta(hours=2))
    assert composed(at=AT.astimezone(zone)) == composed(at=AT)


def test_another_mail_has_another_boundary_and_message_id() -> None:
    one, other = parsed(composed(mail_id="a")), parsed(composed(mail_id="b"))
    assert one.get_boundary() != other.get_boundary()
    assert one["Message-ID"] != other["Message-ID"]


def test_domains_become_a_labels_in_every_address() -> None:
    message = parsed(composed(sender="noreply@größe.example", recipient="anna@bücher.example"))
    assert message["To"] == "anna@xn--bcher-kva.example"
    assert message["Message-ID"] == "<m-4711.1@xn--gre-6ka8i.example>"


@pytest.mark.parametrize("field", ["sender", "recipient"])
@pytest.mark.parametrize(
    "address",
    [
        "anna@customer.example, eve@evil.example",
        "anna@customer.example\r\nBcc: eve@evil.example",
        "anna\0@customer.example",
        "Anna <anna@customer.example>",
        f"{SMUGGLED}@customer.example",
        "jürg@customer.example",
        "a" * 300 + "@customer.example",
        "",
    ],
)
def test_an_address_that_is_not_one_plain_address_is_refused(field: str, address: str) -> None:
    with pytest.raises(Refusal, match=f"^{field}: "):
        composed(**{field: address})


@pytest.mark.parametrize(
    "mail_id", ["", "a b", "a>b", "a@b", "a\r\nBcc: x", "a..b", ".a", "a.", "ä", "a" * 101]
)
def test_a_mail_id_that_does_not_fit_a_message_id_is_a_mistake(mail_id: str) -> None:
    with pytest.raises(ValueError, match="mail_id"):
        composed(mail_id=mail_id)


@given(subject=hostile, sender_name=hostile, process=hostile)
@example(subject=SMUGGLED, sender_name=SMUGGLED, process=SMUGGLED)
def test_no_text_adds_a_header_a_recipient_or_a_sender(subject: str, sender_name: str, process: str) -> None:
    raw = composed(subject, sender_name=sender_name, process=process)
    message = parsed(raw)
    assert message.keys() == HEADERS
    assert [each.addr_spec for each in message["To"].addresses] == ["anna@customer.example"]
    assert [each.addr_spec for each in message["From"].addresses] == ["noreply@countersign.example"]
    assert message["Subject"] == one_line(subject)
    assert message["X-Countersign-Process"] == one_line(process)


@given(subject=hostile, text=st.text(max_size=400), html=st.text(max_size=400))
def test_the_same_mail_composed_again_is_bit_identical_and_fit_for_any_server(
    subject: str, text: str, html: str
) -> None:
    harmless = [one_line(each) for each in (text, html)]
    raw = composed(subject, *harmless)
    assert composed(subject, *harmless) == raw
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert [body(parsed(raw), subtype).rstrip("\n") for subtype in ("plain", "html")] == harmless


def test_a_body_cannot_end_its_own_part() -> None:
    boundary = parsed(composed()).get_boundary()
    text = f"a\n--{boundary}--\n--{boundary}\nContent-Type: text/html\n\n<b>evil</b>\n"
    message = parsed(composed(text=text))
    assert body(message, "plain") == text
    assert len(list(message.iter_parts())) == 2
