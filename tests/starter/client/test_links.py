"""What the holder of a link sees, and what is refused (SPEC 11, Links; provisioning.md b.2, L10)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.contact import Contact, ContactState
from domain.links import LinkClaims, LinkPurpose, LinkSigner, recipient_digest
from domain.transitions import ProcessView
from starter.client import Countersign
from starter.gateway import utc_now
from tests.starter.office import Office, refusal

SIGNER = LinkSigner(("k" * 64,))
SALES_ADDRESS = "beatrice.sales@bergsicht.example"


def reader(office: Office, signer: LinkSigner | None = SIGNER, now: datetime | None = None) -> Countersign:
    return Countersign(
        office.client.client,
        office.database,
        clock=lambda: now,
        task_queue=office.queue,
        links=signer,
    )


def token(process: str, email: str = SALES_ADDRESS, **more: object) -> str:
    values: dict[str, object] = {
        "process": process,
        "purpose": LinkPurpose.PROVISION,
        "generation": 1,
        "recipient": recipient_digest(process, email),
        "expires_at": utc_now() + timedelta(days=90),
    }
    return SIGNER.sign(LinkClaims.model_validate(values | more))


@pytest.fixture
async def line(office: Office) -> str:
    accepted = await office.submit("certificate")
    return await office.line_is(accepted.order, "confirmed")


class TestShowing:
    async def test_says_what_the_link_is_for_and_until_when(self, office: Office, line: str) -> None:
        until = utc_now() + timedelta(days=3)
        shown = await reader(office).show_link(token(line, expires_at=until))
        view = await office.client.view(line)
        assert (shown.process, shown.order, shown.line) == (line, view.order, 1)
        assert (shown.title, shown.offer, shown.state) == (view.title, view.offer, "confirmed")
        assert (shown.purpose, shown.generation, shown.expires_at) == ("provision", 1, until)
        assert shown.ponr_at is None

    async def test_names_the_contact_only_to_whom_a_mail_went(self, office: Office, line: str) -> None:
        mailed = (await office.client.mails(order=(await office.client.view(line)).order))[0]
        links = reader(office)
        assert (await links.show_link(token(mailed.process, mailed.recipient))).contact == mailed.recipient
        assert (await links.show_link(token(mailed.process, "nobody@kunde.example"))).contact is None

    async def test_changes_nothing_however_often_it_is_looked_at(self, office: Office, line: str) -> None:
        handle = office.time.client.get_workflow_handle(line)
        before = (await handle.fetch_history()).events
        for _ in range(3):
            await reader(office).show_link(token(line))
        assert (await handle.fetch_history()).events == before

    async def test_still_says_how_it_went_when_the_line_has_ended(self, office: Office) -> None:
        accepted = await office.submit("meetings-flex")
        await office.closed(accepted.process)
        (line,) = (await office.client.show(accepted.order)).lines
        assert (await reader(office).show_link(token(line.id))).state == line.view.state

    @pytest.mark.parametrize("generation", [1, 3])
    async def test_is_refused_once_somebody_else_is_the_contact(
        self, office: Office, line: str, generation: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contact = ContactState(contact=Contact(email=SALES_ADDRESS), generation=2)
        view = (await office.client.view(line)).model_copy(update={"contact": contact})

        async def answer(_: Countersign, __: str) -> ProcessView:
            return view

        monkeypatch.setattr(Countersign, "_ask", answer)
        code, message = await refusal(reader(office).show_link(token(line, generation=generation)))
        assert code == "LINK_REVOKED"
        assert message.startswith("link:")
        assert (await reader(office).show_link(token(line, generation=2))).generation == 2
        for_admin = token(line, generation=generation, purpose=LinkPurpose.SET_UP)
        assert (await reader(office).show_link(for_admin)).purpose is LinkPurpose.SET_UP

    async def test_is_refused_when_the_link_was_changed_or_is_over(self, office: Office, line: str) -> None:
        given = token(line)
        assert (await refusal(reader(office).show_link(given[:-1])))[0] == "LINK_INVALID"
        later = reader(office, now=utc_now() + timedelta(days=91))
        assert (await refusal(later.show_link(given)))[0] == "LINK_EXPIRED"

    async def test_of_a_process_that_nobody_knows_is_not_found(self, office: Office) -> None:
        assert (await refusal(reader(office).show_link(token("order-o9-line-1"))))[0] == "NOT_FOUND"

    async def test_needs_the_keys(self, office: Office, line: str) -> None:
        code, message = await refusal(reader(office, None).show_link(token(line)))
        assert code == "UNAVAILABLE"
        assert "COUNTERSIGN_LINK_KEYS" in message


class TestRedeeming:
    async def test_gives_what_was_signed_any_number_of_times(self, office: Office, line: str) -> None:
        links, given = reader(office), token(line)
        claims = links.redeem(given, LinkPurpose.PROVISION)
        assert (claims.process, claims.generation) == (line, 1)
        assert claims.is_for(SALES_ADDRESS)
        assert links.redeem(given, LinkPurpose.SET_UP, LinkPurpose.PROVISION) == claims

    @pytest.mark.parametrize("purpose", LinkPurpose)
    async def test_is_refused_for_another_purpose(
        self, office: Office, line: str, purpose: LinkPurpose
    ) -> None:
        (other,) = set(LinkPurpose) - {purpose}

        async def redeem() -> LinkClaims:
            return reader(office).redeem(token(line, purpose=purpose), other)

        code, message = await refusal(redeem())
        assert code == "LINK_INVALID"
        assert purpose in message
