"""Effects from stored runs, against the same effects reckoned by hand from all predictions at once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import predicted
import pytest
from by_hand import SEEDS, cells, clips, mean_pair, of, row_of, score
from predicted import CLASSES, demo
from simulation import of_clips
from stored import plan_of

from harness.leaderboard import paired
from harness.leaderboard.ablation import Ablation
from harness.statistics import effect, holm, recall_influence
from harness.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return demo(tmp_path_factory.mktemp("ablation"))


@pytest.fixture(scope="module")
def found(store: Store) -> Ablation:
    return of(store)


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("metric", ["war", "uar", "f1", "ece"])
def test_an_effect_carries_seeds_and_clips_as_all_predictions_at_once_give_them(found: Ablation, metric: str) -> None:
    each = [mean_pair("caer", seed, score(metric)) for seed in SEEDS]
    contributed = np.array([mean_pair("caer", seed, clips(metric)) for seed in SEEDS])
    wanted = effect(each, 9, of_clips(contributed))
    told = row_of(found, "caer", metric, "moco").effect
    assert told.clip_variance == pytest.approx(wanted.clip_variance, abs=1e-15)
    assert told.clip_variance or metric == "ece"  # whose part is cut at 0 here
    assert (told.effect, told.low, told.high, told.p) == pytest.approx(
        (wanted.effect, wanted.low, wanted.high, wanted.p)
    )
    assert (told.n_pairs, told.n_seeds) == (9, 3)


def test_over_all_data_sets_each_has_its_own_clips(found: Ablation) -> None:
    each = [np.mean([mean_pair(d, seed, score("war")) for d in ("caer", "raer")]) for seed in SEEDS]
    contributed = np.array(
        [np.concatenate([mean_pair(d, seed, clips("war")) / 2 for d in ("caer", "raer")]) for seed in SEEDS]
    )
    wanted, told = effect(each, 18, of_clips(contributed)), row_of(found, "all", "war", "moco").effect
    assert told.clip_variance == pytest.approx(wanted.clip_variance)
    assert (told.effect, told.low, told.high) == pytest.approx((wanted.effect, wanted.low, wanted.high))


def test_a_class_has_the_effect_on_its_own_recall(found: Ablation) -> None:
    for label, name in enumerate(CLASSES):

        def recall(row: dict[str, Any], label: int = label) -> float:
            labels, probabilities = predicted.of(row)
            return float((probabilities.argmax(1) == label)[labels == label].mean())

        def moved(row: dict[str, Any], label: int = label) -> np.ndarray:
            labels, probabilities = predicted.of(row)
            return recall_influence(probabilities, labels, label)

        each = [mean_pair("caer", seed, recall) for seed in SEEDS]
        wanted = effect(each, 9, of_clips(np.array([mean_pair("caer", seed, moved) for seed in SEEDS])))
        told = row_of(found, "caer", f"recall:{name}", "moco").effect
        assert (told.effect, told.low, told.high) == pytest.approx((wanted.effect, wanted.low, wanted.high))
    assert not [row for row in found.rows if row.dataset == "all" and row.metric.startswith("recall:")]


def test_an_interaction_is_a_difference_of_differences(found: Ablation) -> None:
    each = []
    for seed in SEEDS:
        war = {levels: score("war")(row) for levels, row in cells("caer", seed).items()}
        each.append((war[1, 0, 1] - war[1, 0, 0]) - (war[0, 0, 1] - war[0, 0, 0]))
    told = row_of(found, "caer", "war", "ldl:moco")
    assert told.kind == "interaction" and told.effect.n_pairs == 3
    assert told.effect.effect == pytest.approx(np.mean(each))
    factors = {row.factor for row in found.rows if row.kind == "interaction"}
    assert factors == {"ldl:moco", "warmup:moco"}  # warm-up without ldl there is none


def test_what_is_compared_is_spelled_out(found: Ablation, tmp_path: Path) -> None:
    said = {row.factor: row.said for row in found.rows}
    assert said["ldl"] == "ldl(temperature=0.1) instead of lsr(epsilon=0.05)"
    assert said["moco"] == "with moco against without"
    assert said["ldl:moco"] == "what moco does with ldl(temperature=0.1), less what it does with lsr(epsilon=0.05)"
    levels = ["ldl(detach=false,temperature=0.1)", "ldl(detach=false,temperature=0.5)", ""]
    rows = of(predicted.store(tmp_path, plan_of(["caer"], [0, 1], {"ldl": levels}))).rows
    assert {row.said for row in rows} == {
        "ldl(temperature=0.5) instead of ldl(temperature=0.1)",
        "without ldl(detach=false,temperature=0.1) against with",
    }


def test_p_values_are_corrected_over_the_table_that_a_row_is_read_in(found: Ablation) -> None:
    tables = [[r for r in found.rows if r.kind == kind and r.metric == "war"] for kind in ("factor", "interaction")]
    tables.append([r for r in found.rows if r.metric.startswith("recall:") and r.dataset == "raer"])
    for table in tables:
        assert len(table) > 2
        assert [row.p_holm for row in table] == holm([row.effect.p for row in table])


# ── what may be missing ─────────────────────────────────────────────────────────────────────────────────────


def without_clips(found: Ablation) -> set[tuple[str, str, str]]:
    return {(r.dataset, r.metric, r.factor) for r in found.rows if r.effect.clip_variance is None}


@pytest.mark.parametrize("damage", ["gone", "cut off", "other classes"])
def test_a_run_without_predictions_costs_only_the_clips_part_of_what_needs_it(
    store: Store, found: Ablation, tmp_path: Path, damage: str
) -> None:
    assert not without_clips(found) and not found.unread
    other = demo(tmp_path)
    gone = next(row for row in plan_of(["caer"], [1])["runs"] if tuple(row["levels"].values()) == (1, 1, 0))
    path = tmp_path / "caer" / gone["run_id"] / "predictions.parquet"
    if damage == "gone":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:500])
    else:
        labels, probabilities = predicted.of(gone)
        predicted.write(path.parent, labels, np.column_stack([probabilities, np.zeros(len(labels))]))
    again = of(other)
    assert again.unread == {gone["run_id"]}
    touched = set(itertools.product(("caer", "all"), ("war", "uar", "f1", "ece"), ("warmup", "moco", "warmup:moco")))
    assert without_clips(again) == touched
    for row in again.rows:
        before = row_of(found, row.dataset, row.metric, row.factor)
        if row.metric.startswith("recall:") and row.dataset == "caer" and row.factor in ("warmup", "moco"):
            continue
        assert row.effect.effect == before.effect.effect
        if (row.dataset, row.metric, row.factor) in touched:
            bare = effect([0.0, 1.0, 2.0], 1)
            assert (row.effect.freedom, row.effect.n_pairs) == (bare.freedom, before.effect.n_pairs)
        else:
            assert row.effect == before.effect
    assert row_of(again, "caer", "recall:Sad", "ldl").effect.n_seeds == 3
    recalled = row_of(again, "caer", "recall:Sad", "moco").effect
    assert (recalled.n_seeds, recalled.n_pairs) == (3, 8)  # the seed's other two pairs, however the run was lost


def test_a_store_without_any_predictions_has_effects_of_the_seeds_alone(found: Ablation, tmp_path: Path) -> None:
    store = demo(tmp_path)
    for path in tmp_path.rglob("predictions.parquet"):
        path.unlink()
    bare = of(store)
    assert len(bare.unread) == 36 and not [row for row in bare.rows if row.metric.startswith("recall:")]
    assert all(row.effect.clip_variance is None and row.effect.low is not None for row in bare.rows)
    told, before = row_of(bare, "all", "uar", "ldl").effect, row_of(found, "all", "uar", "ldl").effect
    assert (told.effect, told.seed_variance) == (before.effect, before.seed_variance)


def test_clips_are_told_apart_by_their_ids_and_not_by_their_order(found: Ablation, tmp_path: Path) -> None:
    store = demo(tmp_path)
    for place, row in enumerate(plan_of(["caer", "raer"], list(SEEDS))["runs"]):
        order = np.random.default_rng(place).permutation(predicted.CLIPS)
        labels, probabilities = predicted.of(row)
        folder = tmp_path / row["dataset"] / row["run_id"]
        predicted.write(folder, labels[order], probabilities[order], [f"test/{clip:03}" for clip in order])
    for row in of(store).rows:
        before = row_of(found, row.dataset, row.metric, row.factor)
        assert row.effect.clip_variance == pytest.approx(before.effect.clip_variance, abs=1e-15)


def test_runs_are_read_a_few_at_once_with_the_same_result(
    store: Store, found: Ablation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "_TOGETHER", 2)
    for row in of(store).rows:
        before = row_of(found, row.dataset, row.metric, row.factor)
        assert (row.effect.effect, row.effect.n_pairs) == (before.effect.effect, before.effect.n_pairs)
        assert row.effect.clip_variance == pytest.approx(before.effect.clip_variance, abs=1e-15)


def test_a_mean_over_fewer_data_sets_says_which(tmp_path: Path) -> None:
    plan = plan_of(["caer", "daisee", "raer"], [0, 1])
    plan["runs"] = [row for row in plan["runs"] if row["dataset"] != "raer" or not row["levels"]["moco"]]
    found = of(predicted.store(tmp_path, plan))
    assert row_of(found, "all", "war", "moco").over == ("caer", "daisee")
    assert row_of(found, "all", "war", "ldl").over == ("caer", "daisee", "raer")


def test_seeds_that_a_data_set_lacks_are_left_out_of_the_mean_and_of_its_clips(tmp_path: Path) -> None:
    plan = plan_of(["caer", "raer"], [0, 1, 2])
    plan["runs"] = [row for row in plan["runs"] if row["dataset"] == "caer" or row["seed"] < 2]
    some = of(predicted.store(tmp_path / "some", plan))
    both = of(demo(tmp_path / "both", seeds=(0, 1)))
    assert row_of(some, "caer", "war", "moco").effect.n_seeds == 3
    told, wanted = (row_of(each, "all", "war", "moco").effect for each in (some, both))
    assert told.n_seeds == 2 and told.effect == wanted.effect
    assert told.clip_variance == pytest.approx(wanted.clip_variance, abs=1e-15)
