"""`harness compare`: whether two runs or leaderboards speak of the same data, and what differs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from harness.compare import compare, text
from harness.errors import BadInput
from harness.files import write_json, write_lines
from harness.store import Record, Store

OURS = Path(__file__).parents[1] / "leaderboards" / "default"
NOWHERE = Store("nowhere")


# ── leaderboards ────────────────────────────────────────────────────────────────────────────────────────────


def board(
    folder: Path,
    manifest: str,
    score: float = 0.5,
    runs: dict[str, str] | None = None,
    p: str = "0.2",
    told: dict[str, Any] | None = None,
) -> str:
    """A leaderboard of one data set: by method the seeds that are done, as `{"prompt": "01"}`; `told` of its runs."""
    folder.mkdir(parents=True)
    rows = [
        {"run_id": f"{method}-s{seed}-{manifest}", "dataset": "caer", "method": method, "seed": seed}
        for method, seeds in (runs or {"prompt": "01", "ldl+prompt": "01"}).items()
        for seed in seeds
    ]
    scores = [{"split": split, "metric": "war", "value": score} for split in ("val", "test")]
    table(folder / "results.csv", [{**row, **told} for row in rows for told in scores])
    effect = {"dataset": "caer", "metric": "war", "factor": "ldl", "effect": 0.05, "ci_low": 0.01, "ci_high": 0.09}
    table(folder / "ablation.csv", [{**effect, "p": p, "p_holm": p, "n_pairs": 2}])
    copy = {"manifests": [manifest], "miniature": False, "errors": [], **(told or {})}
    write_json(folder / "copies.json", {"caer": copy})
    return str(folder)


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_leaderboards_of_different_copies_say_so_and_give_no_difference(tmp_path):
    found = compare(board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "bbbb", 0.6), NOWHERE)
    page = text(found)
    assert "DIFFERENT COPIES (manifest aaaa against bbbb)" in page
    assert "harness data diff" in page
    assert not any(row["same_data"] for row in found["scores"])
    assert "+10.0" not in page


def test_leaderboards_of_the_same_copy_are_compared(tmp_path):
    page = text(compare(board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa", 0.6), NOWHERE))
    assert "the same copy (manifest aaaa)" in page
    assert "+10.0" in page


def test_seeds_and_missing_runs_are_shown_and_runs_of_the_same_address_counted(tmp_path):
    one = board(tmp_path / "a", "aaaa", runs={"prompt": "012", "ldl+prompt": "01"})
    other = board(tmp_path / "b", "aaaa", runs={"prompt": "01", "lsr+prompt": "01"})
    found = compare(one, other, NOWHERE)
    by_method = {row["of"][1]: row for row in found["runs"]}
    assert by_method["prompt"]["done"] == [["0", "1", "2"], ["0", "1"]] and by_method["prompt"]["same"] == 2
    assert by_method["ldl+prompt"]["missing"] == [["2"], []]
    assert found["alone"] == [["caer ldl+prompt"], ["caer lsr+prompt"]]
    page = text(found)
    assert "missing in A: caer ldl+prompt seed 2 (failed, or not trained)" in page
    assert "only in B: caer lsr+prompt" in page and "missing in B" not in page


def test_settings_in_which_two_leaderboards_differ_are_named(tmp_path):
    short = {"settings": {"train.epochs": "4", "clips.frames": "8", "plugins.mine": "abc"}, "processes": [1]}
    long = {"settings": {"train.epochs": "20 or 30", "clips.frames": "8"}, "processes": [1, 2]}
    one, other = board(tmp_path / "a", "aaaa", told=short), board(tmp_path / "b", "aaaa", 0.6, told=long)
    found = compare(one, other, NOWHERE)
    assert found["settings"] == {"caer": {"train.epochs": ["4", "20 or 30"], "processes a run": ["1", "1 or 2"]}}
    page = text(found)
    assert "train.epochs     4    20 or 30" in page and "⚠ settings differ (above)" in page
    same = text(compare(one, one, NOWHERE))
    assert "settings\n  the same" in same and "⚠" not in same


def test_a_leaderboard_that_does_not_tell_its_settings_is_said_not_to(tmp_path):
    told = {"settings": {"train.epochs": "4"}, "processes": []}
    found = compare(board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa", 0.6, told=told), NOWHERE)
    assert found["settings"] == {"caer": None}
    assert "not known of caer" in text(found) and "⚠ settings are not known" in text(found)


def test_differences_are_written_as_on_leaderboards(tmp_path):
    one, other = board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa", 0.49999)
    third = board(tmp_path / "c", "aaaa", 0.4)
    assert "-0.0" not in text(compare(one, other, NOWHERE)) and "−10.0" in text(compare(one, third, NOWHERE))


def test_effects_stand_side_by_side_with_whether_their_words_agree(tmp_path):
    found = compare(board(tmp_path / "a", "aaaa", p="0.01"), board(tmp_path / "b", "aaaa", p="0.3"), NOWHERE)
    (row,) = found["effects"]
    assert [effect["word"] for effect in row["effects"]] == ["helps", "can't tell"] and row["agree"] is False
    page = text(found)
    assert "+5.0 [+1.0, +9.0] helps" in page and "+5.0 [+1.0, +9.0] can't tell" in page
    assert "0 of 1 effect (of all metrics) get the same word" in page


def rewrite(folder: Path, rows: list[dict[str, Any]], folds: dict[str, str] | None = None) -> str:
    """The leaderboard's results anew: test WAR of caer and prompt; with the copy of each fold."""
    told = {"dataset": "caer", "method": "prompt", "split": "test", "metric": "war"}
    table(folder / "results.csv", [{**told, **row} for row in rows])
    if folds:
        by_fold = {fold: [manifest] for fold, manifest in folds.items()}
        write_json(folder / "copies.json", {"caer": {"manifests": sorted(folds.values()), "folds": by_fold}})
    return str(folder)


