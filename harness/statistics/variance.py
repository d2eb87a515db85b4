"""What scores vary with: data sets, methods, seeds, and what is left (crossed analysis of variance)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DATA, METHOD, BOTH, SEED, REST = "data set", "method", "data set × method", "seed within data set", "residual"


@dataclass(frozen=True)
class Split:
    """Variance components in the order data set, method, data set × method, seed within data set, residual.

    With a single data set there are only method, seed and residual. `cut` names the components whose estimate came
    out negative and was put to 0, as happens where a component is small. `clips` is how much of a score's variance is
    the draw of its test clips: it is in the components already (mostly in the data sets': all runs of one share its
    clips), so it stands apart.
    """

    parts: Mapping[str, float]
    cut: tuple[str, ...]
    clips: float | None

    @property
    def shares(self) -> dict[str, float]:
        """Each component over their sum; all 0 where nothing varies."""
        total = math.fsum(self.parts.values())
        return {name: part / total if total else 0.0 for name, part in self.parts.items()}


def variance_split(scores: np.ndarray, clips: float | None = None) -> Split | None:
    """Splits `[data sets, methods, seeds]` scores by the method of moments; `clips` is the runs' mean of Σ φ².

    Observed mean squares are put equal to what they are on average (Searle, Casella & McCulloch 1992). None with less
    than two methods or two seeds: then seeds and rest can't be told apart.
    """
    scores = np.asarray(scores, float)
    sets, methods, seeds = scores.shape
    if methods < 2 or seeds < 2:
        return None
    squares = _mean_squares(scores)
    parts = {
        METHOD: (squares[METHOD] - squares[BOTH if sets > 1 else REST]) / (sets * seeds),
        SEED: (squares[SEED] - squares[REST]) / methods,
        REST: squares[REST],
    }
    if sets > 1:
        data = squares[DATA] - squares[BOTH] - squares[SEED] + squares[REST]
        parts[DATA] = data / (methods * seeds)
        parts[BOTH] = (squares[BOTH] - squares[REST]) / seeds
    order = [name for name in (DATA, METHOD, BOTH, SEED, REST) if name in parts]
    cut = tuple(name for name in order if parts[name] < 0)
    return Split({name: max(0.0, float(parts[name])) for name in order}, cut, clips)


def _mean_squares(scores: np.ndarray) -> dict[str, float]:
    sets, methods, seeds = scores.shape
    total, cells = scores.mean(), scores.mean(2)
    of_set, of_method, of_seed = scores.mean((1, 2)), scores.mean((0, 2)), scores.mean(1)
    rest = scores - cells[:, :, None] - of_seed[:, None] + of_set[:, None, None]
    squares = {
        METHOD: sets * seeds * np.square(of_method - total).sum() / (methods - 1),
        SEED: methods * np.square(of_seed - of_set[:, None]).sum() / (sets * (seeds - 1)),
        REST: np.square(rest).sum() / (sets * (methods - 1) * (seeds - 1)),
    }
    if sets > 1:
        both = cells - of_set[:, None] - of_method + total
        squares[DATA] = methods * seeds * np.square(of_set - total).sum() / (sets - 1)
        squares[BOTH] = seeds * np.square(both).sum() / ((sets - 1) * (methods - 1))
    return squares
