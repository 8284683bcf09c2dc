"""Answers to a set-up form: judged as a whole, every finding with its path (SPEC 5.5, 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from domain.base import Message
from domain.dns.names import shown
from domain.errors import Code, Refusal
from domain.forms.fields import FormField, Scalar
from domain.forms.form import Form, Group, total_of

Answers: TypeAlias = dict[str, Any]
"""Answers by field: plain JSON. A group's is a list with one such object for each item."""

MOST_UNKNOWN = 5
"""Answers to no question that are named one by one; a flood of them is only counted."""

MOST_TOLD = 100
"""Findings that a refusal spells out; it has to fit an answer of a process."""


class Problem(StrEnum):
    """What can be wrong with an answer."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    HIDDEN = "hidden"
    INVALID = "invalid"
    TOO_FEW = "too_few"
    TOO_MANY = "too_many"
    REPEATED = "repeated"
    TOTAL = "total"


class FormFinding(Message):
    """Something that speaks against answers.

    Attributes:
        path: Where it is, in the words of the answers: `sites.1.licences` is of the second site.
        message: What is wrong and what to do, for people.
    """

    path: str
    problem: Problem
    message: str


def validate(form: Form, answers: Mapping[str, Any], parameters: Mapping[str, str]) -> Answers:
    """Complete answers as they are kept: defaults filled in, texts without the spaces around them.

    Args:
        form: What was asked.
        answers: What was answered. No answer, null and an empty text are the same.
        parameters: The offer's, with the totals that the form shares out.

    Raises:
        Refusal: INVALID_INPUT, with the path of everything that is wrong (of the first `MOST_TOLD`).
    """
    return _accepted(form, answers, parameters, complete=True)


def read_draft(form: Form, answers: Mapping[str, Any], parameters: Mapping[str, str]) -> Answers:
    """Answers so far, as a draft keeps them: what is there is right, and nothing has to be.

    Raises:
        Refusal: INVALID_INPUT, like `validate`.
    """
    return _accepted(form, answers, parameters, complete=False)


def draft_findings(
    form: Form, answers: Mapping[str, Any], parameters: Mapping[str, str]
) -> tuple[FormFinding, ...]:
    """What speaks against a draft: all that is wrong, but not what is missing."""
    reading = _Reading(parameters, complete=False)
    reading.level(form.fields, answers, "")
    return tuple(reading.findings)


def _accepted(
    form: Form, answers: Mapping[str, Any], parameters: Mapping[str, str], *, complete: bool
) -> Answers:
    reading = _Reading(parameters, complete=complete)
    right = reading.level(form.fields, answers, "")
    if reading.findings:
        told = "; ".join(f"{each.path}: {each.message}" for each in reading.findings[:MOST_TOLD])
        if len(reading.findings) > MOST_TOLD:
            told += f"; and {len(reading.findings) - MOST_TOLD} more"
        raise Refusal(Code.INVALID_INPUT, f"set-up form: {told}")
    return right


class _Unclear:
    """Stands for an answer that cannot be told yet: it is missing or wrong, which has been said."""


_UNCLEAR = _Unclear()


class _Reading:
    """One pass over answers that goes on after a finding: people mend a form in one go.

    Args:
        parameters: The offer's.
        complete: Whether everything that is required has to be there.
    """

    def __init__(self, parameters: Mapping[str, str], *, complete: bool) -> None:
        self.findings: list[FormFinding] = []
        self._parameters = parameters
        self._complete = complete

    def level(self, fields: Sequence[FormField | Group], answers: Mapping[Any, Any], path: str) -> Answers:
        """Reads the answers beside each other, and returns those that are right."""
        self._unknown({field.name for field in fields}, answers, path)
        right: Answers = {}
        known: dict[str, Scalar | _Unclear | None] = {}
        for field in fields:
            answer, where = answers.get(field.name), f"{path}{field.name}"
            if (asked := _is_asked(field, known)) is False:
                self._hidden(field, answer, where)
            elif isinstance(field, Group):
                if not _is_blank(answer) or (asked and self._complete):
                    right |= self._group(field, answer, where)
            else:
                known[field.name] = self._answer(field, answer, where, asked=asked is True)
                right |= _present(field.name, known[field.name])
        return right

    def _answer(
        self, field: FormField, answer: object, where: str, *, asked: bool
    ) -> Scalar | _Unclear | None:
        """An answer as it is kept, or its default; None if there is none and need not be."""
        if not _is_blank(answer):
            try:
                return field.read(answer)
            except ValueError as error:
                self._found(where, Problem.INVALID, str(error))
                return _UNCLEAR
        if not (asked and self._complete):
            return _UNCLEAR
        if field.default is not None:
            return field.read(field.default)
        if field.required:
            self._found(where, Problem.MISSING, "needs an answer")
            return _UNCLEAR
        return None

    def _group(self, group: Group, answer: object, where: str) -> Answers:
        """The items of a group that are right, under its name."""
        if answer is None:
            answer = []
        if not isinstance(answer, list):
            self._found(where, Problem.INVALID, "must be a list with one object for each item")
            return {}
        if len(answer) > group.max_items:
            # Not looked at one by one: there could be any number.
            self._found(where, Problem.TOO_MANY, f"has {len(answer)} items; {group.max_items} at most fit")
            return {}
        if self._complete and len(answer) < group.min_items:
            self._found(where, Problem.TOO_FEW, f"has {len(answer)} items and needs {group.min_items}")
        items = [
            self._item(group, item, f"{where}.{n}") for n, item in enumerate(self._shared(group, answer))
        ]
        self._repeated(group, items, where)
        self._total(group, items, where)
        return {group.name: items}

    def _item(self, group: Group, item: object, where: str) -> Answers:
        if isinstance(item, Mapping):
            return self.level(group.fields, item, f"{where}.")
        self._found(where, Problem.INVALID, "must be an object with an answer for each field")
        return {}

    def _shared(self, group: Group, items: list[Any]) -> list[Any]:
        """The items; one that is alone gets all of what would otherwise be shared out."""
        rule = group.distribute
        if rule is None or not rule.exactly or not self._complete or len(items) != 1:
            return items
        (item,) = items
        if not isinstance(item, Mapping) or not _is_blank(item.get(rule.field)):
            return items
        return [{**item, rule.field: total_of(rule, self._parameters)}]

    # What is wrong

    def _found(self, path: str, problem: Problem, message: str) -> None:
        self.findings.append(FormFinding(path=path, problem=problem, message=message))

    def _unknown(self, known: set[str], answers: Mapping[Any, Any], path: str) -> None:
        unknown = [key for key in answers if key not in known]
        for key in unknown[:MOST_UNKNOWN]:
            self._found(
                f"{path}{shown(str(key)) or '(empty)'}", Problem.UNKNOWN, "is not asked; leave it out"
            )
        if len(unknown) > MOST_UNKNOWN:
            more = len(unknown) - MOST_UNKNOWN
            self._found(f"{path}…", Problem.UNKNOWN, f"{more} more that are not asked; leave them out")

    def _hidden(self, field: FormField | Group, answer: object, where: str) -> None:
        if not _is_blank(answer) and field.visible_when is not None:
            because = field.visible_when.field
            self._found(where, Problem.HIDDEN, f"is not asked with this answer to {because}; leave it out")

    def _repeated(self, group: Group, items: Sequence[Answers], where: str) -> None:
        if group.unique is None:
            return
        first: dict[Scalar, int] = {}
        for n, item in enumerate(items):
            answer = item.get(group.unique)
            if answer is not None and first.setdefault(answer, n) != n:
                message = f"is the same as {where}.{first[answer]}.{group.unique}; each needs its own"
                self._found(f"{where}.{n}.{group.unique}", Problem.REPEATED, message)

    def _total(self, group: Group, items: Sequence[Answers], where: str) -> None:
        rule = group.distribute
        total = total_of(rule, self._parameters) if rule else None
        if rule is None or total is None:
            return
        shares = [item[rule.field] for item in items if rule.field in item]
        given = sum(shares)
        if given > total:
            self._found(where, Problem.TOTAL, f"{rule.field} add up to {given}; there are {total}")
        elif rule.exactly and self._complete and len(shares) == len(items) > 0 and given < total:
            message = f"{rule.field} add up to {given}; all {total} have to be given out"
            self._found(where, Problem.TOTAL, message)


def _is_asked(field: FormField | Group, known: Mapping[str, Scalar | _Unclear | None]) -> bool | None:
    """Whether a field is shown; None if the answer that decides it is not clear."""
    condition = field.visible_when
    if condition is None:
        return True
    deciding = known.get(condition.field)
    return None if isinstance(deciding, _Unclear) else deciding in condition.equals


def _is_blank(answer: object) -> bool:
    return answer is None or answer == [] or (isinstance(answer, str) and not answer.strip())


def _present(name: str, answer: Scalar | _Unclear | None) -> Answers:
    return {} if answer is None or isinstance(answer, _Unclear) else {name: answer}
