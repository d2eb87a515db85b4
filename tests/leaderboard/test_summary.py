"""What a board comes to beyond single effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import predicted
import pytest
from test_leaderboard import PLANTED, plan_of, save_run, store_of

from harness import statistics
from harness.leaderboard.ablation import ablation
from harness.leaderboard.published import published
from harness.leaderboard.results import load
from harness.leaderboard.summary import Summary, summary
from harness.statistics import influence
from harness.store import Store


def of(store: Store, grid: str | None = "demo") -> Summary:
    board = load([store], grid)
    return summary(board, ablation(board))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Three data sets with the same planted effects and little noise."""
    return of(store_of(tmp_path_factory.mktemp("planted") / "runs", plan_of(["caer", "daisee", "raer"], [0, 1, 2])))


def test_methods_are_ranked_over_data_sets_by_what_was_planted(planted: Summary) -> None:
    war = planted.standings["war"]
    assert war.ranks and war.ranks.blocks == 3 and war.ranks.few
    gains = [PLANTED["ldl"] * s.levels[0] + PLANTED["moco"] * s.levels[2] for s in war.methods]
    worst, best = (war.ranks.ranks[gains.index(limit)] for limit in (min(gains), max(gains)))
    assert worst == 6 and best < 3
    assert [s.better is None for s in war.methods] == [not any(s.levels) for s in war.methods]
    sure = next(s for s in war.methods if s.levels == (1, 0, 0))
    assert sure.better and sure.better.value > 0.9 and sure.middle.value > war.methods[0].middle.value


def test_one_data_set_gives_no_ranks_but_all_else(tmp_path: Path) -> None:
    found = of(store_of(tmp_path / "runs", plan_of(["caer"], [0, 1])))
    assert found.standings["war"].ranks is None and len(found.standings["war"].methods) == 6
    assert set(found.splits) == {("caer", "war"), ("caer", "uar")}


def test_variance_is_split_and_the_clips_part_is_the_runs_own(tmp_path: Path) -> None:
    found = of(predicted.demo(tmp_path))
    rows = plan_of(["caer"], [0, 1, 2])["runs"]
    drawn = [float(np.square(influence("war", *predicted.of(row)[::-1])).sum()) for row in rows]
    assert found.splits["caer", "war"].clips == pytest.approx(np.mean(drawn))
    assert found.splits["all", "war"].clips is not None
    assert sum(found.splits["all", "war"].shares.values()) == pytest.approx(1)


def test_a_planted_spread_of_seeds_is_the_seeds_share(planted: Summary) -> None:
    shares = planted.splits["caer", "war"].shares  # seeds lie 0.02 apart, effects up to 0.06, noise is 0.002
    assert shares["residual"] < 0.05 < shares["seed within data set"] < shares["method"]


def test_the_least_effect_is_what_the_corrected_test_of_these_seeds_finds(tmp_path: Path) -> None:
    board = load([predicted.demo(tmp_path)], "demo")
    found = ablation(board)
    table = [row for row in found.rows if row.kind == "factor" and row.metric == "war"]
    mine = [row.effect for row in table if row.dataset == "caer"]
    seeds, clips = (np.mean([getattr(e, f"{part}_variance") for e in mine]) for part in ("seed", "clip"))
    wanted = statistics.detectable(float(seeds), float(clips), 3, 1 - 0.05 / len(table), 0.8)
    assert summary(board, found).least["caer", "war"] == pytest.approx(wanted)


def test_runs_that_disagree_in_their_settings_have_no_standings(tmp_path: Path) -> None:
    for place, (epochs, method) in enumerate([(20, "prompt"), (5, "mixup+prompt"), (5, "prompt")]):
        row: dict[str, Any] = {"run_id": f"r{place}", "dataset": "caer", "method": method, "seed": 0}
        save_run(tmp_path / "runs", row, 0.5 + 0.1 * place, spec={"train": {"epochs": epochs}})
    found = of(Store(tmp_path / "runs"), None)
    assert found.disagreeing == ("caer",) and not found.standings and not found.splits


def test_a_method_that_lacks_a_seed_is_left_out_and_named(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1])
    gone = plan["runs"].pop(1)
    found = of(store_of(tmp_path / "runs", plan))
    assert found.lacking == (gone["method"],)
    assert len(found.standings["war"].methods) == 5 and found.seeds == (0, 1)


def test_published_scores_are_fractions_with_all_that_is_known_of_them() -> None:
    by_name = {row.method: row for row in published("raer")}
    assert by_name["CLIP-CAER"].uar == pytest.approx(0.68) and by_name["CLIP-CAER"].war is None
    assert by_name["CLIP-CAER"].selection == by_name["CLIP-CAER"].seeds == "not stated"
    assert by_name["RAPT-CLIP-CAER"].selection == "chosen on the set it reports on"
    assert {dataset: len(published(dataset)) for dataset in ("dfew", "ferv39k", "mafw", "caer")} == {
        "dfew": 3,
        "ferv39k": 3,
        "mafw": 2,
        "caer": 0,
    }
    for dataset in ("raer", "dfew", "ferv39k", "mafw"):
        assert all((0.2 < row.uar < 0.8 and "CAER" in row.source) or "DFER" in row.source for row in published(dataset))
