"""p values: corrected for how many are read at once, and of two single runs on the same clips."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (Holm 1979): the i-th smallest of m is max over j ≤ i of (m−j+1) p_j.

    It bounds the chance of any false call in the family and needs no independence, which effects estimated
    from the same runs do not have. None (no p) stays None and does not count into m.
    """
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of two runs on the same clips (McNemar 1947), from the clips that only one got right.

    It speaks of these two trained networks: other seeds of the same two methods may well say otherwise.
    """
    if not only_first + only_second:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)
