"""Wire names: what other systems and old histories know us by. Never changed with a rename."""

from __future__ import annotations

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
WATCH_CHECK = "order.watch_check"
WATCH_RECORDS = "dns.watch"
SEE_RECORDS = "dns.check"
PROVISION = "service.provision"
RELAY = "outbox.relay"
DEPLOY_CONFIRMED = "deployment.deploy_confirmed"

# Error types of activities
NOT_YET = "NOT_YET"
ADAPTER_REFUSED = "ADAPTER_REFUSED"

# Search attributes (all keywords): seven of the ten that SQL visibility allows (SPEC 10)
PROCESS_KIND = "ProcessKind"
PROCESS_STATE = "ProcessState"
ORDER_REF = "OrderRef"
SERVICE_REF = "ServiceRef"
TENANT_REF = "TenantRef"
OFFER_VERSION = "OfferVersion"
DEFINITION_VERSION = "DefinitionVersion"
SEARCH_ATTRIBUTES = (
    PROCESS_KIND,
    PROCESS_STATE,
    ORDER_REF,
    SERVICE_REF,
    TENANT_REF,
    OFFER_VERSION,
    DEFINITION_VERSION,
)

# Singletons of an installation
RELAY_ID = "relay-outbox"
DEPLOYMENT_SCHEDULE = "automatic-deployment"


def relay_id(task_queue: str = TASK_QUEUE) -> str:
    """Workflow id of the relay of the installation whose processes run on a task queue (SPEC D2)."""
    return _of_installation(RELAY_ID, task_queue)


def deployment_schedule(task_queue: str = TASK_QUEUE) -> str:
    """Id of an installation's schedule of the automatic deployment."""
    return _of_installation(DEPLOYMENT_SCHEDULE, task_queue)


def _of_installation(name: str, task_queue: str) -> str:
    """A name that several installations in one namespace do not share; the usual one keeps it as it is."""
    return name if task_queue == TASK_QUEUE else f"{name}-{task_queue}"


def order_id(order: str) -> str:
    """Workflow id of an order; a person can type it (SPEC D2)."""
    return f"order-{order}"


def line_id(order: str, number: int) -> str:
    """Workflow id of an order line."""
    return f"order-{order}-line-{number}"
