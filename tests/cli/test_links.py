from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain.links import LinkClaims, LinkPurpose, LinkSigner, recipient_digest
from starter.gateway import utc_now
from tests.cli.conftest import Run
from tests.starter.office import Office

KEY = "k" * 64


@pytest.fixture
async def token(office: Office, shell: pytest.MonkeyPatch) -> str:
    """A link that a worker with the same key put into a mail."""
    shell.setenv("COUNTERSIGN_LINK_KEYS", f"{'n' * 32},{KEY}")
    accepted = await office.submit("certificate")
    line = await office.line_is(accepted.order, "confirmed")
    claims = LinkClaims(
        process=line,
        purpose=LinkPurpose.PROVISION,
        generation=1,
        recipient=recipient_digest(line, "anna@kunde.example"),
        expires_at=utc_now() + timedelta(days=90),
    )
    return LinkSigner((KEY,)).sign(claims)


async def test_shows_what_a_link_is_for(token: str, run: Run) -> None:
    shown = await run("link", "show", token)
    assert shown.code == 0
    assert "provision" in shown.out
    assert "confirmed" in shown.out
    document = (await run("link", "show", token, "--json")).json
    assert document["process"] == f"order-{document['order']}-line-1"
    assert document["purpose"] == "provision"


async def test_shows_the_order_summary_and_writes_it_as_pdf(token: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "summary.pdf"
    shown = await run("link", "summary", token, "--pdf", str(file), "--json")
    assert [line["number"] for line in shown.json["lines"]] == [1]
    assert file.read_bytes().startswith(b"%PDF-")


async def test_refuses_a_changed_link_without_repeating_it(token: str, run: Run) -> None:
    refused = await run("link", "show", f"{token}x", "--json")
    assert refused.code == 4
    assert refused.error["code"] == "LINK_INVALID"
    assert token[:20] not in refused.err


async def test_says_which_setting_is_missing(token: str, run: Run, shell: pytest.MonkeyPatch) -> None:
    shell.delenv("COUNTERSIGN_LINK_KEYS")
    refused = await run("link", "show", token)
    assert refused.code == 7
    assert "COUNTERSIGN_LINK_KEYS" in refused.err
