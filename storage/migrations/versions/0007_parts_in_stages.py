"""Keeps what people do with a stage besides deciding it: delegating, asking, escalating, taking back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

APPROVAL = sa.table(
    "approval",
    sa.column("process", sa.String()),
    sa.column("stage", sa.String()),
    sa.column("round", sa.Integer()),
    sa.column("is_open", sa.Boolean()),
    sa.column("roster", sa.JSON()),
    sa.column("held", sa.Boolean()),
)
PROCESS = sa.table("process", sa.column("id", sa.String()), sa.column("view", sa.JSON()))

NEW = {"approval": ("held", "level", "asked", "undone"), "approval_seat": ("seq", "automatic", "to_answer")}


def upgrade() -> None:
    op.add_column("approval", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("approval", sa.Column("level", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("approval", sa.Column("asked", sa.JSON(), nullable=True))
    op.add_column("approval", sa.Column("undone", sa.JSON(), nullable=True))
    op.add_column("approval_seat", sa.Column("seq", sa.Integer(), nullable=True))
    for name in ("automatic", "to_answer"):
        column = sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column("approval_seat", column)
    _find_held()


def downgrade() -> None:
    for name, columns in NEW.items():
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)


def _find_held() -> None:
    """Flags the open stages whose roster is smaller than their quorum: nobody can decide those."""
    connection = op.get_bind()
    stages, processes = APPROVAL.c, PROCESS.c
    waiting = connection.execute(
        sa.select(stages.process, stages.stage, stages.round, stages.roster, processes.view)
        .join_from(APPROVAL, PROCESS, stages.process == processes.id)
        .where(stages.is_open, stages.roster.is_not(None))
    )
    for process, stage, round_, roster, view in waiting.all():
        if roster is not None and len(roster) < ((view["approval"] or {}).get("quorum") or 1):
            connection.execute(
                sa.update(APPROVAL)
                .where(stages.process == process, stages.stage == stage, stages.round == round_)
                .values(held=True)
            )
