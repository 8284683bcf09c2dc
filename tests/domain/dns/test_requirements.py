from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.dns.names import parse_domain, slug_label
from domain.dns.requirements import RequirementTemplate, Rule, Severity, new_token, render_requirements


def template(**changes: object) -> RequirementTemplate:
    usual = {
        "id": "ownership",
        "purpose": "Proof of ownership",
        "owner": "_countersign-challenge.{domain}",
        "rule": "txt_token",
        "rrtype": "TXT",
        "expected": "token={token} expiry=never",
        "explain": "Set it at {domain}; the gate is {label}.gate.example.net.",
    }
    return RequirementTemplate.model_validate(usual | changes, extra="forbid")


def test_a_template_is_filled_in_for_one_domain() -> None:
    domain = parse_domain("Müller.ch")
    (rendered,) = render_requirements([template()], domain, "abc")
    assert rendered.owner == "_countersign-challenge.xn--mller-kva.ch"
    assert rendered.expected == "token=abc expiry=never"
    assert f"{slug_label(domain.key)}.gate.example.net" in rendered.explain
    assert (rendered.rule, rendered.severity) == (Rule.TXT_TOKEN, Severity.REQUIRED)


@pytest.mark.parametrize(
    "text", ["{tenant}", "{}", "{0}", "{domain.key}", "{domain!r}", "{domain:>9}", "{domain", "domain}"]
)
@pytest.mark.parametrize("field", ["owner", "expected", "explain"])
def test_an_unknown_placeholder_is_refused_when_the_offer_is_written(field: str, text: str) -> None:
    with pytest.raises(ValidationError, match="placeholder") as refused:
        template(**{field: text})
    assert refused.value.errors()[0]["loc"] == (field,)


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="severty"):
        template(severty="advisory")


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_a_token_is_32_characters_and_as_random_as_its_bytes(one: bytes, other: bytes) -> None:
    assert len(new_token(one)) == 32
    assert new_token(one).isalnum()
    assert (new_token(one) == new_token(other)) == (one == other)


@pytest.mark.parametrize("length", [0, 19, 21])
def test_a_token_takes_no_fewer_and_no_more_than_160_bit(length: int) -> None:
    with pytest.raises(ValueError, match="20 random bytes"):
        new_token(bytes(length))
