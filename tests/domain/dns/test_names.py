from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.dns.names import (
    DomainName,
    is_free_mail,
    mixed_script_labels,
    parse_domain,
    relative_owner,
    slug_label,
)
from domain.errors import Code, Refusal

LABELS = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=63)
KEYS = st.lists(LABELS, min_size=1, max_size=6).map(lambda labels: ".".join([*labels, "ch"]))


@pytest.mark.parametrize(
    ("text", "key", "display"),
    [
        ("Müller.CH", "xn--mller-kva.ch", "müller.ch"),
        ("  xn--mller-kva.ch. ", "xn--mller-kva.ch", "müller.ch"),
        ("XN--MLLER-KVA.CH", "xn--mller-kva.ch", "müller.ch"),
        ("straße.de", "xn--strae-oqa.de", "straße.de"),
        ("mu\u0308ller.ch", "xn--mller-kva.ch", "müller.ch"),
        ("contoso。ch", "contoso.ch", "contoso.ch"),
        ("a-b.co.uk", "a-b.co.uk", "a-b.co.uk"),
        ("3com.com", "3com.com", "3com.com"),
    ],
)
def test_a_domain_has_one_key_however_it_is_typed(text: str, key: str, display: str) -> None:
    assert parse_domain(text) == DomainName(key=key, display=display)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "give a name"),
        (".", "give a name"),
        ("https://contoso.ch/", "leave out scheme"),
        ("contoso.ch:443", "leave out scheme, port"),
        ("info@contoso.ch", "after the @"),
        ("_dmarc.contoso.ch", "underscore"),
        ("con toso.ch", "space"),
        ("con\u202etoso.ch", "invisible"),
        ("con\x00toso.ch", "invisible"),
        ("192.0.2.1", "IP address"),
        ("[2001:db8::1]", "IP addresses"),
        ("contoso", "single label"),
        ("contoso..ch", "not a valid domain"),
        ("contoso.ch..", "not a host name"),
        ("-contoso.ch", "not a valid domain"),
        ("ab--cd.ch", "not a valid domain"),
        ("xn--abc.ch", "not a valid domain"),
        ("contoso.123", "not a host name"),
        ("a" * 64 + ".ch", "not a valid domain"),
        (".".join(["a" * 60] * 5) + ".ch", "not a valid domain"),
        ("co.uk", "public suffix"),
        ("contoso.test", "reserved"),
        ("mail.localhost", "reserved"),
        ("example.com", "reserved"),
        ("abc.onion", "reserved"),
        ("x" * 5000, "give a name"),
    ],
)
def test_what_is_no_domain_is_refused_with_the_field_the_value_and_advice(text: str, advice: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_domain(text, "lines[0].domain")
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.startswith("lines[0].domain: ")
    assert advice in refused.value.message
    assert len(refused.value.message) < 350
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("alpenblick.example\r\nBcc: eve", r"'alpenblick.example\r\nBcc: eve'"),
        ("con\x00toso.ch", r"'con\x00toso.ch'"),
        ("\u202ehc.osotnoc", r"'\u202ehc.osotnoc'"),
        ("DOMAIN\\contoso", r"'DOMAIN\contoso'"),
    ],
)
def test_what_was_typed_is_quoted_with_each_control_character_escaped_once(text: str, quoted: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_domain(text)
    assert refused.value.message.startswith(f"domain: {quoted} ")


def test_reserved_names_are_for_tests_and_the_demo() -> None:
    assert parse_domain("contoso.test", allow_special_use=True).key == "contoso.test"


@given(st.text(max_size=80))
def test_any_text_is_a_domain_or_a_refusal(text: str) -> None:
    try:
        parsed = parse_domain(text)
    except Refusal as refusal:
        message = refusal.message
    else:
        message = ""
        assert parse_domain(parsed.key) == parse_domain(parsed.display) == parsed
        assert parsed.key == parsed.key.lower()
        assert parsed.key.isascii()
    assert message.isprintable()


@given(KEYS)
def test_reading_a_key_again_changes_nothing(text: str) -> None:
    try:
        parsed = parse_domain(text.upper())
    except Refusal:
        assume(False)
    else:
        assert parse_domain(parsed.key + ".") == parsed


@given(KEYS, KEYS)
def test_two_domains_never_share_a_slug(one: str, other: str) -> None:
    assert (slug_label(one) == slug_label(other)) == (one == other)


@given(KEYS)
def test_a_slug_is_a_host_label(key: str) -> None:
    slug = slug_label(key)
    assert len(slug) <= 63
    assert set(slug) <= set(string.ascii_lowercase + string.digits + "-")
    assert not slug.endswith("-")


def test_hyphen_and_dot_are_told_apart_in_slugs() -> None:
    assert slug_label("a-b.ch").rpartition("-")[0] == slug_label("a.b.ch").rpartition("-")[0] == "a-b-ch"
    assert slug_label("a-b.ch") != slug_label("a.b.ch")


@pytest.mark.parametrize(
    ("display", "mixed"),
    [
        ("pаypal.com", ("pаypal",)),
        ("müller.ch", ()),
        ("日本ひらがな.jp", ()),
        ("яндекс.ru", ()),
        ("a1-2.ch", ()),
    ],
)
def test_labels_of_several_scripts_are_pointed_out(display: str, mixed: tuple[str, ...]) -> None:
    assert mixed_script_labels(parse_domain(display)) == mixed


def test_free_mail_domains_are_known() -> None:
    assert is_free_mail("gmail.com")
    assert not is_free_mail("contoso.ch")


@pytest.mark.parametrize(
    ("owner", "relative"),
    [
        ("_x.contoso.ch.", "_x"),
        ("contoso.ch", "@"),
        ("A.B.Contoso.CH", "a.b"),
        ("notcontoso.ch", "notcontoso.ch"),
    ],
)
def test_an_owner_is_shown_as_consoles_want_it(owner: str, relative: str) -> None:
    assert relative_owner(owner, parse_domain("contoso.ch")) == relative
