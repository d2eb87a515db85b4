"""The runs that a call waits for: failures last, the grid's order first, and one listing instead of many looks."""

import dataclasses
import random
import statistics
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import ONE, RUN, runs, stored

from harness.files import write_json
from harness.schedule.awaited import NEAR, WATCHED, Awaited, in_leaps
from harness.store import Store


def names(found) -> list[str]:
    return [run.run_id for run in found]


# ── which have ended ────────────────────────────────────────────────────────────────────────────────────────


def test_a_failure_of_an_earlier_call_is_tried_again_and_one_of_this_call_is_not(tmp_path):
    store = Store(tmp_path)
    stored(store, "failed", at=5_000)
    awaited = Awaited(store, [RUN], ONE)
    assert not awaited.ended(RUN) and awaited.record(RUN) is None and awaited.left() == 1
    stored(store, "failed", at=4_000)  # a clock that was set back makes no difference
    assert awaited.ended(RUN) and awaited.record(RUN).result["status"] == "failed" and awaited.left() == 0


def test_a_worker_that_comes_late_does_not_try_again_what_failed_meanwhile(tmp_path):
    store = Store(tmp_path)
    stored(store, "failed", at=5_000)
    worker = dataclasses.replace(ONE, worker=1, since=Awaited(store, [RUN], ONE).since)
    assert not Awaited(store, [RUN], worker).ended(RUN)
    stored(store, "failed", at=6_000)
    assert Awaited(store, [RUN], worker).ended(RUN)


def test_what_another_call_has_done_since_the_plan_was_made_is_not_done_again(tmp_path):
    store = Store(tmp_path)
    stored(store, "done")
    assert Awaited(store, [RUN], ONE).ended(RUN)


# ── which to look at ────────────────────────────────────────────────────────────────────────────────────────


def test_runs_that_failed_before_or_whose_processes_died_are_tried_last(tmp_path):
    store, told = Store(tmp_path), ["deadly", "failed late", "failed early", "new", "newer"]
    for name, at in (("failed late", 6_000), ("failed early", 5_000)):
        stored(store, "failed", at, name)
    write_json(store.folder("caer", "deadly") / "lease.json", {"deaths": 0, "reached": ""})
    awaited = Awaited(store, runs(*told), ONE)
    assert names(awaited.runs) == ["new", "newer", "failed early", "failed late", "deadly"]
    assert names(awaited.begun) == ["deadly", "failed late", "failed early"]


def test_who_leaps_reaches_no_run_that_failed_before_it_has_seen_every_other(tmp_path):
    store, many = Store(tmp_path), [f"{number:03}" for number in range(200)]
    for name in many[:50]:
        stored(store, "failed", 5_000, name)
    seen = names(Awaited(store, runs(*many), ONE).in_leaps())
    assert set(seen[:150]) == set(many[50:]) and set(seen[150:]) == set(many[:50])


@given(st.integers(0, 300), st.integers())
def test_leaps_reach_every_run_once_and_the_nearest_in_order(count, seed):
    found = list(in_leaps(range(count), random.Random(seed)))
    assert sorted(found) == list(range(count)) and found[:NEAR] == list(range(count))[:NEAR]


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 200), st.integers())
def test_a_crowd_that_begins_at_the_same_run_stands_apart_after_few_looks(crowd, seed):
    """Each takes the first that is free, one after the other; how many looks that takes grows like a logarithm."""
    rng, taken, looks = random.Random(seed), set(), list[int]()
    for _ in range(crowd):
        for looked, run in enumerate(in_leaps(range(10 * crowd), rng), start=1):
            if run not in taken:
                taken.add(run)
                looks.append(looked)
                break
    assert len(taken) == crowd and statistics.mean(looks) < NEAR + 2 * crowd.bit_length()


def test_a_worker_without_a_run_keeps_watching_the_same_few_until_they_end(tmp_path):
    awaited = Awaited(Store(tmp_path), runs(*map(str, range(100))), ONE)
    first = names(awaited.watched())
    assert len(set(first)) == WATCHED and names(awaited.watched()) == first
    del awaited.waiting[first[0]]
    assert names(awaited.watched())[:-1] == first[1:] and len(set(names(awaited.watched()))) == WATCHED
    for name in list(awaited.waiting)[2:]:
        del awaited.waiting[name]
    assert set(names(awaited.watched())) == set(awaited.waiting)


# ── notes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_has_ended_is_news_to_all_who_wait_for_it_once(tmp_path):
    (tmp_path / "caer").mkdir()
    both = runs("first", "second")
    mine, theirs = (Awaited(Store(tmp_path), both, ONE) for _ in range(2))
    assert mine.news() == []
    theirs.note(both[1])
    theirs.note(both[0])
    assert names(mine.news()) == ["first", "second"] and mine.news() == []


def test_a_note_of_an_earlier_call_is_no_news_until_the_run_has_ended_again(tmp_path):
    store = Store(tmp_path)
    stored(store, "failed", at=5_000)
    Awaited(store, [RUN], ONE).note(RUN)
    mine, theirs = (Awaited(store, [RUN], ONE) for _ in range(2))
    assert mine.news() == []
    theirs.begin(RUN)
    assert mine.news() == []
    theirs.note(RUN)
    assert names(mine.news()) == ["run"]


def test_notes_are_no_runs(tmp_path):
    store = Store(tmp_path)
    stored(store, "done")
    Awaited(store, [RUN], ONE).note(RUN)
    assert [record.run_id for record in store.records()] == ["run"]


def test_where_no_notes_can_lie_nothing_is_lost_but_news(tmp_path: Path):
    store = Store(tmp_path)
    stored(store, "done")
    (tmp_path / "caer/.ended").touch()
    awaited = Awaited(store, [RUN], ONE)
    awaited.begin(RUN)
    awaited.note(RUN)
    assert awaited.news() == [] and awaited.ended(RUN)
