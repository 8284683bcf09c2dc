"""No combination of line, approval, service and contact that a run can reach contradicts SPEC 5.

Many random lines run without a server, a few on the real one. After every step each stands as a second
opinion says it must (`tests/domain/line_axes.py`), and everything it has announced is a row of the table.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import product
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.dns.verdicts import Overall
from tests.workflows.backend import Backend
from tests.workflows.conftest import Scene
from tests.workflows.line_runs import FAULTS, OfflineLine, ServerLine
from tests.workflows.line_trace import Combination, Trace, any_kind, line_of
from tests.workflows.world import seen

STEPS = 20

SPEC_5 = """
line                          | approval            | service      | contact                  | bound
ordered                       | -                   | ordered      | - unasked                | no
awaiting_approval             | - PENDING APPROVED  | ordered      | - unasked                | no
confirmed                     | - APPROVED          | confirmed    | - unasked                | no
scheduled                     | - APPROVED          | confirmed    | - unasked                | no
awaiting_provisioning_details | - APPROVED          | confirmed    | unasked sent taken lost  | no
provisioning                  | - APPROVED          | provisioning | -                        | no yes
provisioning                  | - APPROVED          | provisioning | sent taken lost          | yes
closed                        | - APPROVED          | provisioning | -                        | no
closed                        | - APPROVED          | confirmed    | sent taken lost          | no
closed                        | - APPROVED          | provisioning | sent taken lost          | yes
cancelling                    | - APPROVED          | provisioning | -                        | no
cancelling                    | - APPROVED          | confirmed    | unasked sent taken lost  | no
provisioned                   | - APPROVED          | provisioned  | - sent taken lost        | yes
rejected                      | REJECTED            | cancelled    | - unasked                | no
expired                       | EXPIRED             | cancelled    | - unasked                | no
cancelled                     | - APPROVED WITHDRAWN| cancelled    | - unasked sent taken lost| no
failed                        | - APPROVED          | cancelled    | -                        | no yes
failed                        | - APPROVED          | cancelled    | unasked                  | no
failed                        | - APPROVED          | cancelled    | sent taken lost          | yes
"""

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def allowed() -> dict[Combination, str]:
    """Every combination the table allows, with its row."""
    rows = SPEC_5.strip().splitlines()[1:]
    cells = {row: [cell.split() for cell in row.split("|")] for row in rows}
    return {Combination(*each): row for row in rows for each in product(*cells[row])}


ALLOWED = allowed()


def without_waiting(story: Coroutine[object, None, None]) -> None:
    """Runs what is declared to wait, and never does."""
    try:
        story.send(None)
    except StopIteration:
        return
    raise AssertionError("a line without a server has nothing to wait for")


def test_no_line_reaches_what_spec_5_does_not_know_and_each_of_its_rows_is_reached() -> None:
    reached: set[Combination] = set()
    backends = ("work", "refuse", "are away")

    @given(seed=st.integers(0, 2**32))
    @settings(max_examples=300, database=None, phases=[Phase.generate])
    def lines(seed: int) -> None:
        dice = Random(seed)
        kind = any_kind(dice, NOW, backends)
        run = OfflineLine(line_of(kind), kind.start, NOW, kind.backend)
        trace = Trace(run, kind, dice, NOW, backends)
        without_waiting(trace.goes_on(STEPS))
        assert not trace.seen - set(ALLOWED)
        reached.update(trace.seen)

    lines()
    assert {ALLOWED[each] for each in reached} == set(ALLOWED.values())


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=5,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_on_the_real_server_lines_tell_the_same_story(seed: int, scene: Scene) -> None:
    world, backend = scene.world, Backend()  # the same world serves every example
    world.provision, world.remove = backend.provision, backend.remove
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    dice, now = Random(seed), datetime.now(UTC)
    kind = any_kind(dice, now, list(FAULTS))
    backend.faults = FAULTS[kind.backend]
    run = await scene.start(line_of(kind), start=kind.start)
    trace = Trace(ServerLine(scene, run, backend), kind, dice, now, list(FAULTS))
    await trace.goes_on(STEPS)
    assert not trace.seen - set(ALLOWED)
    if not trace.model.has_ended:
        await run.terminate("the trace is over")
