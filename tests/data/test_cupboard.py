"""The cache folder: what lies there is told, and cleared unless it is in use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest

from harness import grid, plan
from harness.cli import main
from harness.data import cupboard, usage

DAY = 24 * 60 * 60


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shelves of features, one of frames, miniatures and probes, each used a day after the one before."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    shelf(tmp_path, "features/caer-1", days=5, shards={"aa": 3000, "bb": 2000}, about={"dataset": "CAER", "size": 64})
    shelf(tmp_path, "frames/caer-2", days=4, shards={"cc": 10_000})
    shelf(tmp_path, "features/dfew-3", days=3, shards={"dd": 1000})
    for name in ("miniatures/v3/CAER/a.avi", "probes/caer-1.json"):
        write(tmp_path / name, 500, days=2 if name.startswith("min") else 1)
    return tmp_path


def write(path: Path, size: int, days: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - days * DAY,) * 2)


def shelf(root: Path, name: str, days: float, shards: dict[str, int], about: dict | None = None) -> None:
    for shard, size in shards.items():
        write(root / name / f"{shard}.safetensors", size, days + 10 if about else days)
    if about:
        path = root / name / "about.json"
        path.write_text(json.dumps(about))
        os.utime(path, (time.time() - days * DAY,) * 2)


def left(cache: Path) -> set[str]:
    files = (path for path in cache.rglob("*") if path.is_file() and not path.name.endswith("lock"))
    return {path.relative_to(cache).as_posix() for path in files}


def test_a_cache_that_can_not_be_made_is_refused_by_the_variable_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--datasets", "caer", "--methods", "prompt"]) == 2
    said = capsys.readouterr().err
    assert "HARNESS_CACHE: " in said and "can't be made (Not a directory)" in said
    assert main(["cache", "list"]) == 0


def test_what_is_kept_is_told_the_least_recently_used_first(cache: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["cache", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = [(row["kind"], Path(row["folder"]).name) for row in told["holdings"]]
    assert rows == [
        *(("features", "caer-1"), ("frames", "caer-2"), ("features", "dfew-3")),
        *(("miniatures", "miniatures"), ("probes", "probes")),
    ]
    assert told["holdings"][0]["about"] == {"dataset": "CAER", "size": 64}
    assert told["bytes"] == sum(row["bytes"] for row in told["holdings"]) > 17_000
    assert main(["cache", "list"]) == 0
    assert "CAER, size 64" in capsys.readouterr().out


def test_an_empty_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "none"))
    assert main(["cache", "list"]) == 0 and main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.count(f"in {tmp_path}/none") == 2 and not (tmp_path / "none").exists()


def test_a_shelf_that_says_nothing_readable_is_told_and_cleared(cache: Path) -> None:
    (cache / "features/caer-1/about.json").write_text("{")
    assert cupboard.holdings()[-1].about == {}
    cupboard.clear("features")
    assert not list((cache / "features").iterdir())


def test_clearing_removes_everything(cache: Path, capsys: pytest.CaptureFixture) -> None:
    write(cache / "features/caer-1/.ee.safetensors.1.2", 100, days=5)  # what a killed process left behind
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("17.1 kB freed")
    assert left(cache) == set()
    assert not list((cache / "features").iterdir()) and not list((cache / "frames").iterdir())


def test_a_dry_run_removes_nothing_and_says_the_same(cache: Path, capsys: pytest.CaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    main(["cache", "clear", "--dry-run"])
    told = capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
    main(["cache", "clear"])
    assert told.replace("would be freed", "freed") == capsys.readouterr().out


def test_one_kind_is_cleared_alone(cache: Path) -> None:
    cupboard.clear("features")
    assert {name.partition("/")[0] for name in left(cache)} == {"frames", "miniatures", "probes"}


def test_the_least_recently_used_go_until_the_rest_fits(cache: Path) -> None:
    gone = cupboard.clear(keep=12_100)
    assert [Path(each.folder).name for each in gone] == ["caer-1"]
    assert [Path(each.folder).name for each in cupboard.clear(keep=2000)] == ["caer-2"]
    assert cupboard.clear(keep=2000) == []


def test_only_what_was_not_used_for_long_goes(cache: Path) -> None:
    gone = cupboard.clear(older_than=3.5)
    assert [Path(each.folder).name for each in gone] == ["caer-1", "caer-2"]


def test_what_somebody_is_making_stays(cache: Path) -> None:
    locks = ("features/caer-1/bb.lock", "frames/caer-2/new.lock", "miniatures/lock", "probes/caer-1.json.lock")
    half = ("frames/caer-2/.new.safetensors.1.2", "probes/.caer-1.json.1.2", "hf/ab12.part/train/000001.mp4")
    for name in half:
        write(cache / name, 100, days=4)
    held = [filelock.FileLock(cache / name) for name in (*locks, "hf/ab12.lock")]
    for lock in held:
        lock.acquire()
    try:
        for dry_run in (True, False):
            assert {(Path(each.folder).name, each.bytes) for each in cupboard.clear(dry_run=dry_run)} == {
                *(("caer-1", 3000), ("caer-2", 10_000), ("dfew-3", 1000))
            }
    finally:
        for lock in held:
            lock.release()
    assert left(cache) == {
        *("features/caer-1/about.json", "features/caer-1/bb.safetensors", *half),
        *("miniatures/v3/CAER/a.avi", "probes/caer-1.json"),
    }
    cupboard.clear()
    assert left(cache) == set()


@pytest.mark.parametrize("name", ["miniatures/v3", "hf/ab12"])
def test_what_a_living_process_reads_stays(name: str, cache: Path) -> None:
    write(cache / name / "CAER/b.avi", 100, days=9)
    code = f"import sys; from harness.data import usage; usage.use(__import__('pathlib').Path({str(cache / name)!r})); "
    code += "print('used', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout and reader.stdout.readline() == b"used\n"
        for dry_run in (True, False):
            assert cupboard.clear(name.partition("/")[0], dry_run=dry_run) == []
    assert (cache / name / "CAER/b.avi").exists() and time.time() - cupboard.holdings()[-1].used < DAY
    cupboard.clear(name.partition("/")[0])
    assert not (cache / name).exists()


def test_a_plan_uses_the_miniatures_that_it_reads() -> None:
    planned = plan.plan(grid.build("made", {"datasets": ["raer"], "methods": ["lsr"], **grid.TINY}))
    assert usage.used(planned.copies["raer"].scan.root.parent)


@pytest.mark.parametrize("name", ["miniatures/v3", "hf/ab12"])
def test_clearing_that_is_killed_leaves_nothing_that_passes_for_whole(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("CAER/b.avi", "RAER/c.avi"):
        write(cache / name / file, 100, days=9)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda path, ignore_errors=False: ignore_errors or killed(path))
        with pytest.raises(KeyboardInterrupt):
            cupboard.clear(name.partition("/")[0])
    assert not (cache / name).exists()
    write(cache / name / "CAER/b.avi", 100, days=9)  # made again meanwhile
    cupboard.clear(name.partition("/")[0])
    assert not [path for path in (cache / name).parent.iterdir() if not path.name.endswith("lock")]


@pytest.mark.parametrize(
    ("text", "size"), [("20GB", 20 * 10**9), ("1.5 mb", 1_500_000), ("7", 7), ("3kB", 3000), ("0", 0)]
)
def test_sizes_are_read_as_they_are_written(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(cupboard, "clear", lambda kind, keep, older_than, dry_run: seen.append(keep) or [])
    assert main(["cache", "clear", "--keep", text]) == 0 and seen == [size]


@pytest.mark.parametrize("words", [["--keep", "much"], ["--keep", "-1"], ["--older-than", "soon"], ["--kind", "x"]])
def test_what_can_not_be_read_is_refused(words: list[str], cache: Path) -> None:
    before = left(cache)
    with pytest.raises(SystemExit) as refused:
        main(["cache", "clear", *words])
    assert refused.value.code == 2 and left(cache) == before
