"""Metrics over every clip exactly once, as `evaluate` metrics of our own.

`evaluate.load` needs the hub and its recall averages over the classes that happen to occur; these work offline
and average over all declared classes, so that a class missing from the predictions, or from the split, shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

BINS = 15  # of the calibration error, as in Guo et al., 2017

_FEATURES = datasets.Features(
    {"predictions": datasets.Sequence(datasets.Value("float32")), "references": datasets.Value("int64")}
)


class _FromProbabilities(evaluate.Metric):
    """Base: `predictions` are probability rows over the K declared classes, `references` labels 0 … K−1."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=_FEATURES)

    def _compute(self, predictions: list[list[float]], references: list[int]) -> dict[str, Any]:
        return {"value": self.score(np.asarray(predictions, dtype=np.float64), np.asarray(references))}

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> Any:
        raise NotImplementedError


class WAR(_FromProbabilities):
    """Weighted average recall: the share of clips that are right (accuracy)."""

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> float:
        return float((probabilities.argmax(1) == labels).mean())


class UAR(_FromProbabilities):
    """Unweighted average recall: mean recall over all declared classes; one without clips counts as 0."""

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> float:
        return float(recalls(confusion(probabilities, labels)).mean())


class MacroF1(_FromProbabilities):
    """Mean over all declared classes of F1 = 2 TP / (2 TP + FP + FN)."""

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> float:
        table = confusion(probabilities, labels)
        return float((2 * table.diagonal() / np.maximum(table.sum(0) + table.sum(1), 1)).mean())


class CalibrationError(_FromProbabilities):
    """Expected calibration error, 15 equal bins of confidence (Guo et al., ICML 2017, arXiv 1706.04599)."""

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> float:
        confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
        bins = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
        gaps = np.bincount(bins, confidence - right, minlength=BINS)
        return float(np.abs(gaps).sum() / len(labels))


class ConfusionMatrix(_FromProbabilities):
    """Counts `[K, K]`, rows the labels, columns the predictions."""

    @staticmethod
    def score(probabilities: np.ndarray, labels: np.ndarray) -> list[list[int]]:
        return confusion(probabilities, labels).tolist()


METRICS = {"war": WAR, "uar": UAR, "f1": MacroF1, "ece": CalibrationError, "confusion": ConfusionMatrix}


def measure(probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str] = tuple(METRICS)) -> dict[str, Any]:
    """The named metrics of `[N, K]` probabilities against `[N]` labels, without `compute`'s way through Arrow."""
    exact = np.asarray(probabilities, dtype=np.float64)
    return {name: METRICS[name].score(exact, labels) for name in names}


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts `[K, K]` of (label, prediction)."""
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(1), minlength=classes**2).reshape(classes, classes)


def recalls(table: np.ndarray) -> np.ndarray:
    """Recall of each class `[K]` from a confusion table; 0 for a class without clips."""
    return table.diagonal() / np.maximum(table.sum(1), 1)
