"""The files of a leaderboard: the same bytes for the same runs, and of use to whoever opens them."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import predicted
import pytest
from stored import files, plan_of, save_run

from harness.leaderboard import figures, report
from harness.leaderboard.paper import escape
from harness.store import Store

ROOT = Path(__file__).parents[2]
HOSTILE = 'odd(name=a|b&c%d$e#f_g{h}~i^j"k\\l<m>)'


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return predicted.demo(tmp_path_factory.mktemp("outputs") / "runs")


@pytest.fixture(scope="module")
def out(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report([store], "demo", tmp_path_factory.mktemp("out")).parent


# ── the same bytes ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_in_which_runs_were_made_does_not_show(out: Path, tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2])
    shuffled = random.Random(1).sample(plan["runs"], len(plan["runs"]))
    for row in shuffled:
        predicted.save(tmp_path / "elsewhere" / "runs", row)
    store = Store(tmp_path / "elsewhere" / "runs")
    store.write_plan("demo", plan)
    assert files(report([store], "demo", tmp_path / "out").parent) == files(out)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata", "COLUMNS": "20"},
        {"LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2", "NO_COLOR": "1"},
        {"LC_ALL": "C", "PYTHONHASHSEED": "3", "MPLCONFIGDIR": "matplotlib"},
    ],
)
def test_locale_hashes_threads_and_a_users_style_do_not_show(
    store: Store, out: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    style = tmp_path / "matplotlib"
    style.mkdir()
    (style / "matplotlibrc").write_text("font.size: 30\naxes.grid: True\nsvg.fonttype: none\n")
    code = f"""
import locale, sys
from pathlib import Path
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass  # a machine without it
from harness.leaderboard import figures, report
from harness.store import Store
report([Store({str(store.root)!r})], "demo", Path("out"))
heavy = {{"torch", "accelerate", "open_clip", "torchvision", "datasets"}} & set(sys.modules)
assert not heavy, heavy
"""
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=told)
    assert files(tmp_path / "out") == files(out)


def test_only_files_that_another_result_changes_are_other_ones(store: Store, out: Path, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "runs")
    plan = plan_of(["caer", "raer"], [0, 1, 2])
    (tmp_path / "runs" / "index.parquet").unlink(missing_ok=True)
    predicted.write(tmp_path / "runs" / "caer" / plan["runs"][0]["run_id"], *predicted.of(plan["runs"][1]))
    again = files(report([Store(tmp_path / "runs")], "demo", tmp_path / "out").parent)
    before = files(out)
    changed = {name for name in before if before[name] != again[name]}
    assert "ablation.csv" in changed  # the clips' part
    assert not changed & {"results.csv", "copies.json", "figures/ranks.svg"}


# ── what stands in them ─────────────────────────────────────────────────────────────────────────────────────


def test_the_columns_of_ablation_csv_stay_and_new_ones_come_last(out: Path) -> None:
    with (out / "ablation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    fixed = ["dataset", "metric", "factor", "effect", "ci_low", "ci_high", "p", "p_holm", "n_pairs"]
    assert list(rows[0]) == [*fixed, "n_seeds", "seed_sd", "clip_sd", "kind", "compared"]
    for row in rows:
        if row["ci_low"]:
            assert float(row["ci_low"]) <= float(row["effect"]) <= float(row["ci_high"])
            assert float(row["seed_sd"]) > 0 and float(row["clip_sd"]) >= 0
    assert {row["kind"] for row in rows} == {"factor", "interaction"}
    assert {"recall:Anger", "recall:Sad"} < {row["metric"] for row in rows}


def test_the_page_says_first_what_was_found(tmp_path: Path) -> None:
    page = report([predicted.demo(tmp_path / "runs", ["caer"], range(8))], "demo", tmp_path / "out").read_text()
    opening = page.partition("\n## ")[0]
    assert "ldl(temperature=0.1) instead of lsr(epsilon=0.05)" in opening
    assert "On caer ldl helps: +" in opening and "points of WAR (95 % interval +" in opening
    assert "no other factor's effect can be told from nothing with 8 seeds" in opening
    assert "points would be found four times in five" in opening
    assert "The intervals carry both what other seeds and what other test clips would have changed." in page
    assert page.index("## What each factor does") < page.index("## Test scores") < page.index("## Protocol")


def test_one_seed_is_never_called_an_effect(tmp_path: Path) -> None:
    out = report([predicted.demo(tmp_path / "runs", seeds=[0])], "demo", tmp_path / "out").parent
    page = (out / "README.md").read_text()
    assert (
        "helps (" not in page and "hurts (" not in page and "no factor's effect on WAR can be told from nothing" in page
    )
    assert "What scores vary with" not in page and "would be found four times" not in page
    assert "There are no intervals: one seed" in (out / "ablation.tex").read_text()
    assert "Here there are none." in page and "The intervals carry" not in page


def test_runs_without_predictions_are_counted_and_their_effects_marked(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "runs")
    run = next((tmp_path / "runs" / "caer").iterdir())
    (run / "predictions.parquet").unlink()
    page = report([Store(tmp_path / "runs")], "demo", tmp_path / "out").read_text()
    assert f"1 run without predictions that can be read ({run.name})" in page
    marked = [line for line in page.splitlines() if line.startswith("| ") and "°" in line]
    assert "Some intervals, marked °, carry only what other seeds would have changed" in page and marked
    tex = (tmp_path / "out" / "ablation.tex").read_text()
    assert "Some of the intervals carry what other seeds would have changed, and not" in tex


def test_seeds_added_by_steins_rule_are_told(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2]) | {"until": {"pilot": 2, "width": 0.025}}
    page = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "no wider than 2.5 points (Stein's rule): where all of the first 2 seeds are done" in page


def test_the_design_says_what_it_confounds(tmp_path: Path) -> None:
    plan = predicted.fraction_of_three([0, 1])
    page = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "confounded: moco = mixup×dc" in page


def test_the_learning_rate_of_a_trunk_is_told_where_it_trains(tmp_path: Path) -> None:
    for trunk, place in (("frozen", 0), ("trainable", 1)):
        model = {"name": "tiny", "trunk": trunk, "trunk_lr": 1e-6, "weights": "w"}
        row = {"run_id": "a", "dataset": "caer", "method": "prompt", "seed": 0}
        save_run(tmp_path / trunk, row, 0.5, spec={"model": model})
        page = report([Store(tmp_path / trunk)], None, tmp_path / f"out{place}").read_text()
        assert ("trunk lr 1e-06" in page) == (trunk == "trainable")


def test_published_figures_stand_beside_ours_with_what_is_known_of_them(out: Path, tmp_path: Path) -> None:
    page = (out / "README.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| raer ") and "CLIP-CAER" in line]
    assert any("68.00" in line and "not stated" in line for line in lines)
    assert any("73.76" in line and "chosen on the set it reports on" in line and "one run" in line for line in lines)
    assert "Not comparable at all" not in page
    plan = {**plan_of(["raer"], [0]), "miniatures": ["raer"]}
    small = report([predicted.store(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "**Not comparable at all: ours of raer are scores on rendered miniatures.**" in small


def test_methods_without_all_their_runs_are_left_out_of_ranks_by_name(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "runs")
    row = plan_of(["caer"], [0])["runs"][2]
    shutil.rmtree(tmp_path / "runs" / "caer" / row["run_id"])
    page = report([Store(tmp_path / "runs")], "demo", tmp_path / "out").read_text()
    assert "(5 methods × 2 data sets × 3 seeds)" in page
    assert f"1 method left out for want of runs: {row['method']}." in page


# ── pictures and paper ──────────────────────────────────────────────────────────────────────────────────────


def hostile(root: Path) -> Path:
    """A leaderboard of names that mean something to LaTeX, Markdown or XML."""
    plan = plan_of(["caer", "raer"], [0, 1, 2], {"[odd]&$x^2$": ["", HOSTILE], "−–``''": ["", "mixup"]})
    plan |= {"title": "100 % & more\n\\input{x} ``quoted''", "miniatures": ["caer"]}
    return report([predicted.store(root / "runs", plan)], "demo", root / "out").parent


def test_every_picture_is_a_whole_svg_also_of_odd_names(out: Path, tmp_path: Path) -> None:
    for folder in (out, hostile(tmp_path)):
        pictures = sorted((folder / "figures").iterdir())
        assert [path.name for path in pictures] == ["effects.svg", "interactions.svg", "ranks.svg"]
        for path in pictures:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex on this machine")
def test_the_tables_compile_also_with_odd_names(out: Path, tmp_path: Path) -> None:
    for place, folder in enumerate((out, hostile(tmp_path))):
        text = rf"""\documentclass{{article}}
