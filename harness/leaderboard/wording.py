"""What is said alike in every table, page and picture of a leaderboard."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from harness.leaderboard.ablation import ALL, Row
from harness.leaderboard.board import Board, Run, settings_of
from harness.leaderboard.comparisons import FACTOR, comparisons, contrast
from harness.store.wording import smoke_test
from harness.words import plural

SHOWN = ("war", "uar")  # the metrics of the tables that people read; the others stand in the CSV files
ROUNDING = 1e-9  # two sums over the same clips may differ by it
EVEN = "UAR is WAR on {names}, since the test classes are even: it is shown once."
MINIATURE = (
    "These clips are drawn by this program in the real sets' file layout. The numbers say nothing about the real "
    "{names}; they only show that the experiment runs from end to end."
)
ROUNDED = (
    "Such runs are compared, but part of an effect may come from that: another number of processes rounds sums "
    "otherwise, so that a run scores otherwise."
)
NO_BASELINE = "The baseline isn't among them: not all of its runs are there, so no method is held against it."


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


def shown(board: Board, dataset: str) -> tuple[str, ...]:
    """The metrics of README's tables for a data set (or `all`): WAR alone where it is UAR, as with even classes."""
    return SHOWN[:1] if set(board.datasets if dataset == ALL else [dataset]) <= set(even(board)) else SHOWN


def even(board: Board) -> list[str]:
    """The data sets on which UAR is WAR in every finished run."""
    apart = {
        run.dataset
        for run in board.done
        if (war := run.score("test", "war")) is None
        or (uar := run.score("test", "uar")) is None
        or abs(war - uar) > ROUNDING
    }
    return [dataset for dataset in board.datasets if board.of(dataset) and dataset not in apart]


def label(row: Row) -> str:
    """An effect's name for a table; an interaction's with those that are one contrast of the runs with it."""
    return " = ".join(f"{sign}{a} × {b}" for sign, a, b in row.pairs) or row.factor


def over(board: Board, row: Row) -> str:
    """The data sets of a mean that isn't over all of them."""
    return ", ".join(row.over) if row.over and len(row.over) < len(board.datasets) else ""


def carried(rows: Iterable[Row]) -> str:
    """What the intervals carry: "nothing" where there are none, "seeds", "both" seeds and clips, or "mixed"."""
    known = {row.effect.clip_variance is not None for row in rows if row.effect.low is not None}
    return {frozenset(): "nothing", frozenset([True]): "both", frozenset([False]): "seeds"}.get(
        frozenset(known), "mixed"
    )


def averaged(board: Board) -> str:
    """What is averaged into the effect of one seed."""
    pairs = "the differences between runs of one seed that differ in nothing else"
    inside = (board.design or {}).get("fraction")
    if not inside:
        return pairs
    others = len(inside) < len(board.factors)
    return (
        f"of {', '.join(inside)} the difference between the two halves of a seed's fraction, which have every other "
        "factor on equally often and carry what it is confounded with" + (f"; of all others {pairs}" if others else "")
    )


def confounded(board: Board) -> str:
    """The groups of effects that are one contrast of the runs; empty but for a fraction."""
    return "; ".join(" = ".join(group) for group in (board.design or {}).get("aliases", ()))


def nothing_compared(board: Board) -> str:
    """Why there is no effect at all."""
    if (board.design or {}).get("fraction"):
        return "The fraction isn't whole in any seed, and its factors' effects take all of its runs."
    if any(comparable(board, dataset) for dataset in board.datasets):
        return "No two finished runs differ in one factor only."
    return (
        f"No effect can be told from these methods: they differ in more than one of "
        f"{', '.join(factor.name for factor in board.factors)} at once, or in the settings of one that neither goes "
        "without. Make what is to be held against each other levels of one factor in a grid file (docs/grids.md), as "
        'in loss = ["lsr", "ldl"].'
    )


def comparable(board: Board, dataset: str) -> bool:
    """Whether the runs of a data set, once all are done, make any comparison."""
    cells = frozenset(run.levels for run in board.runs if run.dataset == dataset)
    asked = [each for each in comparisons(board) if each.kind == FACTOR]
    return any(contrast(each, cells, board.design).n_pairs for each in asked)


def smoke_tests(board: Board) -> tuple[str, str] | None:
    """What runs of the board were trained on a few clips only, and what follows."""
    return smoke_test(run.spec for run in board.done)


def at_odds(board: Board) -> Iterator[tuple[str, str]]:
    """In what runs of one data set differ though nobody asked, and what follows."""
    for dataset, differing in board.differing.items():
        if differing:
            which = "; ".join(f"{key}: {' or '.join(values)}" for key, values in differing.items())
            yield f"The runs on {dataset} disagree in their settings or data ({which}).", "Such runs are not compared."
    for dataset in board.datasets:
        if len(board.processes(dataset)) > 1:
            yield f"The runs on {dataset} were trained by {processes(board, [dataset])} processes together.", ROUNDED


def processes(board: Board, datasets: Iterable[str]) -> str:
    """Every number of processes that trained a run together; empty where none is known."""
    return " or ".join(map(str, sorted({count for dataset in datasets for count in board.processes(dataset)})))


def unread(runs: Collection[str], named: str = "") -> str:
    """What the tables lack for want of the predictions of some runs."""
    return (
        f"{plural(len(runs), 'run')} without predictions that can be read{named}: the intervals of effects that use "
        "them carry the seeds alone, and they are in no effect on a single class."
    )


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
