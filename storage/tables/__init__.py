"""Every table, so that whoever imports this package knows the whole schema."""

from storage.tables.catalogue import (
    DefinitionVersionRow,
    OfferVersionRow,
    RemovedDefinitionRow,
    VersionRow,
)
from storage.tables.columns import Row
from storage.tables.directory import GrantRow, OrganisationRow, OrganisationWordRow, PersonRow
from storage.tables.drafts import DraftRow
from storage.tables.evidence import CheckReportRow, DnsReportRow
from storage.tables.inventory import ClaimStatus, DomainClaimRow, ResourceRow, ServiceRow, SubmissionRow
from storage.tables.mails import MailRow, MailStatus
from storage.tables.notifications import NotificationRow
from storage.tables.processes import ApprovalRow, ApprovalSeatRow, ProcessRow, TransitionRow

metadata = Row.metadata

__all__ = [
    "ApprovalRow",
    "ApprovalSeatRow",
    "CheckReportRow",
    "ClaimStatus",
    "DefinitionVersionRow",
    "DnsReportRow",
    "DomainClaimRow",
    "DraftRow",
    "GrantRow",
    "MailRow",
    "MailStatus",
    "NotificationRow",
    "OfferVersionRow",
    "OrganisationRow",
    "OrganisationWordRow",
    "PersonRow",
    "ProcessRow",
    "RemovedDefinitionRow",
    "ResourceRow",
    "ServiceRow",
    "SubmissionRow",
    "TransitionRow",
    "VersionRow",
    "metadata",
]
