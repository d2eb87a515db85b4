"""`harness verify`: what is as it was passes, and whatever was changed since is found or said to be in the way."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from faults.lab import copy_of, harness, small, start, together
from hypothesis import given
from hypothesis import strategies as st

from harness import scores, verify
from harness.store import Record

EXAMPLE = Path(__file__).parents[1] / "examples" / "confidence_penalty.py"


@pytest.fixture(scope="module")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one small run, and its leaderboard."""
    cache.mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("trained")
    assert harness(*small(folder)).code == 0
    return folder


@pytest.fixture
def lab(trained: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run_in(runs: Path) -> Path:
    """The folder of a store's only run."""
    (spec,) = runs.glob("*/*/spec.json")
    return spec.parent


def checked(what: object, runs: Path, *words: object) -> tuple[int | None, dict[str, Any]]:
    """Exit code and JSON of the command."""
    ended = harness("verify", what, "--runs", runs, "--json", *words)
    told = ended.said[ended.said.index("{\n") :] if "{\n" in ended.said else "{}"
    return ended.code, json.JSONDecoder().raw_decode(told)[0]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def forge(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Other probabilities, with the classes and scores that belong to them: a run that agrees with itself."""
    path = folder / "predictions.parquet"
    columns = pyarrow.parquet.read_table(path).to_pydict()
    found = change(np.array(columns["probabilities"]))
    columns["probabilities"], columns["prediction"] = found.tolist(), found.argmax(1).tolist()
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    labels, splits = np.array(columns["label"]), np.array(columns["split"])

    def told(result: dict[str, Any]) -> None:
        for split in result["metrics"]:
            of = splits == split
            metrics = (scores.war, scores.uar, scores.f1, scores.ece)
            result["metrics"][split] = {metric.__name__: metric(found[of], labels[of]) for metric in metrics}
            result["confusion"][split] = scores.confusion(found[of], labels[of]).tolist()

    edit(folder / "result.json", told)
    metrics = json.loads((folder / "result.json").read_text())
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    rows[metrics["epoch"]]["val"] = {name: metrics["metrics"]["val"][name] for name in ("war", "uar")}
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


# ── a run ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_comes_out_the_same_to_the_last_bit_and_nothing_is_written(lab: Path) -> None:
    before = files(lab)
    ended = harness("verify", run_in(lab / "runs").name, "--runs", lab / "runs")
    assert ended.code == 0, ended.said
    assert "exact" in ended.said and "same type" in ended.said
    assert "features came from the cache" in ended.said
    assert ended.said.rstrip().endswith("harness: 1 of 1 run trained again agree, 1 to the last bit")
    assert files(lab) == before


def test_features_are_made_anew_with_another_cache(lab: Path, cache: Path, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(cache / "miniatures", other / "miniatures")
    ended = harness("verify", run_in(lab / "runs").name, "--runs", lab / "runs", HARNESS_CACHE=str(other))
    assert ended.code == 0, ended.said
    assert "made now" in ended.said and "features came from the cache" not in ended.said


def test_a_score_that_was_edited_is_found(lab: Path) -> None:
    folder = run_in(lab / "runs")

    def better(result: dict[str, Any]) -> None:
        result["metrics"]["test"]["war"] += 0.1

    edit(folder / "result.json", better)
    code, found = checked(folder.name, lab / "runs")
    assert code == 1 and not found["agrees"]
    assert any("test war is told as" in line for line in found["wrong"])
    (row,) = found["verified"]
    assert row["verdict"] == "differs" and row["difference"]["which"] == "test war"


def test_predictions_that_were_edited_with_all_that_follows_from_them_are_found(lab: Path) -> None:
    folder = run_in(lab / "runs")
    forge(folder, lambda probabilities: np.roll(probabilities, 1, axis=0))
    code, found = checked(folder.name, lab / "runs")
    assert code == 1 and not found["wrong"]
    (row,) = found["verified"]
    assert row["verdict"] == "differs" and row["difference"]["flips"] > 0
    assert any("predicted otherwise" in line for line in row["why"])


@pytest.mark.parametrize(
    ("file", "word"), [("history.jsonl", "history"), ("alarms.jsonl", "alarms"), ("predictions.parquet", "missing")]
)
def test_other_files_that_were_edited_are_found(lab: Path, file: str, word: str) -> None:
    folder = run_in(lab / "runs")
    if file == "history.jsonl":
        rows = [json.loads(line) for line in (folder / file).read_text().splitlines()]
        rows[0]["losses"]["total"] *= 1.001
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif file == "alarms.jsonl":
        alarm = {"severity": "warning", "sentinel": "split-leak", "epoch": None, "message": "", "mend": ""}
        (folder / file).write_text(json.dumps(alarm) + "\n")
    else:
        (folder / file).unlink()
    code, found = checked(folder.name, lab / "runs")
    assert code == 1
    assert any(word in line for line in [*found["wrong"], *found["verified"][0]["why"]])


def test_a_spec_that_was_edited_is_not_what_its_run_id_says(lab: Path) -> None:
    folder = run_in(lab / "runs")
    edit(folder / "spec.json", lambda spec: spec["train"].update(lr=0.5))
    code, found = checked(folder.name, lab / "runs")
    assert code == 1 and found["verified"][0]["verdict"] == "can't be verified"
    assert "run id is not that of its spec" in found["verified"][0]["why"][0]


def test_a_run_of_another_protocol_is_not_trained(lab: Path) -> None:
    folder = run_in(lab / "runs")
    edit(folder / "spec.json", lambda spec: spec.update(protocol=1))
    why = checked(folder.name, lab / "runs")[1]["verified"][0]["why"][0]
    assert "run id is not that of its spec" in why and "protocol 1" in why
    older = folder.rename(folder.with_name("lsr-prompt-s0-0123456789"))
    code, found = checked(older.name, lab / "runs")
    assert code == 1 and found["verified"][0]["why"][0].startswith("this version trains otherwise: protocol 1")


def test_data_that_changed_are_said_to_have(tmp_path: Path, trained: Path) -> None:
    caer = copy_of(tmp_path)
    assert harness(*small(tmp_path, "--set", f"data.caer.root={caer}")).code == 0
    run, runs = run_in(tmp_path / "runs").name, tmp_path / "runs"
    before = files(caer)
    assert checked(run, runs)[0] == 0
    assert files(caer) == before
    film = next((caer / "train").rglob("*.avi"))
    other = next(path for path in (caer / "test").rglob("*.avi"))
    film.write_bytes(other.read_bytes())
    code, found = checked(run, runs)
    assert code == 1 and "the data have changed" in found["verified"][0]["why"][0]
    shutil.rmtree(caer)
    code, found = checked(run, runs)
    assert code == 1 and str(caer) in found["verified"][0]["why"][0]


def test_a_plugin_is_loaded_as_stored_and_changed_code_is_not_even_run(tmp_path: Path, trained: Path) -> None:
    file, mark = tmp_path / "own.py", tmp_path / "was-run"
    shutil.copy(EXAMPLE, file)
    assert harness(*small(tmp_path, "--plugin", file, methods="prompt+confidence-penalty")).code == 0
    run, runs = run_in(tmp_path / "runs").name, tmp_path / "runs"
    code, found = checked(run, runs)
    assert code == 0 and found["verified"][0]["verdict"] == "exact"
    file.write_text(file.read_text() + f"\nopen({str(mark)!r}, 'w')\n")
    code, found = checked(run, runs)
    assert code == 1 and "the code of the plugin confidence-penalty" in found["verified"][0]["why"][0]
    assert not mark.exists()
    file.unlink()
    assert "give --plugin" in checked(run, runs)[1]["verified"][0]["why"][0]
    moved = tmp_path / "moved.py"
    shutil.copy(EXAMPLE, moved)
    assert checked(run, runs, "--plugin", moved)[0] == 0


def test_a_run_of_two_processes_is_verified_by_two(tmp_path: Path, trained: Path) -> None:
    runs = tmp_path / "runs"
    assert [ended.code for ended in together(*small(tmp_path), plants=[None, None])] == [0, 0]
    run = run_in(runs).name
    code, found = checked(run, runs)
    assert code == 1 and "torchrun --nproc_per_node 2" in found["verified"][0]["why"][0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    world = dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), "2")
    ranks = [dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank)) for rank in range(2)]
    both = [start("verify", run, "--runs", runs, **told, **world, **rank) for rank in ranks]
    first, second = (command.wait() for command in both)
    assert first.code == second.code == 0, first.said + second.said
    assert "1 to the last bit" in first.said and "last bit" not in second.said


@pytest.mark.parametrize(
    ("what", "message"),
    [("nothing", "no such run"), ("unfinished", "is not done"), ("board", "is no table of results")],
)
def test_what_can_not_be_asked_for_is_bad_input(lab: Path, what: str, message: str) -> None:
    folder = run_in(lab / "runs")
    if what == "unfinished":
        (folder / "result.json").unlink()
        what = folder.name
    if what == "board":
        (lab / "out" / "results.csv").write_text("a,b\n1,2\n")
        what = str(lab / "out")
    ended = harness("verify", what, "--runs", lab / "runs")
    assert ended.code == 2 and message in ended.said


# ── a leaderboard ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def grid(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, two methods, two seeds, trained in a moment."""
    cache.mkdir(exist_ok=True)
    folder = tmp_path_factory.mktemp("grid")
    selected = ("--datasets", "caer,raer", "--methods", "prompt+lsr,prompt", "--seeds", "0,1", "--tiny")
    places = ("--runs", folder / "runs", "--out", folder / "out", "--workers", "1", "--set", "face.max_missing=1")
    ended = harness("run", *selected, *places)
    assert ended.code in (0, 1) and (folder / "out" / "results.csv").exists(), ended.said
    return folder


def test_a_sample_of_a_leaderboard_is_spread_over_its_data_sets_and_drawn_alike_each_time(grid: Path) -> None:
    code, found = checked(grid / "out", grid / "runs", "--sample", "2")
    assert code == 0 and found["runs"] == 8
    assert {row["dataset"] for row in found["verified"]} == {"caer", "raer"}
    assert {row["verdict"] for row in found["verified"]} == {"exact"}
    again = checked(grid / "out", grid / "runs", "--sample", "3")[1]["verified"]
    assert [row["run_id"] for row in again[:2]] == [row["run_id"] for row in found["verified"]]


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 12), st.binary(max_size=4), st.randoms())
def test_a_sample_is_spread_over_data_sets_methods_and_seeds(datasets, methods, seeds, sample, content, random):
    grid = itertools.product("abc"[:datasets], "mnop"[:methods], "01234"[:seeds])
    cells = [verify.Cell(dataset, f"{dataset}{method}{seed}", method, seed) for dataset, method, seed in grid]
    drawn = verify._drawn(cells, sample, content)
    assert len({cell.run_id for cell in drawn}) == len(drawn) == min(sample, len(cells))
    assert len({cell.dataset for cell in drawn}) == min(datasets, len(drawn))
    few = drawn[: min(datasets, methods, seeds)]
    assert all(len({getattr(cell, level) for cell in few}) == len(few) for level in ("dataset", "method", "seed"))
    random.shuffle(cells)
    assert verify._drawn(cells, sample + 1, content)[:sample] == drawn


