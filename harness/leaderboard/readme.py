"""The page that people read: scores with their spread, what each factor does, and all that went otherwise.

Nothing is left out without a word: dropped combinations, failed and missing runs, missing face boxes, alarms
and disagreeing settings all have their place. No score is ever printed bold, since the highest of many
noisy numbers is not the best method.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.index import unpacked
from harness.leaderboard.ablation import ALL, Row
from harness.leaderboard.markdown import escape, fenced, points, spread, table, without_folders
from harness.leaderboard.results import Board, Run, settings_of
from harness.settings import spell
from harness.words import plural, some

SHOWN = ("war", "uar")
_MOST_ERRORS = 50  # different ones in the table of failed runs
_MINIATURE = (
    "**Rendered miniatures: {names}.** These clips are drawn by this program in the real sets' file layout. "
    "The numbers say nothing about the real {names}; they only show that the experiment runs from end to end."
)
_SELECTION = {
    "val": "The epoch was chosen on `val`; `test` was read once, at that epoch.",
    "last": "The last epoch is reported; no split chose it.",
    "oracle": "**Oracle selection: the epoch was chosen on `test` itself, so every score is too high.**",
}
_HOW_ABLATED = (
    "Points of the test score (WAR: share of clips that are right; UAR: mean recall of the classes), factor on "
    "minus factor off, with the 95 % interval. A pair is two runs that "
    "differ in one factor only; pairs are averaged within a seed and tested over seeds (paired t), since "
    "runs of one seed are not independent. *helps* and *hurts* hold after Holm's correction for the "
    "number of effects in the table (the intervals are not corrected, so one that excludes 0 may still be "
    "*can't tell*). No interval: one seed, or seeds without spread."
)


def page(board: Board, rows: Sequence[Row], figure: str | None) -> str:
    """README.md. `rows` are the ablation's; `figure` is the path of its picture, from the page."""
    parts = [
        *_opening(board),
        *_scores(board),
        *_effects(board, rows, figure),
        *_left_out(board),
        *_alarms(board),
        *_data(board),
        *_protocol(board),
        *_repeat(board),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(board: Board) -> Iterator[str]:
    yield f"# {escape(board.title)}"
    methods = len({run.method for run in board.runs})
    size = f"{plural(methods, 'method')} × {plural(len(board.datasets), 'data set')}"
    seeds = plural(len({run.seed for run in board.runs}), "seed")
    verb = "is" if len(board.runs) == 1 else "are"
    state = f"{len(board.done):,} of {plural(len(board.runs), 'run')} {verb} done"
    words = " ".join(_SELECTION.get(kind, escape(kind)) for kind in _selections(board.done))
    yield f"{size} × {seeds}: {state}. {words} Scores are percent, mean ± standard deviation over seeds."
    small = [escape(name) for name in board.datasets if name in board.miniatures]
    if small:
        yield "> " + _MINIATURE.format(names=", ".join(small))
    if (limit := _all_values(board.done, "train.limit")) not in ("", "0"):
        yield f"> **Smoke test: trained on at most {escape(limit)} clips a class.** The scores mean nothing."
    if board.factors:
        yield table(["factor", "levels"], [[escape(f.name), _levels(f.levels)] for f in board.factors])
    if board.baseline:
        yield f"{'The baseline' if board.factors else 'The one method'} is {escape(board.baseline)}."


def _levels(levels: Sequence[str]) -> str:
    return " → ".join(escape(text) if text else "·" for text in levels)


def _selections(runs: Iterable[Run]) -> list[str]:
    return sorted({run.entry.selection for run in runs if run.entry})


def heading(board: Board, dataset: str) -> str:
    """A data set's name (or `all`) with what a reader must not overlook, in every table and picture."""
    covered = set(board.datasets) if dataset == ALL else {dataset}
    runs = board.done if dataset == ALL else board.of(dataset)
    folds = board.folds(dataset)
    notes = [f"mean of {len(folds)} folds" if len(folds) > 1 else f"fold {folds[0]}"] if folds else []
    if covered & board.miniatures:
        notes.append("miniature" if covered <= board.miniatures else "with miniatures")
    if "oracle" in _selections(runs):
        notes.append("oracle: epoch chosen on test")
    return dataset + (f" ({'; '.join(notes)})" if notes else "")


def _scores(board: Board) -> Iterator[str]:
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
    rows = _rows(board, dataset)
    marks = [factor.marks for factor in board.factors]
    primary = next((entry.primary for entry in board.entries(dataset)), "")
    names = [name.upper() + (" (primary)" if name == primary else "") for name in SHOWN]
    cells = []
    for (_, variant), runs in rows.items():
        levels = [escape(mark[level]) for mark, level in zip(marks, runs[0].levels, strict=True)]
        scores = [spread(board.per_seed(runs, metric)) for metric in SHOWN]
        done, planned = len(board.per_seed(runs, SHOWN[0])), len({run.seed for run in runs})
        seeds = str(done) if done == planned else f"{done} of {planned}"
        cells.append([*levels, *scores, seeds, _row_notes(runs, variant)])
    right = range(len(marks), len(marks) + len(SHOWN) + 1)
    return table([*(escape(f.name) for f in board.factors), *names, "seeds", ""], cells, right)


def _rows(board: Board, dataset: str) -> dict[tuple[str, str], list[Run]]:
    """The runs behind each line of a data set's table: those of one method, and of one variant of the settings."""
    rows: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in board.runs:
        if run.dataset == dataset:
            rows[run.method, board.variant(run)].append(run)
    return rows


def _fold_table(board: Board, dataset: str) -> str:
    """The primary metric of each fold by itself, since folds differ more than methods often do."""
    folds = board.folds(dataset)
    metric = next((entry.primary for entry in board.entries(dataset)), SHOWN[0])
    cells = [
        [escape(method), *(spread(board.per_seed([r for r in runs if r.fold == fold], metric)) for fold in folds)]
        for (method, _), runs in _rows(board, dataset).items()
    ]
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


def _effects(board: Board, rows: Sequence[Row], figure: str | None) -> Iterator[str]:
    if not board.factors:
        return
    yield "## What each factor does"
    if not rows:
        yield "No two finished runs differ in one factor only, so there is nothing to compare yet."
        return
    yield _HOW_ABLATED
    for metric in SHOWN:
        family = [row for row in rows if row.metric == metric]
        if family:
            yield _effect_table(board, metric, family)
    names = [name for factor in board.factors for _, name in factor.contrasts]
    alone = [escape(name) for name in names if name not in {row.factor for row in rows}]
    if alone:
        yield f"Without any pair: {', '.join(alone)}."
    if figure:
        yield f"![Effect of each factor with its 95 % interval]({figure})"


def _effect_table(board: Board, metric: str, family: Sequence[Row]) -> str:
    found = {(row.factor, row.dataset): row for row in family}
    columns = list(dict.fromkeys(row.dataset for row in family))
    cells = [
        [escape(factor), *(_effect(found.get((factor, column))) for column in columns)]
        for factor in dict.fromkeys(row.factor for row in family)
    ]
    return table([metric.upper(), *(escape(heading(board, column)) for column in columns)], cells)


def _effect(row: Row | None) -> str:
    if row is None:
        return "–"
    low, high = row.effect.low, row.effect.high
    interval = "" if low is None or high is None else f" [{points(low)}, {points(high)}]"
    return f"{points(row.effect.effect)}{interval} {row.word}"


def _left_out(board: Board) -> Iterator[str]:
    failed = [run for run in board.runs if run.failed]
    missing = len(board.runs) - len(board.done) - len(failed)
    if not (failed or missing or board.dropped):
        return
    yield "## What is not in the tables"
    if missing:
        yield f"{plural(missing, 'run')} not finished yet."
    if failed:
        yield f"{plural(len(failed), 'run')} failed:"
        yield from _failures(failed)
    if board.dropped:
        yield "Combinations that the grid dropped:"
        yield table(["method", "why"], [[escape(d["method"]), escape(d["why"])] for d in board.dropped])


def _failures(failed: Sequence[Run]) -> Iterator[str]:
    """What the runs died of, the commonest first: a fault that befalls one run befalls many."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for run in failed:
        found[run.dataset, without_folders(run.entry.error if run.entry else "")].append(run.run_id)
    rows = sorted(found.items(), key=lambda row: -len(row[1]))
    cells = [[dataset, str(len(ids)), some(ids), error] for (dataset, error), ids in rows[:_MOST_ERRORS]]
    yield table(["data set", "runs", "which", "error"], [list(map(escape, row)) for row in cells], [1])
    if len(rows) > _MOST_ERRORS:
        rest = sum(len(ids) for _, ids in rows[_MOST_ERRORS:])
        yield f"{plural(rest, 'run')} more failed, of other errors; `harness run` tries them again and says which."


def _alarms(board: Board) -> Iterator[str]:
    yield "## Alarms"
    told = Counter(f"{name}.{key} = {spell(value)}" for run in board.done for name, key, value in run.told)
    if told:
        yield (
            "Sentinels were told otherwise: "
            + "; ".join(f"{escape(t)} ({plural(n, 'run')})" for t, n in told.items())
            + "."
        )
    found: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    first: dict[tuple[str, str, str], str] = {}
    for run in [run for run in board.runs if run.done or run.failed]:
        for severity, sentinel, message in unpacked(run.entry.raised) if run.entry else ():
            key = severity, sentinel, run.dataset
            found[key].append(run)
            first.setdefault(key, message)
    if not found:
        yield f"None: the sentinels of {plural(len(board.done), 'run')} had nothing to say."
        return
    yield (
        "⚠ marks errors: the scores of such a run don't mean what the table says. △ marks warnings, to be known "
        "and explained. What each sentinel watches: `harness list sentinels`."
    )
    cells = []
    for key in sorted(found):
        severity, sentinel, dataset = key
        ids = list(dict.fromkeys(run.run_id for run in found[key]))
        mark = "⚠" if severity == "error" else "△"
        cells.append([f"{mark} {sentinel}", dataset, str(len(ids)), ids[0], without_folders(first[key])])
    header = ["sentinel", "data set", "runs", "such as", "message"]
    yield table(header, [list(map(escape, row)) for row in cells], [2])


def _data(board: Board) -> Iterator[str]:
    cells: list[list[str]] = []
    words: list[str] = []
    for dataset in board.datasets:
        counts = [unpacked(text) for text in dict.fromkeys(entry.counts for entry in board.entries(dataset))]
        faces = _worst([{split: f["missing"] for split, f in c.get("faces", {}).items()} for c in counts])
        boxes = _worst([{split: f["found"] for split, f in c.get("faces", {}).items()} for c in counts])
        for split, missing in faces.items():
            total = missing + boxes[split]
            share = f"{100 * missing / total:.1f} %" if total else "–"
            cells.append([escape(dataset), escape(split), f"{boxes[split]:,}", f"{missing:,}", share])
        words += _data_words(dataset, counts)
    if not (cells or words):
        return
    yield "## Data as read"
    if cells:
        yield table(["data set", "split", "face boxes", "missing", "share"], cells, [2, 3, 4])
    if words:
        yield "\n".join(f"- {line}" for line in words)


def _data_words(dataset: str, counts: Sequence[dict]) -> Iterator[str]:
    used = [f"{kind} {n:,}" for kind, n in _worst([c.get("boxes", {}) for c in counts]).items() if n]
    if used:
        yield f"{escape(dataset)}: boxes used: {escape(', '.join(used))}"
    unreadable = max((c.get("unreadable", 0) for c in counts), default=0)
    if unreadable:
        yield f"{escape(dataset)}: {plural(unreadable, 'clip')} could not be read"
    for note in dict.fromkeys(note for c in counts for note in c["notes"]):
        yield f"{escape(dataset)}: {escape(without_folders(note))}"


def _worst(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """The largest count of each kind over the runs, which agree unless the data changed between them."""
    largest: dict[str, int] = {}
    for count in counts:
        for kind, n in count.items():
            largest[kind] = max(n, largest.get(kind, n))
    return largest


def _protocol(board: Board) -> Iterator[str]:
    yield "## Protocol"
    shown = {
        "trunk": ("model.name", "model.trunk", "model.weights"),
        "training": ("train.epochs", "train.batch_size", "train.optimizer", "train.lr", "train.schedule"),
        "clips": ("clips.frames", "clips.views", "clips.context", "face.missing", "train.limit", "train.holdout"),
        "protocol": ("protocol",),
    }
    cells = []
    for what, keys in shown.items():
        facts = [(key.rpartition(".")[2].replace("_", " "), _all_values(board.done, key)) for key in keys]
        cells.append([what, escape(", ".join(f"{name} {value}" for name, value in facts if value))])
    prints = [f"{name} {_all_values(board.of(name), 'data.fingerprint')}" for name in board.datasets]
    cells.append(["data fingerprints", escape(", ".join(prints))])
    prints = [f"{name} {' or '.join(found)}" for name in board.datasets if (found := board.manifests(name))]
    if prints:
        cells.append(["data manifests", escape(", ".join(prints))])
    yield table(["", "of all runs"], cells)


def _all_values(runs: Iterable[Run], key: str) -> str:
    return " or ".join(sorted({settings[key] for settings in settings_of(runs) if settings.get(key)}))


def _repeat(board: Board) -> Iterator[str]:
    yield "## Repeat and trace"
    commands = [board.command] if board.command else ["harness report --out leaderboards/all"]
    yield fenced([*commands, f"harness show {board.done[0].run_id}"])
    yield (
        "Every score stands in [results.csv](results.csv) beside the id of its run, and `harness show` "
        "prints that run with the command that repeats it. [ablation.csv](ablation.csv) holds the effects "
        "as fractions, with their p values and numbers of pairs."
    )
