"""Every template, in every language, for every kind of reader."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.mail.render import NO_WAYS, Rendered, Ways, render
from domain.base import Language
from domain.mail import ASKED, OUTSIDERS, ApprovalFact, MailFacts, RecordFact, ServiceFact, Template, Why

LINK = "https://portal.example/links/eyJ4IjoxfQ.c2lnbmVk_-"
LINKED = Ways(link=LINK, choices="https://portal.example/people/sam/notifications?group=services")
COMMAND = "countersign link show eyJ4IjoxfQ.c2lnbmVk_-"
COMMANDED = Ways(link_command=COMMAND, choices="countersign people notifications sam")
READERS = list(product(Language, Why))
NOTHING_TO_DO = {
    (Language.DE, False): "Sie müssen nichts tun.",
    (Language.DE, True): "von dieser Adresse wird nichts erwartet",
    (Language.EN, False): "You do not need to do anything.",
    (Language.EN, True): "nothing is expected from this address",
}


class _Reader(HTMLParser):
    """What a reader of the HTML sees, what it links to, and whether its elements nest properly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str | None] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []
        self.text = " ".join(" ".join(self.seen).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.seen.append(data)


def values_of(facts: MailFacts) -> list[str]:
    """What has to be readable in every mail that carries these facts."""
    plain = [facts.order, str(facts.line), facts.process, facts.organisation, facts.offer, facts.domain]
    plain += [facts.domain_display, facts.requested_by, facts.decided_by, facts.stage, facts.target]
    plain += [facts.waiting_for, facts.contact]
    for record in facts.records:
        plain += [record.owner, record.relative_owner, record.rrtype, record.value, record.purpose]
        plain += [record.found, record.hint]
    for finding in facts.findings:
        plain += [finding.code, finding.field, finding.message]
    for approval in facts.approvals:
        plain += [approval.order, approval.organisation, approval.offer, approval.domain, approval.stage]
        plain += [approval.requested_by, approval.decided_by, *(approval.question or "").split("\n")]
    for service in facts.services:
        plain += [service.order, service.organisation, service.offer, service.domain, service.contact]
        plain += [service.requested_by, service.decided_by, *(service.reason or "").split("\n")]
        plain += [text for record in service.records for text in (record.value, record.purpose)]
    plain.append(str(facts.further))
    for quote in (facts.question, facts.answer, facts.reason):
        plain += (quote or "").split("\n")
    return [value for value in [*plain, *facts.details] if value]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("template", Template)
def test_every_mail_says_every_fact_in_text_and_html(template: Template, full_facts: MailFacts) -> None:
    for language, why in READERS:
        mail = render(template, language, full_facts, why, action_links=True)
        text, html = flat(mail.text), _Reader(mail.html).text
        for value in map(flat, values_of(full_facts)):
            assert value in text
            assert value in html
        for record in full_facts.records:
            assert any(line.endswith(f": {record.value}") for line in mail.text.splitlines())
        assert f'<html lang="{language}">' in mail.html


@pytest.mark.parametrize("template", Template)
def test_every_mail_reads_well_without_any_fact(template: Template) -> None:
    for language, why in READERS:
        mail = render(template, language, MailFacts(), why, action_links=True)
        assert_presentable(mail)


@pytest.mark.parametrize("template", Template)
def test_text_and_html_say_the_same_words(template: Template, full_facts: MailFacts) -> None:
    cases = ((MailFacts(), NO_WAYS), (full_facts, NO_WAYS), (full_facts, LINKED), (full_facts, COMMANDED))
    for number, (language, why) in enumerate(READERS):
        # Every reader in one way, some in all: why one reads a mail is a sentence of its own.
        for facts, ways in cases if number % len(Why) == 0 else (cases[number % len(cases)],):
            mail = render(template, language, facts, why, action_links=True, ways=ways)
            # The HTML numbers its findings by itself, and marks quotes and list items by their looks.
            markup = re.compile(r"^(> ?|- |-- ?$|\d+\. )", re.MULTILINE)
            assert sorted(words(markup.sub("", mail.text))) == sorted(words(_Reader(body(mail.html)).text))


def words(text: str) -> list[str]:
    return [word for word in text.replace(":", " ").split() if not re.fullmatch(r"\d\.", word)]


def body(html: str) -> str:
    return html[html.index("<main>") : html.index("</body>")]


def assert_presentable(mail: Rendered) -> None:
    _Reader(mail.html)
    assert 0 < len(mail.subject) <= 200
    assert mail.subject.isprintable()
    assert "None" not in mail.subject + mail.text + mail.html
    assert "\n\n\n" not in mail.text
    assert all(len(line) <= 72 for line in mail.text.splitlines())
    assert " ," not in mail.text
    assert "()" not in mail.text


@pytest.mark.parametrize("template", Template)
def test_an_address_that_only_reads_along_gets_neither_link_nor_command(
    template: Template, full_facts: MailFacts
) -> None:
    for language, why in READERS:
        mail = render(template, language, full_facts, why, action_links=False, ways=LINKED)
        for part in (mail.text, mail.html):
            assert "portal.example" not in part
            assert "countersign approve" not in part
            assert "://" not in part
        assert _Reader(mail.html).links == []


@pytest.mark.parametrize("template", ASKED)
def test_only_whoever_is_asked_and_can_sign_in_gets_the_command(
    template: Template, full_facts: MailFacts
) -> None:
    for language in Language:
        for why in Why:
            mail = render(template, language, full_facts, why, action_links=True)
            assert ("countersign approve" in mail.text) == (why in ASKED[template] - OUTSIDERS)
            assert ("countersign approve" in mail.html) == (why in ASKED[template] - OUTSIDERS)


@pytest.mark.parametrize("template", Template)
def test_a_personal_link_is_for_those_alone_who_cannot_sign_in_and_are_asked(
    template: Template, full_facts: MailFacts
) -> None:
    for language, why in READERS:
        wanted = why in OUTSIDERS and why in ASKED.get(template, OUTSIDERS)
        mail = render(template, language, full_facts, why, action_links=True, ways=LINKED)
        assert (LINK in mail.text.splitlines()) == wanted
        assert (LINK in mail.html) == wanted
        if why in OUTSIDERS:
            # Nothing else that it could follow: every page wants a sign-in.
            assert _Reader(mail.html).links == ([LINK, LINK] if wanted else [])


@pytest.mark.parametrize(
    ("language", "label", "until"),
    [
        (Language.DE, "Service einrichten", "gilt bis Sonntag, 31. Mai 2026, 12:30 Uhr (UTC)."),
        (Language.EN, "Set up your service", "works until Sunday, 31 May 2026, 12:30 UTC."),
    ],
)
def test_a_personal_link_is_a_button_in_html_and_a_line_in_text_that_says_until_when_it_works(
    language: Language, label: str, until: str, full_facts: MailFacts
) -> None:
    mail = render(
        Template.PROVISIONING_DETAILS, language, full_facts, Why.CONTACT, action_links=True, ways=LINKED
    )
    assert f'<a class="button" href="{LINK}">{label}</a>' in mail.html
    assert f"\n{label}:\n{LINK}\n" in mail.text
    for part in (mail.text, _Reader(mail.html).text):
        assert until in flat(part)


@pytest.mark.parametrize("why", Why)
@pytest.mark.parametrize(
    "template",
    [Template.PROVISIONING_DETAILS, Template.CUSTOMER_SET_UP, Template.LINE_CLOSED, Template.PROVISIONED],
)
def test_where_no_pages_are_served_no_mail_has_a_link_and_outsiders_get_a_command(
    template: Template, why: Why, full_facts: MailFacts
) -> None:
    facts = full_facts.model_copy(update={"url": None, "approvals": (), "services": ()})
    wanted = why in OUTSIDERS and why in ASKED.get(template, OUTSIDERS)
    mail = render(template, Language.DE, facts, why, action_links=True, ways=COMMANDED)
    assert (COMMAND in mail.text.splitlines()) == wanted
    assert (f">{COMMAND}</code>" in mail.html) == wanted
    assert _Reader(mail.html).links == []
    assert "://" not in mail.text
    signs_in = why not in OUTSIDERS
    assert ("countersign people notifications sam" in mail.text.splitlines()) == signs_in
    assert ("countersign people notifications sam" in mail.html) == signs_in


@pytest.mark.parametrize(
    ("language", "hand_it"),
    [
        (Language.DE, "geben Sie ihn an Anna Auftrag weiter und an niemanden sonst"),
        (Language.EN, "hand it to Anna Auftrag and nobody else"),
    ],
)
def test_a_command_instead_of_a_link_comes_with_what_to_do_with_it(
    language: Language, hand_it: str, full_facts: MailFacts
) -> None:
    mail = render(
        Template.PROVISIONING_DETAILS, language, full_facts, Why.CONTACT, action_links=True, ways=COMMANDED
    )
    for part in (mail.text, _Reader(mail.html).text):
        assert hand_it in flat(part)


@pytest.mark.parametrize("template", [Template.PROVISIONING_DETAILS, Template.LINE_CLOSED])
@pytest.mark.parametrize(
    ("language", "whom"),
    [(Language.DE, "Auskunft gibt Anna Auftrag."), (Language.EN, "ask Anna Auftrag for it.")],
)
def test_a_link_that_cannot_be_signed_is_left_out_and_the_mail_says_whom_to_ask(
    template: Template, language: Language, whom: str, full_facts: MailFacts
) -> None:
    unsigned = render(template, language, full_facts, Why.CONTACT, action_links=True)
    assert whom in flat(unsigned.text)
    assert _Reader(unsigned.html).links == []
    for reader in (Why.REQUESTER, Why.NOTIFY):
        assert whom not in flat(render(template, language, full_facts, reader, action_links=True).text)
    copy = render(template, language, full_facts, Why.WORKFLOW_MAILS, action_links=False)
    assert whom not in flat(copy.text)


@pytest.mark.parametrize("template", ASKED)
def test_whoever_is_not_asked_is_told_so(template: Template, full_facts: MailFacts) -> None:
    for language in Language:
        please = {Language.DE: "Bitte", Language.EN: "Please"}[language]
        facts = full_facts.model_copy(update={"reason": None, "services": ()})
        for why in Why:
            text = render(template, language, facts, why, action_links=True).text
            assert (NOTHING_TO_DO[language, why is Why.WORKFLOW_MAILS] in text) != (why in ASKED[template])
            assert (please in text) == (why in ASKED[template])


def test_times_are_written_out_in_utc(full_facts: MailFacts) -> None:
    german = render(Template.APPROVAL_REQUESTED, Language.DE, full_facts, Why.APPROVER, action_links=True)
    english = render(Template.APPROVAL_REQUESTED, Language.EN, full_facts, Why.APPROVER, action_links=True)
    assert "Bis: Montag, 2. März 2026, 08:05 Uhr (UTC)" in german.text
    assert "Until: Monday, 2 March 2026, 08:05 UTC" in english.text


@pytest.mark.parametrize("template", [Template.OPEN_TASKS, Template.CLOSURE_WARNING])
def test_what_provisioning_waits_for_is_wanted_until_the_line_closes(
    template: Template, full_facts: MailFacts
) -> None:
    german = render(template, Language.DE, full_facts, Why.REQUESTER, action_links=True)
    english = render(template, Language.EN, full_facts, Why.REQUESTER, action_links=True)
    assert "Bis: Freitag, 31. Dezember 2027, 23:59 Uhr (UTC)" in german.text
    assert "Until: Friday, 31 December 2027, 23:59 UTC" in english.text


@pytest.mark.parametrize(
    ("code", "german", "english"),
    [
        ("expire", "verfällt die Anfrage", "the request expires"),
        ("approve", "gilt die Anfrage als genehmigt", "counts as approved"),
        ("deny", "gilt die Anfrage als abgelehnt", "counts as denied"),
        ("escalate", "wird die Entscheidung an andere eskaliert", "is escalated to others"),
    ],
)
def test_an_approval_says_what_happens_if_nobody_decides(code: str, german: str, english: str) -> None:
    facts = MailFacts(what_then=code)
    for language, sentence in ((Language.DE, german), (Language.EN, english)):
        mail = render(Template.APPROVAL_REMINDER, language, facts, Why.APPROVER, action_links=True)
        assert sentence in flat(mail.text)


@pytest.mark.parametrize(
    ("template", "why", "german", "english"),
    [
        (
            Template.APPROVAL_DELEGATED,
            Why.APPROVER,
            "sollen Sie anstelle von Dora entscheiden",
            "Your decision on order 4711 is wanted instead of Dora.",
        ),
        (
            Template.APPROVAL_HANDED_BACK,
            Why.APPROVER,
            "Dora hat die Entscheidung über die Bestellung 4711 zurückgegeben; sie liegt wieder bei Ihnen.",
            "Dora has handed the decision on order 4711 back; it is yours again.",
        ),
        (
            Template.APPROVER_ADDED,
            Why.APPROVER,
            "Zusätzlich zu den bisher Gefragten ist Ihre Genehmigung",
            "is wanted in addition to that of the approvers asked so far; Dora has added you.",
        ),
        (
            Template.APPROVAL_ESCALATED,
            Why.APPROVER,
            "wurde von Dora eskaliert. Es entscheidet eine der nun gefragten Personen.",
            "has been escalated by Dora. One of those who are asked now decides.",
        ),
        (
            Template.APPROVAL_ASKED,
            Why.INVOLVED,
            "Dora hat eine Frage",
            "Please answer the question; nobody decides until then.",
        ),
        (
            Template.APPROVAL_ANSWERED,
            Why.APPROVER,
            "Dora hat Ihre Frage zur Bestellung 4711 beantwortet.",
            "Dora has answered your question about order 4711.",
        ),
        (
            Template.APPROVAL_REROUTED,
            Why.INVOLVED,
            "Sie geht bei der Stufe Technik weiter. Bei der Stufe Finanzen ist Ihre Entscheidung nicht",
            "It goes on at stage Technik. At stage Finanzen your decision is not needed any more.",
        ),
        (
            Template.APPROVAL_REROUTED,
            Why.REQUESTER,
            "Sie geht bei der Stufe Technik weiter. Sie müssen nichts tun.",
            "It goes on at stage Technik. You do not need to do anything.",
        ),
        (
            Template.APPROVAL_RESTARTED,
            Why.INVOLVED,
            "Die bisherigen Entscheidungen sind hinfällig; sie stehen unten.",
            "The decisions made so far are void; they are listed below.",
        ),
    ],
)
def test_each_action_says_who_did_what_and_what_the_reader_does_now(
    template: Template, why: Why, german: str, english: str
) -> None:
    facts = MailFacts(
        order="4711", decided_by="Dora", stage="Finanzen", target="Technik", details=("Anna: approve",)
    )
    for language, sentence in ((Language.DE, german), (Language.EN, english)):
        mail = render(template, language, facts, why, action_links=True)
        assert sentence in flat(mail.text)
        assert sentence in _Reader(mail.html).text


@pytest.mark.parametrize(
    ("template", "why", "german", "english"),
    [
        (
            Template.PROVISIONING_DETAILS,
            Why.CONTACT,
            "Anna hat Meetings für Muster AG bestellt: Bestellung 4711.",
            "Anna has ordered Meetings for Muster AG: order 4711. You have been named to set it up.",
        ),
        (
            Template.PROVISIONING_DETAILS,
            Why.CONTACT,
            "nennen Sie jemand anderen, der dies übernimmt. Fragen beantwortet Anna.",
            "or name somebody else who is to do it. If you have questions, ask Anna.",
        ),
        (
            Template.CONTACT_CHANGED,
            Why.CONTACT,
            "Den Service zur Bestellung 4711 richtet an Ihrer Stelle jemand anderes ein.",
            "Somebody else will set up the service of order 4711 instead of you.",
        ),
        (
            Template.CONTACT_BOUNCED,
            Why.REQUESTER,
            "liess sich an carla@muster.example nicht zustellen. Bitte prüfen Sie die Adresse",
            "could not be delivered to carla@muster.example. Please check the address",
        ),
        (
            Template.CONTACT_HANDED_OVER,
            Why.REQUESTER,
            "Dora hat das Einrichten zur Bestellung 4711 an carla@muster.example übergeben. Sie müssen",
            "Dora has handed the set-up of order 4711 over to carla@muster.example. You do not need",
        ),
        (
            Template.LINE_MAPPED,
            Why.NOTIFY,
            "Die Bestellung 4711 ist nun mit Muster AG verknüpft; bestätigt hat dies Dora.",
            "Order 4711 is now linked to Muster AG; Dora has confirmed it.",
        ),
        (
            Template.CUSTOMER_SET_UP,
            Why.CUSTOMER_ADMIN,
            "eingerichtet zu werden: Bestellung 4711. Dora hat dies Ihnen überlassen. Bitte richten Sie",
            "is waiting to be set up: order 4711. Dora has left that to you. Please set up the service.",
        ),
        (
            Template.CUSTOMER_BOUNCED,
            Why.CONTACT,
            "auffordert, Meetings einzurichten (Bestellung 4711), liess sich an carla@muster.example nicht",
            "the customer to set up Meetings, order 4711, could not be delivered to carla@muster.example.",
        ),
        (
            Template.CONTACT_CHANGED,
            Why.CUSTOMER_ADMIN,
            "Den Service zur Bestellung 4711 richtet an Ihrer Stelle jemand anderes ein.",
            "Somebody else will set up the service of order 4711 instead of you.",
        ),
        (
            Template.SET_UP_REMINDER,
            Why.CUSTOMER_ADMIN,
            "Meetings für Muster AG ist noch nicht eingerichtet: Bestellung 4711.",
            "Meetings for Muster AG is still waiting to be set up: order 4711.",
        ),
    ],
)
def test_each_step_of_the_set_up_says_what_happened_and_what_is_wanted(
    template: Template, why: Why, german: str, english: str
) -> None:
    facts = MailFacts(
        order="4711",
        offer="Meetings",
        organisation="Muster AG",
        requested_by="Anna",
        decided_by="Dora",
        contact="carla@muster.example",
    )
    for language, sentence in ((Language.DE, german), (Language.EN, english)):
        mail = render(template, language, facts, why, action_links=True)
        assert sentence in flat(mail.text)
        assert sentence in _Reader(mail.html).text


def test_what_was_escalated_by_nobody_was_escalated_by_time() -> None:
    for language, sentence in (
        (Language.DE, "eskaliert, weil nicht rechtzeitig entschieden wurde"),
        (Language.EN, "escalated because nobody decided in time"),
    ):
        mail = render(Template.APPROVAL_ESCALATED, language, MailFacts(), Why.APPROVER, action_links=True)
        assert sentence in flat(mail.text)


def test_a_digest_counts_what_waits_and_says_of_each_what_a_mail_of_its_own_would_have_said(
    full_facts: MailFacts,
) -> None:
    mail = render(Template.APPROVAL_DIGEST, Language.EN, full_facts, Why.APPROVER, action_links=True)
    assert mail.subject == "Approvals waiting for you: 9"
    assert "1. Reminder, approval requested: order 4712, line 1 (kunz.example)" in mail.text
    assert "Until: Wednesday, 4 March 2026, 10:00 UTC" in mail.text
    assert "2. Question before the decision: order 4713" in mail.text
    assert "Not listed: 7 more." in mail.text
    reminder = full_facts.approvals[0]
    assert _Reader(mail.html).links == [full_facts.url, reminder.url, full_facts.services[0].url]
    for part in (mail.text, mail.html):
        assert reminder.command is not None
        assert reminder.command in part
    german = render(Template.APPROVAL_DIGEST, Language.DE, full_facts, Why.APPROVER, action_links=True)
    assert german.subject == "Genehmigungen, die auf Sie warten: 9"
    assert "1. Erinnerung, Genehmigung erbeten: Bestellung 4712, Position 1 (kunz.example)" in german.text


def test_a_digest_of_news_says_of_each_what_happened_and_what_has_to_be_done(full_facts: MailFacts) -> None:
    mail = render(Template.SERVICES_DIGEST, Language.EN, full_facts, Why.NOTIFY, action_links=True)
    assert mail.subject == "News of your services: 9"
    assert "3. Open tasks: order 4714, line 2 (lenz.example)" in mail.text
    assert "There are still open tasks before order 4714, line 2 can be provisioned." in flat(mail.text)
    assert "Please set the DNS records listed below in the zone of lenz.example." in flat(mail.text)
    assert "   Until: Monday, 9 March 2026, 06:00 UTC" in mail.text.splitlines()
    assert "   TXT for Inhaberschaft: not yet the same on all name servers" in mail.text.splitlines()
    assert "   Command: countersign order check 4714" in mail.text.splitlines()
    assert "4. Failed: order 4715" in mail.text
    assert "> Morgen wieder." in mail.text.splitlines()
    german = render(Template.SERVICES_DIGEST, Language.DE, full_facts, Why.NOTIFY, action_links=True)
    assert german.subject == "Neuigkeiten zu Ihren Services: 9"
    assert "Für die Aufschaltung zur Bestellung 4714, Position 2 sind noch Aufgaben" in flat(german.text)


def test_a_digest_in_which_nothing_has_to_be_done_says_so() -> None:
    ready = MailFacts(services=(ServiceFact(template=Template.PROVISIONED, order="4711"),))
    mail = render(Template.SERVICES_DIGEST, Language.EN, ready, Why.NOTIFY, action_links=True)
    assert "You do not need to do anything." in mail.text.split("1. Ready")[0]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("verdict", ["PASS", "MISSING", "MISMATCH", "CONFLICT", "PARTIAL", "UNKNOWN"])
def test_dns_verdicts_are_put_into_words(language: Language, verdict: str) -> None:
    record = RecordFact(owner="x.example", relative_owner="@", rrtype="MX", value="v", verdict=verdict)
    mail = render(
        Template.OPEN_TASKS, language, MailFacts(records=(record,)), Why.REQUESTER, action_links=True
    )
    assert verdict not in mail.text


def test_a_page_is_linked_but_nothing_else_is(full_facts: MailFacts) -> None:
    mail = render(Template.PROVISIONED, Language.EN, full_facts, Why.REQUESTER, action_links=True)
    listed = (*full_facts.approvals, *full_facts.services)
    pages = [full_facts.url, *(each.url for each in listed if each.url)]
    assert _Reader(mail.html).links == pages
    hostile = MailFacts(url="javascript:alert(1)")
    assert (
        _Reader(
            render(Template.PROVISIONED, Language.EN, hostile, Why.REQUESTER, action_links=True).html
        ).links
        == []
    )


def test_a_hostile_name_is_escaped_in_html_and_literal_in_text() -> None:
    facts = MailFacts(organisation='<img src=x onerror="a()">\r\nBcc: x@evil.example\0\x1b[31m\u202e')
    mail = render(Template.ORDER_RECEIVED, Language.DE, facts, Why.REQUESTER, action_links=True)
    assert "img" not in _Reader(mail.html).tags
    assert '<img src=x onerror="a()">' in _Reader(mail.html).text
    line = next(line for line in mail.text.splitlines() if line.startswith("Organisation: "))
    assert '<img src=x onerror="a()">  Bcc: x@evil.example' in line
    assert line.isprintable()


def test_a_reason_cannot_pass_for_our_own_words() -> None:
    facts = MailFacts(reason="No.\n\nKind regards\n\n-- \nPage: https://evil.example")
    mail = render(Template.APPROVAL_DENIED, Language.EN, facts, Why.REQUESTER, action_links=True)
    assert [line for line in mail.text.splitlines() if "evil" in line] == ["> Page: https://evil.example"]
    assert mail.text.splitlines().count("Kind regards") == 1


def test_template_syntax_in_a_fact_stays_text() -> None:
    facts = MailFacts(organisation="{{ 7 * 7 }}{% include 'x' %}")
    mail = render(Template.ORDER_RECEIVED, Language.EN, facts, Why.REQUESTER, action_links=True)
    assert "{{ 7 * 7 }}{% include 'x' %}" in mail.text


def test_an_overlong_subject_is_cut_at_200_characters() -> None:
    facts = MailFacts(order="4711", domain_display="x" * 400)
    mail = render(Template.ORDER_RECEIVED, Language.EN, facts, Why.REQUESTER, action_links=True)
    assert len(mail.subject) == 200
    assert mail.subject.endswith("…")


def test_a_reader_without_a_known_reason_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="curiosity"):
        render(Template.FAILED, Language.EN, MailFacts(), "curiosity", action_links=True)


