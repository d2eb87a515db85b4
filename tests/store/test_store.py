"""The run store: files are whole or absent, and a run has one living holder."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.files import read_json, read_lines, write_bytes, write_chunks, write_json, write_lines
from harness.store import Store

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), values, max_size=4)
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def stored(root: Path, dataset: str = "caer", run_id: str = "ldl-s0-0123456789", **result: Any) -> Path:
    folder = root / dataset / run_id
    write_json(folder / "spec.json", {"dataset": dataset, "seed": 0})
    if result:
        write_json(folder / "result.json", result)
    return folder


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


@shared_folder
@given(objects)
def test_json_reads_back_as_written(tmp_path: Path, value: dict[str, Any]) -> None:
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@shared_folder
@given(st.lists(objects, max_size=4))
def test_json_lines_read_back_as_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    write_lines(tmp_path / "a.jsonl", rows)
    assert read_lines(tmp_path / "a.jsonl") == rows


def test_a_path_that_is_no_text_survives_json(tmp_path: Path) -> None:
    value = {"root": os.fsdecode(b"/data/caf\xe9"), "line": "one\u2028two"}
    write_json(tmp_path / "a.json", value)
    write_lines(tmp_path / "a.jsonl", [value])
    assert read_json(tmp_path / "a.json") == value and read_lines(tmp_path / "a.jsonl") == [value]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"new": math.nan})
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_json(tmp_path / "a.json", {"new": 1})
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_readers_never_see_half_a_file_while_threads_write_it(tmp_path: Path) -> None:
    path, sizes = tmp_path / "shared", [10, 100_000, 1_000_000]
    write_bytes(path, b"0" * 10)
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(write_bytes, path, str(i % 10).encode() * sizes[i % 3]) for i in range(30)]
        while not all(write.done() for write in writes):
            data = path.read_bytes()
            assert len(data) in sizes and len(set(data)) == 1
        [write.result() for write in writes]
    assert [p.name for p in tmp_path.iterdir()] == ["shared"]


def test_a_file_in_pieces_is_whole_or_not_there(tmp_path: Path) -> None:
    def pieces(fails: bool) -> Iterator[bytes]:
        yield b"one"
        if fails:
            raise RuntimeError
        yield b"two"

    with pytest.raises(RuntimeError):
        write_chunks(tmp_path / "a", pieces(True))
    assert not list(tmp_path.iterdir())
    write_chunks(tmp_path / "a", pieces(False))
    assert (tmp_path / "a").read_bytes() == b"onetwo"


def test_a_piece_that_can_not_be_made_is_not_told_as_a_file_that_can_not_be_written(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield (tmp_path / "gone").read_bytes()

    with pytest.raises(FileNotFoundError, match="gone"):
        write_chunks(tmp_path / "a", pieces())
    assert not list(tmp_path.iterdir())


def test_missing_lines_are_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"[1]", b"5"])
def test_a_file_that_is_not_a_json_object_is_bad_input(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.json: is not JSON .* — delete it"):
        read_json(tmp_path / "a.json")


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_that_is_not_there_is_empty_and_stays_unmade(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert list(store.records()) == [] and store.record("caer", "x") is None and not store.leased("caer", "x")
    assert not store.root.exists()


@pytest.mark.parametrize("below", ["", "runs", "a/b"])
def test_a_file_in_place_of_the_store_is_bad_input(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file — give a folder"):
        Store(tmp_path / "file" / below)


def test_records_tell_what_is_stored_in_the_order_of_their_names(tmp_path: Path) -> None:
    stored(tmp_path, "raer", "b", status="done")
    stored(tmp_path, "caer", "c", status="failed")
    stored(tmp_path, "caer", "a")
    (tmp_path / "caer" / "leased-only").mkdir()
    records = list(Store(tmp_path).records())
    assert [(r.run_id, r.done, r.result.get("status")) for r in records] == [
        ("a", False, None), ("c", False, "failed"), ("b", True, "done")
    ]  # fmt: skip
    assert records[0].history() == records[0].alarms() == [] and records[0].environment() == {}


def test_a_run_is_found_by_id_by_its_start_and_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stored(tmp_path / "runs", run_id="ldl-s0-0123")
    stored(tmp_path / "runs", run_id="ldl-s0-0123456")
    monkeypatch.chdir(tmp_path)
    for store in (Store("runs"), Store(tmp_path / "runs")):
        assert store.find("ldl-s0-01234").run_id == "ldl-s0-0123456"
        names = ["ldl-s0-0123", str(folder), "runs/caer/ldl-s0-0123/"]
        assert {store.find(name).run_id for name in names} == {"ldl-s0-0123"}


def test_a_run_is_found_after_its_data_set(tmp_path: Path) -> None:
    for dataset in ("caer", "daisee", "daisee-old"):
        stored(tmp_path, dataset, f"ldl-s0-0123{dataset}")
    store = Store(tmp_path)
    for name in ("daisee/ldl-s0-0123daisee", "daisee/ldl"):
        assert store.find(name).folder == tmp_path / "daisee" / "ldl-s0-0123daisee"
    with pytest.raises(BadInput, match="no such run"):
        store.find("daisee")


def test_finding_a_run_reads_no_other(tmp_path: Path) -> None:
    stored(tmp_path, run_id="ldl-s0-0123456789")
    other = stored(tmp_path, run_id="mi-s0-0123456789")
    (other / "result.json").write_text("{")
    (tmp_path / "caer" / "ldl-s0-01").mkdir()  # a folder in which nothing is stored
    assert Store(tmp_path).find("ldl").run_id == "ldl-s0-0123456789"
    with pytest.raises(BadInput, match="is not JSON"):
        Store(tmp_path).find("mi")


def test_a_run_that_is_not_found_shows_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such run"):
        Store(tmp_path).find("x")
    stored(tmp_path, run_id="ldl-s0-0123456789")
    stored(tmp_path, run_id="ldl-s1-0123456789")
    with pytest.raises(BadInput, match="did you mean ldl-s0-0123456789"):
        Store(tmp_path).find("ldl-s0-0123456788")
    stored(tmp_path, "daisee", "ldl-s2-0123456789")
    told = "names 3 runs: caer/ldl-s0-0123456789, caer/ldl-s1-0123456789, daisee/ldl-s2-0123456789 — give more"
    with pytest.raises(BadInput, match=told):
        Store(tmp_path).find("ldl")


def test_plans_are_kept_by_grid_and_an_unknown_grid_is_bad_input(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_plan("my grid", {"grid": "my grid"})
    assert store.read_plan("my grid") == {"grid": "my grid"} and list(store.records()) == []
    with pytest.raises(BadInput, match="never planned in this store — run `harness plan` first"):
        store.read_plan("other")
