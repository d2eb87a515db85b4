"""What a board comes to beyond single effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import predicted
import pytest
from stored import PLANTED, plan_of, save_run, store_of

from harness import statistics
from harness.leaderboard import report
from harness.leaderboard.ablation import ablation
from harness.leaderboard.published import published
from harness.leaderboard.results import load
from harness.leaderboard.summary import Summary, span_of, summary, until_in_words
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
    mine = {row.factor: row.effect for row in table if row.dataset == "caer"}
    level = 1 - 0.05 / len(table)
    wanted = {f: statistics.detectable(e.seed_variance, e.clip_variance, 3, level, 0.8) for f, e in mine.items()}
    assert summary(board, found).least["caer", "war"] == pytest.approx(wanted)


def test_after_a_pilot_the_least_effect_is_what_the_pilots_spread_finds(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1, 2, 3, 4, 5])
    (tmp_path / "all").mkdir()
    plain = of(store_of(tmp_path / "all", plan)).least["caer", "war"]
    board = load([store_of(tmp_path / "pilot", plan | {"until": {"pilot": 3, "width": 0.01}})], "demo")
    found = ablation(board)
    mine = {row.factor: row.effect for row in found.rows if row.kind == "factor" and row.metric == "war"}
    level = 1 - 0.05 / len(mine)
    wanted = {f: statistics.detectable(e.seed_variance, 0.0, 6, level, 0.8, freedom=2) for f, e in mine.items()}
    assert summary(board, found).least["caer", "war"] == pytest.approx(wanted) != pytest.approx(plain)


def test_the_least_effects_are_told_from_the_smallest_to_the_largest() -> None:
    assert span_of({"a": 0.2, "b": 0.1, "c": None, "d": 0.3}) == ("10.0 (b) to 30.0 (d)", ["c"])
    assert span_of({"a": 0.2}) == ("20.0", []) and span_of({"a": None}) == ("", ["a"]) and span_of({}) == ("", [])


def test_an_effect_that_no_scores_can_have_is_not_promised(tmp_path: Path) -> None:
    plan = plan_of(["caer"], [0, 1], {"moco": ["", "moco"]})
    for row in plan["runs"]:
        save_run(tmp_path / "runs", row, 0.2 + 0.6 * ((row["levels"]["moco"] + row["seed"]) % 2))
    store = Store(tmp_path / "runs")
    store.write_plan("demo", plan)
    assert of(store).least["caer", "war"] == {"moco": None}
    page = report([store], "demo", tmp_path / "out").read_text()
    assert "With 2 seeds no effect, however large, would be found four times in five." in page
    assert "points would be found" not in page
    html = (tmp_path / "out" / "index.html").read_text()
    assert "any effect, however large, would often go unseen on" in html and "of fewer points than these" not in html


def test_data_sets_without_a_common_seed_are_said_to_have_none(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2, 3])
    plan["runs"] = [row for row in plan["runs"] if (row["dataset"] == "raer") == (row["seed"] > 1)]
    page = report([store_of(tmp_path / "runs", plan)], "demo", tmp_path / "out").read_text()
    assert "Over all there is nothing to compare: the data sets share no seeds." in page


@pytest.mark.parametrize(
    ("pilot", "width", "gone", "said"),
    [
        (2, 0.05, 0, "Seeds were added until the intervals"),
        (3, 0.05, 0, "none were: the first 3 seeds are enough"),
        (3, 0.0001, 0, "none were: no number of seeds that can be trained was expected to be enough"),
        (3, 0.05, 1, "none were: not all runs of the first 3 seeds are done"),
    ],
)
def test_the_rule_for_seeds_is_told_as_it_went(tmp_path: Path, pilot: int, width: float, gone: int, said: str) -> None:
    plan = plan_of(["caer"], [0, 1, 2]) | {"until": {"pilot": pilot, "width": width}}
    store = store_of(tmp_path / "runs", {**plan, "runs": plan["runs"][gone:]})
    store.write_plan("demo", plan)
    board = load([store], "demo")
    assert said in until_in_words(board, ablation(board).rows)
    report([store], "demo", tmp_path / "out")
    assert said in " ".join((tmp_path / "out" / "index.html").read_text().split())


def test_without_a_rule_nothing_is_said_of_one(tmp_path: Path) -> None:
    board = load([store_of(tmp_path / "runs", plan_of(["caer"], [0, 1]))], "demo")
    assert until_in_words(board, ablation(board).rows) == ""


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
