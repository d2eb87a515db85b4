"""The index of a store: it saves reading, and never says anything but what the files say."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored import files, plan_of, planted_score, save_run, settle, store_of

from harness.errors import BadInput
from harness.leaderboard import report
from harness.store import Record, Store, index

ROWS = plan_of(["caer", "daisee"], [0, 1])["runs"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = store_of(tmp_path / "runs", plan_of(["caer", "daisee"], [0, 1]))
    alarm = {"sentinel": "flat-target", "severity": "error", "message": "99 % of log K"}
    save_run(made.root, ROWS[0], 0.5, result={"alarms": 1, "errors": 1})
    (made.folder("caer", ROWS[0]["run_id"]) / "alarms.jsonl").write_text(json.dumps(alarm))
    error = {"type": "OSError", "message": "no room", "traceback": "…"}
    save_run(made.root, ROWS[1], 0.0, result={"status": "failed", "error": error, "metrics": {}})
    (made.folder("caer", ROWS[2]["run_id"]) / "result.json").unlink()
    settle(made.root)
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs whose files were read."""
    seen: list[str] = []
    record = Store.record

    def watched(self: Store, dataset: str, run_id: str) -> Record | None:
        seen.append(run_id)
        return record(self, dataset, run_id)

    monkeypatch.setattr(Store, "record", watched)
    return seen


def test_entries_tell_what_the_files_tell(store: Store) -> None:
    found = index.entries(store)
    assert list(found) == sorted((row["dataset"], row["run_id"]) for row in ROWS)
    for row in ROWS[3:]:
        entry = found[row["dataset"], row["run_id"]]
        assert (entry.method, entry.seed, entry.done) == (row["method"], row["seed"], True)
        assert entry.scores[index.SPLITS.index("test") * len(index.METRICS)] == planted_score(row)
        assert index.unpacked(entry.setup)["clips"] == {"frames": 16}
    alarmed, failed, unfinished = (found["caer", row["run_id"]] for row in ROWS[:3])
    assert alarmed.wrong() == ["flat-target"] and alarmed.wrong({"flat-target": "off"}) == []
    assert (failed.status, failed.error, failed.scores) == ("failed", "OSError: no room", (None,) * 8)
    assert (unfinished.status, unfinished.done, unfinished.seconds) == ("", False, None)


def test_a_store_is_read_once(store: Store, read: list[str]) -> None:
    first = index.entries(store)
    assert len(read) == len(ROWS)
    assert index.entries(store) == first and len(read) == len(ROWS)


def test_how_many_processes_trained_a_run_together_is_kept(store: Store) -> None:
    for row, text in zip(ROWS[3:6], ('{"processes": 2}', '{"processes": "two"}', "{"), strict=True):
        (store.folder("caer", row["run_id"]) / "environment.json").write_text(text)
    for _ in range(2):  # the second time from the index
        found = index.entries(store)
        assert [found["caer", row["run_id"]].processes for row in ROWS[3:7]] == [2, 0, 0, 0]


def test_only_what_changed_is_read_again(store: Store, read: list[str]) -> None:
    index.entries(store)
    read.clear()
    save_run(store.root, ROWS[5], 0.9)
    shutil.rmtree(store.folder("caer", ROWS[4]["run_id"]))
    found = index.entries(store)
    assert read == [ROWS[5]["run_id"]] and len(found) == len(ROWS) - 1
    assert found["caer", ROWS[5]["run_id"]].scores[index.SPLITS.index("test") * len(index.METRICS)] == 0.9


