from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.dns.verdicts import Overall
from domain.orders import Order
from domain.organisations import OrganisationKind
from starter.client import Countersign
from starter.dev.samples import CATALOGUE
from starter.dev.temporal import TemporalServer
from starter.files import read_catalogue
from starter.publishing import publish
from starter.submission import CROCKFORD, ID_LENGTH
from storage import inventory
from storage.database import Database
from storage.tables import DomainClaimRow, SubmissionRow
from tests.replay.scenarios import BLOCKED
from tests.starter.office import SALES, Office, order, refusal
from tests.workflows.world import seen


@pytest.fixture
def offline(sampled: Database, client: Client, task_queue: str) -> Countersign:
    """A client without a worker: orders start and stand still."""
    return Countersign(client, sampled, allow_special_use=True, task_queue=task_queue)


async def input_of(client: Client, process: str) -> Order:
    """What an order process was started with."""
    history = await client.get_workflow_handle(process).fetch_history()
    payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
    [value] = await client.data_converter.decode(payloads, [Order])
    return value


async def rows(database: Database, table: type) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


class TestAccepted:
    async def test_lines_come_base_service_first_with_the_snapshots_they_keep(
        self, offline: Countersign
    ) -> None:
        accepted = await offline.submit(order("certificate", "sign-encrypt"), "k1")

        assert accepted.created
        assert [(line.number, line.offer, line.added) for line in accepted.lines] == [
            (1, "base-service@1", True),
            (2, "certificate@1", False),
            (3, "sign-encrypt@1", False),
        ]
        started = await input_of(offline.client, accepted.process)
        assert started.context.parties.model_dump() == {
            "provider": "nordwall",
            "partner": "bergsicht",
            "customer": "alpenblick",
        }
        assert [line.offer_hash for line in started.lines] == [line.offer_hash for line in accepted.lines]
        assert started.context.token
        assert len(started.context.token) == 32

    async def test_approval_definitions_travel_along_with_their_hash(self, offline: Countersign) -> None:
        accepted = await offline.submit(order("mail-archive", domain=None), "k1")

        [line] = (await input_of(offline.client, accepted.process)).lines
        assert line.approval is not None
        assert line.approval.reference == "two-of-three@1" == accepted.lines[0].definition
        assert line.approval_hash == accepted.lines[0].definition_hash

    async def test_the_calendars_that_stages_name_travel_along(
        self, offline: Countersign, sampled: Database
    ) -> None:
        definitions = read_catalogue(CATALOGUE)[1]
        before = next(each for each in definitions if each.name == "two-of-three")
        stages = [stage.model_copy(update={"calendar": OrganisationKind.PROVIDER}) for stage in before.stages]
        after = before.model_copy(update={"version": 2, "stages": tuple(stages)})
        await publish(sampled, [], [after], datetime.now(UTC))

        accepted = await offline.submit(order("mail-archive", domain=None), "k1")

        [line] = (await input_of(offline.client, accepted.process)).lines
        assert {kind: each.organisation for kind, each in line.calendars.items()} == {"provider": "nordwall"}
        assert line.calendars[OrganisationKind.PROVIDER].holidays

    async def test_operators_find_the_run_by_memo_and_search_attributes_without_personal_data(
        self, offline: Countersign
    ) -> None:
        accepted = await offline.submit(order("certificate"), "k1")

        described = await offline.client.get_workflow_handle(accepted.process).describe()
        attributes = {key.name: value for key, value in described.typed_search_attributes}
        assert attributes == {"ProcessKind": "order", "OrderRef": accepted.order, "TenantRef": "alpenblick"}
        memo = await described.memo()
        assert memo["lines"][1]["offer"] == "certificate@1"
        assert len(memo["lines"][1]["offer_hash"]) == 64
        assert (
            await described.static_summary()
            == "Order of Base service, Mail certificates for alpenblick.example"
        )

    async def test_ids_are_ten_unambiguous_characters(self, offline: Countersign) -> None:
        accepted = await offline.submit(order("certificate"), "k1")

        assert accepted.process == f"order-{accepted.order}"
        assert len(accepted.order) == ID_LENGTH
        assert set(accepted.order) <= set(CROCKFORD)

    async def test_a_customer_may_order_for_itself(self, offline: Countersign) -> None:
        accepted = await offline.submit(order("certificate", requested_by="alpenblick-admin-1"), "k1")

        started = await input_of(offline.client, accepted.process)
        assert started.context.parties.partner == "alpenblick"

    async def test_two_customers_may_order_for_one_domain_and_get_different_tokens(
        self, offline: Countersign
    ) -> None:
        ours = await offline.submit(order("certificate", domain="Müller.example"), "k1")
        theirs = await offline.submit(
            order("certificate", domain="xn--mller-kva.example.", customer="kueferei"), "k2"
        )

        first = (await input_of(offline.client, ours.process)).context
        second = (await input_of(offline.client, theirs.process)).context
        assert first.domain == second.domain
        assert first.token != second.token

    async def test_the_token_of_a_customer_and_domain_stays_with_further_orders(self, office: Office) -> None:
        first = await office.submit("certificate", key="k1")
        second = await office.submit("inbound-filter", key="k2")

        tokens = {
            (await input_of(office.client.client, each.process)).context.token for each in (first, second)
        }
        assert len(tokens) == 1


