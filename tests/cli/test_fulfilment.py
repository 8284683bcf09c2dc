"""A line's contact, mapping and set-up on the command line, by people and through links."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.mail import Template
from tests.cli.conftest import Run
from tests.starter.contacts import CARLA, asked, ordered
from tests.starter.office import LINK_KEY, OPERATOR, PORTAL, SALES, Office

DAVE = "dave@kueferei.example"
ADMIN = "admin@contoso.example"
BY_SALES = ("--as", SALES)
CUSTOMER = ("--partner", "bergsicht", "--customer", "kueferei")
NEW_CUSTOMER = ("--partner", "bergsicht", "--new-customer", "Contoso AG", "Retail", "ch")
SITES = {"sites": [{"name": "kueferei", "time_zone": "Europe/Zurich", "licences": 25}]}


@pytest.fixture
async def order(office: Office, shell: pytest.MonkeyPatch) -> str:
    """An order whose contact has the mail."""
    shell.setenv("COUNTERSIGN_LINK_KEYS", LINK_KEY)
    order = await ordered(office, "meetings-suite")
    await asked(office, order)
    return order


@pytest.fixture
async def link(office: Office, order: str) -> str:
    """The link in that mail, as it stands there."""
    return f"{PORTAL}/links/{await office.link(f'order-{order}-line-1', CARLA)}"


def answers(folder: Path, document: Any = SITES) -> str:
    file = folder / "answers.json"
    file.write_text(json.dumps(document))
    return str(file)


class TestContact:
    async def test_is_mailed_again_and_too_often_is_refused(
        self, office: Office, order: str, run: Run
    ) -> None:
        early = await run("order", "resend-mail", order, "--line", "1", *BY_SALES, "--json")
        assert early.code == 6
        assert early.error["code"] == "TOO_OFTEN"
        await office.skip(f"order-{order}-line-1", timedelta(minutes=1))
        assert (await run("order", "resend-mail", order, "--line", "1", *BY_SALES, "--json")).code == 0

    async def test_is_changed_for_all_lines(self, order: str, run: Run) -> None:
        changed = await run("order", "change-contact", order, "--email", DAVE, *BY_SALES, "--json")
        assert changed.code == 0
        (line,) = changed.json
        assert line["contact"]["contact"]["email"] == DAVE
        again = await run("order", "change-contact", order, "--email", DAVE, *BY_SALES)
        assert again.code == 5
        assert "DUPLICATE" in again.out

    async def test_can_be_changed_as_the_mail_about_a_bounce_says(
        self, office: Office, shell: pytest.MonkeyPatch, run: Run
    ) -> None:
        office.mail.unknown.add("gone@kueferei.example")
        order = await ordered(office, "meetings-suite", contact="gone@kueferei.example")
        status = await office.until(
            order, lambda s: any(e.action == "line.contact_bounced" for e in s.timeline)
        )
        mails = await office.client.mails(order=order)
        command = next(mail.facts.command for mail in mails if mail.template is Template.CONTACT_BOUNCED)
        assert command is not None
        assert command.startswith("countersign ")
        said = await run(*command.split()[1:], *BY_SALES, "--email", DAVE, "--json")
        assert said.code == 0
        # Where nobody can be asked for the address, the command says what it lacks.
        unsaid = await run(*command.split()[1:], *BY_SALES, "--json")
        assert unsaid.code == 2
        assert "--email" in unsaid.error["message"]
        assert "order change-contact" in status.next_steps[f"order-{order}-line-1"]

    async def test_hands_over_through_the_link(self, link: str, run: Run) -> None:
        over = await run("link", "hand-over", link, "--email", DAVE, "--json")
        assert over.code == 0
        assert over.json["generation"] == 2
        dead = await run("link", "show", link, "--json")
        assert dead.code == 5
        assert dead.error["code"] == "LINK_REVOKED"


class TestMapping:
    async def test_asks_before_it_binds(self, order: str, run: Run) -> None:
        unconfirmed = await run("order", "map", order, "--line", "1", *CUSTOMER, *BY_SALES)
        assert unconfirmed.code == 2
        assert "--yes" in unconfirmed.err
        mapped = await run("order", "map", order, "--line", "1", *CUSTOMER, *BY_SALES, "--yes", "--json")
        assert mapped.code == 0
        assert mapped.json["customer"] == "kueferei"
        late = await run("order", "map", order, "--line", "1", *CUSTOMER, *BY_SALES, "--yes", "--json")
        assert late.code == 5
        assert late.error["code"] == "POINT_OF_NO_RETURN"

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (("--partner", "bergsicht"), "--own-company"),
            ((*CUSTOMER, "--own-company"), "--own-company"),
            (("--customer", "kueferei"), "partner"),
            (("--partner", "a", "--new-partner", "B", "Retail", "CH", "--own-company"), "partner"),
            (("--partner", "a", "--new-customer", "B", "Retail", "Switzerland"), "country"),
            ((*CUSTOMER, "--answers", "nofile.yaml"), "nofile.yaml"),
            ((*CUSTOMER, "--customer-admin", "no address"), "customer_admin.email"),
        ],
    )
    async def test_names_the_options_that_do_not_fit(
        self, order: str, run: Run, options: tuple[str, ...], named: str
    ) -> None:
        refused = await run("order", "map", order, "--line", "1", *options, *BY_SALES, "--yes", "--json")
        assert refused.code in {2, 3}
        assert named in refused.error["message"]

    async def test_through_the_link_finds_creates_and_leaves_the_set_up_to_the_customer(
        self, office: Office, order: str, link: str, run: Run, tmp_path: Path
    ) -> None:
        found = await run("link", "organisations", link, "--search", "bergsicht", "--json")
        assert "bergsicht" in {each["key"] for each in found.json}
        mapped = await run("link", "map", link, *NEW_CUSTOMER, "--customer-admin", ADMIN, "--yes", "--json")
        assert mapped.json["waits_for"] == "customer_setup"
        for_admin = await office.link(f"order-{order}-line-1", ADMIN)
        nothing = await run("link", "set-up", for_admin, "--json")
        assert nothing.code == 2
        assert "countersign link form" in nothing.error["message"]
        asked = await run("link", "form", for_admin)
        assert "sites.0.name" in asked.out
        assert (await run("link", "form", for_admin, "--json")).json["type"] == "object"
        assert "Nobody has saved answers yet" in (await run("link", "draft", for_admin)).out
        kept = await run("link", "save-draft", for_admin, answers(tmp_path), "--json")
        assert (kept.json["version"], kept.json["saved_by"]) == (1, ADMIN)
        assert (await run("link", "draft", for_admin, "--json")).json == kept.json
        done = await run("link", "set-up", for_admin, "--json")
        assert done.code == 0
        await office.closed(f"order-{order}-line-1")


class TestSetUp:
    async def test_takes_the_saved_draft_as_the_reminder_says(
        self, office: Office, order: str, run: Run, tmp_path: Path
    ) -> None:
        line = f"order-{order}-line-1"
        await run("order", "map", order, "--line", "1", *CUSTOMER, *BY_SALES, "--yes")
        await office.skip(line, timedelta(days=3, hours=1))
        await office.until(order, lambda s: any(e.action == "line.set_up_reminded" for e in s.timeline))
        mails = await office.client.mails(order=order)
        command = next(mail.facts.command for mail in mails if mail.template is Template.SET_UP_REMINDER)
        assert command is not None
        empty = await run(*command.split()[1:], *BY_SALES, "--json")
        assert empty.code == 2
        assert "countersign order form" in empty.error["message"]
        await run("order", "save-draft", order, answers(tmp_path), "--line", "1", *BY_SALES)
        assert (await run(*command.split()[1:], *BY_SALES, "--json")).code == 0
        await office.closed(line)


class TestAskingTheCustomer:
    async def test_is_done_as_the_mail_about_a_bounce_says_and_shown(
        self, office: Office, order: str, link: str, run: Run, tmp_path: Path
    ) -> None:
        office.mail.unknown.add("gone@contoso.example")
        line = f"order-{order}-line-1"
        await run("link", "map", link, *CUSTOMER, "--customer-admin", "gone@contoso.example", "--yes")
        status = await office.until(
            order, lambda s: any(e.action == "line.customer_bounced" for e in s.timeline)
        )
        mails = await office.client.mails(order=order)
        command = next(mail.facts.command for mail in mails if mail.template is Template.CUSTOMER_BOUNCED)
        assert command is not None
        assert command == status.next_steps[line] == f"countersign order ask-customer {order} --line 1"
        shown = (await run("order", "show", order)).out
        assert "gone@contoso.example" in shown
        unsaid = await run(*command.split()[1:], *BY_SALES, "--json")
        assert (unsaid.code, "customer's admin with --email" in unsaid.error["message"]) == (2, True)
        asked = await run(*command.split()[1:], *BY_SALES, "--email", ADMIN, "--json")
        assert (asked.code, asked.json["generation"]) == (0, 2)
        again = await run("link", "ask-customer", link, "--email", ADMIN, "--json")
        assert (again.code, again.error["code"]) == (6, "TOO_OFTEN")
        for_admin = await office.link(line, ADMIN)
        assert (await run("link", "set-up", for_admin, "--answers", answers(tmp_path))).code == 0
        await office.closed(line)
        late = await run(*command.split()[1:], *BY_SALES, "--email", DAVE, "--json")
        assert (late.code, late.error["code"]) == (5, "PROCESS_ENDED")


class TestShowing:
    async def test_names_contact_clock_mapping_and_next_step(
        self, office: Office, order: str, run: Run
    ) -> None:
        shown = await run("order", "show", order)
        for words in (CARLA, "the line closes", f"countersign order map {order} --line 1"):
            assert words in shown.out
        await run("order", "map", order, "--line", "1", *CUSTOMER, *BY_SALES, "--yes")
        await office.line_is(order, "provisioning")
        shown = await run("order", "show", order)
        bound = "Küferei Müller & Söhne (kueferei), partner Bergsicht IT GmbH (bergsicht)"
        for words in (bound, "partner", f"countersign order set-up {order} --line 1"):
            assert words in shown.out
        document = (await run("order", "show", order, "--json")).json
        assert document["lines"][0]["view"]["contact"]["contact"]["email"] == CARLA
        assert document["next_steps"] == {
            f"order-{order}-line-1": f"countersign order set-up {order} --line 1"
        }

    async def test_an_order_file_may_name_who_completes_it(
        self, office: Office, run: Run, tmp_path: Path
    ) -> None:
        file = tmp_path / "order.yaml"
        file.write_text(
            f"customer: kueferei\nrequested_by: {SALES}\nitems: [{{offer: meetings-suite}}]\n"
            f"provisioning_contact: {{email: {CARLA}, name: Carla, language: de}}\n"
        )
        accepted = await run("order", "submit", str(file), "--json")
        assert accepted.code == 0
        await asked(office, accepted.json["order"])


class TestRetrying:
    async def test_is_refused_by_a_line_that_waits_for_no_operator(self, order: str, run: Run) -> None:
        refused = await run("order", "retry", order, "--line", "1", "--as", OPERATOR, "--json")
        assert refused.code == 5
        assert refused.error["code"] == "NOT_PENDING"
