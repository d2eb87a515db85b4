"""What `harness plan --watch` tells of a grid under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_plan import keep, planned

from harness import following, slurm
from harness.following import Look
from harness.leases import Leases
from harness.plan import Plan
from harness.slurm import Submission
from harness.store import Store

JOBS = {"caches": "9", "training": "10", "leaderboard": "11"}


@pytest.fixture
def under_way(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Plan, Store]]:
    """Of six runs one is done, one is trained, one was cut off, one has failed; two jobs are in the queue."""
    plan, store = planned(factors={"mixup": "mixup"}, seeds=[0, 1, 2]), Store(tmp_path / "runs")
    done, training, cut_off, failed, *_ = plan.runs
    keep(store, done, status="done", duration_s=120.0)
    keep(store, failed, status="failed", error={"type": "Died", "message": "…"})
    keep(store, cut_off)
    keep(store, training)
    slurm.keep(store.root, Submission(plan.grid.name, JOBS))
    queued = {"10": Counter({"RUNNING": 1, "PENDING (Priority)": 3}), "11": Counter({"PENDING (Dependency)": 1})}
    monkeypatch.setattr(slurm, "queue", lambda jobs: {job: queued[job] for job in jobs if job in queued})
    with Leases().claim(store.folder(training.dataset, training.run_id)):
        yield plan, store


def test_a_look_tells_every_run_and_every_job(under_way, capsys):
    plan, store = under_way
    look = following.seen(plan, store)
    assert look.runs == {"raer": {"done": 1, "training": 1, "cut off": 1, "failed": 1, "to do": 2}}
    following.follow(plan, store)  # once, as nobody watches
    said = capsys.readouterr().out.splitlines()
    assert said[-4:] == [
        "time left: 8 min with 1 worker",  # four runs of two minutes; the failed one is nobody's
        "job 9 (caches): left the queue",
        "job 10 (training): RUNNING, 3 PENDING (Priority)",
        "job 11 (leaderboard): PENDING (Dependency)",
    ]


def test_a_terminal_is_told_until_nothing_more_will_happen(monkeypatch, capsys):
    jobs = [(Submission("g", JOBS), {"11": Counter({"PENDING (Dependency)": 1})})]
    looks = [
        Look({"caer": Counter({"training": 2})}, None, []),
        Look({"caer": Counter({"done": 1, "failed": 1})}, 0.0, jobs),
        Look({"caer": Counter({"done": 1, "failed": 1})}, 0.0, []),
    ]
    monkeypatch.setattr(following, "seen", lambda plan, store: looks.pop(0))
    monkeypatch.setattr(following, "PERIOD", 0.0)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    following.follow(planned(), None)
    said = capsys.readouterr().out
    assert not looks and said.count("grid ") == 3
    assert said.index("unknown until a run of each data set is done") < said.index("all runs have ended")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(20.0, "20 s with 3 workers"), (90.0, "2 min with 3 workers"), (3 * 3600 + 290, "3 h 05 min with 3 workers")],
)
def test_time_is_told_as_people_tell_it(seconds, told):
    assert f"time left: {told}" in following.text("g", Look({"caer": Counter({"training": 3})}, seconds, []))


def test_nobody_at_work_is_told():
    assert "20 s with 1 worker, but none trains now" in following.text(
        "g", Look({"caer": Counter({"to do": 1})}, 20.0, [])
    )
