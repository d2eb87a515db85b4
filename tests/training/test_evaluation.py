"""Metrics: against formulas written out, over all declared classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import scores
from harness.scores import confusion, recalls
from harness.training.evaluation import METRICS, measure

cases = st.tuples(st.integers(1, 40), st.integers(2, 6), st.integers(0, 10_000))


@settings(deadline=None, max_examples=25)
@given(cases)
def test_metrics_equal_their_definitions(case):
    size, classes, seed = case
    rng = np.random.default_rng(seed)
    p, y = rng.dirichlet(np.ones(classes), size).astype(np.float32), rng.integers(0, classes, size)
    guess = p.argmax(1)
    found = measure(p, y)
    hits = [[int(((y == k) & (guess == j)).sum()) for j in range(classes)] for k in range(classes)]
    recall = [np.mean(guess[y == k] == k) if (y == k).any() else 0.0 for k in range(classes)]
    f1 = [2 * hits[k][k] / max(sum(hits[k]) + sum(row[k] for row in hits), 1) for k in range(classes)]
    assert found["confusion"] == hits
    assert found["war"] == pytest.approx(np.mean(guess == y))
    assert found["uar"] == pytest.approx(np.mean(recall))
    assert found["f1"] == pytest.approx(np.mean(f1))


def test_a_class_without_clips_counts_in_uar_and_does_not_vanish():
    p, y = np.eye(3, dtype=np.float32)[[0, 1]], np.array([0, 1])
    assert scores.uar(p, y) == pytest.approx(2 / 3)
    assert recalls(confusion(p, y)).tolist() == [1, 1, 0]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    p = np.array([[0.9, 0.1]] * 10, dtype=np.float32)
    y = np.array([0] * 6 + [1] * 4)
    assert scores.ece(p, y) == pytest.approx(0.3, abs=1e-6)
    assert scores.ece(p, np.zeros(10, dtype=int)) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_each_is_an_evaluate_metric_that_counts_the_same_in_pieces(name):
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(3), 20).astype(np.float32), rng.integers(0, 3, 20)
    metric = METRICS[name](keep_in_memory=True)
    for piece in (slice(0, 7), slice(7, 20)):
        metric.add_batch(predictions=p[piece], references=y[piece])
    found = metric.compute()["value"]
    assert np.array_equal(found, getattr(scores, name)(p.astype(np.float64), y))
    assert np.array_equal(found, measure(p, y)[name])