\usepackage{{booktabs}}
\begin{{document}}
\input{{{folder / "ablation.tex"}}}
\end{{document}}
"""
        (tmp_path / f"paper{place}.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"paper{place}.tex"]
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
        assert told.returncode == 0, told.stdout[-2000:]
        assert "Overfull" not in told.stdout


def test_captions_say_what_a_table_is_worth(out: Path, tmp_path: Path) -> None:
    tex = (out / "ablation.tex").read_text()
    assert tex.count(r"\begin{table}") == 4 and tex.count(r"\toprule") == 4
    assert "3 seeds. The epoch was chosen on the validation clips; the test clips were read once, at that epoch." in tex
    assert "The intervals carry what other seeds and what other test clips would have changed." in tex
    assert "Rendered miniatures, not the real data: caer." in (hostile(tmp_path) / "ablation.tex").read_text()


def test_text_for_latex_is_text() -> None:
    assert escape("a_b & 5% {x} #1 $y$ ^~\\") == (
        r"a\_b \& 5\% \{x\} \#1 \$y\$ \textasciicircum{}\textasciitilde{}\textbackslash{}"
    )
    assert escape("é [-]") == "[U+00E9] {[}{-}{]}"


def test_more_methods_than_fit_in_a_picture_are_ranked_without_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MOST_RANKED", 5)
    page = report([store], "demo", tmp_path / "out").read_text()
    assert not (tmp_path / "out" / figures.RANKS).exists() and "WAR rank" in page
    assert "No picture of the ranks: more than" in page


def test_figures_of_an_earlier_report_do_not_stay(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    only: dict[str, Any] = {"run_id": "a", "dataset": "caer", "method": "prompt", "seed": 0}
    save_run(tmp_path / "runs", only, 0.5)
    page = report([Store(tmp_path / "runs")], None, tmp_path / "out").read_text()
    assert not list((tmp_path / "out" / "figures").iterdir()) and "figures/" not in page
