"""Writes a mail's subject, text and HTML from its facts, in the reader's language.

Every template exists once per language and knows nothing of text or HTML: it fills the blocks of a
layout (`templates/layout`), and the same template is rendered into each layout. What a reader may not get,
such as an action link for a Workflow_Mails address (SPEC 6.4), is withheld here, so no template can leak it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from activities.mail.text import clean_lines, one_line
from domain.base import Language
from domain.mail import (
    ASKED,
    OUTSIDERS,
    RELEVANT_GROUP,
    ApprovalFact,
    MailFacts,
    ServiceFact,
    Template,
    Why,
    shown_address,
)

MAX_SUBJECT = 200
"""Longest subject in characters (engineering.md 2.4)."""

_WIDTH = 72
_ROWS = (
    "order",
    "line",
    "process",
    "organisation",
    "offer",
    "name",
    "a_label",
    "requested_by",
    "decided_by",
    "contact",
    "stage",
    "target",
    "waiting_for",
)
_QUOTES = ("question", "answer", "reason")
_LISTED_ROWS = ("organisation", "offer", "requested_by", "decided_by", "contact", "stage")
_RECORD_PARTS = ("owner", "relative_owner", "value", "found", "hint")


@dataclass(frozen=True, slots=True)
class Ways:
    """What this reader can do from the mail, as far as this installation offers it.

    Attributes:
        link: The URL of `facts.link`, where pages are served.
        link_command: What opens it instead, where none are; without either the mail says whom to ask.
        choices: The page or command by which the reader chooses which of these mails they get, if they may.
    """

    link: str | None = None
    link_command: str | None = None
    choices: str | None = None


NO_WAYS = Ways()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's wording: subject on one line, plain text, and HTML that says the same."""

    subject: str
    text: str
    html: str


def render(
    template: Template,
    language: Language,
    facts: MailFacts,
    why: str,
    *,
    action_links: bool,
    ways: Ways = NO_WAYS,
) -> Rendered:
    """Writes one mail.

    Args:
        template: What the mail is about.
        language: The reader's language.
        facts: Everything it may say.
        why: Why this reader gets it, a value of `Why`.
        action_links: False for an address that only reads along: it gets neither link nor command.
        ways: What the reader can do.

    Raises:
        ValueError: `why` is not a value of `Why`.
    """
    context = _context(template, language, facts, Why(why), action_links=action_links, ways=ways)
    subject = one_line(_fill(_TEXT, "layout/subject.txt", context))
    return Rendered(
        subject=subject if len(subject) <= MAX_SUBJECT else f"{subject[: MAX_SUBJECT - 1]}…",
        text="\n".join(_single_blanks(_fill(_TEXT, "layout/mail.txt", context))) + "\n",
        html=_fill(_HTML, "layout/mail.html", context),
    )


def _context(
    template: Template,
    language: Language,
    facts: MailFacts,
    why: Why,
    *,
    action_links: bool,
    ways: Ways = NO_WAYS,
) -> dict[str, Any]:
    said = {name: _cleaned(value) for name, value in facts.model_dump(mode="python").items()}
    said |= {name: shown_address(said[name]) for name in ("contact", "decided_by") if said[name]}
    quotes = {name: clean_lines(words) for name in _QUOTES if (words := getattr(facts, name))}
    said["name"] = said["domain_display"] or said["domain"]
    said["a_label"] = said["domain"] if said["name"] != said["domain"] else None
    asked = ASKED.get(template)
    acts = action_links and (asked is None or why in asked)
    signs_in = why not in OUTSIDERS
    if not (action_links and signs_in):
        said["url"] = None
    if not (acts and signs_in):
        said["command"] = None
    expects_link = acts and not signs_in and facts.link is not None
    return said | {
        "approvals": [_listed(each, language, why, acts) for each in facts.approvals],
        "services": [_listed(each, language, why, acts) for each in facts.services],
        "template": f"{language}/{template}.txt",
        "kind": template,
        "language": language,
        "group": RELEVANT_GROUP[template],
        "why": why,
        "asked": asked is not None and why in asked,
        "link": ways.link if expects_link else None,
        "link_command": ways.link_command if expects_link else None,
        "lacks_link": expects_link and not (ways.link or ways.link_command),
        "choices": ways.choices if action_links and signs_in else None,
        "link_until": facts.link.expires_at if facts.link else None,
        "rows": [(row, said[row]) for row in _ROWS if said[row]],
        "quotes": quotes,
        "record_parts": _RECORD_PARTS,
    }


def _listed(fact: ApprovalFact | ServiceFact, language: Language, why: Why, acts: bool) -> dict[str, Any]:
    """What a digest lists, under the subject of the mail that it stands for; news with its words as well."""
    facts = MailFacts(**fact.model_dump(exclude={"template"}))
    context = _context(fact.template, language, facts, why, action_links=acts)
    return {
        "subject": one_line(_fill(_TEXT, "layout/subject.txt", context)),
        "news": one_line(_fill(_TEXT, "layout/news.txt", context)) if isinstance(fact, ServiceFact) else "",
        "rows": [(row, context[row]) for row in _LISTED_ROWS if context[row]],
        "until": context["closes_at"] or context["deadline"],
        **{name: context[name] for name in ("quotes", "records", "url", "command")},
    }


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return one_line(value)
        case list() | tuple():
            return [_cleaned(each) for each in value]
        case dict():
            return {key: _cleaned(each) for key, each in value.items()}
        case _:
            return value


def _fill(environment: Environment, layout: str, context: dict[str, Any]) -> str:
    words = environment.get_template(f"{context['language']}/words.txt").make_module(context)
    return environment.get_template(context["template"]).render(context, layout=layout, words=words)


def _paragraph(prose: str) -> str:
    return textwrap.fill(" ".join(prose.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _quoted(text: str) -> str:
    """Marks each line as somebody else's words, so that it cannot pass for ours."""
    wrapped = (textwrap.wrap(line, _WIDTH - 2, break_long_words=False) or [""] for line in text.splitlines())
    return "\n".join(f"> {line}".rstrip() for lines in wrapped for line in lines)


def _single_blanks(text: str) -> Iterator[str]:
    """The lines, with one blank line wherever parts that were left out had left several."""
    blank = True
    for line in text.splitlines():
        if line.strip() or not blank:
            yield line
        blank = not line.strip()


_HTML = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_HTML.filters |= {"paragraph": _paragraph, "quoted": _quoted}
_TEXT = _HTML.overlay(autoescape=False)
