"""When a count is too high, or two shares too far apart, for chance: the bounds of all sentinels that look at clips.

`CHANCE` is how often a bound may be passed without a defect. A run asks some dozens of such questions, a grid holds
hundreds of runs that share their data, so one in a thousand is the least that keeps healthy grids quiet; and the
defects that matter (a list that names the wrong folder, a split without boxes) lie beyond it by many powers of ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from scipy.special import bdtrc, gammaln

from harness.data.clips import Clip

CHANCE = 1e-3


def exceeds(count: int, total: int, share: float) -> bool:
    """Whether `count` of `total` is more than `share` of them, beyond chance: P(X ≥ count), X ~ B(total, share)."""
    return count > share * total and bool(bdtrc(count - 1, total, share) < CHANCE)


def differ(count: int, total: int, other: int, rest: int, questions: int = 1) -> bool:
    """Whether `count` of `total` is a larger share than `other` of `rest`, beyond chance (Fisher's exact test).

    `questions` of this kind share out the chance of being wrong.
    """
    all_of, drawn = total + rest, count + other
    if not total or not rest or count * rest <= other * total:
        return False
    x = np.arange(count, min(drawn, total) + 1)  # the same or more in the one, as many as there are in both
    logs = _log_choose(total, x) + _log_choose(rest, drawn - x) - _log_choose(all_of, drawn)
    return bool(np.exp(logs).sum() < CHANCE / questions)


def by_split(clips: Iterable[Clip]) -> Counter[str]:
    return Counter(clip.split for clip in clips)


def _log_choose(n: int, k: int | np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(np.asarray(k) + 1) - gammaln(n - np.asarray(k) + 1)
