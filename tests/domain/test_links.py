"""Links: nobody can make, change or outlive one, and keys can be replaced (SPEC 11, provisioning.md b.2)."""

from __future__ import annotations

import base64
import json
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from domain.errors import Refusal
from domain.links import LONGEST_TOKEN, LinkClaims, LinkPurpose, LinkSigner, link_url, recipient_digest

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
UNTIL = NOW + timedelta(days=90)
LINE = "order-o1-line-1"
ANNA = "anna@kunde.example"
OLD, NEW, FOREIGN = "o" * 32, "n" * 32, "f" * 32
SIGNER = LinkSigner((NEW,))
URL_SAFE = string.ascii_letters + string.digits + "-_."


def claims(**more: object) -> LinkClaims:
    values: dict[str, object] = {
        "process": LINE,
        "purpose": LinkPurpose.PROVISION,
        "generation": 1,
        "recipient": recipient_digest(LINE, ANNA),
        "expires_at": UNTIL,
    }
    return LinkClaims.model_validate(values | more)


TOKEN = SIGNER.sign(claims())

any_claims = st.builds(
    LinkClaims,
    process=st.from_regex(r"order-[a-z0-9]{1,40}-line-[1-9]", fullmatch=True),
    purpose=st.sampled_from(LinkPurpose),
    generation=st.integers(1, 10_000),
    recipient=st.emails().map(lambda email: recipient_digest(LINE, email)),
    expires_at=st.datetimes(datetime(2026, 3, 3), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


def refused(token: str, signer: LinkSigner = SIGNER, now: datetime = NOW) -> str:
    with pytest.raises(Refusal) as caught:
        signer.read(token, now)
    return caught.value.code


@given(any_claims)
def test_a_link_says_what_was_signed_and_fits_a_url_as_it_is(given_: LinkClaims) -> None:
    token = SIGNER.sign(given_)
    assert set(token) <= set(URL_SAFE)
    assert len(token) < 500
    assert SIGNER.read(token, NOW) == given_


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 255))
def test_a_link_with_a_changed_byte_is_invalid(at: int, flip: int) -> None:
    changed = TOKEN[:at] + chr(ord(TOKEN[at]) ^ flip) + TOKEN[at + 1 :]
    assert refused(changed) == "LINK_INVALID"


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(URL_SAFE))
def test_a_link_with_a_character_more_is_invalid(at: int, more: str) -> None:
    assert refused(TOKEN[:at] + more + TOKEN[at:]) == "LINK_INVALID"


@pytest.mark.parametrize("more", ["!", "=", " ", "\n", "\0", "+", "ä", "\ud800", "%2e"])
def test_no_character_is_passed_over(more: str) -> None:
    for at in (0, len(TOKEN) // 2, len(TOKEN) - 1, len(TOKEN)):
        assert refused(TOKEN[:at] + more + TOKEN[at:]) == "LINK_INVALID"


def test_a_link_that_was_cut_off_is_invalid() -> None:
    assert {refused(TOKEN[:length]) for length in range(len(TOKEN))} == {"LINK_INVALID"}


@given(st.text(max_size=300) | st.text(URL_SAFE, max_size=300))
def test_what_nobody_signed_is_invalid(text: str) -> None:
    assert refused(text) == "LINK_INVALID"


def test_what_is_endless_is_invalid() -> None:
    assert refused("a." * LONGEST_TOKEN) == "LINK_INVALID"


def test_claims_cannot_be_exchanged_under_a_signature() -> None:
    *_, signature = TOKEN.rpartition(".")
    payload = json.dumps(claims(generation=2).model_dump(mode="json"), separators=(",", ":"))
    forged = base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")
    assert refused(f"{forged}.{signature}") == "LINK_INVALID"


def test_a_signature_of_another_key_is_invalid() -> None:
    assert refused(LinkSigner((FOREIGN,)).sign(claims())) == "LINK_INVALID"


def test_what_the_same_key_signed_for_another_end_is_invalid() -> None:
    other = URLSafeSerializer(NEW, signer_kwargs={"key_derivation": "hmac"})
    assert refused(other.dumps(claims().model_dump(mode="json"))) == "LINK_INVALID"


def test_what_is_signed_but_no_link_is_invalid() -> None:
    for payload in (
        {"process": LINE},
        [],
        "link",
        None,
        claims().model_dump(mode="json") | {"generation": 0},
    ):
        assert refused(SIGNER._serializer.dumps(payload)) == "LINK_INVALID"


def test_a_link_ends_at_its_instant() -> None:
    assert SIGNER.read(TOKEN, UNTIL - timedelta(microseconds=1)) == claims()
    assert refused(TOKEN, now=UNTIL) == "LINK_EXPIRED"


def test_a_forged_link_does_not_tell_whether_it_would_have_expired() -> None:
    assert refused(TOKEN[:-1], now=UNTIL) == "LINK_INVALID"


def test_links_of_a_former_key_work_until_that_key_is_dropped() -> None:
    before, now, after = LinkSigner((OLD,)), LinkSigner((NEW, OLD)), LinkSigner((NEW,))
    token = before.sign(claims())
    assert now.read(token, NOW) == claims()
    assert refused(token, after) == "LINK_INVALID"
    assert after.read(now.sign(claims()), NOW) == claims()
    assert refused(now.sign(claims()), before) == "LINK_INVALID"


@pytest.mark.parametrize("keys", [(), ("k" * 31,), (NEW, "short")])
def test_keys_that_can_be_guessed_are_not_accepted(keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        LinkSigner(keys)
    assert "short" not in str(caught.value).replace("shorter", "")


def test_a_link_knows_whom_it_was_made_for_without_naming_them() -> None:
    assert claims().is_for("Anna@Kunde.example")
    assert not claims().is_for("bert@kunde.example")
    assert not claims(process="order-o1-line-2").is_for(ANNA)
    assert "anna" not in base64.urlsafe_b64decode(TOKEN.partition(".")[0] + "==").decode()


def test_a_link_is_a_page_below_the_public_address() -> None:
    assert link_url("https://portal.example/", TOKEN) == f"https://portal.example/links/{TOKEN}"
    assert link_url("https://portal.example/a", TOKEN) == f"https://portal.example/a/links/{TOKEN}"