def test_only_seeds_that_both_have_are_subtracted(tmp_path):
    one, other, third = (board(tmp_path / name, "aaaa") and tmp_path / name for name in "abc")
    score = {0: 0.1, 1: 0.2, 2: 0.6}
    rewrite(one, [{"run_id": f"a{seed}", "seed": seed, "value": score[seed]} for seed in (0, 1, 2)])
    rewrite(other, [{"run_id": "b2", "seed": 2, "value": 0.61}])
    rewrite(third, [{"run_id": "c7", "seed": 7, "value": 0.9}])
    found = compare(str(one), str(other), NOWHERE)
    assert found["scores"][0]["values"] == pytest.approx([0.6, 0.61]) and "+1.0" in text(found)
    page = text(compare(str(one), str(third), NOWHERE))
    assert "no seed in both, so each has its own mean and nothing is subtracted: caer prompt" in page
    assert "+60.0" not in page


def test_a_board_that_lacks_a_fold_is_compared_on_the_others(tmp_path):
    one, other, apart = (board(tmp_path / name, "aaaa") and tmp_path / name for name in "abc")
    copies = {"1": "copy1", "2": "copy2", "3": "copy3"}
    rows = [{"run_id": f"s0-{fold}", "seed": 0, "fold": fold, "value": int(fold) / 10} for fold in copies]
    rewrite(one, rows, copies)
    two = [{**row, "value": row["value"] + 0.02} for row in rows[:2]]
    rewrite(other, two, {fold: copies[fold] for fold in "12"})
    page = text(compare(str(one), str(other), NOWHERE))
    assert "the same copy (manifest copy1 or copy2)" in page and "+2.0" in page
    rewrite(apart, two, {"1": "copy1", "2": "another"})
    assert "DIFFERENT COPIES" in text(compare(str(one), str(apart), NOWHERE))


def test_variants_of_the_settings_are_lines_of_their_own(tmp_path):
    one, other = (board(tmp_path / name, "aaaa") and tmp_path / name for name in "ab")
    short, long = ({"seed": 0, "variant": f"train.epochs={epochs}"} for epochs in (5, 20))
    rewrite(one, [{**short, "run_id": "r5", "value": 0.4}, {**long, "run_id": "r20", "value": 0.6}])
    rewrite(other, [{**short, "run_id": "r5", "value": 0.4}, {**long, "run_id": "x20", "value": 0.7}])
    found = compare(str(one), str(other), NOWHERE)
    values = {row["of"][1]: row["values"] for row in found["scores"]}
    assert values == {"prompt (train.epochs=5)": [0.4, 0.4], "prompt (train.epochs=20)": [0.6, 0.7]}
    assert [row["same"] for row in found["runs"]] == [1, 0]


def test_all_runs_of_one_place_count(tmp_path):
    one, other = (board(tmp_path / name, "aaaa") and tmp_path / name for name in "ab")
    rewrite(one, [{"run_id": f"r{value}", "seed": 0, "value": value} for value in (0.2, 0.4)])
    rewrite(other, [{"run_id": "r0.2", "seed": 0, "value": 0.2}])
    found = compare(str(one), str(other), NOWHERE)
    assert found["scores"][0]["values"] == pytest.approx([0.3, 0.2]) and found["runs"][0]["same"] == 1


def test_a_real_leaderboard_agrees_with_itself():
    found = compare(str(OURS), str(OURS), NOWHERE)
    assert found["scores"] and all(row["values"][0] == row["values"][1] for row in found["scores"])
    assert found["effects"] and all(row["agree"] for row in found["effects"])
    assert all(row["same"] == len(row["done"][0]) for row in found["runs"])


