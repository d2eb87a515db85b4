"""A run that is told to stop, or killed, at any step: the same command goes on, and nobody can tell afterwards."""

from __future__ import annotations

import random
import signal
from functools import partial

import pytest

from faults import fault, plants
from faults.lab import EPOCHS, STEPS, folder_of, harness, result_of, small, stored

TOLD = "run the same command again to go on"


@pytest.mark.parametrize("part", range(3))
@fault(
    "SIGKILL (a crash, the kernel's answer to too little memory) at any step",
    "the same command goes on from the last checkpoint",
    "history, predictions and alarms are those of a run that was never cut off, to the last bit",
)
def test_a_run_killed_at_a_random_step_and_started_again_is_the_run_that_was_not(part, undisturbed, tmp_path):
    step = random.randrange(2 + part, EPOCHS * STEPS + 1, 3)
    assert harness(*small(tmp_path), plant=partial(plants.dies_at, step)).code == -signal.SIGKILL
    assert not stored(tmp_path / "runs")
    again = harness(*small(tmp_path))
    assert again.code == 0 and f"goes on at epoch {(step - 1) // STEPS + 1}" in again.said, again.said
    assert stored(tmp_path / "runs") == undisturbed()
    result = result_of(tmp_path / "runs")
    assert result["resumed"] == 1
    shown = harness("show", result["run_id"], "--runs", tmp_path / "runs")
    assert "gone on with from a checkpoint 1 time" in shown.said, shown.said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
@fault(
    "Ctrl-C, SIGTERM or a scheduler's SIGUSR1, once",
    "saves at the next step and leaves with code 3",
    "everything; the same command goes on exactly there",
)
def test_a_run_that_is_told_to_stop_saves_and_leaves(number, undisturbed, tmp_path):
    words = [*small(tmp_path), "--save-every", "1000"]
    ended = harness(*words, plant=partial(plants.told_at, 6, number))
    assert ended.code == 3 and TOLD in ended.said, ended.said
    assert [place.name for place in (folder_of(tmp_path / "runs") / "checkpoint").iterdir()] == ["00001-0000002"]
    again = harness(*words)
    assert again.code == 0 and "goes on at epoch 2, step 3" in again.said, again.said
    assert stored(tmp_path / "runs") == undisturbed()


@fault(
    "Ctrl-C twice",
    "leaves at once with code 3, without saving",
    "what the last checkpoint holds; the same command goes on from there",
)
def test_a_run_that_is_told_twice_leaves_at_once_and_goes_on_from_its_last_checkpoint(undisturbed, tmp_path):
    ended = harness(*small(tmp_path), plant=partial(plants.told_at, 6, signal.SIGINT, signal.SIGINT))
    assert ended.code == 3 and TOLD in ended.said, ended.said
    again = harness(*small(tmp_path))
    assert again.code == 0 and "goes on at epoch 2, step 2" in again.said, again.said
    assert stored(tmp_path / "runs") == undisturbed()
