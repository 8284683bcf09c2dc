"""What the benchmarks order: offers, an approval, customers."""

from __future__ import annotations

from datetime import timedelta

from domain.definitions import ApprovalDefinition, Approvers, Combine, OnChange, Stage
from domain.dns.requirements import RequirementTemplate, Rule
from domain.offers import Deployment, Offer
from domain.organisations import Directory, Organisation, OrganisationKind, Person

PROVIDER = "nordwall"
PARTNER = "bergsicht"
CUSTOMER = "alpenblick"
REQUESTER = "bergsicht-sales-1"
FINANCE = "bergsicht-finance-1"
MANAGER = "nordwall-manager-1"
PROGRAM = "nordwall-erp"
"""May decide as well, and is never mailed. The directory is that of `catalog/`."""

MONTH = timedelta(days=30)

TWO_STAGES = ApprovalDefinition(
    name="bench-two-stages",
    version=1,
    title="Two stages, one of two each",
    stages=(
        Stage(
            name="finance",
            title="Finance of the partner",
            approvers=Approvers(people=(FINANCE, PROGRAM)),
            deadline=MONTH,
        ),
        Stage(
            name="provider",
            title="Capacity at the provider",
            approvers=Approvers(people=(MANAGER, PROGRAM)),
            deadline=MONTH,
        ),
    ),
)

UNMAILED = ApprovalDefinition(
    name="bench-unmailed",
    version=1,
    title="Asks nobody who reads mail",
    stages=(
        Stage(name="program", title="A program", approvers=Approvers(people=(PROGRAM,)), deadline=MONTH),
    ),
)

UNMAILED_ANEW = UNMAILED.model_copy(update={"version": 2, "on_update": OnChange.RESET})
UNMAILED_ONCE_MORE = UNMAILED_ANEW.model_copy(update={"version": 3})

BUYER = "bench-buyer"
VOTERS = ("bench-voter-1", "bench-voter-2", "bench-voter-3")
"""Programs, which are never mailed."""

ASKING_ALL = ApprovalDefinition(
    name="bench-asking-all",
    version=1,
    title="Open until everybody has approved",
    stages=(
        Stage(
            name="all",
            title="Three programs",
            approvers=Approvers(people=VOTERS),
            combine=Combine.ALL,
            deadline=MONTH,
        ),
    ),
)

OWNERSHIP = RequirementTemplate(
    id="ownership",
    purpose="Proof that the domain is yours",
    owner="_countersign-challenge.{domain}",
    rule=Rule.TXT_TOKEN,
    rrtype="TXT",
    expected="token={token} expiry=never",
)

REFERENCE = Offer(
    name="bench-reference",
    version=1,
    title="Reference request",
    approval=TWO_STAGES.name,
    deployment=Deployment.AT_ONCE,
    records=(OWNERSHIP,),
    closes_after=None,
)
"""SPEC 9: two stages, one DNS check, one 30-day timer. Verified records are all there is to provision."""

WATCHED = Offer(
    name="bench-watched",
    version=1,
    title="Watched for a month",
    deployment=Deployment.AT_ONCE,
    records=(OWNERSHIP,),
    closes_after=MONTH,
)
"""Waits for its record, is warned twice, and closes."""

PLAIN = Offer(
    name="bench-plain",
    version=1,
    title="Plain",
    deployment=Deployment.AT_ONCE,
    needs_domain=False,
    closes_after=None,
)
"""Nobody approves, nothing is looked up, no backend."""

APPROVED = PLAIN.model_copy(
    update={"name": "bench-approved", "title": "Approved", "approval": TWO_STAGES.name}
)
"""The same behind two stages of approval."""

OFFERS = (REFERENCE, WATCHED, PLAIN, APPROVED)


def customers(number: int) -> tuple[str, ...]:
    """Keys of customers; each may have every service once."""
    return tuple(f"bench-{each:05}" for each in range(number))


def directory_of(keys: tuple[str, ...]) -> Directory:
    """These customers, all of one partner, and the programs that order and vote."""
    return Directory(
        organisations=tuple(
            Organisation(key=key, kind=OrganisationKind.CUSTOMER, name=f"Customer {key}", partner=PARTNER)
            for key in keys
        ),
        people=tuple(Person(key=each, name=each) for each in (BUYER, *VOTERS)),
    )
