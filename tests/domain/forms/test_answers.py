"""Answers are judged as a whole, each finding by its path; what is accepted stays accepted (SPEC 5.5, 9)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.base import Language
from domain.errors import Code, Refusal
from domain.forms import (
    Form,
    Group,
    Problem,
    answers_in,
    audit_data,
    draft_findings,
    flatten,
    read_draft,
    rows,
    validate,
)
from domain.forms.answers import MOST_TOLD, MOST_UNKNOWN
from tests.domain.forms.samples import (
    CALLING,
    LICENCES,
    MEETINGS,
    answers_to,
    field,
    form,
    form_of,
    sites,
)

FORMS = [form_of(MEETINGS), form_of(CALLING), form(field("boolean", "extra"), sites(min_items=0))]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

forms = st.sampled_from(FORMS)
answered = forms.flatmap(lambda wanted: st.tuples(st.just(wanted), answers_to(wanted)))


def refused(wanted: Form, answers: dict[str, Any]) -> str | None:
    """What a refusal says, None if there is none."""
    try:
        validate(wanted, answers, LICENCES)
    except Refusal as refusal:
        return refusal.message if refusal.code is Code.INVALID_INPUT else repr(refusal.code)
    return None


def told(wanted: Form, answers: dict[str, Any]) -> str:
    """The findings of the refusal that answers meet."""
    message = refused(wanted, answers)
    assert message is not None
    assert message.startswith("set-up form: ")
    return message.removeprefix("set-up form: ")


# Every form


@given(answered)
def test_right_answers_are_kept_and_accepted_again_as_they_were_kept(given_: tuple[Form, Any]) -> None:
    wanted, answers = given_
    kept = validate(wanted, answers, LICENCES)
    assert validate(wanted, kept, LICENCES) == kept
    assert not draft_findings(wanted, kept, LICENCES)
    assert json.loads(json.dumps(kept)) == kept
    assert set(answers) <= set(kept) | {name for name, each in answers.items() if each in (None, [])}


@given(forms, st.dictionaries(st.text(max_size=8) | st.sampled_from(["sites", "audio", "location"]), JUNK))
def test_nothing_that_could_be_sent_gets_another_answer_than_acceptance_or_paths(
    wanted: Form, answers: dict[str, Any]
) -> None:
    findings = draft_findings(wanted, answers, LICENCES)
    assert all(each.path and each.message for each in findings)
    assert Problem.MISSING not in {each.problem for each in findings}
    message = refused(wanted, answers)
    if message is None:
        assert not findings
        assert refused(wanted, validate(wanted, answers, LICENCES)) is None
    else:
        assert all(f"{each.path}: " in message for each in findings)
        assert all(char.isprintable() for char in message)


@given(answered, st.data())
def test_a_draft_may_lack_any_answer_and_is_complete_once_it_is_given(
    given_: tuple[Form, Any], data: st.DataObject
) -> None:
    wanted, answers = given_
    left_out = data.draw(st.sets(st.sampled_from(sorted(answers)))) if answers else set()
    draft = {name: each for name, each in answers.items() if name not in left_out}
    kept = read_draft(wanted, draft, LICENCES)
    assert set(kept) <= set(draft)
    assert validate(wanted, kept | {name: answers[name] for name in left_out}, LICENCES) == validate(
        wanted, answers, LICENCES
    )


@given(answered)
def test_an_adapter_gets_every_answer_as_text_by_its_path(given_: tuple[Form, Any]) -> None:
    wanted, answers = given_
    kept = validate(wanted, answers, LICENCES)
    flat = flatten(kept)
    for path, text in flat.items():
        value: Any = kept
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert text == (str(value).lower() if isinstance(value, bool) else str(value))
    assert len(flat) == len(rows(wanted, kept, Language.DE)) == len(rows(wanted, kept, Language.EN))


# Findings


def test_everything_that_is_wrong_is_said_at_once_and_where() -> None:
    answers = {
        "sites": [
            {"name": "Bergsicht", "early_release": True, "licences": 5},
            {"name": "bergsicht", "time_zone": "Bern", "licences": "7", "colour": "red"},
            "third",
        ],
        "audio": "dial_in",
        "audio_provider": "Sunrise",
        "dial_in_country": "Switzerland",
    }
    assert told(form_of(MEETINGS), answers).split("; ") == [
        "sites.0.release_contact: needs an answer",
        "sites.1.colour: is not asked",
        "leave it out",
        "sites.1.time_zone: is no IANA time zone, for example Europe/Zurich",
        "sites.1.licences: must be a whole number, such as 5",
        "sites.2: must be an object with an answer for each field",
        "sites.1.name: is the same as sites.0.name",
        "each needs its own",
        "audio_provider: is not asked with this answer to audio",
        "leave it out",
        "dial_in_country: is no ISO 3166-1 country code, for example CH",
    ]


@pytest.mark.parametrize(
    ("one", "answer", "problem"),
    [
        (field("text"), 5, "must be text"),
        (field("text"), ["a"], "must be text"),
        (field("text"), "x" * 201, "is 201 characters long; at most 200 fit"),
        (field("text", min_length=3), " ab ", "needs 3 characters at least"),
        (field("text"), "a\nb", "must be one line without tabs"),
        (field("text", multiline=True), "a\0b", "must not contain control characters"),
        (field("text"), "a\x1b[31mb", "must not contain control characters"),
        (field("text"), "\ud800", "must not contain control characters"),
        (field("integer"), True, "must be a whole number"),
        (field("integer"), 5.0, "must be a whole number"),
        (field("integer"), "5", "must be a whole number"),
        (field("integer"), -1, "must be from 0 to 1000000000"),
        (field("integer"), 10**400, "must be from 0"),
        (field("boolean"), "true", "must be true or false"),
        (field("boolean"), 1, "must be true or false"),
        (field("time_zone"), "europe/zurich", "is no IANA time zone"),
        (field("country"), "ch", "is no ISO 3166-1"),
        (field("country", among=["CH", "LI"]), "DE", "not offered in DE; it is in CH, LI"),
        (field("date"), "20260302", "must be a date such as 2026-03-02"),
        (field("date"), "2026-W10-1", "must be a date"),
        (field("date"), "2026-02-29", "must be a date"),
        (field("date"), "２０２６-03-02", "must be a date"),
        (field("date", earliest="2026-03-02"), "2026-03-01", "must be 2026-03-02 or later"),
        (field("date", latest="2026-03-02"), "2026-03-03", "must be 2026-03-02 or earlier"),
        (field("email"), "Ann <ann@contoso.example>", "not a single mail address"),
        (field("email"), "ann@contoso.example,bob@contoso.example", "not a single mail address"),
        (field("email"), "ann@contoso.example\r\nBcc: eve@evil.example", "control characters"),
        (field("hostname"), "localhost", "must be a host name"),
        (field("hostname"), "-a.example.com", "must be a host name"),
        (field("hostname"), f"{'a.' * 130}com", "must be a host name"),
        (field("hostname", under="meet.example"), "a.b", "must be 1 to 63 letters"),
        (field("hostname", under="meet.example"), "x" * 64, "must be 1 to 63 letters"),
        (field("hostname", under="meet.example", min_length=3), "ab", "must be 3 to 63 letters"),
        (field("hostname", under="meet.example"), "bücher", "must be 1 to 63 letters"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_what_to_write(
    one: dict[str, Any], answer: object, problem: str
) -> None:
    assert problem in told(form(one), {"f": answer})
    assert [each.path for each in draft_findings(form(one), {"f": answer}, {})] == ["f"]


@pytest.mark.parametrize(
    ("one", "answer", "kept"),
    [
        (field("text"), "  Räschle & Söhne ", "Räschle & Söhne"),
        (field("text", multiline=True), "two\nlines", "two\nlines"),
        (field("email"), " ann@bücher.example ", "ann@xn--bcher-kva.example"),
        (field("hostname"), "Mail.Contoso.Example", "mail.contoso.example"),
        (field("hostname", under="meet.example"), " Berg-Sicht ", "berg-sicht"),
        (field("date"), "2028-02-29", "2028-02-29"),
        (field("integer", minimum=-5), -5, -5),
    ],
)
def test_an_answer_is_kept_in_one_spelling(one: dict[str, Any], answer: object, kept: object) -> None:
    assert validate(form(one), {"f": answer}, {}) == {"f": kept}


@pytest.mark.parametrize("nothing", [None, "", "  ", []])
def test_no_answer_null_and_an_empty_text_are_the_same(nothing: object) -> None:
    assert told(form(field("text")), {"f": nothing}) == told(form(field("text")), {}) == "f: needs an answer"
    assert validate(form(field("text", required=False)), {"f": nothing}, {}) == {}
    assert validate(form(field("integer", default=3)), {"f": nothing}, {}) == {"f": 3}


def test_a_flood_of_answers_to_no_question_is_counted_not_repeated() -> None:
    unknown = {f"x{n}\n": n for n in range(10_000)}
    findings = draft_findings(form(field("text")), unknown, {})
    assert len(findings) == MOST_UNKNOWN + 1
    assert findings[0].path == "x0\\n"
    assert findings[-1].message.startswith(f"{10_000 - MOST_UNKNOWN} more")


def test_a_flood_of_items_is_not_looked_at() -> None:
    findings = draft_findings(form(sites()), {"sites": [{}] * 100_000}, LICENCES)
    assert [(each.path, each.problem) for each in findings] == [("sites", Problem.TOO_MANY)]


def test_a_refusal_stays_short_enough_for_the_answer_of_a_process() -> None:
    many = form(field("group", "rows", fields=[field("text", f"f{n}") for n in range(10)], max_items=40))
    message = told(many, {"rows": [{}] * 40})
    assert message.count("needs an answer") == MOST_TOLD
    assert message.endswith("; and 300 more")


# What depends on what

EXTRA = form(
    field("boolean", "extra", default=False),
    field("country", "country", visible_when={"field": "extra", "equals": [True]}),
    field("text", "state", visible_when={"field": "country", "equals": ["US"]}),
)


def test_a_field_is_asked_only_if_what_it_depends_on_has_the_answer_and_is_asked_itself() -> None:
    assert validate(EXTRA, {}, {}) == {"extra": False}
    assert told(EXTRA, {"extra": True}) == "country: needs an answer"
    assert validate(EXTRA, {"extra": True, "country": "CH"}, {}) == {"extra": True, "country": "CH"}
    assert told(EXTRA, {"extra": True, "country": "US"}) == "state: needs an answer"
    assert "state: is not asked" in told(EXTRA, {"extra": True, "country": "CH", "state": "Ohio"})
    assert "country: is not asked" in told(EXTRA, {"country": "US"})


def test_what_depends_on_a_wrong_answer_is_neither_missing_nor_refused() -> None:
    assert told(EXTRA, {"extra": "yes"}) == "extra: must be true or false"
    assert told(EXTRA, {"extra": "yes", "country": "CH"}) == "extra: must be true or false"
    assert "country: is no ISO" in told(EXTRA, {"extra": "yes", "country": "Texas"})


def test_in_a_draft_an_answer_may_come_before_the_one_that_decides_whether_it_is_asked() -> None:
    wanted = form(field("boolean", "extra"), field("text", visible_when={"field": "extra", "equals": [True]}))
    assert read_draft(wanted, {"f": "early"}, {}) == {"f": "early"}
    assert [each.problem for each in draft_findings(wanted, {"extra": False, "f": "x"}, {})] == [
        Problem.HIDDEN
    ]


# Sharing out


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ([20, 5], None),
        ([20, 4], "sites: licences add up to 24; all 25 have to be given out"),
        ([20, 6], "sites: licences add up to 26; there are 25"),
        ([24], "sites: licences add up to 24; all 25 have to be given out"),
    ],
)
def test_shares_add_up_to_the_total(shares: list[int], problem: str | None) -> None:
    answers = {"sites": [{"name": f"s{n}", "licences": share} for n, share in enumerate(shares)]}
    if problem is None:
        assert validate(form(sites()), answers, LICENCES) == answers
    else:
        assert told(form(sites()), answers) == problem


def test_an_item_that_is_alone_gets_everything_without_being_asked() -> None:
    kept = validate(form(sites()), {"sites": [{"name": "only"}]}, LICENCES)
    assert kept == {"sites": [{"name": "only", "licences": 25}]}
    assert told(form(sites()), {"sites": [{"name": "a"}, {"name": "b", "licences": 5}]}) == (
        "sites.0.licences: needs an answer"
    )


def test_some_may_be_left_where_the_offer_says_so() -> None:
    rule = {"field": "licences", "parameter": "licences", "exactly": False}
    wanted = form(sites() | {"distribute": rule})
    assert validate(wanted, {"sites": [{"name": "a", "licences": 3}]}, LICENCES)
    assert "there are 25" in told(wanted, {"sites": [{"name": "a", "licences": 26}]})


def test_a_draft_may_give_out_less_but_never_more() -> None:
    some = {"sites": [{"name": "a", "licences": 3}, {"name": "b"}]}
    assert read_draft(form(sites()), some, LICENCES) == some
    (finding,) = draft_findings(form(sites()), {"sites": [{"licences": 26}]}, LICENCES)
    assert (finding.path, finding.problem) == ("sites", Problem.TOTAL)


@pytest.mark.parametrize(("count", "problem"), [(0, Problem.TOO_FEW), (4, Problem.TOO_MANY)])
def test_there_are_neither_too_few_items_nor_too_many(count: int, problem: Problem) -> None:
    items = [{"name": f"s{n}", "licences": 5} for n in range(count)]
    assert f"sites: has {count} items" in told(form(sites()), {"sites": items})
    drafted = [each.problem for each in draft_findings(form(sites()), {"sites": items}, LICENCES)]
    assert drafted == ([] if problem is Problem.TOO_FEW else [problem])


# For people


def test_answers_are_shown_in_the_readers_language_and_the_forms_order() -> None:
    answers = {
        "audio": "dial_in",
        "sites": [
            {"name": "bergsicht", "licences": 20},
            {"name": "berg-sued", "licences": 5, "time_zone": "UTC"},
        ],
    }
    kept = validate(form_of(MEETINGS), answers, LICENCES)
    assert rows(form_of(MEETINGS), kept, Language.DE) == [
        ("Site 1: Name der Site", "bergsicht.meetings.nordwall.example"),
        ("Site 1: Zeitzone", "Europe/Zurich"),
        ("Site 1: Frühzeitiger Release-Zeitplan", "nein"),
        ("Site 1: Lizenzen", "20"),
        ("Site 2: Name der Site", "berg-sued.meetings.nordwall.example"),
        ("Site 2: Zeitzone", "UTC"),
        ("Site 2: Frühzeitiger Release-Zeitplan", "nein"),
        ("Site 2: Lizenzen", "5"),
        ("Audio", "Einwahl über unsere Rufnummern"),
        ("Land der Einwahlnummer", "CH"),
    ]
    english = rows(form_of(MEETINGS), kept, Language.EN)
    assert english[2] == ("Site 1: Early release schedule", "no")
    assert english[-2] == ("Audio", "Dial-in by our numbers")


def test_a_group_is_told_from_a_field_by_its_type() -> None:
    kinds = [isinstance(each, Group) for each in form(field("text"), sites()).fields]
    assert kinds == [False, True]


@given(answered)
def test_the_audit_keeps_answers_as_they_were_confirmed(given_: tuple[Form, Any]) -> None:
    wanted, answers = given_
    kept = validate(wanted, answers, LICENCES)
    data = audit_data(kept)
    assert answers_in({"partner": "bergsicht", **data}) == kept
    assert all(isinstance(each, str) for each in data.values())
    assert answers_in({"partner": "bergsicht"}) is None