def test_a_damaged_leaderboard_is_bad_input(tmp_path):
    one, other = board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa")
    (tmp_path / "b" / "ablation.csv").write_text("dataset,metric\ncaer,war\n")
    with pytest.raises(BadInput, match=r"ablation\.csv"):
        compare(one, other, NOWHERE)


def test_a_seed_that_a_spreadsheet_made_a_fraction_is_named(tmp_path):
    one, other = board(tmp_path / "a", "aaaa"), board(tmp_path / "b", "aaaa")
    path = tmp_path / "b" / "results.csv"
    path.write_text(path.read_text().replace("prompt,0,", "prompt,0.0,"))
    with pytest.raises(BadInput, match=r"b/results\.csv: .*seed '0\.0' is no whole number"):
        compare(one, other, NOWHERE)


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


def save(root: Path, name: str, right: list[bool], *, lr: float = 0.1, manifest: str = "aaaa", seed: int = 0) -> Record:
    """A run on as many test clips of two classes as there are in `right`."""
    folder, labels = root / "caer" / name, [place % 2 for place in range(len(right))]
    predicted = [label if good else 1 - label for label, good in zip(labels, right, strict=True)]
    spec = {"dataset": "caer", "method": "prompt", "seed": seed, "train": {"lr": lr}}
    recalls = {
        kind: float(np.mean([good for good, label in zip(right, labels, strict=True) if label == place]))
        for place, kind in enumerate(("Happy", "Sad"))
    }
    result = {"status": "done", "manifest": manifest, "metrics": {"test": {"war": float(np.mean(right))}}}
    write_json(folder / "spec.json", spec)
    write_json(folder / "result.json", {**result, "per_class": {"test": recalls}, "errors": 1})
    write_json(folder / "environment.json", {"threads": seed + 1, "device": "cpu"})
    write_lines(folder / "alarms.jsonl", [{"severity": "error", "sentinel": "flat-target", "message": f"in {name}"}])
    columns = {
        "clip_id": [f"test/{place}" for place in range(len(right))],
        "split": ["test"] * len(right),
        "label": labels,
        "prediction": predicted,
        "probabilities": np.eye(2)[predicted].tolist(),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "predictions.parquet")
    return Record(folder, spec, result)


def test_two_runs_show_where_settings_and_scores_differ(tmp_path):
    save(tmp_path, "one", [True, False, True, False], lr=0.1)
    save(tmp_path, "two", [True, True, True, False], lr=0.2, seed=3)
    found = compare("one", "two", Store(tmp_path))
    assert found["settings"] == {"seed": ["0", "3"], "train.lr": ["0.1", "0.2"]}
    assert found["environment"] == {"threads": ["1", "4"]}
    assert found["copies"] == {"caer": [["aaaa"], ["aaaa"]]}
    page = text(found)
    assert "A: one (caer · prompt · seed 0 · done)" in page and "seed 3" in page
    assert "+25.0" in page and json.loads(json.dumps(found)) == found


def test_two_runs_are_tested_clip_by_clip(tmp_path):
    """Five clips against none: twice the chance of five heads in a row, 2 / 2⁵."""
    save(tmp_path, "one", [True] * 6 + [False] * 2)
    save(tmp_path, "two", [False] * 5 + [True] + [False] * 2)
    found = compare("one", "two", Store(tmp_path))
    assert found["clips"] == {"shared": 8, "both_right": 1, "only_right": [5, 0], "p": pytest.approx(0.0625)}
    assert "both got 1 right, only A 5, only B 0; McNemar's exact p = 0.062" in text(found)


def test_recalls_and_alarms_of_two_runs_stand_side_by_side(tmp_path):
    save(tmp_path, "one", [True, False])
    save(tmp_path, "two", [False, True])
    found = compare("one", "two", Store(tmp_path))
    assert found["recalls"] == [{"of": "Happy", "values": [1.0, 0.0]}, {"of": "Sad", "values": [0.0, 1.0]}]
    page = text(found)
    assert "error flat-target: in one" in page and "error flat-target: in two" in page


@pytest.mark.parametrize(("damage", "why"), [("copy", "not the same copy"), ("predictions", "is missing")])
def test_why_runs_are_not_tested_clip_by_clip_is_said(tmp_path, damage, why):
    save(tmp_path, "one", [True, False])
    save(tmp_path, "two", [True, True], manifest="bbbb" if damage == "copy" else "aaaa")
    if damage == "predictions":
        (tmp_path / "caer" / "two" / "predictions.parquet").unlink()
    found = compare("one", "two", Store(tmp_path))
    assert found["clips"] is None and why in text(found)


def test_a_run_is_not_compared_with_a_leaderboard(tmp_path):
    save(tmp_path / "runs", "one", [True, False])
    with pytest.raises(BadInput, match="two of a kind"):
        compare(board(tmp_path / "out", "aaaa"), "one", Store(tmp_path / "runs"))
