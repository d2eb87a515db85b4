"""Balanced sampling: rare classes come more often, in an epoch of the same length."""

from dataclasses import dataclass

import numpy as np

from harness.methods import Component
from harness.settings import knob


class BalancedOrder(Component):
    """Clips of class c fill a share ∝ n_c^(1 − strength) of the epoch: 0 as the data is, 1 all classes alike.

    Within a class every clip comes as often as any other, give or take one: whole rounds, then a random rest. At
    strength 0 every clip comes once. ½ is square-root sampling; CLIP-CAER's random over-sampling is 1 with longer
    epochs, here the epoch keeps its number of clips so that methods are compared after equal training.
    """

    name = "balanced"
    paper = "Kang et al., Decoupling, ICLR 2020 (arXiv 1910.09217), q = 1 − strength; CLIP-CAER (arXiv 2507.00586)"

    @dataclass(frozen=True)
    class Settings:
        strength: float = knob(1.0, "0: classes as often as they are, 1: all equally often", low=0, high=1)

    def sampler(self, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        classes, counts = np.unique(label, return_counts=True)
        share = counts ** (1 - self.settings.strength)
        wanted = _whole(len(label) * share / share.sum(), rng)
        drawn = [_rounds(np.flatnonzero(label == c), n, rng) for c, n in zip(classes, wanted, strict=True)]
        return rng.permutation(np.concatenate([*drawn, np.empty(0, dtype=np.int64)]))


def _whole(amounts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers of the same sum: the largest rests are rounded up, chance decides between equal ones."""
    whole = np.floor(amounts + 1e-9).astype(int)
    missing = round(amounts.sum()) - whole.sum()
    order = np.lexsort((rng.random(len(amounts)), -np.round(amounts - whole, 9)))
    whole[order[:missing]] += 1
    return whole


def _rounds(clips: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """`size` draws from `clips`, each as often as any other, give or take one."""
    return np.concatenate([np.tile(clips, size // len(clips)), rng.permutation(clips)[: size % len(clips)]])
