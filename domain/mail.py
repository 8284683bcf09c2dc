"""What mails say, and to whom they are addressed.

Pure: the texts are in `activities/mail/templates`, the SMTP dialogue in `activities/mail/delivery.py`.
Everything a mail may say is a fact of `MailFacts`, so that the mail archive can write it again.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import idna
from email_validator import EmailNotValidError, validate_email

from domain.base import Message, UtcDatetime
from domain.errors import Code, Refusal

MAX_ADDRESS = 254
"""Longest address that fits an SMTP path of 256 octets with its brackets (RFC 5321 4.5.3.1.3)."""


class MailGroup(StrEnum):
    """Groups of mail that people subscribe to (provisioning.md b.7)."""

    SECURITY = "security"
    ORDERING = "ordering"
    FINANCIAL = "financial"
    PEOPLE = "people"
    COMPANY = "company"
    SERVICES = "services"


class Template(StrEnum):
    """Wire names of the mail templates; each has a file of its own per language.

    `order_reminder` goes out for an order that still has findings after 14 days, `decision_refused` when
    an `approve` or `deny` signal, whose sender is not there to be answered, was refused (SPEC D5), and
    `open_tasks` lists the DNS records to set together with what was found.

    Of the actions of SPEC 4.4, `approval_delegated` goes to the delegate, `approval_handed_back` to whoever
    had delegated, `approver_added` to the approver who was added, `approval_escalated` to those who are now
    asked, `approval_asked` to whom an inquiry asks and `approval_answered` to whoever asked;
    `approval_rerouted` and `approval_restarted` tell those who had a part in it until then.
    `mails_undelivered` tells operators of mails that were rejected or given up.
    `line_held` asks operators to have tried again what a backend refused.
    `approval_digest` stands for all that would have asked somebody within one hour, `services_digest` for
    all that somebody would have been told of services.

    Of the steps of SPEC 5.4 and 5.5, `provisioning_details` asks the provisioning contact, `contact_changed`
    tells the former one, `contact_bounced` and `contact_handed_over` whoever ordered; `line_mapped` goes to
    the organisations a line was bound to, `customer_set_up` to the customer's admin, `customer_bounced` to
    whoever left it to an admin who cannot be reached, and `set_up_reminder` to whoever sets up.
    """

    ORDER_RECEIVED = "order_received"
    CHECK_FINDINGS = "check_findings"
    ORDER_REMINDER = "order_reminder"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_REMINDER = "approval_reminder"
    APPROVAL_HELD = "approval_held"
    APPROVAL_DELEGATED = "approval_delegated"
    APPROVAL_HANDED_BACK = "approval_handed_back"
    APPROVER_ADDED = "approver_added"
    APPROVAL_ESCALATED = "approval_escalated"
    APPROVAL_ASKED = "approval_asked"
    APPROVAL_ANSWERED = "approval_answered"
    APPROVAL_REROUTED = "approval_rerouted"
    APPROVAL_RESTARTED = "approval_restarted"
    APPROVAL_DIGEST = "approval_digest"
    APPROVAL_GRANTED = "approval_granted"
    APPROVAL_DENIED = "approval_denied"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_WITHDRAWN = "approval_withdrawn"
    DECISION_REFUSED = "decision_refused"
    ORDER_CONFIRMED = "order_confirmed"
    LINE_DEPLOYED = "line_deployed"
    OPEN_TASKS = "open_tasks"
    PROVISIONING_DETAILS = "provisioning_details"
    CONTACT_CHANGED = "contact_changed"
    CONTACT_BOUNCED = "contact_bounced"
    CONTACT_HANDED_OVER = "contact_handed_over"
    LINE_MAPPED = "line_mapped"
    CUSTOMER_SET_UP = "customer_set_up"
    CUSTOMER_BOUNCED = "customer_bounced"
    SET_UP_REMINDER = "set_up_reminder"
    CLOSURE_WARNING = "closure_warning"
    LINE_CLOSED = "line_closed"
    PROVISIONED = "provisioned"
    SERVICES_DIGEST = "services_digest"
    LINE_HELD = "line_held"
    CANCELLED = "cancelled"
    FAILED = "failed"
    MAILS_UNDELIVERED = "mails_undelivered"


class Why(StrEnum):
    """Why this reader gets the mail; said in its last paragraph.

    `involved` has no seat in the open stage but takes part in the approval: was asked, or decided before.
    `notify` is whoever is notified for the organisation, `operator` whoever runs the service for all of them,
    `workflow_mails` the address that only reads along (SPEC 6.4), `contact` the provisioning contact of a
    line and `customer_admin` whoever sets up the services for the customer: addresses, not people of the
    directory (SPEC 5.4, 5.5).
    """

    APPROVER = "approver"
    REQUESTER = "requester"
    INVOLVED = "involved"
    NOTIFY = "notify"
    OPERATOR = "operator"
    WORKFLOW_MAILS = "workflow_mails"
    CONTACT = "contact"
    CUSTOMER_ADMIN = "customer_admin"


OUTSIDERS = frozenset({Why.CONTACT, Why.CUSTOMER_ADMIN})
"""Readers who are nobody in the directory and cannot sign in: all they can use is a link of their own."""

_SERVICES = frozenset(
    {
        Template.LINE_DEPLOYED,
        Template.OPEN_TASKS,
        Template.LINE_MAPPED,
        Template.CUSTOMER_SET_UP,
        Template.SET_UP_REMINDER,
        Template.PROVISIONED,
        Template.SERVICES_DIGEST,
        Template.LINE_HELD,
        Template.FAILED,
        Template.MAILS_UNDELIVERED,
    }
)

RELEVANT_GROUP: dict[Template, MailGroup] = {
    template: MailGroup.SERVICES if template in _SERVICES else MailGroup.ORDERING for template in Template
}
"""The group each mail belongs to (provisioning.md b.1, b.2): a service being set up, or the order for it."""

_OWNERS = frozenset({Why.REQUESTER, Why.NOTIFY})

ASKED: dict[Template, frozenset[Why]] = {
    Template.CHECK_FINDINGS: frozenset({Why.REQUESTER}),
    Template.ORDER_REMINDER: frozenset({Why.REQUESTER}),
    Template.APPROVAL_REQUESTED: frozenset({Why.APPROVER}),
    Template.APPROVAL_REMINDER: frozenset({Why.APPROVER}),
    Template.APPROVAL_DELEGATED: frozenset({Why.APPROVER}),
    Template.APPROVAL_HANDED_BACK: frozenset({Why.APPROVER}),
    Template.APPROVER_ADDED: frozenset({Why.APPROVER}),
    Template.APPROVAL_ESCALATED: frozenset({Why.APPROVER}),
    Template.APPROVAL_ASKED: frozenset({Why.APPROVER, Why.REQUESTER, Why.INVOLVED}),
    Template.APPROVAL_ANSWERED: frozenset({Why.APPROVER}),
    Template.APPROVAL_DIGEST: frozenset({Why.APPROVER, Why.REQUESTER, Why.INVOLVED}),
    Template.DECISION_REFUSED: frozenset({Why.APPROVER, Why.INVOLVED}),
    Template.MAILS_UNDELIVERED: frozenset({Why.OPERATOR}),
    Template.OPEN_TASKS: _OWNERS,
    Template.LINE_HELD: frozenset({Why.OPERATOR}),
    Template.PROVISIONING_DETAILS: frozenset({Why.CONTACT}),
    Template.CONTACT_BOUNCED: _OWNERS,
    Template.CUSTOMER_SET_UP: frozenset({Why.CUSTOMER_ADMIN}),
    Template.CUSTOMER_BOUNCED: _OWNERS | {Why.CONTACT},
    Template.SET_UP_REMINDER: frozenset({Why.REQUESTER, Why.CUSTOMER_ADMIN}),
    Template.CLOSURE_WARNING: _OWNERS | OUTSIDERS,
    Template.LINE_CLOSED: _OWNERS | OUTSIDERS,
}
"""Of whom a mail wants something. To everybody else, and with any other template, it is only news."""


class RecordFact(Message):
    """A DNS record somebody has to set, and what was found of it (provisioning.md e.3, e.5).

    Attributes:
        owner: Absolute name, as A-label.
        relative_owner: The name inside the zone, as most DNS editors want it; `@` for the zone itself.
        verdict: PASS, MISSING, MISMATCH, CONFLICT, PARTIAL or UNKNOWN; empty if nobody looked yet.
        found: What is there instead, as text.
    """

    owner: str
    relative_owner: str
    rrtype: str
    value: str
    purpose: str = ""
    verdict: str = ""
    found: str = ""
    hint: str = ""


class FindingFact(Message):
    """A finding of the order check; `severity` is `blocking` or `warning`."""

    code: str
    severity: str
    field: str = ""
    message: str = ""


class ApprovalFact(Message):
    """An approval in a digest: what the mail it stands for would have said, named as in `MailFacts`.

    Attributes:
        template: Of the mail that it stands for.
    """

    template: Template
    order: str | None = None
    line: int | None = None
    process: str | None = None
    organisation: str | None = None
    offer: str | None = None
    domain: str | None = None
    domain_display: str | None = None
    requested_by: str | None = None
    decided_by: str | None = None
    stage: str | None = None
    question: str | None = None
    deadline: UtcDatetime | None = None
    url: str | None = None
    command: str | None = None


class ServiceFact(Message):
    """A piece of news in a digest: what the mail it stands for would have said, named as in `MailFacts`.

    Attributes:
        template: Of the mail that it stands for.
    """

    template: Template
    order: str | None = None
    line: int | None = None
    process: str | None = None
    organisation: str | None = None
    offer: str | None = None
    domain: str | None = None
    domain_display: str | None = None
    requested_by: str | None = None
    decided_by: str | None = None
    contact: str | None = None
    reason: str | None = None
    closes_at: UtcDatetime | None = None
    records: tuple[RecordFact, ...] = ()
    url: str | None = None
    command: str | None = None


class LinkFact(Message):
    """A signed link the mail carries; it is signed when the mail is composed (`domain/links.py`).

    Attributes:
        purpose: A value of `LinkPurpose`.
        generation: Of the contact it is made for.
    """

    purpose: str
    generation: int
    expires_at: UtcDatetime


class MailFacts(Message):
    """Everything a mail may say; what is not known is left out of it.

    Attributes:
        order: The order's id.
        process: Workflow id, what `countersign` and the Temporal UI find the process by.
        organisation: Name of the organisation that ordered.
        offer: The offer's title.
        domain: A-label; `domain_display` is the same name as people write it.
        decided_by: Who decided, whose decision was refused, or who did what the mail is about: delegated,
            handed back, added, escalated, asked, answered, rerouted, or published the new definition.
        stage: Title of the approval stage.
        target: Title of the stage at which a rerouted approval goes on.
        question: What an inquiry asks.
        answer: What was answered to it.
        deadline: When the waiting ends by itself.
        closes_at: When the order line closes unless provisioning is complete.
        waiting_for: Names of those whose turn it is.
        what_then: What happens at the deadline: `expire`, `approve`, `deny`, `escalate` or `close`.
        approvals: What a digest lists, at most `digests.LISTED`; `further` is how many more there are.
        services: What a digest of news lists instead.
        details: Further lines to be shown as they are.
        url: A page to look at; opening it never does anything (SPEC 11).
        command: A `countersign …` command line.
        contact: Address of the provisioning contact, or of the customer's admin.
        link: What the reader, and nobody else, may do without signing in.
    """

    order: str | None = None
    line: int | None = None
    process: str | None = None
    organisation: str | None = None
    offer: str | None = None
    domain: str | None = None
    domain_display: str | None = None
    requested_by: str | None = None
    reason: str | None = None
    decided_by: str | None = None
    stage: str | None = None
    target: str | None = None
    question: str | None = None
    answer: str | None = None
    deadline: UtcDatetime | None = None
    closes_at: UtcDatetime | None = None
    waiting_for: str | None = None
    what_then: str | None = None
    records: tuple[RecordFact, ...] = ()
    findings: tuple[FindingFact, ...] = ()
    approvals: tuple[ApprovalFact, ...] = ()
    services: tuple[ServiceFact, ...] = ()
    further: int = 0
    details: tuple[str, ...] = ()
    url: str | None = None
    command: str | None = None
    contact: str | None = None
    link: LinkFact | None = None


def parse_address(text: str, field: str = "email") -> str:
    """Reads one plain mail address (an addr-spec) and returns it in the form SMTP carries.

    Internationalised domains become A-labels. Non-ASCII characters before the @ are refused: they need
    SMTPUTF8 on every server along the way (RFC 6531), and a mail that must arrive cannot depend on that.

    Raises:
        Refusal: INVALID_INPUT, for anything but a single address of at most 254 characters: display
            names, lists, control characters (engineering.md 2.4, header injection).
    """
    if any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text):
        raise _invalid(field, text, "control characters are not allowed in a mail address")
    if "=?" in text:
        # Legal before the @, but mail software decodes it as an RFC 2047 encoded word, line breaks and all.
        raise _invalid(field, text, "'=?' is not allowed in a mail address")
    if len(text) > MAX_ADDRESS:
        raise _invalid(field, text, f"a mail address has at most {MAX_ADDRESS} characters")
    try:
        address = validate_email(
            text,
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,  # at most 64 characters before the @ (RFC 5321 4.5.3.1.1)
            check_deliverability=False,
        ).ascii_email
    except EmailNotValidError as error:
        raise _invalid(field, text, f"not a single mail address such as name@example.com: {error}") from None
    if address is None or len(address) > MAX_ADDRESS:
        raise _invalid(field, text, f"a mail address has at most {MAX_ADDRESS} characters, IDN encoded")
    return address


def shown_address(address: str) -> str:
    """An address as people read it: with the words of an internationalised domain, and its A-label beside.

    Both, as letters of different scripts can look the same. Whatever is no such address stays as it is.
    """
    local, at, domain = address.rpartition("@")
    if not at or "xn--" not in domain.lower():
        return address
    try:
        return f"{local}@{idna.decode(domain)} ({domain})"
    except idna.IDNAError:
        return address


def _invalid(field: str, text: str, problem: str) -> Refusal:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return Refusal(Code.INVALID_INPUT, f"{field}: {shown!r}: {problem}")
