"""Files of the run store that are cut off, garbage, left behind, or from a later version."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faults import fault, plants
from faults.lab import COMPONENTS, folder_of, harness, result_of, small, stored, truncated

SOON = partial(plants.set_value, "harness.store.leases", "STALE", 2.0)  # seconds that a lease that can't be read counts


@pytest.fixture
def killed(undisturbed: Any, tmp_path: Path) -> Iterator[Path]:
    """The folder of a run that was killed in its second epoch."""
    undisturbed()
    assert harness(*small(tmp_path), plant=partial(plants.dies_at, 7)).code == -signal.SIGKILL
    return folder_of(tmp_path / "runs")


@fault(
    "a checkpoint is cut off",
    "says so and goes on from the one before it",
    "the run, to the last bit",
)
def test_a_truncated_checkpoint_is_told_and_the_one_before_it_taken(killed, undisturbed, tmp_path):
    first, last = sorted((killed / "checkpoint").iterdir())
    truncated(last / "0-of-1")
    again = harness(*small(tmp_path))
    assert again.code == 0 and f"checkpoint {last.name}: is damaged" in again.said, again.said
    assert f"goes on at epoch 2, step {int(first.name[6:]) + 1}" in again.said
    assert stored(tmp_path / "runs") == undisturbed()


@pytest.mark.parametrize("part", ["spec.json", "history.jsonl", "checkpoint", "everything"])
@fault(
    "a power cut, after which any file of an unfinished run may end anywhere",
    "reports without that run; the same command goes on, or trains it again",
    "finished runs; and of the unfinished one no table ever holds a half",
)
def test_files_of_an_unfinished_run_may_be_cut_anywhere(part, killed, undisturbed, tmp_path):
    assert harness(*small(tmp_path, methods="prompt")).code == 0
    files = [path for path in killed.rglob("*") if path.is_file()]
    for file in files:
        if part in ("everything", file.name, file.parent.parent.name):
            truncated(file)
    told = harness("report", "--runs", tmp_path / "runs", "--out", tmp_path / "between")
    assert told.code == 0, told.said
    rows = (tmp_path / "between/results.csv").read_text().splitlines()[1:]
    assert rows and not [row for row in rows if killed.name in row]
    again = harness(*small(tmp_path, methods="prompt+lsr,prompt"), plant=SOON)
    assert again.code == 0, again.said
    assert stored(tmp_path / "runs") == undisturbed("prompt+lsr,prompt")


@fault(
    "a power cut between the last step and the result, after which any file may end anywhere",
    "the same command goes on: it writes again what it does not train again",
    "the run, to the last bit",
)
def test_files_of_a_run_that_only_lacks_its_result_may_be_cut_anywhere(undisturbed, tmp_path):
    expected = undisturbed()
    killed = harness(*small(tmp_path), plant=partial(plants.dies_in, "harness.training.writing", "Writer", "end"))
    assert killed.code == -signal.SIGKILL
    folder = folder_of(tmp_path / "runs")
    for file in folder.glob("*.json*"):
        truncated(file)
    again = harness(*small(tmp_path), plant=SOON)
    assert again.code == 0 and "goes on at epoch 4, step 1" in again.said, again.said
    assert stored(tmp_path / "runs") == expected


@pytest.mark.parametrize("content", [b"\xff\x00garbage", b'{"status": "done", "metr'])
@fault(
    "the result of a finished run is garbage",
    "every command that reads it refuses with code 2 and names the file",
    "all other files; with that one deleted, the run is trained again",
)
def test_a_result_that_is_garbage_is_never_taken_for_one(content, undisturbed, tmp_path):
    expected = undisturbed()
    assert harness(*small(tmp_path)).code == 0
    result = folder_of(tmp_path / "runs") / "result.json"
    result.write_bytes(content)
    for words in (small(tmp_path), ("report", "--runs", tmp_path / "runs", "--out", tmp_path / "again")):
        ended = harness(*words)
        assert ended.code == 2 and f"{result}: is not JSON" in ended.said and "delete it" in ended.said, ended.said
    assert not (tmp_path / "again").exists()
    result.unlink()
    assert harness(*small(tmp_path)).code == 0
    assert stored(tmp_path / "runs") == expected


@fault(
    "half-written files of a killed process were left behind",
    "reads none of them, and removes them when the run goes on",
    "the run, to the last bit",
)
def test_files_that_a_dead_process_left_half_written_are_passed_over_and_removed(killed, undisturbed, tmp_path):
    left = [killed / f".{name}.4711.140" for name in ("result.json", "spec.json", "history.jsonl", "alarms.jsonl")]
    for file in left:
        file.write_text('{"status": "done", "metrics": {"test": {"war": 1.0')
    words = small(tmp_path)
    told = harness("plan", *words[1 : words.index("--out")], "--plugin", COMPONENTS, "--json")
    assert told.code == 0 and '"partial"' in told.said, told.said
    assert harness(*small(tmp_path)).code == 0
    assert stored(tmp_path / "runs") == undisturbed()
    assert not any(file.exists() for file in left)


@fault(
    "a lease holds garbage",
    "waits for a sign of life of whoever wrote it, then takes the run over",
    "the run, to the last bit",
)
def test_a_lease_that_holds_garbage_is_taken_over(killed, undisturbed, tmp_path):
    (killed / "lease.json").write_bytes(b"\x00" * 64)
    again = harness(*small(tmp_path), plant=SOON)
    assert again.code == 0 and "goes on at epoch 2" in again.said, again.said
    assert stored(tmp_path / "runs") == undisturbed()
    assert not (killed / "lease.json").exists()


@pytest.mark.parametrize("name", ["spec.json", "result.json"])
@fault(
    "a run was stored by a later version of harness, in a form that this one can't know",
    "every command that reads it refuses with code 2, names the file and its schema, and asks for an update",
    "all of it: nothing is trained over it or taken from it",
)
def test_a_run_of_a_later_version_is_refused_by_name(name, undisturbed, tmp_path):
    undisturbed()
    assert harness(*small(tmp_path)).code == 0
    file = folder_of(tmp_path / "runs") / name
    content = json.loads(file.read_text())
    assert content["schema"] == 1
    file.write_text(json.dumps({**content, "schema": 2}))
    before = file.read_bytes()
    show = ("show", file.parent.name, "--runs", tmp_path / "runs")
    for words in (small(tmp_path), ("report", "--runs", tmp_path / "runs", "--out", tmp_path / "again"), show):
        ended = harness(*words)
        assert ended.code == 2 and f"{file}: has schema 2" in ended.said and "update harness" in ended.said, ended.said
    assert file.read_bytes() == before
    file.write_text(json.dumps({key: value for key, value in content.items() if key != "schema"}))
    assert harness(*show).code == 0, "a run from before there were schemas is read"


@fault(
    "the index of the store is cut off",
    "makes it again from the runs' files",
    "everything: an index saves time and nothing else",
)
def test_a_truncated_index_is_made_again(undisturbed, tmp_path):
    undisturbed()
    assert harness(*small(tmp_path)).code == 0
    report = ("report", "--runs", tmp_path / "runs", "--out", tmp_path / "again")
    assert harness(*report).code == 0
    page = (tmp_path / "again/README.md").read_bytes()
    for index in (tmp_path / "runs").glob("index.*"):
        truncated(index, random.randrange(1, index.stat().st_size))
    assert harness(*report).code == 0
    assert (tmp_path / "again/README.md").read_bytes() == page
    assert result_of(tmp_path / "runs")["status"] == "done"
