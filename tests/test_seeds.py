"""How many seeds: what `plan` says of them, and what `run --until` adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults.lab import Ended, harness
from test_leaderboard import plan_of, store_of

from harness import grid, seeds
from harness.errors import BadInput
from harness.seeds import MOST, Until
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
    assert seeds.extended(made, 1).seeds == (3,)
    some = seeds.extended(made.select(["raer"], [], []), 3)
    assert {(d, s) for d, _, s in some.selected or ()} == {("raer", seed) for seed in (3, 0, 1)}


def test_the_outlook_is_told_once_pairs_are_done(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2])
    assert seeds.outlook(Store(tmp_path / "empty"), plan) == []
    for row in plan["runs"]:
        row["status"] = "done"
    found = {row["factor"]: row for row in seeds.outlook(store_of(tmp_path / "runs", plan), plan)}
    assert set(found) == {"ldl", "warmup", "moco"}
    for row in found.values():
        needed = list(row["seeds"].values())
        assert needed == sorted(needed, reverse=True)  # smaller effects take more seeds
        assert 0 < row["effect"] < 0.1
        wanted = [effect for effect in seeds.WANTED if row["seeds"][f"{effect:g}"] <= 3]
        assert all(effect >= row["effect"] for effect in wanted)  # what three seeds find is what is told
    lines = seeds.as_lines(list(found.values()), 3)
    assert any("warmup" in line and "points" in line for line in lines)


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

    unreached = run("ci<0.001")
    assert unreached.code == 1 and "not reached" in unreached.said
    assert "6 of 6 runs done" in unreached.said and (tmp_path / "out" / "README.md").exists()


def test_a_small_pilot_is_bad_input(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(exist_ok=True)
    words = ["run", "--datasets", "caer", "--methods", "prompt,prompt+lsr", "--seeds", "0,1", "--tiny"]
    refused = harness(*words, "--until", "ci<1", "--runs", tmp_path / "runs")
    assert refused.code == 2 and "has 2 seeds" in refused.said and not (tmp_path / "runs").exists()
