"""Several processes on one store, or on one run, of which some die."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from faults import fault, plants
from faults.lab import small, start, stored, together, wait_for
from harness.store.leases import holder


@fault(
    "two grids with runs in common are trained on one store at the same time",
    "each run is trained by one of the two, and both end when all of theirs are done",
    "each run once, to the last bit",
)
def test_two_grids_at_once_train_each_run_once(undisturbed, tmp_path):
    expected = {**undisturbed("prompt+lsr,prompt"), **undisturbed("prompt,prompt+ldl")}
    plant = partial(plants.count_steps, tmp_path / "steps")
    both = [
        start(*small(tmp_path, "--out", tmp_path / name, methods=methods), plant=plant)
        for name, methods in (("one", "prompt+lsr,prompt"), ("two", "prompt,prompt+ldl"))
    ]
    for command in both:
        ended = command.wait()
        assert ended.code == 0 and "2 of 2 runs done" in ended.said, ended.said
    assert stored(tmp_path / "runs") == expected
    assert len((tmp_path / "steps").read_text().splitlines()) == 3 * 12


@fault(
    "a worker of several is killed",
    "the others finish its run from its last checkpoint; that it died, and how, is said",
    "every run, to the last bit",
)
def test_the_run_of_a_worker_that_is_killed_is_finished_by_the_others(undisturbed, tmp_path):
    expected = undisturbed("prompt+lsr,prompt")
    lead = partial(plants.at_step, 3, partial(plants.wait_for_file, tmp_path / "go"))
    words = small(tmp_path, "--workers", "2", "--set", "train.epochs=3", methods="prompt+lsr,prompt")
    command = start(*words, plant=lead)
    folders = partial(Path(tmp_path / "runs/caer").glob, "*-s0-*")

    def workers() -> set[int]:
        return {pid for folder in folders() if (pid := holder(folder)) not in (None, command.pid)}

    try:
        wait_for(workers)
        (worker,) = workers()
        os.kill(worker, signal.SIGKILL)
    finally:
        (tmp_path / "go").touch()
    ended = command.wait()
    assert "worker 1 was killed by SIGKILL" in ended.said and "2 of 2 runs done" in ended.said, ended.said
    assert ended.code == 0
    assert stored(tmp_path / "runs") == expected


@pytest.fixture(scope="module")
def pair(undisturbed, tmp_path_factory):
    """What two processes train together when nothing goes wrong."""
    undisturbed()
    folder = tmp_path_factory.mktemp("pair")
    for ended in together(*small(folder), plants=[None, None]):
        assert ended.code == 0, ended.said
    return stored(folder / "runs")


@fault(
    "one of two processes that train a run together is killed",
    "the other ends at its next step, with code 3, and says that a process went away",
    "the last checkpoint: the same command goes on from it, to the last bit",
)
def test_a_process_that_loses_its_partner_ends_and_both_go_on(pair, tmp_path):
    first, second = together(*small(tmp_path), plants=[None, partial(plants.dies_at, 7)])
    assert second.code == -signal.SIGKILL
    assert first.code == 3 and "went away" in first.said and "Traceback" not in first.said, first.said
    again = together(*small(tmp_path), plants=[None, None])
    assert [ended.code for ended in again] == [0, 0], again[0].said
    assert "goes on at epoch 2, step 3" in again[0].said
    assert stored(tmp_path / "runs") == pair


@fault(
    "all processes that train a run together are killed at a step",
    "the same command goes on from the last checkpoint that is whole in all of them",
    "history, predictions and alarms of a run that was never cut off, to the last bit",
)
def test_two_processes_that_are_killed_and_started_again_train_the_run_of_two_that_were_not(pair, tmp_path):
    dead = together(*small(tmp_path), plants=[partial(plants.dies_at, 7)] * 2)
    assert [ended.code for ended in dead] == [-signal.SIGKILL] * 2
    again = together(*small(tmp_path), plants=[None, None])
    assert [ended.code for ended in again] == [0, 0], again[0].said
    assert "goes on at epoch 2" in again[0].said
    assert stored(tmp_path / "runs") == pair