@given(
    text=st.text(max_size=120),
    template=st.sampled_from(Template),
    language=st.sampled_from(Language),
)
def test_no_text_breaks_a_mail(text: str, template: Template, language: Language) -> None:
    record = RecordFact(owner=text, relative_owner=text, rrtype=text, value=text, verdict=text, found=text)
    facts = MailFacts(
        order=text,
        organisation=text,
        domain=text,
        reason=text,
        what_then=text,
        records=(record,),
        approvals=(ApprovalFact(template=template, order=text, stage=text, question=text, url=text),),
        url=text,
    )
    mail = render(template, language, facts, Why.REQUESTER, action_links=True)
    assert not {unicodedata.category(char) for char in mail.subject} & {"Cc", "Cs", "Zl", "Zp"}
    assert "\r" not in mail.text + mail.html
    assert "\0" not in mail.text + mail.html
    mail.text.encode()
    mail.html.encode()
    _Reader(mail.html)


def test_a_contact_of_an_internationalised_domain_is_named_in_its_letters() -> None:
    facts = MailFacts(contact="carla@xn--kferei-3ya.example", decided_by="reto@xn--kferei-3ya.example")
    for language in Language:
        mail = render(Template.LINE_MAPPED, language, facts, Why.REQUESTER, action_links=True)
        for part in (flat(mail.text), _Reader(mail.html).text):
            assert "carla@küferei.example (xn--kferei-3ya.example)" in part
            assert "reto@küferei.example (xn--kferei-3ya.example)" in part
