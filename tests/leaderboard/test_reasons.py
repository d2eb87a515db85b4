"""What the pages and the paper's tables say where a comparison is another than a reader would think, or missing."""

from __future__ import annotations

import csv
from pathlib import Path

import predicted
import pytest
from paged import Tags, made
from stored import plan_of

from harness.leaderboard import report
from harness.store import Store


def test_a_fraction_names_its_halves_and_aliases_wherever_its_effects_stand(tmp_path: Path) -> None:
    plan = predicted.fraction_of_four([0, 1])
    out = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").parent
    page, tex = ((out / name).read_text() for name in ("README.md", "ablation.tex"))
    assert "of a, b, c, d the difference between the two halves of a seed's fraction" in page
    assert "differ in nothing else" not in page
    assert (
        r"Confounded: a$\times$b = c$\times$d; a$\times$c = b$\times$d" in tex
        and r"a $\times$ d = b $\times$ c &" in tex
    )
    with (out / "ablation.csv").open(encoding="utf-8", newline="") as file:
        assert "a:d = b:c" in {row["factor"] for row in csv.DictReader(file)}


def test_a_fraction_that_is_not_whole_is_named_as_the_reason(tmp_path: Path) -> None:
    plan = predicted.fraction_of_four([0, 1])
    plan["runs"] = [row for row in plan["runs"] if row["levels"] != {"a": 1, "b": 1, "c": 0, "d": 0}]
    out = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").parent
    assert "The fraction isn't whole in any seed" in (out / "README.md").read_text()
    assert "The fraction isn{'}t whole in any seed" in (out / "ablation.tex").read_text()


def test_data_sets_that_share_no_seeds_have_no_mean_and_that_is_the_reason(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2, 3])
    plan["runs"] = [row for row in plan["runs"] if (row["dataset"] == "caer") == (row["seed"] < 2)]
    out = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").parent
    page = (out / "README.md").read_text()
    assert "The data sets share no seeds" in page and "for want of runs" not in page
    assert "mean over them" not in (out / "ablation.tex").read_text()


def test_a_mean_over_fewer_data_sets_is_marked_in_its_cell(tmp_path: Path) -> None:
    plan = plan_of(["caer", "daisee", "raer"], [0, 1])
    plan["runs"] = [row for row in plan["runs"] if row["dataset"] != "raer" or not row["levels"]["moco"]]
    out = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").parent
    assert "(over caer, daisee) |" in (out / "README.md").read_text()
    tex = (out / "ablation.tex").read_text()
    assert " (caer, daisee) " in tex and "the mean over them, or over those in brackets." in tex


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([4, 4], "Smoke test: trained on at most 4 clips a class."),
        ([1, 1], "Smoke test: trained on at most 1 clip a class."),
        ([0, 4], "Some runs are smoke tests: trained on at most 4 clips a class."),
        ([0, 0], ""),
    ],
)
def test_smoke_tests_are_told_apart_from_runs_on_all_clips(limits: list[int], words: str, tmp_path: Path) -> None:
    for seed, limit in enumerate(limits):
        for method in ("prompt", "mixup+prompt"):
            row = {"run_id": f"{method}-s{seed}", "dataset": "caer", "method": method, "seed": seed, "levels": {}}
            predicted.save(tmp_path / "runs", row, spec={"train": {"epochs": 1, "limit": limit}})
    out = report([Store(tmp_path / "runs")], None, tmp_path / "out").parent
    said = [(out / name).read_text() for name in ("README.md", "index.html", "ablation.tex")]
    told = ["> **Smoke", "Smoke test: trained", "> **Some runs are", "Some runs are smoke"]
    assert all(words in text for text in said) and bool(words) == any(text in page for text in told for page in said)


def test_methods_without_a_baseline_say_so(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1])
    plan["runs"] = [row for row in plan["runs"] if any(row["levels"].values())]
    page = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "The baseline isn't among them" in page


def test_methods_without_a_baseline_are_not_called_the_baseline(tmp_path):
    plan = plan_of(["caer", "raer"], [0, 1])
    plan["runs"] = [row for row in plan["runs"] if any(row["levels"].values())]
    text = Tags(made(predicted.store(tmp_path, plan))).text
    assert "is the baseline" not in text and "The baseline isn't among them" in text


def test_data_sets_that_share_no_seeds_are_the_reason_for_no_standings(tmp_path):
    plan = plan_of(["caer", "raer"], [0, 1, 2, 3])
    plan["runs"] = [row for row in plan["runs"] if (row["dataset"] == "caer") == (row["seed"] < 2)]
    text = Tags(made(predicted.store(tmp_path, plan))).text
    assert "The data sets share no seeds" in text and "runs of theirs are missing" not in text


def test_a_fraction_names_its_aliases_and_shows_one_contrast_once(tmp_path):
    document = made(predicted.store(tmp_path, predicted.fraction_of_four([0, 1, 2])))
    text = Tags(document).text
    assert "confounded: a×d = b×c" in text and "the difference between the two halves of a seed's fraction" in text
    assert document.decode().count("<bdi>= a × d</bdi>") == 4  # a metric each


def test_a_mean_over_fewer_data_sets_names_them(tmp_path):
    plan = plan_of(["caer", "daisee", "raer"], [0, 1])
    plan["runs"] = [row for row in plan["runs"] if row["dataset"] != "raer" or not row["levels"]["moco"]]
    assert "over caer, daisee" in Tags(made(predicted.store(tmp_path, plan))).text
