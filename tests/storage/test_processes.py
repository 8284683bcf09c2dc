"""Lists and timelines find what was announced, newest or oldest first as people read them."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from domain.organisations import Parties
from domain.transitions import ProcessKind
from storage import audit, processes, projection
from storage.stages import Stages
from tests.storage.samples import AT, HOUR, LINE, PARTIES, open_approval, seats, step, view

ORDER = "order-o1"
OTHER = "order-o2"


async def listed(session: AsyncSession, **wanted: object) -> list[str]:
    return [entry.id for entry in await processes.list_processes(session, **wanted)]  # type: ignore[arg-type]


@pytest.fixture
async def busy(session: AsyncSession) -> AsyncSession:
    order = view("inProgress", kind=ProcessKind.ORDER, line=None)
    strangers = Parties(provider="acme", partner="fabrikam", customer="fabrikam")
    other = view(
        "completed", order="o2", parties=strangers, domain="other.test", requested_by="fay", ended=True
    )
    for transition in (
        step(1, "order.submitted", process=ORDER, view=order),
        step(2, "line.ordered"),
        step(3, "order.submitted", process=OTHER, view=other),
    ):
        await projection.advance(session, [transition])
        await audit.record(session, [transition])
    return session


async def test_a_list_starts_with_what_changed_last(busy: AsyncSession) -> None:
    assert await listed(busy) == [OTHER, LINE, ORDER]
    assert await listed(busy, limit=1) == [OTHER]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"kind": ProcessKind.ORDER}, [ORDER]),
        ({"order": "o1"}, [LINE, ORDER]),
        ({"organisation": "contoso"}, [LINE, ORDER]),
        ({"organisation": "reseller"}, [LINE, ORDER]),
        ({"organisation": "fabrikam"}, [OTHER]),
        ({"organisation": "acme"}, []),
        ({"ended": True}, [OTHER]),
        ({"ended": False, "kind": ProcessKind.ORDER_LINE}, [LINE]),
    ],
)
async def test_a_list_is_narrowed_by_what_is_given(
    busy: AsyncSession, wanted: dict[str, object], found: list[str]
) -> None:
    assert await listed(busy, **wanted) == found


async def test_the_timeline_of_an_order_tells_its_lines_too_oldest_first(busy: AsyncSession) -> None:
    told = await processes.timeline(busy, order="o1")
    assert [(entry.process, entry.seq, entry.at) for entry in told] == [
        (ORDER, 1, AT + HOUR),
        (LINE, 2, AT + 2 * HOUR),
    ]
    assert [entry.process for entry in await processes.timeline(busy, process=LINE)] == [LINE]


async def test_a_process_remembers_when_it_started(busy: AsyncSession) -> None:
    await projection.advance(busy, [step(9, view=view("provisioned", ended=True))])
    await projection.advance(busy, [step(1, view=view("draft"))])
    entry = await processes.get_process(busy, LINE)
    assert (entry.seq, entry.view.state) == (9, "provisioned")
    assert (entry.started_at, entry.updated_at) == (AT + HOUR, AT + 9 * HOUR)


async def test_what_nobody_announced_is_not_found(session: AsyncSession) -> None:
    with pytest.raises(Refusal) as refusal:
        await processes.get_view(session, "order-nothing")
    assert refusal.value.code is Code.NOT_FOUND


async def test_open_approvals_are_of_the_organisations_that_take_part(session: AsyncSession) -> None:
    waiting = step(1, view=view(approval=open_approval(roster=seats("ada"))))
    await projection.advance(session, [waiting])
    await (await Stages.of(session, LINE)).update(waiting.view, [waiting], None)
    for organisation in (None, PARTIES.partner, PARTIES.customer):
        (stage,) = await processes.open_approvals(session, organisation)
        assert (stage.stage_title, stage.deadline) == ("Technical", AT + 60 * 24 * HOUR)
        assert [seat.person for seat in stage.seats] == ["ada"]
    assert await processes.open_approvals(session, "fabrikam") == ()


async def test_a_stage_nobody_may_decide_is_open_all_the_same(session: AsyncSession) -> None:
    held = step(1, view=view(approval=open_approval(roster=())))
    await projection.advance(session, [held])
    await (await Stages.of(session, LINE)).update(held.view, [held], None)
    (stage,) = await processes.open_approvals(session)
    assert (stage.roster, stage.seats) == ((), ())
