"""Keeps when a stage ended, for the statistics; for stages that have ended it follows from the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# A stage ends when the next one opens; the last one when the process leaves the state of waiting for it.
FILL = """
    UPDATE approval SET ended_at = coalesce(
        (SELECT min(later.opened_at) FROM approval AS later
         WHERE later.process = approval.process AND later.seq > approval.seq),
        (SELECT min(step.at) FROM transition AS step
         WHERE step.process = approval.process AND step.at >= approval.opened_at
         AND step.from_state = 'awaiting_approval' AND step.to_state <> 'awaiting_approval')
    )
    WHERE status <> 'PENDING'
"""


def upgrade() -> None:
    op.add_column("approval", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(FILL)


def downgrade() -> None:
    with op.batch_alter_table("approval") as table:
        table.drop_column("ended_at")
