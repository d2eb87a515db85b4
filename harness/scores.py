"""Scores from predictions, as plain functions of `[N, K]` probabilities and `[N]` labels, over every clip once.

Recalls are over all declared classes, so that one missing from the predictions, or from the split, shows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ERRORS = ("ece",)  # the scores of which less is better
BINS = 15  # of the calibration error, as in Guo et al., 2017


def war(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Weighted average recall: the share of clips that are right (accuracy)."""
    return float((probabilities.argmax(1) == labels).mean())


def uar(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Unweighted average recall: mean recall over all declared classes; one without clips counts as 0."""
    return float(recalls(confusion(probabilities, labels)).mean())


def f1(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over all declared classes of F1 = 2 TP / (2 TP + FP + FN)."""
    table = confusion(probabilities, labels)
    return float((2 * table.diagonal() / np.maximum(table.sum(0) + table.sum(1), 1)).mean())


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error, 15 equal bins of confidence (Guo et al., ICML 2017, arXiv 1706.04599)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    gaps = np.bincount(bins(confidence), confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


BY_NAME: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"war": war, "uar": uar, "f1": f1, "ece": ece}


def bins(confidence: np.ndarray) -> np.ndarray:
    """The bin of the calibration error `[N]` that each confidence falls into."""
    return np.clip((confidence * BINS).astype(int), 0, BINS - 1)


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts `[K, K]` of (label, prediction)."""
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(1), minlength=classes**2).reshape(classes, classes)


def recalls(table: np.ndarray) -> np.ndarray:
    """Recall of each class `[K]` from a confusion table; 0 for a class without clips."""
    return table.diagonal() / np.maximum(table.sum(1), 1)
