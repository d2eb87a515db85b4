"""Influences of clips, against the jackknife where that is exact, and against draws of other test sets."""

from __future__ import annotations

import numpy as np
import pytest
from simulation import predicted, spread_of_scores

from harness import scores
from harness.statistics import influence, recall_influence

METRICS = ("war", "uar", "f1", "ece")
CLASSES = 5


def run_of(clips: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    runs, labels = predicted(clips, np.random.default_rng(seed))
    return runs[0], labels


def test_for_war_it_is_the_jackknife():
    probabilities, labels = run_of(60, 0)
    without = [scores.war(np.delete(probabilities, clip, 0), np.delete(labels, clip)) for clip in range(60)]
    expected = 59 / 60 * np.square(without - np.mean(without)).sum()
    assert np.square(influence("war", probabilities, labels)).sum() == pytest.approx(expected)


def test_for_uar_and_recalls_it_is_the_jackknife_within_each_class():
    probabilities, labels = run_of(60, 0)
    expected = 0.0
    for label in range(CLASSES):
        own = np.flatnonzero(labels == label)
        without = [scores.uar(np.delete(probabilities, clip, 0), np.delete(labels, clip)) for clip in own]
        part = (len(own) - 1) / len(own) * np.square(without - np.mean(without)).sum()
        expected += part
        assert np.square(recall_influence(probabilities, labels, label)).sum() == pytest.approx(part * CLASSES**2)
    assert np.square(influence("uar", probabilities, labels)).sum() == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "low"), [("war", 0.8), ("uar", 0.8), ("f1", 0.8), ("ece", 0.55)])
def test_squares_estimate_the_variance_over_draws_of_clips_and_products_the_covariance_of_two_runs(metric, low):
    """1200 draws know a variance to within 4 %, a covariance to within 6 %. Those of ece come out too small."""
    ratios = spread_of_scores(metric, 200, 1200, np.random.default_rng(3), sharp=2.0)
    assert (ratios > low).all() and (ratios < 1.25).all(), ratios


@pytest.mark.parametrize("metric", METRICS)
def test_influences_cancel_out_and_follow_their_clips(metric):
    probabilities, labels = run_of(80, 4)
    found = influence(metric, probabilities, labels)
    assert found.sum() == pytest.approx(0, abs=1e-12)
    order = np.random.default_rng(0).permutation(80)
    assert influence(metric, probabilities[order], labels[order]) == pytest.approx(found[order])


def test_the_mean_of_the_recalls_influences_is_that_of_uar_with_classes_that_have_no_clips():
    probabilities, labels = run_of(50, 5)
    labels = np.where(labels == 3, 0, labels)
    parts = [recall_influence(probabilities, labels, label) for label in range(CLASSES)]
    assert not parts[3].any()
    assert influence("uar", probabilities, labels) == pytest.approx(np.mean(parts, axis=0))


def test_a_class_of_one_clip_is_not_without_variance():
    labels = np.array([0, 0, 0, 0, 1])
    probabilities = np.eye(2)[[0, 0, 0, 1, 1]]  # four of five are right
    assert recall_influence(probabilities, labels, 1) == pytest.approx([0, 0, 0, 0, 0.2])


@pytest.mark.parametrize("metric", METRICS)
def test_a_single_clip_says_nothing_of_the_spread(metric):
    assert influence(metric, np.array([[0.9, 0.1]]), np.array([0])) == pytest.approx([0])
