"""What a process asks the directory before it acts (SPEC 4.3: permissions at the moment of acting).

Unlike a decision, which must never be held up, an action that brings in people cannot go on without the
directory: it is refused as UNAVAILABLE while the database is away.
"""

from __future__ import annotations

from pydantic import Field

from domain.base import Key, Message, Name
from domain.decisions import Approver
from domain.definitions import Approvers
from domain.organisations import OrganisationKind, Parties


class Authorise(Message):
    """Asks whether an actor still may decide a stage (SPEC 4.3: at the moment of decision).

    Attributes:
        delegate: Who decides in the actor's place, if the seat was delegated; both must be entitled, the
            delegate by holding `approve` at any of the parties.
    """

    actor: Key
    approvers: Approvers
    parties: Parties
    delegate: Key | None = None


class FoundOrganisation(Message):
    """An organisation of the directory."""

    kind: OrganisationKind
    name: Name


class LookUp(Message):
    """Questions to the directory as it is now; what is None is not asked.

    Attributes:
        parties: Whose people are meant.
        authorise: Whether somebody still may decide.
        person: Who this is, and whether they may approve for any of the parties.
        operator: Whether somebody holds `operate` at the provider.
        roster: Who may decide by these approvers.
        organisations: Whether these exist, and what they are.
    """

    parties: Parties
    authorise: Authorise | None = None
    person: Key | None = None
    operator: Key | None = None
    roster: Approvers | None = None
    organisations: tuple[Key, ...] = ()


class LookedUp(Message):
    """The directory's answers."""

    authorised: bool = True
    person: Approver | None = None
    person_may_approve: bool = False
    is_operator: bool = False
    roster: tuple[Approver, ...] | None = None
    organisations: dict[Key, FoundOrganisation] = Field(default_factory=dict)