class TestAgain:
    async def test_the_same_key_and_body_is_the_same_order(self, offline: Countersign) -> None:
        first = await offline.submit(order("certificate"), "k1")
        again = await offline.submit(order("certificate", domain="  ALPENBLICK.Example. "), "k1")

        assert not again.created
        assert again.model_dump(exclude={"created"}) == first.model_dump(exclude={"created"})

    async def test_the_same_key_for_another_body_is_refused(self, offline: Countersign) -> None:
        first = await offline.submit(order("certificate"), "k1")

        code, message = await refusal(offline.submit(order("inbound-filter"), "k1"))
        assert code == "IDEMPOTENCY_MISMATCH"
        assert first.order in message

    async def test_ten_submissions_at_once_are_one_order(self, office: Office) -> None:
        answers = await asyncio.gather(*(office.submit("certificate") for _ in range(10)))

        assert len({each.order for each in answers}) == 1
        assert sum(each.created for each in answers) == 1
        assert len({each.lines for each in answers}) == 1
        query = f"OrderRef = '{answers[0].order}' AND ProcessKind = 'order'"
        await office.line_is(answers[0].order, "confirmed")
        assert len([run async for run in office.client.client.list_workflows(query)]) <= 1

    async def test_an_order_that_another_call_starts_meanwhile_is_answered_with_its_lines(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await office.submit("certificate")
        await office.line_is(first.order, "confirmed")
        lines, asked = office.client._lines, []

        async def not_there_at_first(order: str) -> object:
            asked.append(order)
            return await lines(order) if len(asked) > 1 else ()

        monkeypatch.setattr(office.client, "_lines", not_there_at_first)
        again = await office.submit("certificate")
        assert (again.order, again.lines, again.created) == (first.order, first.lines, False)

    async def test_it_stays_the_same_order_after_it_has_ended(self, office: Office) -> None:
        first = await office.submit("meetings-flex")
        await office.closed(first.process)

        again = await office.submit("meetings-flex")
        assert (again.order, again.created) == (first.order, False)

    async def test_a_crash_between_reservation_and_start_is_mended_by_sending_again(
        self, offline: Countersign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def crash(*_: object, **__: object) -> None:
            raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")

        with monkeypatch.context() as patch:
            patch.setattr(offline.client, "start_workflow", crash)
            code, _ = await refusal(offline.submit(order("certificate"), "k1"))
        assert code == "UNAVAILABLE"
        assert await rows(offline.database, SubmissionRow) == 1

        mended = await offline.submit(order("certificate"), "k1")
        assert not mended.created
        assert (await input_of(offline.client, mended.process)).context.id == mended.order

    async def test_it_stays_the_same_order_after_temporal_has_forgotten_it(
        self, office: Office, tmp_path: Path
    ) -> None:
        first = await office.submit("meetings-flex")
        await office.closed(first.process)

        async with TemporalServer(tmp_path / "empty") as empty:
            forgetful = Countersign(await empty.connect(), office.database, allow_special_use=True)
            again = await forgetful.submit(order("meetings-flex"), "k1")

            assert (again.order, again.created) == (first.order, False)
            assert [line.process for line in again.lines] == [line.process for line in first.lines]
            assert not [run async for run in forgetful.client.list_workflows("ProcessKind = 'order'")]
            code, _ = await refusal(forgetful.deploy(first.order, SALES))
            assert code == "PROCESS_ENDED"

    async def test_an_order_cancelled_before_its_lines_began_stays_cancelled_once_temporal_has_forgotten_it(
        self, office: Office, tmp_path: Path
    ) -> None:
        office.world.findings = (BLOCKED,)
        first = await office.submit("certificate")
        await office.client.cancel(first.order, SALES, "a mistake")
        await office.closed(first.process)

        async with TemporalServer(tmp_path / "empty") as empty:
            forgetful = Countersign(await empty.connect(), office.database, allow_special_use=True)
            again = await forgetful.submit(order("certificate"), "k1")

            assert (again.order, again.created) == (first.order, False)
            assert not [run async for run in forgetful.client.list_workflows("ProcessKind = 'order'")]

    async def test_whoever_lost_the_permission_meanwhile_still_gets_the_answer(
        self, offline: Countersign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await offline.submit(order("certificate"), "k1")

        async def nobody_may(*_: object) -> bool:
            return False

        monkeypatch.setattr("starter.resolving.directory.may", nobody_may)
        assert (await offline.submit(order("certificate"), "k1")).order == first.order


CONTACT = {"provisioning_contact": {"email": "carla@kueferei.example"}}
REFUSED = [
    ({"customer": "nobody"}, "INVALID_INPUT", "customer"),
    ({"customer": "nordwall"}, "INVALID_INPUT", "customer"),
    ({"requested_by": "nobody"}, "INVALID_INPUT", "requested_by"),
    ({"requested_by": "hafenblick-sales-1"}, "NOT_PERMITTED", "requested_by"),
    ({"requested_by": "bergsicht-contact-1"}, "NOT_PERMITTED", "requested_by"),
    ({"requested_by": "bergsicht-tickets"}, "NOT_PERMITTED", "requested_by"),
    ({"domain": None}, "INVALID_INPUT", "domain"),
    ({"domain": "alpenblick.example\r\nBcc: x@y.example"}, "INVALID_INPUT", "domain"),
    ({"domain": "https://alpenblick.example/"}, "INVALID_INPUT", "domain"),
    ({"domain": "192.0.2.1"}, "INVALID_INPUT", "domain"),
    ({"domain": "co.uk"}, "INVALID_INPUT", "domain"),
    ({"domain": "gmail.com"}, "INVALID_INPUT", "domain"),
    ({"offers": ["unheard-of"]}, "INVALID_INPUT", "items.0.offer"),
    ({"offers": ["sign-encrypt"]}, "INVALID_INPUT", "items"),
    ({"offers": ["certificate", "sign-only", "sign-encrypt"]}, "INVALID_INPUT", "items"),
    ({"offers": ["certificate", "certificate"]}, "DUPLICATE", "items"),
    ({"requested_start": datetime.now(UTC) + timedelta(days=400)}, "INVALID_INPUT", "requested_start"),
    ({"offers": ["meetings-suite"], "domain": None}, "INVALID_INPUT", "provisioning_contact"),
    ({"items": [{"offer": "certificate", **CONTACT}]}, "INVALID_INPUT", "items.0.provisioning_contact"),
]


class TestRefused:
    @pytest.mark.parametrize(("changes", "code", "field"), REFUSED)
    async def test_an_order_that_cannot_be_is_refused_by_its_field_and_leaves_nothing_behind(
        self, offline: Countersign, changes: dict[str, object], code: str, field: str
    ) -> None:
        offers = changes.pop("offers", ["certificate"]) if "offers" in changes else ["certificate"]
        assert isinstance(offers, list)

        got, message = await refusal(offline.submit(order(*offers, **changes), "k1"))

        assert got == code
        assert message.startswith(f"{field}:")
        assert await rows(offline.database, SubmissionRow) == 0
        assert await rows(offline.database, DomainClaimRow) == 0

    async def test_the_corrected_order_may_use_the_key_again(self, offline: Countersign) -> None:
        await refusal(offline.submit(order("sign-encrypt"), "k1"))

        assert (await offline.submit(order("certificate", "sign-encrypt"), "k1")).created

    @pytest.mark.parametrize("key", ["", "with space", "ä", "x" * 201, "line\nbreak"])
    async def test_a_key_that_fits_no_header_is_refused(self, offline: Countersign, key: str) -> None:
        code, message = await refusal(offline.submit(order("certificate"), key))
        assert code == "INVALID_INPUT"
        assert "key" in message

    async def test_reserved_names_are_for_demos_only(self, offline: Countersign) -> None:
        strict = Countersign(offline.client, offline.database)
        code, message = await refusal(strict.submit(order("certificate"), "k1"))
        assert code == "INVALID_INPUT"
        assert "alpenblick.example" in message

    async def test_without_its_namespace_temporal_counts_as_unavailable(
        self, temporal_server: TemporalServer, sampled: Database
    ) -> None:
        astray = await Client.connect(
            temporal_server.address, namespace="typo", data_converter=pydantic_data_converter
        )
        lost = Countersign(astray, sampled, allow_special_use=True)
        code, message = await refusal(lost.submit(order("certificate"), "k1"))
        assert code == "UNAVAILABLE"
        assert "typo" in message

    async def test_without_a_database_the_answer_is_unavailable(
        self, client: Client, sqlite_url: str
    ) -> None:
        lost = Database(f"{sqlite_url}.missing")
        code, message = await refusal(
            Countersign(client, lost, allow_special_use=True).submit(order("certificate"), "k")
        )
        await lost.dispose()
        assert code == "UNAVAILABLE"
        assert "migrate" in message


class TestMoreForADomain:
    async def test_what_the_domain_has_is_not_included_again(self, office: Office) -> None:
        office.world.records = lambda _watch, _attempt: seen(Overall.PENDING)
        first = await office.submit("certificate", key="k1")
        await office.line_is(first.order, "confirmed")

        second = await office.submit("inbound-filter", key="k2")
        assert [line.offer for line in second.lines] == ["inbound-filter@1"]

    async def test_what_another_line_requires_may_be_there_already(self, office: Office) -> None:
        first = await office.submit("certificate", key="k1")
        await office.line_is(first.order, "confirmed")

        second = await office.submit("sign-encrypt", key="k2")
        assert [line.offer for line in second.lines] == ["sign-encrypt@1"]

    async def test_the_same_service_again_is_a_duplicate(self, office: Office) -> None:
        first = await office.submit("certificate", key="k1")
        await office.line_is(first.order, "confirmed")

        code, message = await refusal(office.submit("certificate", key="k2"))
        assert code == "DUPLICATE"
        assert "Mail certificates" in message
        assert first.order in message

    async def test_what_can_be_had_again_is_ordered_again_unless_it_is_for_a_domain(
        self, office: Office
    ) -> None:
        for key, domain in (("k1", None), ("k2", None), ("k3", "alpenblick.example")):
            accepted = await office.submit("framework-contract", key=key, domain=domain)
            await office.pending(accepted.order, "finance")
        code, message = await refusal(office.submit("framework-contract", key="k4"))
        assert (code, accepted.order in message) == ("DUPLICATE", True)

    async def test_a_cancelled_service_is_in_nobodys_way(self, office: Office) -> None:
        first = await office.submit("certificate", key="k1")
        await office.line_is(first.order, "confirmed", 2)
        await office.client.cancel(first.order, "bergsicht-sales-1", "a mistake")
        await office.closed(wire.order_id(first.order))

        async with office.database.reading() as session:
            assert await inventory.services_of(session, "alpenblick", "alpenblick.example") == ()
        assert (await office.submit("certificate", key="k2")).created
