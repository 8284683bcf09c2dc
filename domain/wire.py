"""Wire names: what other systems and old histories know us by. Never changed with a rename."""

from __future__ import annotations

TASK_QUEUE = "countersign"

# Workflow types
ORDER = "Order"
ORDER_LINE = "OrderLine"
DEPLOYMENT_ROUND = "DeploymentRound"
DEFINITION_ROLLOUT = "DefinitionRollout"
DEFINITIONS_MAINTENANCE = "DefinitionsMaintenance"
RELAY_OUTBOX = "RelayOutbox"

# Updates
CHECK_ORDER = "order.check"
CANCEL_ORDER = "order.cancel"
DECIDE = "approval.decide"
WITHDRAW = "approval.withdraw"
DELEGATE = "approval.delegate"
HAND_BACK = "approval.hand_back"
ADD_APPROVER = "approval.add_approver"
ESCALATE = "approval.escalate"
INQUIRE = "approval.inquire"
ANSWER = "approval.answer"
RECALL_INQUIRY = "approval.recall_inquiry"
REROUTE = "approval.reroute"
UNDO = "approval.undo"
REFRESH_ROSTER = "approval.refresh_roster"
CHANGE_DEFINITION = "approval.change_definition"
DEPLOY_LINE = "line.deploy"
CANCEL_LINE = "line.cancel"
CHECK_RECORDS = "line.check_records"
RESEND_MAIL = "line.resend_mail"
CHANGE_CONTACT = "line.change_contact"
HAND_OVER = "line.hand_over"
MAP_LINE = "line.map"
SET_UP_LINE = "line.set_up"
ASK_CUSTOMER = "line.ask_customer"
RETRY_LINE = "line.retry"

# Signals
APPROVE = "approve"
DENY = "deny"
DEPLOY = "deploy"

# Queries
VIEW = "view"

# Activities
ANNOUNCE = "process.announce"
LOOK_UP = "process.look_up"
CHECK = "order.check_domain_and_services"
WATCH_CHECK = "order.watch_check"
WATCH_RECORDS = "dns.watch"
SEE_RECORDS = "dns.check"
PROVISION = "service.provision"
DEPROVISION = "service.deprovision"
DELIVER = "outbox.deliver"
APPROVAL_AWAIT_CONDITION = "approval.await_condition"
RELAY = "outbox.relay"
DEPLOY_CONFIRMED = "deployment.deploy_confirmed"
ROLL_OUT = "definitions.roll_out"
REMOVE_UNUSED = "definitions.remove_unused"

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

APPROVAL_HELD = "approval_held"
"""The `ProcessState` of a process whose approval nobody may decide, so that operators find it in a list."""

# Singletons of an installation
RELAY_ID = "relay-outbox"
DEPLOYMENT_SCHEDULE = "automatic-deployment"
MAINTENANCE_SCHEDULE = "definitions-maintenance"


def relay_id(task_queue: str = TASK_QUEUE) -> str:
    """Workflow id of the relay of the installation whose processes run on a task queue (SPEC D2)."""
    return _of_installation(RELAY_ID, task_queue)


def deployment_schedule(task_queue: str = TASK_QUEUE) -> str:
    """Id of an installation's schedule of the automatic deployment."""
    return _of_installation(DEPLOYMENT_SCHEDULE, task_queue)


def maintenance_schedule(task_queue: str = TASK_QUEUE) -> str:
    """Id of an installation's schedule that removes definitions nobody uses."""
    return _of_installation(MAINTENANCE_SCHEDULE, task_queue)


def rollout_id(definition: str, task_queue: str = TASK_QUEUE) -> str:
    """Workflow id of the rollout of a definition, given as `name@version`."""
    return _of_installation(f"rollout-{definition}", task_queue)


def offer_rollout_id(offer: str, task_queue: str = TASK_QUEUE) -> str:
    """Workflow id of the rollout of the definitions that an offer, given as `name@version`, names now."""
    return _of_installation(f"rollout-offer-{offer}", task_queue)


def _of_installation(name: str, task_queue: str) -> str:
    """A name that several installations in one namespace do not share; the usual one keeps it as it is."""
    return name if task_queue == TASK_QUEUE else f"{name}-{task_queue}"


def order_id(order: str) -> str:
    """Workflow id of an order; a person can type it (SPEC D2)."""
    return f"order-{order}"


def line_id(order: str, number: int) -> str:
    """Workflow id of an order line."""
    return f"order-{order}-line-{number}"