def test_what_has_just_changed_is_read_again_since_its_time_may_not_tell(store: Store, read: list[str]) -> None:
    save_run(store.root, ROWS[5], 0.25)
    path = store.folder("caer", ROWS[5]["run_id"]) / "result.json"
    index.entries(store)
    before = path.stat()
    path.write_text(path.read_text().replace("0.25", "0.75"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same tick of a coarse clock
    assert index.entries(store)["caer", ROWS[5]["run_id"]].scores[0] == 0.75


def change(store: Store, what: str, rng: random.Random) -> None:
    """One thing that can befall a store between two reports."""
    row = rng.choice(ROWS[:4])
    folder = store.folder(row["dataset"], row["run_id"])
    if what == "another result":
        save_run(store.root, row, rng.random())
    elif what == "another result of the same size":
        save_run(store.root, row, rng.randrange(100, 999) / 1000)
    elif what == "other settings":
        save_run(store.root, row, 0.5, spec={"train": {"epochs": rng.randrange(1, 9)}})
    elif what == "another alarm":
        alarm = {"sentinel": "flat-target", "severity": "error", "message": f"{rng.random()}"}
        if not (folder / "alarms.jsonl").exists():
            save_run(store.root, row, 0.5, result={"alarms": 1, "errors": 1})
        (folder / "alarms.jsonl").write_text(json.dumps(alarm))
    elif what == "a run less":
        shutil.rmtree(folder, ignore_errors=True)
    elif what == "cut off":
        (folder / "result.json").unlink(missing_ok=True)
    elif what == "rest":
        settle(store.root)


CHANGES = (
    *("another result", "another result of the same size", "other settings", "another alarm"),
    *("a run less", "cut off", "rest"),
)


def bare(store: Store, place: Path) -> Store:
    """A copy of the store without its index."""
    shutil.rmtree(place, ignore_errors=True)
    return Store(shutil.copytree(store.root, place, ignore=shutil.ignore_patterns(index.FILE)))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_the_index_says_what_the_files_say(seed: int, tmp_path: Path, store: Store) -> None:
    rng = random.Random(seed)
    for step in range(30):
        kept, read = (index.entries(each).values() for each in (store, bare(store, tmp_path / "bare")))
        assert [entry._replace(stamp=0) for entry in kept] == [entry._replace(stamp=0) for entry in read], step
        change(store, rng.choice(CHANGES), rng)
    assert (store.root / index.FILE).exists()


@pytest.mark.parametrize("grid", ["demo", None])
def test_a_leaderboard_is_the_same_with_and_without_an_index(grid: str | None, tmp_path: Path, store: Store) -> None:
    without = files(report([bare(store, tmp_path / "bare")], grid, tmp_path / "without").parent)
    for _ in range(2):
        assert files(report([store], grid, tmp_path / "with").parent) == without
    assert (store.root / index.FILE).exists()


def damaged(whole: bytes) -> Iterator[bytes]:
    rng = random.Random(0)
    yield from (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], whole + b"x", bytes(len(whole)))
    for _ in range(60):
        place = rng.randrange(len(whole))
        yield whole[:place] + bytes([whole[place] ^ (1 << rng.randrange(8))]) + whole[place + 1 :]


def test_a_damaged_index_is_made_again(store: Store) -> None:
    found = index.entries(store)
    path = store.root / index.FILE
    whole = path.read_bytes()
    for content in damaged(whole):
        path.write_bytes(content)
        assert index.entries(store) == found
    path.write_bytes(b"")
    index.entries(store)
    assert path.read_bytes() == whole


def test_an_index_of_another_form_is_made_again(store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    index.entries(store)
    monkeypatch.setattr(index, "FORM", b"of tomorrow")
    read.clear()
    index.entries(store)
    assert len(read) == len(ROWS)


def test_a_store_that_can_not_hold_an_index_is_read_without(store: Store) -> None:
    found = index.entries(store)
    (store.root / index.FILE).unlink()
    (store.root / index.FILE).mkdir()
    assert index.entries(store) == found
    assert sorted(path.name for path in store.root.iterdir()) == ["caer", "daisee", index.FILE, "plans"]


def test_a_store_that_can_not_be_written_to_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert len(index.entries(store)) == len(ROWS)
    assert not (store.root / index.FILE).exists()


def test_nothing_is_written_where_nothing_is_stored(tmp_path: Path) -> None:
    assert index.entries(Store(tmp_path / "runs")) == {} and not (tmp_path / "runs").exists()


def test_a_result_that_can_not_be_read_is_named(store: Store) -> None:
    index.entries(store)
    path = store.folder("caer", ROWS[5]["run_id"]) / "result.json"
    path.write_text("{")
    with pytest.raises(BadInput, match="is not JSON"):
        index.entries(store)


def test_names_that_are_no_text_are_marked(store: Store) -> None:
    error = {"type": "OSError", "message": os.fsdecode(b"no file caf\xe9.avi")}
    save_run(store.root, ROWS[1], 0.0, result={"status": "failed", "error": error, "metrics": {}})
    settle(store.root)
    for _ in range(2):
        assert index.entries(store)["caer", ROWS[1]["run_id"]].error == "OSError: no file caf\\udce9.avi"
    assert (store.root / index.FILE).exists()


@pytest.mark.parametrize("score", ["NaN", "-Infinity", '"high"'])
def test_a_score_that_is_no_number_is_left_out_and_said_to_be(score: str, store: Store, tmp_path: Path) -> None:
    path = store.folder("caer", ROWS[5]["run_id"]) / "result.json"
    result = json.loads(path.read_text())
    result["metrics"]["test"]["war"] = "SCORE"
    path.write_text(json.dumps(result).replace('"SCORE"', score))
    entry = index.entries(store)["caer", ROWS[5]["run_id"]]
    assert entry.scores[index.SPLITS.index("test") * len(index.METRICS)] is None and entry.scores[0] is not None
    assert entry.wrong() == ["result.json"] and (entry.errors, entry.alarms) == (1, 1)
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "test war is" in page and "which is no score: it is left out" in page


@pytest.mark.parametrize(
    ("content", "word"), [("{", "is not JSON lines"), ('{"severity": "error", "sentinel": "x"}', "alarm 1 lacks")]
)
def test_alarms_that_can_not_be_read_are_an_alarm(content: str, word: str, store: Store, tmp_path: Path) -> None:
    (store.folder("caer", ROWS[0]["run_id"]) / "alarms.jsonl").write_text(content)
    entry = index.entries(store)["caer", ROWS[0]["run_id"]]
    assert entry.wrong() == ["alarms.jsonl"] and word in entry.raised
    assert "⚠ alarms.jsonl" in report([store], "demo", tmp_path / "out").read_text()
