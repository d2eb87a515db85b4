"""What each test clip contributes to a score: the variance that a score has for the clips that it happens to be over.

Influences φ (Hampel 1974; the infinitesimal jackknife) are scaled so that Σ φ² estimates the variance of a run's score
over draws of as many clips, and Σ φ ψ the covariance of two runs' scores on the same clips. They are linear: a
difference, or a mean of differences, of runs has the same difference or mean of their influences.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from harness.scores import BINS, bins, confusion


def influence(metric: str, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Influence `[N]` of each clip on a run's `war`, `uar`, `f1` or `ece`."""
    return _INFLUENCES[metric](probabilities, labels)


def recall_influence(probabilities: np.ndarray, labels: np.ndarray, label: int) -> np.ndarray:
    """Influence `[N]` of each clip on the recall of one class; 0 for the clips of others."""
    return np.where(labels == label, _on_own_recall(probabilities, labels), 0.0)


def _war(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    right = _right(probabilities, labels)
    return _drawn(right - right.mean())


def _uar(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return _on_own_recall(probabilities, labels) / probabilities.shape[1]


def _on_own_recall(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(r − r̄) / √(n (n − 1)) for the n clips of a class: each is a stratum that keeps its number of clips.

    A class of a single clip shows no spread of its own. Its clip is compared with the mean over all clips, which
    overstates the variance rather than calling it nothing (as R's survey package "adjusts" a lonely unit; Lumley 2010).
    """
    right, classes = _right(probabilities, labels), probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    means = np.bincount(labels, right, minlength=classes) / np.maximum(counts, 1)
    centres = np.where(counts == 1, right.mean(), means)
    return (right - centres[labels]) / np.sqrt(np.maximum(counts * (counts - 1), 1))[labels]


def _f1(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """By the derivatives of F_k = 2 T_k / (R_k + C_k), with T hits, R clips of a class and C calls of it.

    A clip of class y called z adds ∂/∂T 2/(R+C) to F_y where y = z, and −F_k/(R_k+C_k) for k = y and again for k = z.
    They sum to 0 over all clips as they are: doubling every count changes no F.
    """
    table = confusion(probabilities, labels)
    called, total = probabilities.argmax(1), np.maximum(table.sum(0) + table.sum(1), 1)
    each = 2 * table.diagonal() / total
    slope = 2 * (called == labels) / total[labels] - (each / total)[labels] - (each / total)[called]
    return _drawn(slope * len(labels) / len(total))


def _ece(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """By the derivative of Σ_bins |g| / N, with g = Σ (confidence − right) the gap of a bin.

    |g| has a kink at 0, where well calibrated runs have their gaps. Its slope is therefore taken on average over the
    draws of clips that might have been: E sign(g) = 2 Φ(g / √Σ (confidence − right)²) − 1.
    """
    confidence, right = probabilities.max(1), _right(probabilities, labels)
    bin_of, off = bins(confidence), confidence - right
    error = np.sqrt(np.bincount(bin_of, off**2, minlength=BINS))
    slopes = 2 * ndtr(np.bincount(bin_of, off, minlength=BINS) / np.where(error, error, 1)) - 1
    return _drawn(slopes[bin_of] * off - (slopes[bin_of] * off).mean())


def _right(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (probabilities.argmax(1) == labels).astype(float)


def _drawn(centred: np.ndarray) -> np.ndarray:
    """Influences on the mean over N clips drawn at random; a single clip says nothing of the spread."""
    count = len(centred)
    return centred / math.sqrt(count * (count - 1)) if count > 1 else np.zeros(count)


_INFLUENCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "war": _war,
    "uar": _uar,
    "f1": _f1,
    "ece": _ece,
}
