"""Two runs or two leaderboards side by side: what differs in settings, data and environment, and what they scored.

The first thing said is whether the two speak of the same copies of the data. Scores from other copies are shown,
since people will look at them anyway, but never as a difference between methods.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.compare import boards, runs
from harness.compare.text import text
from harness.errors import BadInput
from harness.store import Store

__all__ = ["compare", "text"]


def compare(first: str, second: str, store: Store) -> dict[str, Any]:
    """What `harness compare --json` prints: of two leaderboard folders, or of two runs of a store."""
    are = [(Path(name) / "results.csv").is_file() for name in (first, second)]
    if all(are):
        return {"kind": "leaderboards", "names": [first, second], **boards.compare(Path(first), Path(second))}
    if any(are):
        raise BadInput(second if are[0] else first, "is no leaderboard, the other is", "give two of a kind")
    return {"kind": "runs", "names": [first, second], **runs.compare(store.find(first), store.find(second))}
