"""The first schema: directory, catalogue, inventory, projection and audit, outbox, evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)
WORD = sa.String(40)
TABLES = (
    "organisation",
    "person",
    "grant",
    "offer_version",
    "definition_version",
    "submission",
    "service",
    "domain_claim",
    "resource",
    "process",
    "transition",
    "approval",
    "approval_seat",
    "mail",
    "check_report",
    "dns_report",
)


def upgrade() -> None:
    op.create_table(
        "organisation",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_organisation"),
        sa.ForeignKeyConstraint(["partner"], ["organisation.key"], name="fk_organisation_partner"),
    )
    op.create_table(
        "person",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("language", WORD, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_person"),
    )
    op.create_table(
        "grant",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.PrimaryKeyConstraint("person", "organisation", "role", name="pk_grant"),
        sa.ForeignKeyConstraint(["organisation"], ["organisation.key"], name="fk_grant_organisation"),
        sa.ForeignKeyConstraint(["person"], ["person.key"], name="fk_grant_person"),
    )
    op.create_index("ix_grant_organisation_role", "grant", ["organisation", "role"])
    op.create_table(
        "offer_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_offer_version"),
    )
    op.create_table(
        "definition_version",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_definition_version"),
    )
    op.create_table(
        "submission",
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("customer", "key", name="pk_submission"),
        sa.UniqueConstraint("order_id", name="uq_submission_order_id"),
    )
    op.create_table(
        "service",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
    )
    op.create_index("ix_service_order_id", "service", ["order_id"])
    op.create_index("ix_service_organisation_domain", "service", ["organisation", "domain"])
    op.create_table(
        "domain_claim",
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("verified_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("domain", "organisation", name="pk_domain_claim"),
    )
    op.create_index(
        "uq_domain_claim_verified",
        "domain_claim",
        ["domain"],
        unique=True,
        sqlite_where=sa.text("status = 'verified'"),
        postgresql_where=sa.text("status = 'verified'"),
    )
    op.create_table(
        "resource",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_resource"),
    )
    op.create_index("ix_resource_service", "resource", ["service"])
    op.create_table(
        "process",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("customer", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("offer", sa.String(), nullable=True),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("view", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_process"),
    )
    op.create_index("ix_process_customer", "process", ["customer"])
    op.create_index("ix_process_domain", "process", ["domain"])
    op.create_index("ix_process_ended_updated_at", "process", ["ended", "updated_at"])
    op.create_index("ix_process_kind_state", "process", ["kind", "state"])
    op.create_index("ix_process_order_id", "process", ["order_id"])
    op.create_index("ix_process_partner", "process", ["partner"])
    op.create_table(
        "transition",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=False),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("definition", sa.String(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("process", "seq", name="pk_transition"),
    )
    op.create_index("ix_transition_order_id_at", "transition", ["order_id", "at"])
    op.create_table(
        "approval",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("stage_title", sa.String(), nullable=False),
        sa.Column("definition", sa.String(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("deadline", INSTANT, nullable=True),
        sa.Column("roster", sa.JSON(), nullable=True),
        sa.Column("roster_seq", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("process", "stage", "round", name="pk_approval"),
    )
    op.create_index(
        "ix_approval_open",
        "approval",
        ["deadline"],
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "approval_seat",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("verdict", WORD, nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("process", "stage", "round", "person", name="pk_approval_seat"),
    )
    op.create_index("ix_approval_seat_person_pending", "approval_seat", ["person", "pending"])
    op.create_table(
        "mail",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("template", WORD, nullable=False),
        sa.Column("group", WORD, nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("language", WORD, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("why", WORD, nullable=False),
        sa.Column("action_links", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt_open_since", INSTANT, nullable=True),
        sa.Column("next_attempt_at", INSTANT, nullable=True),
        sa.Column("maybe_duplicate", sa.Boolean(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mail"),
    )
    op.create_index("ix_mail_at", "mail", ["at"])
    op.create_index(
        "ix_mail_due",
        "mail",
        ["next_attempt_at"],
        sqlite_where=sa.text("status = 'queued'"),
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index("ix_mail_process_seq", "mail", ["process", "seq"])
    op.create_index("ix_mail_recipient", "mail", ["recipient"])
    op.create_table(
        "check_report",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_check_report"),
    )
    op.create_index("ix_check_report_process_at", "check_report", ["process", "at"])
    op.create_table(
        "dns_report",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dns_report"),
    )
    op.create_index("ix_dns_report_process_at", "dns_report", ["process", "at"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
