"""Wire names: what other systems and old histories know us by. Never changed with a rename.

Ids name their process so that a person can type them (SPEC D2); they carry no personal data.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "countersign"

# Workflow types
ORDER = "Order"
ORDER_LINE = "OrderLine"
DEPLOYMENT_ROUND = "DeploymentRound"
RELAY_OUTBOX = "RelayOutbox"

# Updates
CHECK_ORDER = "order.check"
CANCEL_ORDER = "order.cancel"
DECIDE = "approval.decide"
WITHDRAW = "approval.withdraw"
DEPLOY_LINE = "line.deploy"
CANCEL_LINE = "line.cancel"
CHECK_RECORDS = "line.check_records"

# Signals
APPROVE = "approve"
DENY = "deny"
DEPLOY = "deploy"

# Queries
VIEW = "view"

# Activities
ANNOUNCE = "process.announce"
CHECK = "order.check_domain_and_services"
WATCH_RECORDS = "dns.watch"
SEE_RECORDS = "dns.check"
PROVISION = "service.provision"
RELAY = "outbox.relay"
DEPLOY_CONFIRMED = "deployment.deploy_confirmed"

# Error types of activities
NOT_YET = "NOT_YET"
ADAPTER_REFUSED = "ADAPTER_REFUSED"

# Singletons
RELAY_ID = "relay-outbox"
DEPLOYMENT_SCHEDULE = "automatic-deployment"
DEPLOYMENT_EVERY = timedelta(hours=4)

# Search attributes: seven of the ten keywords SQL visibility allows (SPEC 10).
PROCESS_KIND = SearchAttributeKey.for_keyword("ProcessKind")
PROCESS_STATE = SearchAttributeKey.for_keyword("ProcessState")
ORDER_REF = SearchAttributeKey.for_keyword("OrderRef")
SERVICE_REF = SearchAttributeKey.for_keyword("ServiceRef")
TENANT_REF = SearchAttributeKey.for_keyword("TenantRef")
OFFER_VERSION = SearchAttributeKey.for_keyword("OfferVersion")
DEFINITION_VERSION = SearchAttributeKey.for_keyword("DefinitionVersion")
SEARCH_ATTRIBUTES = (
    PROCESS_KIND,
    PROCESS_STATE,
    ORDER_REF,
    SERVICE_REF,
    TENANT_REF,
    OFFER_VERSION,
    DEFINITION_VERSION,
)


def order_id(order: str) -> str:
    """Workflow id of an order."""
    return f"order-{order}"


def line_id(order: str, number: int) -> str:
    """Workflow id of an order line."""
    return f"order-{order}-line-{number}"
