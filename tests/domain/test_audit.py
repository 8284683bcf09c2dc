"""Nobody changes, moves or removes an audit entry unseen (SPEC 4.7)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import (
    MOST_EXPLAINED,
    START,
    AuditEntry,
    ChainedEntry,
    Fault,
    Problem,
    canonical,
    chained,
    facts,
    link,
    verify,
)
from domain.decisions import Verdict
from tests.storage.samples import open_approval, step, view, vote

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
PROCESS = "order-o1-line-1"


def entry(seq: int, **more: Any) -> AuditEntry:
    values = {
        "process": PROCESS,
        "seq": seq,
        "order": "o1",
        "at": AT + timedelta(hours=seq),
        "action": "line.checked",
        "from_state": "ordered",
        "to_state": "ordered",
        "actor": "sam",
        "accepted": True,
    }
    return AuditEntry.model_validate(values | more)


def chain(*entries: AuditEntry) -> list[ChainedEntry]:
    hashes = chained(0, START, entries)
    return [ChainedEntry(**each.model_dump(), hash=hashes[each.seq]) for each in entries]


def whole(length: int) -> list[ChainedEntry]:
    return chain(*(entry(seq, reason=f"reason {seq}") for seq in range(1, length + 1)))


def wrong(entries: list[ChainedEntry], last: int = 0) -> list[tuple[int, Fault]]:
    ordered = sorted(entries, key=lambda each: each.seq)
    return [(problem.seq, problem.fault) for problem in verify(PROCESS, ordered, last)]


def changed(each: ChainedEntry, **more: Any) -> ChainedEntry:
    return each.model_copy(update=more)


# The hash


def test_an_entry_has_one_text_and_its_hash_is_no_part_of_it() -> None:
    text = (
        b'{"accepted":true,"action":"line.checked","actor":"sam","at":"2026-03-02T09:00:00.000000Z","code":null,'
        b'"data":{"a":"\xc3\xbc","b":"2"},"definition":null,"from_state":"ordered","on_behalf_of":null,'
        b'"order":"o1","process":"order-o1-line-1","reason":null,"seq":1,"to_state":"ordered"}'
    )
    first = entry(1, data={"b": "2", "a": "ü"})
    assert canonical(first) == text
    assert canonical(ChainedEntry(**first.model_dump(), hash=START)) == text
    assert link(START, first) == hashlib.sha256(b"0" * 64 + text).hexdigest()


def test_an_exported_line_is_enough_to_check_its_hash() -> None:
    one, two = (each.model_dump(mode="json") for each in whole(2))
    claimed = two.pop("hash")
    text = json.dumps(two, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert claimed == hashlib.sha256((one["hash"] + text).encode()).hexdigest()


@pytest.mark.parametrize("at", ["2026-03-02T11:30:00+01:00", "2026-03-02T10:30:00.000000Z"])
def test_the_same_instant_has_the_same_text_in_every_zone(at: str) -> None:
    assert b'"at":"2026-03-02T10:30:00.000000Z"' in canonical(entry(1, at=at))


@pytest.mark.parametrize("name", sorted(AuditEntry.model_fields))
def test_every_field_of_an_entry_is_under_its_hash(name: str) -> None:
    other: dict[str, Any] = {"seq": 2, "at": AT, "accepted": False, "data": {"a": "b"}}
    assert link(START, entry(1)) != link(START, entry(1).model_copy(update={name: other.get(name, "else")}))


def test_entries_behind_a_gap_get_no_hash_until_it_is_closed() -> None:
    one, two, four = entry(1), entry(2), entry(4)
    hashes = chained(0, START, [one, two, four])
    assert hashes[4] is None
    assert chained(2, hashes[2] or "", [entry(3), four]) == {
        seq: each for seq, each in chained(0, START, [one, two, entry(3), four]).items() if seq > 2
    }


# What is found


@pytest.mark.parametrize("length", [0, 1, 2, 9])
def test_an_untouched_chain_has_no_fault(length: int) -> None:
    assert wrong(whole(length), length) == []


@given(st.data())
def test_a_change_of_any_one_entry_is_found_where_it_was_made(data: st.DataObject) -> None:
    entries = whole(data.draw(st.integers(1, 8)))
    index = data.draw(st.integers(0, len(entries) - 1))
    forged: list[dict[str, Any]] = [{"actor": "eve"}, {"accepted": False}, {"hash": START}, {"hash": "?"}]
    entries[index] = changed(entries[index], **data.draw(st.sampled_from(forged)))
    assert wrong(entries, len(entries)) == [(index + 1, Fault.CHANGED)]


def test_a_changed_entry_with_a_new_hash_of_its_own_is_found_by_the_next() -> None:
    entries = whole(4)
    forged = changed(entries[1], actor="eve")
    entries[1] = changed(forged, hash=link(entries[0].hash or "", forged))
    assert wrong(entries) == [(3, Fault.CHANGED)]


def test_an_entry_that_has_lost_its_hash_counts_as_changed() -> None:
    entries = whole(4)
    entries[1] = changed(entries[1], hash=None)
    assert wrong(entries) == [(2, Fault.CHANGED)]
    entries[2:] = [changed(each, hash=None) for each in entries[2:]]
    assert wrong(entries) == [(2, Fault.CHANGED)]


@given(st.data())
def test_entries_that_change_places_are_both_found(data: st.DataObject) -> None:
    entries = whole(data.draw(st.integers(2, 8)))
    one, two = data.draw(st.permutations(range(len(entries))))[:2]
    hashes_move = data.draw(st.booleans())
    first, second = entries[one], entries[two]
    entries[one], entries[two] = changed(first, seq=second.seq), changed(second, seq=first.seq)
    if not hashes_move:
        entries[one] = changed(entries[one], hash=second.hash)
        entries[two] = changed(entries[two], hash=first.hash)
    assert wrong(entries) == [(seq, Fault.REORDERED) for seq in sorted((first.seq, second.seq))]


@given(st.data())
def test_removed_entries_are_found_wherever_they_were(data: st.DataObject) -> None:
    entries = whole(data.draw(st.integers(1, 8)))
    kept = [each for each in entries if data.draw(st.booleans())]
    gone = {each.seq for each in entries} - {each.seq for each in kept}
    firsts = [seq for seq in sorted(gone) if seq - 1 not in gone]
    assert wrong(kept, len(entries)) == [(seq, Fault.MISSING) for seq in firsts]


def test_an_entry_that_may_still_come_leaves_a_gap() -> None:
    assert wrong(chain(entry(1), entry(4), entry(6)), 6) == [(2, Fault.GAP), (5, Fault.GAP)]
    (problem,) = verify(PROCESS, chain(entry(1), entry(4)), 4)
    assert problem.what == "entries 2 to 3 are not there: not written yet, or removed"


def test_a_chain_that_was_rewritten_from_end_to_end_is_still_found_to_have_changed() -> None:
    forged = [changed(each, actor="eve") for each in whole(MOST_EXPLAINED + 5)]
    assert wrong(forged) == [(each.seq, Fault.CHANGED) for each in forged]


def test_an_entry_of_another_process_does_not_fit() -> None:
    entries = whole(3)
    entries[1] = changed(entries[1], process="order-o2-line-1")
    assert [problem.seq for problem in verify(PROCESS, entries, 3)] == [2]


def test_a_number_beyond_all_measure_is_one_problem_and_not_millions() -> None:
    entries = whole(3)
    entries[2] = changed(entries[2], seq=10**12)
    (problem,) = verify(PROCESS, entries, 3)
    assert problem == Problem(
        process=PROCESS, seq=3, fault=Fault.MISSING, what=f"entries 3 to {10**12 - 1} are missing"
    )


# What an entry of a decision says


def test_a_vote_says_under_which_definition_and_for_which_stage_it_was_given() -> None:
    seen = view(approval=open_approval("money"), definition_hash="h1")
    voted = step(3, "approval.approve", view=seen, vote=vote("bob", Verdict.APPROVE, "technical"))
    assert facts(voted) == {
        "definition": "two-steps@1",
        "definition_hash": "h1",
        "stage": "technical",
        "round": "1",
    }


def test_a_refused_decision_says_which_stage_was_open_and_keeps_what_the_process_said() -> None:
    refused = step(
        3, "approval.deny", accepted=False, data={"note": "x"}, view=view(approval=open_approval("money"))
    )
    assert facts(refused) == {"definition": "two-steps@1", "stage": "money", "round": "1", "note": "x"}


def test_a_step_that_decides_nothing_says_no_more_than_the_process() -> None:
    moved = step(3, "line.confirmed", view=view(approval=open_approval()), data={"note": "x"})
    assert facts(moved) == {"note": "x"}
