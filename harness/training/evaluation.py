"""A run's scores as `evaluate` metrics of our own.

`evaluate.load` needs the hub and its recall averages over the classes that happen to occur; these work offline and
take what `scores` computes. Their way through Arrow takes longer than an epoch's whole validation of a small head, so
epochs call `scores` directly and a run's result comes through here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import datasets
import evaluate
import numpy as np

from harness import scores

_FEATURES = datasets.Features(
    {"predictions": datasets.Sequence(datasets.Value("float32")), "references": datasets.Value("int64")}
)


class FromProbabilities(evaluate.Metric):
    """`predictions` are probability rows over the K declared classes, `references` labels 0 … K−1."""

    def __init__(self, score: Callable[[np.ndarray, np.ndarray], Any], **options: Any) -> None:
        self.score = score
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(description=self.score.__doc__ or "", citation="", features=_FEATURES)

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict[str, Any]:
        return {"value": self.score(np.asarray(predictions, dtype=np.float64), np.asarray(references))}


METRICS = {
    score.__name__: functools.partial(FromProbabilities, score)
    for score in (scores.war, scores.uar, scores.f1, scores.ece, scores.confusion)
}


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """All metrics of `[N, K]` probabilities against `[N]` labels, in plain numbers and lists."""
    metrics = {name: metric(keep_in_memory=True) for name, metric in METRICS.items()}
    found = {name: m.compute(predictions=probabilities, references=labels)["value"] for name, m in metrics.items()}
    return {**found, "confusion": found["confusion"].tolist()}
