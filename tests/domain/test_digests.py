"""Who waits for a digest, for what, and what it lists."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decisions import ApprovalStatus
from domain.digests import (
    COLLECTED,
    HOUR,
    LISTED,
    Collected,
    digest,
    end_of_hour,
    hour_of,
    is_collected,
    news,
    still_wanted,
)
from domain.line import OpenTask
from domain.mail import ASKED, MailFacts, RecordFact, Template, Why
from domain.organisations import ApprovalMails
from tests.storage.samples import AT, LINE, open_approval, seats, view

INSTANTS = st.timedeltas(timedelta(), timedelta(days=36_500)).map(lambda span: AT + span)


def mail(template: Template = Template.APPROVAL_REQUESTED, seq: int = 1, **more: object) -> Collected:
    values = {"process": LINE, "seq": seq, "stage": "technical", "round": 1, "facts": MailFacts(order="o1")}
    return Collected(template=template, **(values | more))  # type: ignore[arg-type]


@given(INSTANTS, st.integers(min_value=-14, max_value=14))
def test_an_hour_holds_its_instants_whatever_zone_they_are_written_in(at: datetime, offset: int) -> None:
    written = at.astimezone(timezone(timedelta(hours=offset, minutes=30)))
    assert hour_of(written) <= at < end_of_hour(written) == hour_of(at) + HOUR
    assert hour_of(at).minute == hour_of(at).second == hour_of(at).microsecond == 0


@pytest.mark.parametrize("template", Template)
def test_only_what_asks_somebody_for_a_decision_waits_and_only_if_they_chose_so(template: Template) -> None:
    waiting = {why for why in Why if is_collected(template, why, ApprovalMails.HOURLY)}
    assert waiting == (ASKED[template] if template in COLLECTED else set())
    assert not any(is_collected(template, why, ApprovalMails.AT_ONCE) for why in Why)


def test_whoever_reads_along_or_asked_for_it_is_told_at_once() -> None:
    for why in (Why.REQUESTER, Why.NOTIFY, Why.WORKFLOW_MAILS):
        assert not is_collected(Template.APPROVAL_REQUESTED, why, ApprovalMails.HOURLY)
    assert not is_collected(Template.APPROVAL_DENIED, Why.APPROVER, ApprovalMails.HOURLY)


def test_an_approval_is_wanted_while_its_stage_is_open_and_the_person_has_not_decided() -> None:
    asked = open_approval(roster=seats("ada", "bob"))
    assert still_wanted(mail(), "ada", view(approval=asked))
    decided = asked.model_copy(update={"decided": ("ada",)})
    assert not still_wanted(mail(), "ada", view(approval=decided))
    assert still_wanted(mail(), "bob", view(approval=decided))


@pytest.mark.parametrize(
    "now",
    [
        view(),
        view(approval=open_approval("money", roster=seats("ada"))),
        view(approval=open_approval(roster=seats("ada")).model_copy(update={"round": 2})),
        view(approval=open_approval(roster=seats("ada"), status=ApprovalStatus.EXPIRED)),
        view(approval=open_approval(roster=seats("ada")), ended=True),
        view(approval=open_approval(roster=seats("bob"))),
        view(approval=open_approval(roster=None)),
    ],
    ids=["no approval", "next stage", "next round", "expired", "ended", "delegated", "not seated"],
)
def test_nothing_is_wanted_of_somebody_any_more(now: object) -> None:
    assert not still_wanted(mail(), "ada", now)  # type: ignore[arg-type]


def test_a_question_is_wanted_until_it_is_answered_and_of_the_person_asked_alone() -> None:
    question = mail(Template.APPROVAL_ASKED)
    waiting = open_approval(roster=seats("ada")).model_copy(update={"asked": seats("sam")})
    assert still_wanted(question, "sam", view(approval=waiting))
    assert not still_wanted(question, "ada", view(approval=waiting))
    assert not still_wanted(question, "sam", view(approval=open_approval(roster=seats("ada"))))


def test_a_stage_is_listed_once_by_the_latest_that_was_said_of_it() -> None:
    facts = digest([mail(Template.APPROVAL_REMINDER, seq=7), mail(seq=2), mail(stage="money", seq=3)])
    assert [each.template for each in facts.approvals] == [
        Template.APPROVAL_REMINDER,
        Template.APPROVAL_REQUESTED,
    ]
    assert facts.further == 0


def test_the_most_urgent_comes_first_and_what_has_no_deadline_last() -> None:
    deadlines = {"p1": None, "p2": AT + HOUR, "p3": AT}
    waiting = [mail(process=key, facts=MailFacts(deadline=at)) for key, at in deadlines.items()]
    assert [each.process for each in digest(waiting).approvals] == ["p3", "p2", "p1"]


def test_an_approval_says_what_its_mail_would_have_said() -> None:
    facts = MailFacts(order="o1", line=2, stage="Technical", command="countersign x", question="Why?")
    (fact,) = digest([mail(Template.APPROVAL_ASKED, facts=facts)]).approvals
    assert (fact.order, fact.line, fact.stage) == ("o1", 2, "Technical")
    assert (fact.process, fact.command, fact.question) == (LINE, "countersign x", "Why?")


def test_a_digest_of_very_many_lists_some_and_counts_the_others() -> None:
    facts = digest(mail(process=f"p{number}") for number in range(LISTED + 5))
    assert (len(facts.approvals), facts.further) == (LISTED, 5)


# News of services


def told(template: Template = Template.PROVISIONED, seq: int = 1, **more: object) -> Collected:
    return mail(template, seq, **({"stage": "", "round": 0} | more))


def test_news_are_wanted_whatever_has_become_of_the_process() -> None:
    for now in (view(), view(ended=True)):
        assert still_wanted(told(), "ada", now)


def test_tasks_are_wanted_while_there_are_any() -> None:
    tasks = told(Template.OPEN_TASKS)
    assert still_wanted(tasks, "ada", view(open_tasks=(OpenTask.DNS,)))
    assert not still_wanted(tasks, "ada", view())
    assert not still_wanted(tasks, "ada", view(open_tasks=(OpenTask.DNS,), ended=True))


def test_a_digest_of_news_lists_each_kind_once_per_process_by_its_latest_in_order() -> None:
    facts = news(
        [
            told(Template.OPEN_TASKS, 5, facts=MailFacts(order="late")),
            told(Template.PROVISIONED, 7),
            told(Template.OPEN_TASKS, 2, facts=MailFacts(order="early")),
            told(Template.LINE_MAPPED, 1, process="order-o0-line-1"),
        ]
    )
    listed = [(each.process, each.template, each.order) for each in facts.services]
    assert listed == [
        ("order-o0-line-1", Template.LINE_MAPPED, "o1"),
        (LINE, Template.OPEN_TASKS, "late"),
        (LINE, Template.PROVISIONED, "o1"),
    ]
    assert facts.further == 0


def test_of_more_news_than_anybody_reads_the_digest_says_how_many() -> None:
    many = [told(process=f"order-o{number}-line-1") for number in range(LISTED + 3)]
    facts = news(many)
    assert (len(facts.services), facts.further) == (LISTED, 3)


def test_news_say_what_their_mail_would_have_said() -> None:
    record = RecordFact(owner="x.example", relative_owner="@", rrtype="TXT", value="v")
    facts = MailFacts(order="o1", reason="why", closes_at=AT, command="countersign x", records=(record,))
    (listed,) = news([told(Template.OPEN_TASKS, facts=facts)]).services
    assert (listed.order, listed.reason, listed.closes_at) == ("o1", "why", AT)
    assert (listed.command, listed.records) == ("countersign x", (record,))
