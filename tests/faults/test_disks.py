"""Disks that are full, can't be written to, go away, or are of another kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from faults import fault, plants
from faults.lab import EPOCHS, STEPS, copy_of, harness, mounted, result_of, small, stored
from harness.variables import cache_folder

LAST = EPOCHS * STEPS


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, bool]]:
    """A small disk with nothing on it; and False where it is none, but as large as any."""
    with mounted(tmp_path / "disk", "size=8m") as real:
        yield tmp_path / "disk", real


@fault(
    "the disk is full when a checkpoint is written",
    "says so, trains on, and counts it in the result (`unsaved`)",
    "the run; an interruption would lose more of it",
)
def test_a_full_disk_costs_checkpoints_and_not_the_run(disk, undisturbed, tmp_path):
    place, real = disk
    full = partial(plants.no_room, "/checkpoint/")
    if real:  # one file takes all but 96 KiB, which is enough for everything else
        full = partial(plants.fill, place, 96 * 1024)
    ended = harness(*small(tmp_path, runs=place / "runs"), plant=full)
    assert ended.code == 0 and "checkpoint not written" in ended.said and "No space left" in ended.said, ended.said
    assert result_of(place / "runs")["unsaved"] >= LAST
    assert stored(place / "runs") == undisturbed()


@pytest.mark.parametrize("moment", ["in the last epoch", "in the first epoch", "between two runs"])
@fault(
    "the disk is full when a result, an epoch of its history, or a lease is written",
    "leaves with code 3, names the file and asks for room",
    "finished runs, and the last checkpoint: with room again, the same command goes on from there",
)
def test_a_full_disk_ends_the_grid_by_name_and_no_run_fails_of_it(moment, disk, undisturbed, tmp_path):
    place, real = disk
    words = small(tmp_path, runs=place / "runs", methods="prompt+lsr,prompt")
    full = partial(plants.fill, place) if real else partial(plants.no_room, "/runs/")
    begin = {"in the last epoch": LAST, "in the first epoch": 2}
    when = partial(plants.at_step, begin[moment]) if moment in begin else partial(plants.after, "Board", "finished")
    ended = harness(*words, plant=partial(when, full))
    assert ended.code == 3 and "No space left" in ended.said and "Traceback" not in ended.said, ended.said
    assert str(place / "runs/caer/") in ended.said.splitlines()[-1]
    assert len(stored(place / "runs")) == (moment not in begin), "a run that could not be stored has not failed"
    assert not list(place.glob("runs/*/*/lease.json"))
    (place / "filler").unlink(missing_ok=True)
    again = harness(*words)
    assert again.code == 0 and ("goes on at epoch" in again.said) == (moment in begin), again.said
    assert stored(place / "runs") == undisturbed("prompt+lsr,prompt")


@fault(
    "the disk of the cache has too little room, as can be told beforehand",
    "refuses with code 2 and says how much is needed, and how to need less",
    "nothing has begun",
)
def test_a_cache_that_will_not_fit_is_refused_beforehand(undisturbed, tmp_path):
    undisturbed()
    with mounted(tmp_path / "disk", "size=2m") as real:
        home = cache_folder()
        shutil.copytree(home / "probes", tmp_path / "disk/probes")
        os.symlink(home / "miniatures", tmp_path / "disk/miniatures")
        if not real:
            pytest.skip("no file system can be mounted here; tests/data/test_cache.py pretends one")
        words = small(tmp_path, "--set", "clips.views=64", "--set", "clips.frames=32")
        ended = harness(*words, HARNESS_CACHE=str(tmp_path / "disk"))
    assert ended.code == 2 and "lower clips.views" in ended.said, ended.said
    assert not stored(tmp_path / "runs")


@fault(
    "the disk of the cache fills up while it is written",
    "leaves with code 3, names the file and asks for room",
    "whole shards; the same command makes the rest",
)
def test_a_cache_that_fills_up_ends_the_command_by_name_and_is_completed_afterwards(undisturbed, tmp_path):
    expected, home = undisturbed(), tmp_path / "cache"
    home.mkdir()
    os.symlink(cache_folder() / "miniatures", home / "miniatures")
    full = partial(plants.no_room, "features/", "frames/")
    ended = harness(*small(tmp_path), plant=full, HARNESS_CACHE=str(home))
    assert ended.code == 3 and "No space left" in ended.said and "Traceback" not in ended.said, ended.said
    assert str(home / "features") in ended.said.splitlines()[-1]
    assert not list(home.glob("features/*/.*safetensors*")), "half a file is left"
    again = harness(*small(tmp_path), HARNESS_CACHE=str(home))
    assert again.code == 0 and stored(tmp_path / "runs") == expected, again.said


@fault(
    "the folder of runs can't be written to",
    "refuses with code 2 before anything trains",
    "what is stored there can be read and reported as before",
)
def test_a_store_that_can_not_be_written_to_is_refused_and_can_be_read(undisturbed, tmp_path):
    undisturbed()
    before = harness(*small(tmp_path, methods="prompt"))
    assert before.code == 0
    with mounted(tmp_path / "disk", "size=8m") as real:
        runs = tmp_path / "disk/runs"
        shutil.copytree(tmp_path / "runs", runs)
        plant = partial(plants.no_room, "/runs/")
        if real:
            plant = None
            os.system(f"mount -o remount,ro '{tmp_path / 'disk'}'")
        ended = harness(*small(tmp_path, runs=runs), plant=plant)
        assert ended.code == 2 and f"{runs}: can't be written to" in ended.said, ended.said
        assert stored(runs) == stored(tmp_path / "runs")
        told = harness("report", "--runs", runs, "--out", tmp_path / "again", plant=plant)
        assert told.code == 0, told.said
    assert (tmp_path / "again/results.csv").read_bytes() == (tmp_path / "out/results.csv").read_bytes()


@fault(
    "the data set is on a disk that can only be read",
    "trains: nothing is ever written below a data root",
    "the copy, byte by byte, times included",
)
def test_a_data_root_is_never_written_to(undisturbed, tmp_path):
    undisturbed()
    with mounted(tmp_path / "disk", "size=64m") as real:
        root = copy_of(tmp_path / "disk")
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        if real:
            os.system(f"mount -o remount,ro '{tmp_path / 'disk'}'")
        ended = harness(*small(tmp_path, "--set", f"data.caer.root={root}"))
        assert ended.code == 0, ended.said
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@fault(
    "the runs are stored on another file system than the caches (here: memory)",
    "makes no difference",
    "the same runs, to the last bit",
)
def test_a_store_on_another_file_system_holds_the_same_runs(undisturbed, tmp_path):
    place = Path("/dev/shm") / f"harness-{os.getpid()}"
    if not place.parent.is_dir() or os.stat(place.parent).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second file system here")
    try:
        assert harness(*small(tmp_path, runs=place / "runs")).code == 0
        assert stored(place / "runs") == undisturbed()
    finally:
        shutil.rmtree(place, ignore_errors=True)