def test_every_number_of_a_leaderboard_is_checked_and_not_only_those_of_the_sample(grid: Path, tmp_path: Path) -> None:
    shutil.copytree(grid / "out", tmp_path / "out")
    path = tmp_path / "out" / "results.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[-1]["value"] = str(float(rows[-1]["value"]) + 0.01)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    code, found = checked(tmp_path / "out", grid / "runs", "--sample", "1")
    assert code == 1 and found["verified"][0]["verdict"] == "exact"
    (line,) = found["wrong"]
    assert rows[-1]["run_id"] in line and "the leaderboard tells" in line


def test_runs_that_the_store_lacks_are_named(grid: Path, tmp_path: Path) -> None:
    code, found = checked(grid / "out", tmp_path / "none", "--sample", "1")
    assert code == 1 and len(found["wrong"]) == 8 and "give --runs" in found["wrong"][0]
    assert found["verified"][0]["verdict"] == "can't be verified"
    assert not (tmp_path / "none").exists()


def test_a_leaderboard_of_two_stores_is_verified_with_both(grid: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for spec in (grid / "runs").glob("*/*/spec.json"):
        run = spec.parent
        shutil.copytree(run, (one if run.parent.name == "caer" else other) / run.parent.name / run.name)
    code, found = checked(grid / "out", one, "--sample", "1", "--runs", other)
    assert code == 0 and found["runs"] == 8 and found["wrong"] == []
    code, found = checked(grid / "out", one, "--sample", "1")
    assert code == 1 and len(found["wrong"]) == 4


def test_a_run_is_found_in_any_of_the_stores_and_taken_from_where_it_is_done(lab: Path, tmp_path: Path) -> None:
    run, cut = run_in(lab / "runs"), tmp_path / "cut"
    shutil.copytree(run, cut / run.parent.name / run.name)
    (cut / run.parent.name / run.name / "result.json").unlink()
    assert checked(run.name, cut, "--runs", lab / "runs")[0] == 0
    shutil.copytree(run, cut / run.parent.name / f"{run.name}-other")
    ended = harness("verify", run.name[:4], "--runs", cut, "--runs", lab / "runs")
    assert ended.code == 2 and "names 2 runs" in ended.said


# ── another machine ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pair(lab: Path) -> Callable[[], verify.Verdict]:
    """Judges the run, as edited, against an untouched copy that was trained on another type of machine."""
    folder, again = run_in(lab / "runs"), lab / "again"
    shutil.copytree(folder, again)
    edit(again / "environment.json", lambda facts: facts["machine"].update(cpu="another"))

    def read(place: Path) -> Record:
        return Record(place, *(json.loads((place / f"{name}.json").read_text()) for name in ("spec", "result")))

    return lambda: verify.judge(read(folder), read(again), "cache")


def nudged(probabilities: np.ndarray) -> np.ndarray:
    """Every probability a little nearer to even: no class changes."""
    return 0.999 * probabilities + 0.001 / probabilities.shape[1]


def swapped(clips: int) -> Callable[[np.ndarray], np.ndarray]:
    """The probabilities of some clips, the last to the first class."""

    def change(probabilities: np.ndarray) -> np.ndarray:
        probabilities[:clips] = probabilities[:clips, ::-1]
        return probabilities

    return change


def test_small_differences_pass_between_machines_and_only_there(lab: Path, pair) -> None:
    forge(run_in(lab / "runs"), nudged)
    verdict = pair()
    assert (verdict.verdict, verdict.machine) == ("within tolerance", "another type")
    assert verdict.environment["machine.cpu"][1] == "another"
    edit(lab / "again" / "environment.json", lambda facts: facts.update(json.loads(_stored(lab))))
    verdict = pair()
    assert (verdict.verdict, verdict.machine) == ("differs", "same type")
    assert "not the same to the last bit" in verdict.why[0] and "predictions" in verdict.why[0]


def _stored(lab: Path) -> str:
    return (run_in(lab / "runs") / "environment.json").read_text()


def test_many_clips_predicted_otherwise_do_not_pass_on_any_machine(lab: Path, pair) -> None:
    forge(run_in(lab / "runs"), swapped(12))
    assert pair().verdict == "differs"


def test_another_epoch_passes_where_the_two_are_as_good_as_tied(lab: Path, pair) -> None:
    folder = run_in(lab / "runs")
    forge(folder, swapped(12))
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    result = json.loads((folder / "result.json").read_text())
    other, metric = (result["epoch"] + 1) % len(rows), result["primary"]
    best = result["metrics"]["val"][metric]
    edit(lab / "again" / "result.json", lambda told: told.update(epoch=other))
    for stored, now in ((0.01, 0.2), (0.2, 0.01), (0.2, 0.2)):
        for place, score in ((folder, best - stored), (lab / "again", best + now)):
            rows[other]["val"][metric] = score
            (place / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        judged, tied = pair(), min(stored, now) < 0.02
        assert judged.verdict == ("within tolerance" if tied else "differs"), judged
        assert ("another epoch was chosen" in judged.why[0]) is tied


def test_threads_told_by_a_variable_make_no_other_machine_but_threads_do(lab: Path, pair) -> None:
    own = json.loads(_stored(lab))
    edit(lab / "again" / "environment.json", lambda facts: facts.update(own, variables={"OMP_NUM_THREADS": "7"}))
    assert pair().machine == "same type"
    edit(lab / "again" / "environment.json", lambda facts: facts.update(own, threads=own["threads"] + 1))
    assert pair().machine == "another type"


def test_an_old_environment_leaves_the_machine_unknown(lab: Path, pair) -> None:
    edit(run_in(lab / "runs") / "environment.json", lambda facts: facts.pop("machine"))
    assert pair().machine == "unknown"
