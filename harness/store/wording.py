"""What is said alike of runs wherever they are shown: on a terminal, in a model card, in a leaderboard.

Plain text; the rooms that show it add their markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.words import plural

MEANING = {
    "war": "share of clips that are right",
    "uar": "mean recall of the classes",
    "f1": "mean over the classes",
    "ece": "calibration error, where less is better",
}
BRIEFLY = {"val": "best on val", "last": "the last", "oracle": "ORACLE: best on test"}
_CHOSEN = {
    "val": "The epoch was chosen on the validation clips; the test clips were read once, at that epoch.",
    "last": "The last epoch is reported; no clips chose it.",
    "oracle": "ORACLE: the epoch was chosen on the test clips themselves, so every score is too high.",
}


def chosen(selection: str) -> str:
    """How the epoch that is reported was chosen."""
    return _CHOSEN.get(selection, f"The epoch was chosen by {selection}.")


def smoke_test(specs: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """What runs with these specs were trained on a few clips only, and what follows."""
    told = (spec.get("train", {}).get("limit", 0) for spec in specs)
    limits = sorted({limit for limit in told if isinstance(limit, int)})
    few = [limit for limit in limits if limit]  # 0 is no limit
    if not few:
        return None
    most = " or ".join([*map(str, few[:-1]), plural(few[-1], "clip")])
    if few == limits:
        return f"Smoke test: trained on at most {most} a class.", "The scores mean nothing."
    return f"Some runs are smoke tests: trained on at most {most} a class.", "Scores that they are in mean nothing."


def percent(value: float | None, decimals: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{decimals}f}"


def points(value: float) -> str:
    """A difference of scores in percentage points, always with its sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")
