"""How many seeds: what `plan` says of them, and what `run --until` adds."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from faults.lab import Ended, harness
from stored import plan_of, save_run, store_of

from harness import grid, statistics
from harness.errors import BadInput
from harness.leaderboard.ablation import ablation
from harness.leaderboard.results import of_plan
from harness.plan import seeds
from harness.plan.seeds import MOST, Until
from harness.store import Store


@pytest.mark.parametrize(
    ("text", "rule"),
    [("ci<1.0", Until(width=0.01)), (" ci < 0.5 ", Until(width=0.005)), ("seeds=8", Until(seeds=8))],
)
def test_rules_are_read(text: str, rule: Until) -> None:
    assert seeds.read(text) == rule


@pytest.mark.parametrize(
    "text", ["", "ci", "ci>1", "ci<0", "ci<-1", "seeds=0", f"seeds={MOST + 1}", "seeds<5", "p<0.05"]
)
def test_other_rules_are_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="ci<1"):
        seeds.read(text)


def test_seeds_are_added_after_the_grids_own_and_none_twice() -> None:
    made = grid.build("mine", {"datasets": ["caer", "raer"], "methods": ["prompt"], "seeds": [3, 0]})
    assert seeds.extended(made, 5).seeds == (3, 0, 1, 2, 4)
    assert seeds.extended(made, 1).seeds == (3, 0)  # a number below the grid's own takes none away
    some = seeds.extended(made.select(["raer"], [], []), 3)
    assert {(d, s) for d, _, s in some.selected or ()} == {("raer", seed) for seed in (3, 0, 1)}


def test_the_outlook_is_told_once_pairs_are_done(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2])
    assert seeds.outlook(Store(tmp_path / "empty"), plan) == ([], "")
    for row in plan["runs"]:
        row["status"] = "done"
    found = {row["factor"]: row for row in seeds.outlook(store_of(tmp_path / "runs", plan), plan)[0]}
    assert set(found) == {"ldl", "warmup", "moco"}
    for row in found.values():
        needed = list(row["seeds"].values())
        assert needed == sorted(needed, reverse=True)  # smaller effects take more seeds
        assert 0 < row["effect"] < 0.1
        wanted = [effect for effect in seeds.WANTED if row["seeds"][f"{effect:g}"] <= 3]
        assert all(effect >= row["effect"] for effect in wanted)  # what three seeds find is what is told
    lines = seeds.as_lines(list(found.values()), 3)
    assert any("warmup" in line and "points" in line for line in lines)


@pytest.mark.parametrize("done", [["caer", "raer"], ["caer"]])
def test_the_outlook_is_corrected_for_the_whole_table_of_the_finished_grid(tmp_path: Path, done: list[str]) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2])
    rows = [{**row, "status": "done"} for row in plan["runs"] if row["dataset"] in done]
    store = store_of(tmp_path, {**plan, "runs": rows})
    plan = {**plan, "runs": rows + [row for row in plan["runs"] if row["dataset"] not in done]}
    found, _ = seeds.outlook(store, plan)
    assert {row["dataset"] for row in found} == set(done)
    effects = {(row.dataset, row.factor, row.metric): row.effect for row in ablation(of_plan(store, plan)).rows}
    for row in found:
        spread = effects[row["dataset"], row["factor"], "war"].seed_variance
        level = 1 - 0.05 / 9  # three factors on two data sets and over both
        assert row["effect"] == pytest.approx(statistics.detectable(spread or 0.0, 0.0, 3, level, 0.8))


def test_the_outlook_after_a_pilot_judges_by_the_pilots_seeds(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2, 3, 4, 5]) | {"until": {"pilot": 3, "width": 0.01}}
    for row in plan["runs"]:
        row["status"] = "done"
    store = store_of(tmp_path, plan)
    spread = {r.factor: r.effect.seed_variance or 0.0 for r in ablation(of_plan(store, plan)).rows if r.metric == "war"}
    for row in seeds.outlook(store, plan)[0]:
        wanted = statistics.detectable(spread[row["factor"]], 0.0, 6, 1 - 0.05 / 3, 0.8, freedom=2)
        assert row["effect"] == pytest.approx(wanted)


def wild(root: Path, scores: dict[tuple[int, int], float]) -> tuple[Store, dict]:
    """A store of one factor, with scores by its level and the seed."""
    plan = plan_of(["caer"], sorted({seed for _, seed in scores}), {"moco": ["", "moco"]})
    for row in plan["runs"]:
        row["status"] = "done"
        save_run(root, row, scores[row["levels"]["moco"], row["seed"]])
    return Store(root), plan


@pytest.mark.parametrize(
    ("factors", "why"),
    [({}, "there is one method"), ({"ldl": ["", "ldl+mixup"]}, r"differ in one component alone .*in ldl, mixup")],
)
def test_methods_from_which_no_effect_can_be_told_are_named_as_such(
    factors: dict[str, list[str]], why: str, tmp_path: Path
) -> None:
    listed = {**plan_of(["caer"], [0, 1, 2], factors), "factors": []}
    for place, store in enumerate((Store(tmp_path / "empty"), store_of(tmp_path / "done", listed))):
        found, untold = seeds.outlook(store, listed)
        assert not found and re.search(why, untold), place
        assert seeds.as_lines(found, 3, untold) == [untold]


def test_an_effect_larger_than_scores_can_have_is_none(tmp_path: Path) -> None:
    store, plan = wild(tmp_path, {(0, 0): 0.2, (1, 0): 0.8, (0, 1): 0.8, (1, 1): 0.2})
    ((row,), _) = seeds.outlook(store, plan)
    assert row["effect"] is None
    assert any("moco" in line and " none " in line for line in seeds.as_lines([row], 2))


def test_seeds_that_agree_to_the_last_digit_give_no_interval_to_narrow(tmp_path: Path) -> None:
    store, plan = wild(tmp_path, {(level, seed): 0.5 + 0.1 * level for level in (0, 1) for seed in (0, 1, 2)})
    with pytest.raises(BadInput, match="the first 3 seeds agree to the last digit in moco on caer"):
        seeds.needed(store, plan, 0.1)


def test_all_that_a_plan_compares_must_be_done_before_seeds_are_reckoned(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2, 3])
    for place, lacking in enumerate(
        [
            lambda row: row["dataset"] == "raer",  # a data set that hasn't begun
            lambda row: row["levels"]["moco"],  # a factor without runs
            lambda row: row["levels"]["moco"] and row["seed"] > 1,  # half of the seeds
        ]
    ):
        rows = [row for row in plan["runs"] if not lacking(row)]
        store = store_of(tmp_path / str(place), {**plan, "runs": rows})
        with pytest.raises(BadInput, match="has too few finished pairs: [02] of 4 seeds have one"):
            seeds.needed(store, plan, 0.5)


def test_a_plan_that_compares_nothing_has_no_interval_to_narrow(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2], {})
    with pytest.raises(BadInput, match="compares nothing"):
        seeds.needed(store_of(tmp_path, plan), plan, 0.5)


def test_what_until_did_is_carried_into_a_new_plan_of_the_same_grid() -> None:
    made = grid.build("demo", {"datasets": ["caer"], "methods": ["prompt", "prompt+lsr"], "seeds": [0, 1, 2]})
    rule = {"until": {"pilot": 3, "width": 0.01}, "added": 2, "command": "harness run --until 'ci<1'"}
    stored = plan_of(["caer"], [0, 1, 2, 3, 4]) | rule
    bigger, ruled = seeds.carried(made, stored)
    assert (bigger.seeds, ruled) == ((0, 1, 2, 3, 4), rule) and seeds.lost(stored, bigger, bool(ruled)) == ""
    other = dataclasses.replace(made, seeds=(0, 1))  # the file was changed, so the pilot is another
    assert seeds.carried(other, stored) == (other, {})
    assert seeds.lost(stored, made, ruled=False) == (
        "demo is planned anew without the added seeds 3, 4 and the rule by which its intervals were judged; "
        "to have them again: harness run --until 'ci<1'"
    )
    plain = plan_of(["caer"], [0, 1, 2, 3, 4])
    assert seeds.carried(made, plain) == (made, {}) and seeds.lost(plain, made, ruled=False) == ""


def test_a_narrower_interval_takes_more_seeds_and_an_impossible_one_says_why(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2])
    store = store_of(tmp_path, plan)
    counts = [seeds.needed(store, plan, width) for width in (0.5, 0.01, 0.005, 0.004)]
    assert counts[0] == 3 and counts == sorted(counts) and counts[-1] > 3
    with pytest.raises(BadInput, match=f"it takes .* seeds .* {MOST} are the most"):
        seeds.needed(store, plan, 0.0005)


def test_a_single_seed_is_no_pilot(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0])
    with pytest.raises(BadInput, match="too few finished pairs"):
        seeds.needed(store_of(tmp_path, plan), plan, 0.01)


def test_a_grid_is_trained_until_its_intervals_are_narrow(cache: Path, tmp_path: Path) -> None:
    def run(rule: str, workers: int = 1) -> Ended:
        words = ["run", "--datasets", "caer", "--methods", "prompt,prompt+lsr", "--seeds", "0,1,2", "--tiny"]
        places = ["--runs", tmp_path / "runs", "--out", tmp_path / "out"]
        return harness(*words, *places, "--workers", workers, "--until", rule)

    cache.mkdir(exist_ok=True)
    pilot = run("ci<100")
    assert pilot.code == 0, pilot.said
    (path,) = (tmp_path / "runs" / "plans").glob("*.json")
    plan = json.loads(path.read_text())
    assert plan["until"] == {"width": 1.0, "pilot": 3} and len(plan["runs"]) == 6

    store = Store(tmp_path / "runs")
    width, count = next((w / 100, n) for w in range(100, 0, -1) if (n := seeds.needed(store, plan, w / 100)) > 4)
    done = run(f"ci<{100 * width:g}", workers=2)  # the other worker is told of the added seeds
    assert done.code == 0, done.said
    assert f"{2 * count} of {2 * count} runs done" in done.said
    plan = json.loads(path.read_text())
    assert plan["until"] == {"width": width, "pilot": 3}
    assert list(dict.fromkeys(row["seed"] for row in plan["runs"])) == list(range(count))

    again = run(f"ci<{100 * width:g}")  # judged by the pilot alone, so no seed more
    assert f"{2 * count} of {2 * count} runs done" in again.said and "to train" not in again.said
    assert "planned anew" not in again.said

    words = ["--datasets", "caer", "--methods", "prompt,prompt+lsr", "--seeds", "0,1,2", "--tiny"]
    told = harness("plan", *words, "--runs", tmp_path / "runs")
    planned = json.loads(path.read_text())
    assert f"{2 * count} runs" in told.said and "planned anew" not in told.said
    assert {key: planned[key] for key in ("until", "added", "command")} == {
        "until": {"width": width, "pilot": 3},
        "added": count - 3,
        "command": plan["command"],
    }
    assert [row["run_id"] for row in planned["runs"]] == [row["run_id"] for row in plan["runs"]]

    unreached = run("ci<0.001")
    assert unreached.code == 1 and "not reached" in unreached.said and "without the added seed" in unreached.said
    assert "6 of 6 runs done" in unreached.said and (tmp_path / "out" / "README.md").exists()
    plain = harness("run", *words, "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    assert "is planned anew without the rule" in plain.said and "until" not in json.loads(path.read_text())


def test_a_small_pilot_is_bad_input(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(exist_ok=True)
    words = ["run", "--datasets", "caer", "--methods", "prompt,prompt+lsr", "--seeds", "0,1", "--tiny"]
    refused = harness(*words, "--until", "ci<1", "--runs", tmp_path / "runs")
    assert refused.code == 2 and "has 2 seeds" in refused.said and not (tmp_path / "runs").exists()


def test_a_selection_of_seeds_and_a_rule_for_them_exclude_each_other(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(exist_ok=True)
    (tmp_path / "g.toml").write_text('datasets = ["caer"]\nmethods = ["prompt"]\nseeds = [0, 1, 9]\n')
    words = ["run", "--grid", tmp_path / "g.toml", "--seeds", "9", "--until", "seeds=8", "--runs", tmp_path / "runs"]
    refused = harness(*words)
    assert refused.code == 2 and "leave out one of the two" in refused.said and not (tmp_path / "runs").exists()


def test_the_help_says_which_intervals_the_rule_looks_at(cache: Path) -> None:
    cache.mkdir(exist_ok=True)
    said = " ".join(harness("run", "--help").said.split())
    assert "on each data set by its primary metric and not over all of them" in said
