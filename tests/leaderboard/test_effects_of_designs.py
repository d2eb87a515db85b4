"""Effects where a design or a rule decides what is compared: fractions, added seeds, folds, runs that are twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import predicted
import pytest
from by_hand import SEEDS, clips, mean_pair, of, row_of, score
from design.invented import switches
from paged import made
from simulation import of_clips
from stored import plan_of, save_run

from harness.leaderboard import figures
from harness.leaderboard.ablation import ablation
from harness.leaderboard.results import load
from harness.statistics import effect, holm
from harness.store import Store
from harness.store.wording import points


def test_effects_that_a_fraction_can_not_tell_apart_are_one_row_and_corrected_for_once(tmp_path: Path) -> None:
    found = of(predicted.store(tmp_path, predicted.fraction_of_four([0, 1, 2])))
    pairs = [row for row in found.rows if row.family == ("interaction", "war")]
    assert [row.factor for row in pairs] == ["a:b = c:d", "a:c = b:d", "a:d = b:c"]
    assert [row.p_holm for row in pairs] == holm([row.effect.p for row in pairs])
    assert pairs[2].pairs == (("", "a", "d"), ("", "b", "c"))
    assert pairs[2].said == (
        "what d does with a, less what it does without a; one contrast of the runs with what c does with b, "
        "less what it does without b"
    )


def test_an_effect_that_is_the_opposite_of_another_has_its_sign_in_the_name(tmp_path: Path) -> None:
    cells, design = switches(3, x=("a",)).run("fractional", 3)
    plan = plan_of(["caer"], [0, 1], {name: ["", name] for name in "abcx"}) | {"design": design}
    plan["runs"] = [row for row in plan["runs"] if tuple(row["levels"].values()) in cells]
    rows = of(predicted.store(tmp_path, plan)).rows
    (pair,) = [row for row in rows if row.family == ("interaction", "war")]
    assert (pair.factor, pair.pairs) == ("b:x = −c:x", (("", "b", "x"), ("−", "c", "x")))
    assert pair.said.endswith("the opposite of what x does with c, less what it does without c")
    drawn = figures.interactions([pair], {"caer": "caer"}, ["a", "b", "c", "x"]).decode()
    numbers = [text for text in re.findall("<!-- (.*) -->", drawn) if text[0] in "+−"]
    assert numbers == [points(pair.effect.effect), points(-pair.effect.effect)] and "−0.0" not in numbers


def test_a_picture_of_a_fraction_has_every_pair_of_factors_once_under_the_factors_names(tmp_path: Path) -> None:
    rows = of(predicted.store(tmp_path, predicted.fraction_of_four([0, 1, 2]))).rows
    pairs = [row for row in rows if row.family == ("interaction", "war")]
    drawn = re.findall("<!-- (.*) -->", figures.interactions(pairs, {"caer": "caer"}, "abcd").decode())
    assert drawn[:6] == ["b", "c", "d", "a", "b", "c"], "those across, then those down"
    assert sorted(text for text in drawn if text[0] in "+−") == sorted(2 * [points(row.effect.effect) for row in pairs])


def test_the_page_has_each_pair_of_factors_above_the_diagonal(tmp_path: Path) -> None:
    html = made(predicted.store(tmp_path, predicted.fraction_of_four([0, 1, 2]))).decode()
    (table,) = re.findall(r"<caption><bdi>caer: interactions, WAR.*?</table>", html, re.DOTALL)
    rows = [re.findall(r"<t[hd] [^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in table.split("</tr>")][:-1]
    assert [row[0] for row in rows] == ["", "<bdi>a</bdi>", "<bdi>b</bdi>", "<bdi>c</bdi>"]
    assert rows[0][1:] == ["<bdi>b</bdi>", "<bdi>c</bdi>", "<bdi>d</bdi>"]
    filled = [[bool(cell) for cell in row[1:]] for row in rows[1:]]
    assert filled == [[True, True, True], [False, True, True], [False, False, True]]
    assert rows[3][3] == "<bdi>= a × b</bdi>"


def test_a_fraction_without_pairs_gives_its_effects_by_contrasts(tmp_path: Path) -> None:
    plan = predicted.fraction_of_three([0, 1, 2])
    planted = {"moco": -0.04, "mixup": 0.03, "dc": 0.0}
    for row in plan["runs"]:
        gain = sum(planted[name] * level for name, level in row["levels"].items())
        save_run(tmp_path, row, 0.5 + 0.01 * row["seed"] + gain)
    store = Store(tmp_path)
    store.write_plan("demo", plan)
    found = of(store)
    assert {row.factor: row.effect.effect for row in found.rows if row.metric == "war"} == pytest.approx(planted)
    assert row_of(found, "caer", "war", "moco").said == "with moco against without (confounded: moco = mixup×dc)"


def test_seeds_that_steins_rule_added_count_with_the_pilots_spread(tmp_path: Path) -> None:
    seeds = [3, 0, 1, 2, 4]
    plan = plan_of(["caer"], seeds) | {"until": {"pilot": 2, "width": 0.02}}
    plan["runs"].sort(key=lambda row: seeds.index(row["seed"]))
    found = of(predicted.store(tmp_path, plan))
    each = [mean_pair("caer", seed, score("war")) for seed in seeds]
    contributed = np.array([mean_pair("caer", seed, clips("war")) for seed in seeds])
    wanted, told = effect(each, 15, of_clips(contributed), pilot=2), row_of(found, "caer", "war", "moco").effect
    assert (told.low, told.high, told.seed_variance) == pytest.approx((wanted.low, wanted.high, wanted.seed_variance))
    (tmp_path / "caer" / plan["runs"][0]["run_id"] / "result.json").unlink()  # one of the pilot's
    lacking = row_of(of(Store(tmp_path)), "caer", "war", "ldl").effect
    assert lacking.n_seeds == 5
    for row in plan["runs"]:
        if row["seed"] == 3:
            (tmp_path / "caer" / row["run_id"] / "result.json").unlink(missing_ok=True)
    without = row_of(of(Store(tmp_path)), "caer", "war", "moco").effect
    assert without.seed_variance == pytest.approx(effect(each[1:], 12).seed_variance)


def test_folds_are_blocks_with_clips_of_their_own(tmp_path: Path) -> None:
    def folded(row: dict[str, Any], fold: str) -> dict[str, Any]:
        return {**row, "run_id": f"{row['run_id']}-{fold}", "fold": fold}

    plan = plan_of(["caer"], list(SEEDS))
    plan["runs"] = [folded(row, fold) for row in plan["runs"] for fold in ("1", "2")]
    for row in plan["runs"]:
        ids = [f"test/{row['fold']}/{clip}" for clip in range(predicted.CLIPS)]
        predicted.save(tmp_path, row, ids, {"data": {"fingerprint": row["fold"], "fold": row["fold"]}})
    store = Store(tmp_path)
    store.write_plan("demo", plan)
    told = row_of(of(store), "caer", "war", "moco").effect

    def in_fold(of_run: Any, fold: str) -> Any:
        return lambda row: of_run(folded(row, fold))

    parts = [[mean_pair("caer", s, in_fold(score("war"), fold)) for fold in ("1", "2")] for s in SEEDS]
    moved = [
        np.concatenate([mean_pair("caer", s, in_fold(clips("war"), fold)) / 2 for fold in ("1", "2")]) for s in SEEDS
    ]
    wanted = effect([float(np.mean(part)) for part in parts], 18, of_clips(np.array(moved)))
    assert (told.n_pairs, told.n_seeds) == (18, 3)
    assert (told.effect, told.low, told.high) == pytest.approx((wanted.effect, wanted.low, wanted.high))
    assert told.clip_variance == pytest.approx(wanted.clip_variance, abs=1e-15)

    gone = next(
        row for row in plan["runs"] if row["fold"] == "2" and row["seed"] == 1 and not any(row["levels"].values())
    )
    (tmp_path / "caer" / gone["run_id"] / "result.json").unlink()
    assert row_of(of(store), "caer", "war", "moco").effect.n_seeds == 3  # of pairs in both folds
    for row in plan["runs"]:
        if row["fold"] == "2" and row["seed"] == 1:
            (tmp_path / "caer" / row["run_id"] / "result.json").unlink(missing_ok=True)
    lacking = row_of(of(store), "caer", "war", "moco").effect
    assert (lacking.n_seeds, lacking.n_pairs) == (2, 12)  # a mean over one fold would be another number
    assert lacking.effect == pytest.approx(np.mean([np.mean(parts[0]), np.mean(parts[2])]))


def test_two_runs_of_one_method_and_seed_are_never_one_of_them(tmp_path: Path) -> None:
    rows = [row for row in plan_of(["caer"], [0, 1, 2])["runs"] if not row["levels"]["warmup"]]
    for row in rows:
        predicted.save(tmp_path, row)
    alone = ablation(load([Store(tmp_path)], None))
    again = {**next(row for row in rows if row["levels"]["moco"] and not row["seed"]), "run_id": "again"}
    predicted.save(tmp_path, again)
    board = load([Store(tmp_path)], None)
    assert "again" in board.differing["caer"]["run"] and len(board.differing["caer"]["run"]) == 2
    before, told = (row_of(found, "caer", "war", "moco").effect for found in (alone, ablation(board)))
    assert (before.n_pairs, told.n_pairs) == (6, 5)


def test_another_default_of_a_component_is_another_method(tmp_path: Path) -> None:
    for row in plan_of(["caer"], [0, 1], {"moco": ["", "moco"]})["runs"]:
        versions = (
            ((row, 0.1), ({**row, "run_id": f"{row['run_id']}-new"}, 0.2)) if row["levels"]["moco"] else ((row, 0),)
        )
        for each, size in versions:
            predicted.save(tmp_path, each, spec={"components": {"moco": {"queue": size}} if size else {}})
    board = load([Store(tmp_path)], None)
    assert board.differing["caer"] == {"moco.queue": ["0.1", "0.2"]}
    assert len(board.methods("caer")) == 3 and not ablation(board).rows
