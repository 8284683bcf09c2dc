"""The projection of processes: where they stand, who is to decide, and the audit (SPEC D1, D6, 4.7)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, false, text
from sqlmodel import Field

from domain.decisions import ApprovalStatus, Approver, Verdict
from domain.transitions import ProcessKind, ProcessView
from storage.tables.columns import PlainText, Row, UtcDateTime, document, word


class ProcessRow(Row, table=True):
    """A process as its latest transition left it; the columns beside `view` are what lists search by."""

    __tablename__ = "process"
    __table_args__ = (
        Index(None, "ended", "updated_at"),
        Index(None, "kind", "state"),
        Index(None, "customer"),
        Index(None, "partner"),
        Index(None, "domain"),
    )

    id: str = Field(primary_key=True)
    seq: int
    kind: ProcessKind = Field(sa_type=word(ProcessKind))
    state: str
    ended: bool
    order_id: str = Field(index=True)
    line: int | None = None
    partner: str
    customer: str
    requested_by: str
    offer: str | None = None
    domain: str | None = None
    started_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    view: ProcessView = Field(sa_type=document(ProcessView))


class TransitionRow(Row, table=True):
    """The audit: one row per step and per refused command.

    `hash` chains each row to the one before (`domain/audit.py`); it is filled once all before it are there.
    """

    __tablename__ = "transition"
    __table_args__ = (Index(None, "order_id", "at"), Index(None, "actor", "at"))

    process: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    order_id: str
    at: datetime = Field(sa_type=UtcDateTime)
    action: str
    from_state: str
    to_state: str
    actor: str = Field(sa_type=PlainText)
    on_behalf_of: str | None = Field(default=None, sa_type=PlainText)
    reason: str | None = Field(default=None, sa_type=PlainText)
    accepted: bool
    code: str | None = None
    definition: str | None = None
    data: dict[str, str] = Field(sa_type=document(dict[str, str]))
    hash: str | None = None


class ApprovalRow(Row, table=True):
    """One stage of a process's approval.

    `seq` is the transition it is known from, `roster_seq` the one its roster is known from. `is_open` is true
    while it can be decided, whatever `status` it was last seen in. `ended_at` is when the process went on.
    `held` says that too few people may decide it, `level` how far it was escalated, `asked` whose answers it
    waits for. `undone` has the last transition in which each person took a vote back.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            "ix_approval_open",
            "deadline",
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )

    process: str = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    round: int = Field(primary_key=True)
    seq: int
    status: ApprovalStatus = Field(sa_type=word(ApprovalStatus))
    is_open: bool
    stage_title: str
    definition: str
    opened_at: datetime = Field(sa_type=UtcDateTime)
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    roster: tuple[Approver, ...] | None = Field(default=None, sa_type=document(tuple[Approver, ...]))
    roster_seq: int | None = None
    held: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    level: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    asked: tuple[Approver, ...] | None = Field(default=None, sa_type=document(tuple[Approver, ...]))
    undone: dict[str, int] | None = Field(default=None, sa_type=document(dict[str, int]))


class ApprovalSeatRow(Row, table=True):
    """One person's part in a stage. `pending` is true while this person has something to do: the inbox.

    That is to decide it, or to answer a question (`to_answer`). `deadline` is the stage's, so that the index
    brings the nearest first. `seq` is the transition that brought the vote, `automatic` says that the rules
    cast it.
    """

    __tablename__ = "approval_seat"
    __table_args__ = (
        Index(None, "person", "pending", "deadline", "process"),
        Index(None, "person", "pending", "decided_at", "process"),
    )

    process: str = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    round: int = Field(primary_key=True)
    person: str = Field(primary_key=True)
    pending: bool
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    verdict: Verdict | None = Field(default=None, sa_type=word(Verdict))
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seq: int | None = None
    automatic: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    to_answer: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
