"""Addresses and groups of mails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Code, Refusal
from domain.mail import (
    ASKED,
    RELEVANT_GROUP,
    MailFacts,
    Template,
    Why,
    parse_address,
    shown_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@customer.example", "anna@customer.example"),
        ("Anna.B+orders@Customer.Example", "Anna.B+orders@customer.example"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("anna@xn--bcher-kva.example", "anna@xn--bcher-kva.example"),
        ("a" * 64 + "@" + "b" * 60 + ".example", "a" * 64 + "@" + "b" * 60 + ".example"),
    ],
)
def test_a_plain_address_comes_back_as_smtp_carries_it(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna@",
        "@customer.example",
        "Anna <anna@customer.example>",
        "<anna@customer.example>",
        "anna@customer.example, eve@evil.example",
        "anna@customer.example;eve@evil.example",
        "anna@customer.example eve@evil.example",
        "anna@customer.example\r\nBcc: eve@evil.example",
        "anna@customer.example\n",
        "anna\0@customer.example",
        "anna\x85@customer.example",
        "anna\u202e@customer.example",
        "anna\u2028@customer.example",
        "anna\ud800@customer.example",
        '"anna anna"@customer.example',
        "anna@[127.0.0.1]",
        "anna@localhost",
        "anna@-customer.example",
        "anna..b@customer.example",
        "=?utf-8?q?a=0D=0ABcc?=@customer.example",
        "a" * 65 + "@customer.example",
        "aaa@" + ".".join(["b" * 60] * 4) + ".example",
        "a" * 312 + "@x.ample",
        "ü" * 20 + "@customer.example",
    ],
)
def test_anything_but_one_plain_address_is_refused_by_name_of_the_field(text: str) -> None:
    with pytest.raises(Refusal, match=r"^contact\.email: ") as refused:
        parse_address(text, field="contact.email")
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 500


def test_what_is_no_address_is_repeated_as_it_was_written() -> None:
    with pytest.raises(Refusal, match=r"'Jürg Müller <jm@customer.example>'"):
        parse_address("Jürg Müller <jm@customer.example>")


def test_a_local_part_that_needs_smtputf8_is_refused_with_the_reason() -> None:
    with pytest.raises(Refusal, match="before the @-sign"):
        parse_address("jürg@customer.example")


def test_the_a_label_counts_for_the_length_too() -> None:
    with pytest.raises(Refusal):
        parse_address("a@" + ".".join(["ü" * 30] * 6) + ".example")


@given(st.text(max_size=400) | st.emails() | st.lists(st.emails(), min_size=2).map(", ".join))
def test_whatever_passes_is_one_address_of_harmless_characters(text: str) -> None:
    try:
        address = parse_address(text)
    except Refusal:
        return
    assert address.isascii()
    assert address.isprintable()
    assert address.count("@") == 1
    assert not set(address) & set(' ,;:<>()[]"\\')
    assert len(address) <= 254
    assert parse_address(address) == address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("anna@xn--bcher-kva.example", "anna@bücher.example (xn--bcher-kva.example)"),
        ("anna@mail.XN--BCHER-KVA.example", "anna@mail.bücher.example (mail.XN--BCHER-KVA.example)"),
        ("anna@customer.example", "anna@customer.example"),
        ("xn--anna@customer.example", "xn--anna@customer.example"),
        ("anna@xn--999999999.example", "anna@xn--999999999.example"),
        ("bergsicht-sales-1", "bergsicht-sales-1"),
        ("", ""),
    ],
)
def test_people_read_an_internationalised_domain_in_its_letters_and_as_it_is_sent(
    address: str, shown: str
) -> None:
    assert shown_address(address) == shown


def test_every_template_has_a_group_and_mails_only_ask_those_who_can_act() -> None:
    assert set(RELEVANT_GROUP) == set(Template)
    assert all(Why.WORKFLOW_MAILS not in asked for asked in ASKED.values())


def test_facts_of_a_newer_build_still_decode() -> None:
    assert MailFacts.model_validate({"order": "4711", "colour": "blue"}) == MailFacts(order="4711")
