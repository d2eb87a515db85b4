"""What is said alike in every table, page and picture of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable

from harness.leaderboard.ablation import ALL
from harness.leaderboard.board import Board, Run, settings_of

SHOWN = ("war", "uar")  # the metrics of the tables that people read; the others stand in the CSV files
MINIATURE = (
    "These clips are drawn by this program in the real sets' file layout. The numbers say nothing about the real "
    "{names}; they only show that the experiment runs from end to end."
)


def heading(board: Board, dataset: str) -> str:
    """A data set's name (or `all`) with what a reader must not overlook, in every table and picture."""
    covered = set(board.datasets) if dataset == ALL else {dataset}
    runs = board.done if dataset == ALL else board.of(dataset)
    folds = board.folds(dataset)
    notes = [f"mean of {len(folds)} folds" if len(folds) > 1 else f"fold {folds[0]}"] if folds else []
    if covered & board.miniatures:
        notes.append("miniature" if covered <= board.miniatures else "with miniatures")
    if "oracle" in selections(runs):
        notes.append("oracle: epoch chosen on test")
    return dataset + (f" ({'; '.join(notes)})" if notes else "")


def selections(runs: Iterable[Run]) -> list[str]:
    return sorted({run.entry.selection for run in runs if run.entry})


def all_values(runs: Iterable[Run], key: str) -> str:
    """Every value that the runs have of a setting."""
    return " or ".join(sorted({settings[key] for settings in settings_of(runs) if settings.get(key)}))


def primary(board: Board, dataset: str) -> str:
    """The metric that a data set is reported by; over all of them, the one that most of them are."""
    if dataset != ALL:
        return next((entry.primary for entry in board.entries(dataset) if entry.primary in SHOWN), SHOWN[0])
    found = [primary(board, name) for name in board.datasets]
    return max(SHOWN, key=found.count)
