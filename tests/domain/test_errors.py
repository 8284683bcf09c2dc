"""Every refusal has one row that says what it means outside (SPEC 11, Codes)."""

from __future__ import annotations

import re

import pytest

from domain.errors import REFUSALS, Code, Refusal

PUBLISHED = {
    "INVALID_INPUT", "NOT_FOUND", "NOT_PERMITTED", "SELF_APPROVAL", "NOT_AN_APPROVER", "WRONG_STAGE",
    "NOT_PENDING", "ALREADY_DECIDED", "APPROVAL_EXPIRED", "REASON_REQUIRED", "IDEMPOTENCY_MISMATCH",
    "DUPLICATE", "LINES_STARTED", "NOT_DEPLOYABLE", "POINT_OF_NO_RETURN", "PROCESS_ENDED",
    "TOO_OFTEN", "LIMIT_REACHED", "VERSION_CONFLICT", "AUDIT_BROKEN", "UNAVAILABLE",
}  # fmt: skip
"""Codes that callers may rely on. A new one is added here; none is ever taken away or renamed."""


def test_no_published_code_disappears() -> None:
    assert {str(code) for code in Code} >= PUBLISHED


@pytest.mark.parametrize("code", Code)
def test_a_code_travels_under_its_own_upper_snake_name(code: Code) -> None:
    assert code.value == code.name
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)


def test_every_code_has_exactly_one_meaning() -> None:
    assert set(REFUSALS) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_a_refusal_is_a_client_or_server_error_and_never_success_or_a_fault(code: Code) -> None:
    meaning = REFUSALS[code]
    assert 400 <= meaning.status < 600
    assert 2 <= meaning.exit_code <= 125  # 0 is success, 1 a fault, 126 and up belong to shells


@pytest.mark.parametrize("code", Code)
def test_a_refusal_advises_in_a_sentence(code: Code) -> None:
    advice = REFUSALS[code].advice
    assert advice[0].isupper()
    assert advice.endswith(".")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.ALREADY_DECIDED, 409),
        (Code.APPROVAL_EXPIRED, 410),
        (Code.POINT_OF_NO_RETURN, 409),
        (Code.IDEMPOTENCY_MISMATCH, 422),
        (Code.TOO_OFTEN, 429),
        (Code.NOT_PERMITTED, 403),
    ],
)
def test_the_references_status_codes_hold(code: Code, status: int) -> None:
    assert REFUSALS[code].status == status


def test_one_exit_code_stands_for_one_kind_of_refusal() -> None:
    kinds = {(meaning.exit_code, meaning.status // 100) for meaning in REFUSALS.values()}
    assert len(kinds) == len({exit_code for exit_code, _ in kinds})


def test_a_refusal_carries_its_code_its_sentence_and_its_meaning() -> None:
    refusal = Refusal(Code.DUPLICATE, "items: mail is ordered twice; order it once")
    assert str(refusal) == refusal.message == "items: mail is ordered twice; order it once"
    assert refusal.meaning is REFUSALS[Code.DUPLICATE]
