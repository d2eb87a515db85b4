"""How methods score: data set by data set, over all of them, what the scores vary with, and what others print."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.leaderboard.ablation import ALL
from harness.leaderboard.board import Board, Run
from harness.leaderboard.figures import MOST_RANKED, RANKS
from harness.leaderboard.markdown import escape, spread, table
from harness.leaderboard.summary import Standings, Summary
from harness.leaderboard.wording import NO_BASELINE, SHOWN, heading, primary, shown
from harness.statistics import Estimate, Ranks, Split, sure
from harness.store.wording import percent
from harness.words import plural, some

_HOW_STANDING = (
    "Over all data sets at once, of the methods whose runs are complete ({methods} × {sets} × {seeds}). *Middle*: the "
    "mean of the middle half of all scores, which no single lucky or failed run decides. *Beats the baseline*: how "
    "often, in percent, a run of the method scores higher than one of the baseline on the same data set. In brackets "
    "what other seeds would have changed, from drawing the seeds anew, which is too narrow for few seeds: it "
    "describes, and nothing is called an effect by it."
)
_HOW_SPLIT = (
    "Shares of the variance of the runs' scores; *clips* is the standard deviation, in points, that a draw of as many "
    "other test clips gives a single run's score (it is in the shares already, mostly in the data sets')."
)


def scores(board: Board) -> Iterator[str]:
    yield "## Test scores"
    for dataset in board.datasets:
        yield f"### {escape(heading(board, dataset))}"
        differing = board.differing[dataset]
        if differing:
            which = "; ".join(f"{escape(key)}: {escape(' or '.join(v))}" for key, v in differing.items())
            yield f"> **Warning: the runs of this table disagree in their settings or data** ({which})."
        yield _score_table(board, dataset)
        if len(board.folds(dataset)) > 1:
            yield _fold_table(board, dataset)


def _score_table(board: Board, dataset: str) -> str:
    """A line a method, also where none of its runs is done: a gap should be seen."""
    told, metrics = next((entry.primary for entry in board.entries(dataset)), ""), shown(board, dataset)
    names = [name.upper() + (" (primary)" if name == told else "") for name in metrics]
    if len(metrics) < len(SHOWN):
        names = [" = ".join(map(str.upper, SHOWN))]
    cells = []
    for (_, variant), runs in board.methods(dataset).items():
        by_metric = [list(board.per_seed(runs, metric).values()) for metric in metrics]
        done, planned = len(by_metric[0]), len({run.seed for run in runs})
        seeds = str(done) if done == planned else f"{done} of {planned}"
        levels = _levels(board, runs[0].levels)
        cells.append([*levels, *map(spread, by_metric), seeds, _row_notes(runs, variant)])
    right = range(len(board.factors), len(board.factors) + len(metrics) + 1)
    return table([*(escape(f.name) for f in board.factors), *names, "seeds", ""], cells, right)


def _levels(board: Board, levels: Sequence[int]) -> list[str]:
    return [escape(factor.marks[level]) for factor, level in zip(board.factors, levels, strict=True)]


def _fold_table(board: Board, dataset: str) -> str:
    """The primary metric of each fold by itself, since folds differ more than methods often do."""
    folds = board.folds(dataset)
    metric = next((entry.primary for entry in board.entries(dataset)), SHOWN[0])
    cells = []
    for (method, _), runs in board.methods(dataset).items():
        by_fold = [board.per_seed([run for run in runs if run.fold == fold], metric) for fold in folds]
        cells.append([escape(method), *(spread(list(of.values())) for of in by_fold)])
    header = [f"{metric.upper()} by fold", *(escape(f"fold {fold}") for fold in folds)]
    return table(header, cells, range(1, len(header)))


def _row_notes(runs: Sequence[Run], variant: str) -> str:
    notes = [] if any(runs[0].levels) or not runs[0].levels else ["baseline"]
    entries = [run.entry for run in runs if run.entry and run.done]
    errors = sum(entry.errors for entry in entries)
    warnings = sum(entry.alarms for entry in entries) - errors
    notes += [f"⚠ {plural(errors, 'error')}"] if errors else []
    notes += [f"△ {plural(warnings, 'warning')}"] if warnings else []
    return "; ".join([*notes, *([escape(variant)] if variant else [])])


def methods(board: Board, found: Summary, figures: Collection[str]) -> Iterator[str]:
    """How the methods stand over all data sets."""
    if not board.factors or not (found.standings or found.lacking or found.disagreeing):
        return
    yield "## Methods over all data sets"
    if found.disagreeing:
        names = ", ".join(map(escape, found.disagreeing))
        yield f"Not computed: the runs of {names} disagree in their settings or data, so no method has one score."
        return
    standings = {metric: each for metric, each in found.standings.items() if metric in shown(board, ALL)}
    if standings:
        count = len(next(iter(standings.values())).methods)
        sizes = [plural(n, noun) for n, noun in ((len(board.datasets), "data set"), (len(found.seeds), "seed"))]
        yield _HOW_STANDING.format(methods=plural(count, "method"), sets=sizes[0], seeds=sizes[1])
        yield _standing_table(board, standings)
        if count > 1 and all(one.better is None for each in standings.values() for one in each.methods):
            yield NO_BASELINE
        yield from _ranks_in_words(standings)
    if RANKS in figures:
        yield f"![Average ranks of the methods; a bar joins those that can't be told apart]({RANKS})"
    elif any(each.ranks for each in standings.values()):
        yield f"No picture of the ranks: more than {MOST_RANKED} methods don't fit in one."
    if not found.seeds:
        yield "The data sets share no seeds, so that no method has runs to be held against others over all of them."
    elif found.lacking:
        yield f"{plural(len(found.lacking), 'method')} left out for want of runs: {escape(some(found.lacking))}."


def _standing_table(board: Board, found: Mapping[str, Standings]) -> str:
    header, columns = [escape(factor.name) for factor in board.factors], []
    for metric, standings in found.items():
        if standings.ranks:
            header.append(f"{metric.upper()} rank")
            columns.append([f"{rank:.1f}" for rank in standings.ranks.ranks])
        header += [f"{metric.upper()} middle", "beats the baseline"]
        columns.append([_percent(standing.middle) for standing in standings.methods])
        columns.append([_percent(standing.better, 0) if standing.better else "–" for standing in standings.methods])
    levels = [_levels(board, standing.levels) for standing in next(iter(found.values())).methods]
    cells = [[*row, *rest] for row, rest in zip(levels, zip(*columns, strict=True), strict=True)]
    return table(header, cells, range(len(board.factors), len(header)))


def _percent(estimate: Estimate, decimals: int = 1) -> str:
    text = f"{100 * estimate.value:.{decimals}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{100 * estimate.low:.{decimals}f}, {100 * estimate.high:.{decimals}f}]"


def _ranks_in_words(standings: Mapping[str, Standings]) -> Iterator[str]:
    lines = []
    for metric, each in standings.items():
        if each.ranks and each.ranks.critical is not None and each.ranks.p is not None:
            lines.append(f"- {metric.upper()}: {_ranks_said(each.ranks)}")
    if lines:
        yield "\n".join(lines)


def _ranks_said(ranks: Ranks) -> str:
    few = (
        f" {plural(ranks.blocks, 'data set')} are too few for ranks to show much: five or more would be needed."
        if ranks.few
        else ""
    )
    if not sure(ranks.p):
        differ = "the average ranks don't differ by more than chance makes them"
    else:
        differ = "the average ranks differ by more than chance makes them"
    reach = f"two methods can be told apart whose ranks are {ranks.critical:.1f} apart (Nemenyi)"
    return f"{differ} (Friedman's p = {ranks.p:.2g}); {reach}.{few}"


def variance(board: Board, found: Summary) -> Iterator[str]:
    """What the scores vary with, in the metric that each data set is reported by."""
    splits = [
        (name, found.splits[key])
        for name in (*board.datasets, ALL)
        if (key := (name, primary(board, name))) in found.splits
    ]
    if not splits:
        return
    yield "## What scores vary with"
    cut = sorted({part for _, split in splits for part in split.cut})
    yield _HOW_SPLIT + (f" An estimate below nothing is shown as 0 ({', '.join(cut)})." if cut else "")
    parts = list(dict.fromkeys(part for _, split in reversed(splits) for part in split.parts))
    cells = [
        [
            escape(heading(board, name)),
            primary(board, name).upper(),
            *(_share(split, part) for part in parts),
            _clips(split),
        ]
        for name, split in splits
    ]
    yield table(["", "score", *parts, "clips"], cells, range(2, 3 + len(parts)))


def _share(split: Split, part: str) -> str:
    return f"{100 * split.shares[part]:.0f} %" if part in split.parts else "–"


def _clips(split: Split) -> str:
    return "–" if split.clips is None else f"{100 * split.clips**0.5:.1f}"


def others(board: Board, found: Summary) -> Iterator[str]:
    """What is published on the same data sets."""
    if not found.published:
        return
    yield "## Published figures"
    yield (
        "Test scores in percent as others print them. Another choice of the epoch, another copy of the data or a "
        "single seed makes another number: read them beside ours, never as a difference from ours."
    )
    small = [escape(name) for name in found.published if name in board.miniatures]
    if small:
        yield f"> **Not comparable at all: ours of {', '.join(small)} are scores on rendered miniatures.**"
    cells = [
        [
            escape(row.dataset),
            escape(row.method),
            percent(row.uar, 2),
            percent(row.war, 2),
            row.selection,
            row.seeds,
            escape(row.source),
        ]
        for rows in found.published.values()
        for row in rows
    ]
    header = ["data set", "method", "UAR", "WAR", "epoch chosen", "seeds", "source"]
    yield table(header, cells, [2, 3])
