"""The variance split: planted components come back, and sums of squares are complete."""

from __future__ import annotations

import numpy as np
import pytest

from harness.statistics import variance_split

PLANTED = {"data set": 4.0, "method": 2.0, "data set × method": 1.0, "seed within data set": 0.5, "residual": 0.25}


def table(rng: np.random.Generator, sets: int, methods: int, seeds: int) -> np.ndarray:
    shapes = [(sets, 1, 1), (1, methods, 1), (sets, methods, 1), (sets, 1, seeds), (sets, methods, seeds)]
    parts = [np.sqrt(v) * rng.standard_normal(s) for v, s in zip(PLANTED.values(), shapes, strict=True)]
    return 50 + sum(parts)


def test_planted_components_come_back_on_average():
    rng = np.random.default_rng(0)
    found = [variance_split(table(rng, 6, 5, 4)).parts for _ in range(3000)]
    for name, planted in PLANTED.items():
        values = [parts[name] for parts in found]
        assert np.mean(values) == pytest.approx(planted, abs=4 * np.std(values) / np.sqrt(3000) + 0.02)


def test_a_score_that_only_methods_change_is_all_method():
    scores = np.broadcast_to(np.array([0.5, 0.6, 0.7])[:, None], (2, 3, 4))
    split = variance_split(scores)
    assert split.shares["method"] == pytest.approx(1)
    assert split.parts["method"] == pytest.approx(0.01)


def test_a_single_data_set_has_methods_seeds_and_rest():
    scores = table(np.random.default_rng(1), 1, 5, 40)
    split = variance_split(scores, clips=0.002)
    assert list(split.parts) == ["method", "seed within data set", "residual"]
    assert sum(split.shares.values()) == pytest.approx(1)
    assert split.parts["residual"] == pytest.approx(0.25, rel=0.5) and split.clips == 0.002


def test_a_negative_component_is_cut_at_nothing_and_named():
    """Seeds that move one method up and the other down as far share nothing, and less."""
    split = variance_split(np.array([[[0.1, -0.1], [-0.1, 0.1]]]))
    assert set(split.cut) == {"method", "seed within data set"}
    assert split.parts["seed within data set"] == split.parts["method"] == 0
    assert split.shares["residual"] == 1


def test_where_nothing_varies_no_share_is_claimed():
    assert set(variance_split(np.ones((2, 2, 2))).shares.values()) == {0.0}


@pytest.mark.parametrize("shape", [(3, 1, 4), (3, 4, 1)])
def test_one_method_or_one_seed_can_not_be_split(shape):
    assert variance_split(np.ones(shape)) is None
