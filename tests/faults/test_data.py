"""Data sets, box files, weights and caches that are damaged or go away."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from faults import fault, plants
from faults.lab import copy_of, harness, small, stored, truncated
from harness.model.weights import TINY
from harness.variables import cache_folder


def at(root: Path) -> tuple[str, str]:
    return "--set", f"data.caer.root={root}"


@fault(
    "the data root vanishes while runs train (its disk is unmounted)",
    "trains on: what runs need of it is in the cache",
    "the runs, to the last bit",
)
def test_a_root_that_vanishes_while_a_run_trains_does_not_matter(undisturbed, tmp_path):
    expected, root = undisturbed(), copy_of(tmp_path)
    gone = partial(plants.at_step, 6, partial(plants.move, root, tmp_path / "elsewhere"))
    ended = harness(*small(tmp_path, *at(root)), plant=gone)
    assert ended.code == 0, ended.said
    assert stored(tmp_path / "runs") == expected


@fault(
    "the data root vanishes between `harness plan` and `harness run`",
    "refuses with code 2 and names the folder: data that can't be looked at can't be known to be the same",
    "finished runs, their tables, and the cache; with the root back, nothing is made again",
)
def test_a_root_that_vanishes_after_planning_is_named(undisturbed, tmp_path):
    undisturbed()
    root, words = copy_of(tmp_path), small(tmp_path)
    selected = ("plan", *words[1 : words.index("--out")], *at(root))
    assert harness(*selected).code == 0
    root.rename(tmp_path / "elsewhere")
    ended = harness(*words, *at(root))
    assert ended.code == 2 and str(root) in ended.said, ended.said


@fault(
    "a video becomes unreadable while runs train",
    "trains on: it has been read",
    "the runs, to the last bit",
)
def test_a_video_that_breaks_while_a_run_trains_does_not_matter(undisturbed, tmp_path):
    expected, root = undisturbed(), copy_of(tmp_path)
    broken = partial(plants.at_step, 6, partial(os.truncate, sorted(root.rglob("*.avi"))[0], 100))
    ended = harness(*small(tmp_path, *at(root)), plant=broken)
    assert ended.code == 0, ended.said
    assert stored(tmp_path / "runs") == expected


@fault(
    "a video can't be read when the cache is made",
    "refuses with code 2, names the clip, and says how to leave such clips out, counted",
    "nothing has begun; the features of other clips are in the cache",
)
def test_a_video_that_is_broken_at_the_start_is_named(undisturbed, tmp_path):
    undisturbed()
    root = copy_of(tmp_path)
    video = truncated(sorted(root.rglob("*.avi"))[5], 100)
    ended = harness(*small(tmp_path, *at(root)))
    assert ended.code == 2 and video.stem in ended.said and "clips.unreadable=skip" in ended.said, ended.said
    assert not stored(tmp_path / "runs")


@fault(
    "a box file is cut off",
    "refuses with code 2 and names the file and the place in it",
    "nothing has begun: no clip is cropped at its centre for want of a box",
)
def test_a_truncated_box_file_is_named(undisturbed, tmp_path):
    undisturbed()
    (boxes,) = (root := copy_of(tmp_path)).rglob("*faces*.json")
    truncated(boxes, boxes.stat().st_size // 2)
    ended = harness(*small(tmp_path, *at(root)))
    assert ended.code == 2 and f"{boxes}: can't be read as JSON" in ended.said, ended.said


@fault(
    "a shard of cached features is cut off",
    "makes the shard again",
    "the runs, to the last bit",
)
def test_a_truncated_shard_is_made_again(undisturbed, tmp_path):
    expected, home = undisturbed(), tmp_path / "cache"
    shutil.copytree(cache_folder() / "features", home / "features")
    for name in ("miniatures", "probes"):
        os.symlink(cache_folder() / name, home / name)
    shards = sorted(home.glob("features/*/*.safetensors"))
    for shard in shards:
        truncated(shard)
    ended = harness(*small(tmp_path), HARNESS_CACHE=str(home))
    assert ended.code == 0, ended.said
    assert stored(tmp_path / "runs") == expected


@pytest.mark.parametrize("there", [False, True])
@fault(
    "the file of the trunk's weights is missing, or cut off",
    "refuses with code 2 and names the file",
    "nothing has begun",
)
def test_weights_that_are_missing_or_truncated_are_named(there, undisturbed, tmp_path):
    undisturbed()
    weights = tmp_path / "weights.safetensors"
    if there:
        shutil.copy(TINY / "model.safetensors", weights)
        truncated(weights, 100_000)
    ended = harness(*small(tmp_path, "--set", f"model.pretrained={weights}"))
    assert ended.code == 2 and str(weights) in ended.said and "Traceback" not in ended.said, ended.said
    assert not (tmp_path / "runs").exists()
