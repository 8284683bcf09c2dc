"""The records an offer asks for: the author's template and what one customer has to set.

The rendered `Requirement` is kept with the order line, so that a later version of the offer never moves
the goal of a customer who is already at work (SPEC D8).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from enum import StrEnum
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.base import Key, Message, Name, Text
from domain.dns.names import DomainName, slug_label

PLACEHOLDERS = ("domain", "token", "label")
"""What a template may say in braces: the domain's key, the ownership token, the derived host label."""

TOKEN_BYTES = 20
"""160 bit, 32 characters of base32 (provisioning.md e.7)."""


class Rule(StrEnum):
    """How an answer is compared with what is expected; `domain.dns.rules` has one evaluator for each."""

    TXT_TOKEN = "txt_token"  # noqa: S105 - a rule's name
    TXT_CONTAINS_TERM = "txt_contains_term"
    CNAME_EQUALS = "cname_equals"
    MX_ONLY = "mx_only"
    MX_INCLUDES = "mx_includes"
    SPF_INCLUDES = "spf_includes"
    DKIM_TXT_EQUALS = "dkim_txt_equals"
    CAA_ALLOWS = "caa_allows"
    ABSENT = "absent"
    FCRDNS = "fcrdns"
    DELEGATED = "delegated"


class Severity(StrEnum):
    """Required: the service waits for it. Advisory: shown only. Conflict: failing it breaks something now."""

    REQUIRED = "required"
    ADVISORY = "advisory"
    CONFLICT = "conflict"


def _known_placeholders(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"is not a template ({error}); braces only enclose a placeholder") from None
    for _, name, spec, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise ValueError(f"has the unknown placeholder {{{name}}}; known are {known}")
    return text


TemplateText = Annotated[Text, AfterValidator(_known_placeholders)]
"""Text with `{domain}`, `{token}` and `{label}`."""

RrType = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,15}$")]
"""A record type's mnemonic, such as TXT or CNAME."""


class RequirementTemplate(Message):
    """A record as the author of an offer describes it.

    Attributes:
        id: Stable name within the offer.
        purpose: What the record is for, in a few words.
        owner: The record's name; for `fcrdns` an IP address is possible, too.
        rule: How answers are judged.
        rrtype: The record's type; for `cname_equals` the type the chain has to end in, CNAME for any.
        expected: The value, depending on the rule: text, host name, include host, CA name.
        explain: What to do and why, for people.
    """

    id: Key
    purpose: Name
    owner: TemplateText
    rule: Rule
    rrtype: RrType
    severity: Severity = Severity.REQUIRED
    expected: TemplateText = ""
    explain: TemplateText = ""


class Requirement(Message):
    """A record one customer has to set; the fields are those of the template, filled in."""

    id: str
    purpose: str
    owner: str
    rule: Rule
    rrtype: str
    severity: Severity = Severity.REQUIRED
    expected: str = ""
    explain: str = ""


def render_requirements(
    templates: Iterable[RequirementTemplate], domain: DomainName, token: str
) -> tuple[Requirement, ...]:
    """Fill the templates in for one domain and its ownership token."""
    values = {"domain": domain.key, "token": token, "label": slug_label(domain.key)}
    return tuple(
        Requirement(
            id=template.id,
            purpose=template.purpose,
            owner=template.owner.format_map(values),
            rule=template.rule,
            rrtype=template.rrtype,
            severity=template.severity,
            expected=template.expected.format_map(values),
            explain=template.explain.format_map(values),
        )
        for template in templates
    )


def new_token(random_bytes: bytes) -> str:
    """Return an ownership token, one per tenant and domain and never used again for another tenant.

    Args:
        random_bytes: 20 bytes from a cryptographic source; the domain itself rolls no dice.

    Raises:
        ValueError: Another number of bytes was given.
    """
    if len(random_bytes) != TOKEN_BYTES:
        raise ValueError(f"a token needs {TOKEN_BYTES} random bytes, not {len(random_bytes)}")
    return base64.b32encode(random_bytes).decode("ascii").lower()
