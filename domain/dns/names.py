"""Domain names as people type them and as DNS keys them (provisioning.md e.2).

Everything that compares or stores a domain uses `DomainName.key`; everything people read uses `display`.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import unicodedata
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from domain.base import Message
from domain.errors import Code, Refusal

MAX_LABEL = 63
MAX_NAME = 253
"""Octets of a label and of a name in presentation form (RFC 1035 2.3.4)."""

SPECIAL_USE = frozenset(
    [
        "alt",
        "arpa",
        "example",
        "example.com",
        "example.net",
        "example.org",
        "internal",
        "invalid",
        "local",
        "localhost",
        "onion",
        "test",
    ]
)
"""Names nobody can own: RFC 2606, 6761, 6762, 7686, 9476 and ICANN's `internal`."""

FREE_MAIL_DOMAINS = frozenset(
    [
        "aol.com",
        "bluewin.ch",
        "freenet.de",
        "gmail.com",
        "gmx.at",
        "gmx.ch",
        "gmx.com",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hotmail.ch",
        "hotmail.com",
        "hotmail.de",
        "icloud.com",
        "live.com",
        "mail.com",
        "mail.ru",
        "me.com",
        "msn.com",
        "outlook.com",
        "outlook.de",
        "posteo.de",
        "proton.me",
        "protonmail.com",
        "sunrise.ch",
        "t-online.de",
        "web.de",
        "yahoo.com",
        "yahoo.de",
        "yandex.ru",
    ]
)
"""Default list of domains whose mailboxes belong to strangers; operators extend it."""

_SHOWN = 60
_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
_FORBIDDEN = {
    "/": "leave out scheme and path",
    ":": "leave out scheme, port and IP addresses",
    "@": "give the part after the @",
    "_": "an underscore occurs in record names only",
}


class DomainName(Message):
    """A domain in its two forms.

    Attributes:
        key: Lower-case A-label, without trailing dot; what is compared and stored.
        display: U-label; what people read.
    """

    key: str
    display: str


def shown(text: str, limit: int = _SHOWN) -> str:
    """Return somebody else's text for people to read: shortened, control characters escaped."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def parse_domain(text: str, field: str = "domain", *, allow_special_use: bool = False) -> DomainName:
    """Read a domain typed by a person (IDNA2008, UTS #46 non-transitional).

    Args:
        text: What was typed.
        field: The input field an error names.
        allow_special_use: Accept names such as `contoso.test`, for tests and the demo.

    Raises:
        Refusal: INVALID_INPUT with the field, the value and what to do.
    """
    try:
        key = _a_labels(text)
        _check_ownable(key, allow_special_use)
    except ValueError as problem:
        raise Refusal(Code.INVALID_INPUT, f"{field}: '{shown(text)}' {problem}.") from None
    return DomainName(key=key, display=idna.decode(key))


def _a_labels(text: str) -> str:
    name = text.strip().translate(_DOTS).removesuffix(".")
    if not name or len(name) > 4 * MAX_NAME:
        raise ValueError("is not a domain: give a name such as example.ch")
    for char, advice in _FORBIDDEN.items():
        if char in name:
            raise ValueError(f"contains {char!r}: {advice}")
    if any(c.isspace() or not c.isprintable() for c in name if c not in "\u200c\u200d"):
        raise ValueError("contains a space or an invisible character: type the name again")
    if _is_address(name):
        raise ValueError("is an IP address: give a domain name")
    try:
        key = idna.encode(unicodedata.normalize("NFC", name), uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"is not a valid domain name ({shown(str(error))}): correct the spelling") from None
    return key.lower()


def _check_ownable(key: str, allow_special_use: bool) -> None:
    labels = key.split(".")
    if len(labels) < 2:
        raise ValueError("has a single label: give the whole name, for example example.ch")
    if len(key) > MAX_NAME or any(len(label) > MAX_LABEL for label in labels):
        raise ValueError(f"is too long: at most {MAX_LABEL} characters a label, {MAX_NAME} in all")
    if not all(_HOST_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError("is not a host name: use letters, digits and inner hyphens")
    if not allow_special_use and any(".".join(labels[i:]) in SPECIAL_USE for i in range(len(labels))):
        raise ValueError("is reserved and cannot be owned: give a registered domain")
    if _public_suffixes().is_public(key):
        raise ValueError("is a public suffix under which others register: give your own domain below it")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def registrable_domain(key: str) -> str | None:
    """Return the part of a name that somebody registered: `contoso.ch` of `mail.contoso.ch`.

    None for a suffix. Those under which companies let strangers register, such as `github.io`, count as such.
    """
    registrable: str | None = _all_suffixes().privatesuffix(key)
    return registrable


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@cache
def _all_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def mixed_script_labels(name: DomainName) -> tuple[str, ...]:
    """Return the labels that mix scripts: a sign of a look-alike, worth a warning.

    Han, Hiragana, Katakana and Hangul occur together in ordinary names and count as one.
    """
    return tuple(label for label in name.display.split(".") if len(_scripts(label)) > 1)


def _scripts(label: str) -> set[str]:
    words = (unicodedata.name(char, "").split(" ")[0] for char in label if char.isalpha())
    return {"CJK" if word in {"HIRAGANA", "KATAKANA", "HANGUL"} else word for word in words}


def slug_label(key: str) -> str:
    """Return a host label for a domain that no other domain shares (provisioning.md e.2.3).

    Replacing dots by hyphens alone would give `a-b.ch` and `a.b.ch` the same label.
    """
    digest = base64.b32encode(hashlib.sha256(key.encode("ascii")).digest()).decode("ascii")[:8].lower()
    slug = key.replace(".", "-")[: MAX_LABEL - len(digest) - 1].rstrip("-")
    return f"{slug}-{digest}"


def is_free_mail(key: str) -> bool:
    """Tell whether a domain belongs to a free-mail provider, and so to no customer."""
    return key in FREE_MAIL_DOMAINS


def relative_owner(owner: str, domain: DomainName) -> str:
    """Return a record's owner as most DNS consoles want it: without the domain, `@` for the domain itself."""
    name = owner.removesuffix(".").lower()
    if name == domain.key:
        return "@"
    return name.removesuffix("." + domain.key)
