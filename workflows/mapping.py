"""Mapping a line to its organisations (SPEC 5.5; provisioning.md b.2 L12).

The mapping is the point of no return: everything that can be refused is refused before, and then the line is
bound in one step that no other message can come between.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from domain import wire
from domain.contact import reachable
from domain.customer import CustomerAdmin
from domain.errors import Code, Refusal
from domain.line import LineState, OpenTask
from domain.lookups import LookedUp, LookUp
from domain.mail import Template
from domain.mapping import CreatedOrganisation, MapLine, Mapped, OrganisationChoice, SetUpBy, check_country
from domain.orders import OrderContext
from domain.organisations import OrganisationKind, Parties, Permission
from domain.transitions import Notice
from workflows.names import TENANT_REF
from workflows.process import refusals
from workflows.set_up import SetUp


class Mapping(SetUp):
    """The message by which a line is bound to its organisations."""

    @workflow.update(name=wire.MAP_LINE)
    async def map_line(self, command: MapLine) -> Mapped:
        """Binds the line to its organisations: the point of no return (L12)."""
        with refusals():
            keys = [choice.key for choice in _choices(command) if choice.key is not None]
            found = await self.look_up(LookUp(parties=self.context.parties, organisations=tuple(keys)))
            if found is None:
                raise Refusal(Code.UNAVAILABLE, "the directory does not answer; nothing was bound")
            parties, created = self._parties(command, found)
            name = next((each.organisation.name for each in created if each.key == parties.customer), None)
            name = name or found.organisations[parties.customer].name
            answers = self.read_answers(command.answers)
            self._check_map(command)  # Whoever was faster meanwhile has won.
            context = self.context.model_copy(update={"parties": parties, "customer_name": name})
            return await self._bind(command, context, created, answers)

    @map_line.validator
    def _may_map(self, command: MapLine) -> None:
        with refusals():
            self._check_map(command)
            self.read_answers(command.answers)

    def _check_map(self, command: MapLine) -> None:
        self.check_contact()
        self.progress.check_map()
        contact = self.required_contact
        if command.generation is not None:
            contact.check_link(command.generation)
        if not contact.was_asked:
            raise Refusal(Code.NOT_PENDING, "line: it is still being prepared; the mail goes out by itself")
        check_country(command.partner, "partner")
        if command.customer is not None:
            check_country(command.customer, "customer")
        if command.customer_admin is not None:
            reachable(command.customer_admin, "customer_admin")
        if command.set_up_by is SetUpBy.CUSTOMER and self.offer.form is None:
            raise Refusal(Code.INVALID_INPUT, f"set_up_by: offer {self.offer.name} asks for no set-up")

    async def _bind(
        self,
        command: MapLine,
        context: OrderContext,
        created: tuple[CreatedOrganisation, ...],
        answers: dict[str, Any] | None,
    ) -> Mapped:
        self.progress.ponr_at = workflow.now()
        if context.parties.customer != self.context.parties.customer:
            workflow.upsert_search_attributes([TENANT_REF.value_set(context.parties.customer)])
        self.context, parties = context, context.parties
        self.order_line = self.order_line.model_copy(update={"context": context})
        given = {} if answers is None else self.take_answers(answers)
        if command.customer_admin is not None:
            self.customer_admin = CustomerAdmin(reachable(command.customer_admin, "customer_admin"))
        self.move(LineState.PROVISIONING)
        if self.required_contact.clock_from is None:
            self.closure.start(workflow.now())  # Without a mail: whoever maps the line has been reached.
        self.mapped = Mapped(at=workflow.now(), partner=parties.partner, customer=parties.customer)
        self.mapped = self.mapped.model_copy(update={"waits_for": self.open_task})
        asked = self.begin_set_up(command.actor)
        step = self.note(
            "line.mapped",
            actor=command.actor,
            reason=command.reason,
            services=self.service_change(),
            organisations=created,
            notices=(self._tell_of_binding(command.actor), *asked),
            data={"partner": parties.partner, "customer": parties.customer, "set_up_by": command.set_up_by}
            | given,
        )
        self.await_set_up_mail(step)
        await self.announce()
        return self.mapped

    def _parties(self, command: MapLine, found: LookedUp) -> tuple[Parties, tuple[CreatedOrganisation, ...]]:
        """Who plays which part from now on, and which of them have to be created.

        Raises:
            Refusal: INVALID_INPUT, naming the organisation that does not fit.
        """
        was = self.context.parties
        partner = self._organisation(command.partner, OrganisationKind.PARTNER, None, found)
        partner_key = partner.key if isinstance(partner, CreatedOrganisation) else partner
        customer = (
            self._organisation(command.customer, OrganisationKind.CUSTOMER, partner_key, found)
            if command.customer is not None
            else partner
        )
        customer_key = customer.key if isinstance(customer, CreatedOrganisation) else customer
        if self.context.domain is not None and customer_key != was.customer:
            raise Refusal(
                Code.INVALID_INPUT,
                f"customer: the domain {self.context.domain.display} was ordered for {was.customer};"
                f" map the line to it, or order again for {customer_key}",
            )
        new = [each for each in (partner, customer) if isinstance(each, CreatedOrganisation)]
        parties = Parties(provider=was.provider, partner=partner_key, customer=customer_key)
        return parties, tuple(dict.fromkeys(new))

    def _organisation(
        self, choice: OrganisationChoice, kind: OrganisationKind, partner: str | None, found: LookedUp
    ) -> str | CreatedOrganisation:
        if choice.new is not None:
            key = f"{self.order_line.service}-{kind}"
            return CreatedOrganisation(key=key, kind=kind, partner=partner, organisation=choice.new)
        assert choice.key is not None
        there = found.organisations.get(choice.key)
        if there is None:
            raise Refusal(Code.INVALID_INPUT, f"{kind}: there is no organisation {choice.key}")
        if kind is OrganisationKind.CUSTOMER and there.kind is not OrganisationKind.CUSTOMER:
            raise Refusal(Code.INVALID_INPUT, f"{kind}: {choice.key} is a {there.kind}")
        return choice.key

    def _tell_of_binding(self, actor: str) -> Notice:
        left = self.set_up_command if self.open_task is OpenTask.PARTNER else None
        return self.tell_owners(
            Template.LINE_MAPPED, permission=Permission.NOTIFY, decided_by=actor, command=left
        )


def _choices(command: MapLine) -> tuple[OrganisationChoice, ...]:
    return tuple(choice for choice in (command.partner, command.customer) if choice is not None)
