"""Set-up forms: what an offer asks whoever sets its service up, and how answers are judged (SPEC 5.5).

A form is data of its offer. Nothing here asks anybody: the same answers are judged alike on a page, on the
command line, and by the process that acts on them.
"""

from __future__ import annotations

from domain.forms.answers import Answers, FormFinding, Problem, draft_findings, read_draft, validate
from domain.forms.fields import FormField, VisibleWhen, Words
from domain.forms.form import Distribution, Form, Group
from domain.forms.formats import COUNTRIES
from domain.forms.schema import json_schema
from domain.forms.shown import answers_in, audit_data, flatten, rows

__all__ = [
    "COUNTRIES",
    "Answers",
    "Distribution",
    "Form",
    "FormField",
    "FormFinding",
    "Group",
    "Problem",
    "VisibleWhen",
    "Words",
    "answers_in",
    "audit_data",
    "draft_findings",
    "flatten",
    "json_schema",
    "read_draft",
    "rows",
    "validate",
]
