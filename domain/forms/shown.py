"""Answers to a set-up form for those who act on them: adapters, and people who read what was answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.base import Language
from domain.forms.fields import FormField, Scalar
from domain.forms.form import Form, Group

_IN_AUDIT = "answers"


def flatten(answers: Mapping[str, Any]) -> dict[str, str]:
    """Answers as an adapter takes parameters: text by path, such as `sites.0.licences`.

    Args:
        answers: Complete, as `validate` returned them.
    """
    return dict(_flat(answers, ""))


def rows(form: Form, answers: Mapping[str, Any], language: Language) -> list[tuple[str, str]]:
    """What was answered, for people: title and answer in their language, in the order it was asked."""
    return list(_level(form.fields, answers, language, ""))


def _flat(answers: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, answer in answers.items():
        if isinstance(answer, list):
            for n, item in enumerate(answer):
                yield from _flat(item, f"{path}{name}.{n}.")
        else:
            yield f"{path}{name}", _word(answer)


def _word(answer: Scalar) -> str:
    """An answer as JSON would write it, but text as it is."""
    return str(answer).lower() if isinstance(answer, bool) else str(answer)


def _level(
    fields: Sequence[FormField | Group], answers: Mapping[str, Any], language: Language, of: str
) -> Iterator[tuple[str, str]]:
    for field in fields:
        answer, title = answers.get(field.name), field.title.in_language(language)
        if isinstance(field, Group):
            for n, item in enumerate(answer or (), 1):
                yield from _level(field.fields, item, language, f"{of}{title} {n}: ")
        elif answer is not None:
            yield f"{of}{title}", field.show(answer, language)


def audit_data(answers: Mapping[str, Any]) -> dict[str, str]:
    """Confirmed answers as facts of the step that took them, for the audit."""
    return {_IN_AUDIT: json.dumps(answers, ensure_ascii=False, sort_keys=True, separators=(",", ":"))}


def answers_in(data: Mapping[str, str]) -> dict[str, Any] | None:
    """The answers that a step took, None if it took none."""
    written = data.get(_IN_AUDIT)
    answers: dict[str, Any] | None = None if written is None else json.loads(written)
    return answers
