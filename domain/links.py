"""The links in mails: what a link is for, signed, so that nobody can make or change one (SPEC 11, Links).

A provisioning link is a capability of one contact for one line. What it permits is written in it; that it is
still the present contact's link is known to the line's process alone, which therefore is asked again when
something is done through it (provisioning.md b.2, L10).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from itsdangerous import BadData, URLSafeSerializer
from pydantic import Field, ValidationError

from domain.base import Message, UtcDatetime
from domain.errors import Code, Refusal

SHORTEST_KEY = 32
"""Characters a key needs at least; as base64 or hexadecimal that is 128 bits or more."""

LONGEST_TOKEN = 2_000
"""Characters; what we sign stays below 500."""

_SALT = "countersign.links"
"""Keeps what is signed for other ends with the same key from being taken for a link."""

_ALPHABET = re.compile(r"[A-Za-z0-9_.-]+")


class LinkPurpose(StrEnum):
    """What may be done through a link.

    `provision` is the provisioning contact's: map the line, or hand it over (L11, L12), and set it up, with
    the mapping or later, unless that is left to the customer. `set_up` is that of the customer's admin, who
    answers the set-up form (L13).
    """

    PROVISION = "provision"
    SET_UP = "set_up"


class LinkClaims(Message):
    """What a link says of itself.

    Attributes:
        process: The line's workflow id.
        generation: Of the contact it was made for; the next contact's is another. The customer's admins are
            counted by themselves.
        recipient: Digest of that contact's address (`recipient_digest`).
        expires_at: From then on it is refused, whoever has it.
    """

    process: str
    purpose: LinkPurpose
    generation: Annotated[int, Field(ge=1)]
    recipient: str
    expires_at: UtcDatetime

    def is_for(self, email: str) -> bool:
        """Whether the link was made for this address."""
        return self.recipient == recipient_digest(self.process, email)


def recipient_digest(process: str, email: str) -> str:
    """What stands for an address in a link of a line.

    Links end up in logs and browser histories; addresses do not have to.
    """
    return hashlib.sha256(f"{process} {email.casefold()}".encode()).hexdigest()[:32]


class LinkSigner:
    """Signs links, and reads those that are signed (engineering.md 2.5).

    Args:
        keys: Newest first: it signs, the others still verify until the last of their links has expired.

    Raises:
        ValueError: There is no key, or one is shorter than 32 characters.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("links cannot be signed without a key")
        check_keys(keys)
        self._serializer = URLSafeSerializer(
            list(reversed(keys)),
            salt=_SALT,
            # SHA-384, because 48 bytes are 64 characters of base64 exactly: with spare bits in the last one,
            # a link would have several spellings.
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha384},
        )

    def sign(self, claims: LinkClaims) -> str:
        """Claims as a token that can stand in a URL as it is."""
        return self._serializer.dumps(claims.model_dump(mode="json"))

    def read(self, token: str, now: datetime) -> LinkClaims:
        """The claims of a token, from its very characters: there is no second spelling of a link.

        Raises:
            Refusal: LINK_INVALID if it is none of ours, or LINK_EXPIRED.
        """
        claims = self._claims(token)
        if claims is None:
            raise Refusal(
                Code.LINK_INVALID, "link: it is incomplete or was changed on its way; this one opens nothing"
            )
        if now >= claims.expires_at:
            raise Refusal(
                Code.LINK_EXPIRED, f"link: it could be used until {claims.expires_at:%Y-%m-%d %H:%M} UTC"
            )
        return claims

    def _claims(self, token: str) -> LinkClaims | None:
        # The library passes over characters that are no base64 where it decodes a signature.
        if len(token) > LONGEST_TOKEN or not _ALPHABET.fullmatch(token):
            return None
        try:
            return LinkClaims.model_validate(self._serializer.loads(token))
        except (BadData, ValidationError):
            return None


def check_keys(keys: Sequence[str]) -> None:
    """Refuses keys that could be guessed; the message repeats none of them.

    Raises:
        ValueError: One is too short.
    """
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"each key needs at least {SHORTEST_KEY} characters")


def link_url(public_url: str, token: str) -> str:
    """The page that shows what a link is for; opening it does nothing (SPEC 11, Links)."""
    return f"{public_url.rstrip('/')}/links/{token}"
