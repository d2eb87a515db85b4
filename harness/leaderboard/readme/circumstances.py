"""What the tables lack and what stands behind them: missing runs, alarms, the data as read, settings, and commands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.leaderboard.board import Board, Run
from harness.leaderboard.markdown import escape, fenced, table, without_folders
from harness.leaderboard.summary import Summary
from harness.leaderboard.wording import all_values, processes, unread
from harness.settings import spell
from harness.store.index import unpacked
from harness.words import plural, some

_MOST_ERRORS = 50  # different ones in the table of failed runs


def left_out(board: Board, found: Summary) -> Iterator[str]:
    failed = [run for run in board.runs if run.failed]
    missing = len(board.runs) - len(board.done) - len(failed)
    if not (failed or missing or board.dropped or found.unread):
        return
    yield "## What is not in the tables"
    if missing:
        yield f"{plural(missing, 'run')} not finished yet."
    if found.unread:
        yield unread(found.unread, f" ({escape(some(sorted(found.unread)))})")
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


def alarms(board: Board) -> Iterator[str]:
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


def data(board: Board) -> Iterator[str]:
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


def protocol(board: Board) -> Iterator[str]:
    yield "## Protocol"
    trunks = all_values(board.done, "model.trunk")
    trained = ("model.trunk_lr",) if trunks != "frozen" else ()
    shown = {
        "trunk": ("model.name", "model.trunk", *trained, "model.weights"),
        "training": ("train.epochs", "train.batch_size", "train.optimizer", "train.lr", "train.schedule"),
        "clips": ("clips.frames", "clips.views", "clips.context", "face.missing", "train.limit", "train.holdout"),
        "protocol": ("protocol",),
    }
    cells = []
    for what, keys in shown.items():
        facts = [(key.rpartition(".")[2].replace("_", " "), all_values(board.done, key)) for key in keys]
        cells.append([what, escape(", ".join(f"{name} {value}" for name, value in facts if value))])
    if counted := processes(board, board.datasets):
        cells.append(["processes a run", counted])
    prints = [f"{name} {all_values(board.of(name), 'data.fingerprint')}" for name in board.datasets]
    cells.append(["data fingerprints", escape(", ".join(prints))])
    prints = [f"{name} {' or '.join(found)}" for name in board.datasets if (found := board.manifests(name))]
    if prints:
        cells.append(["data manifests", escape(", ".join(prints))])
    yield table(["", "of all runs"], cells)


def repeat(board: Board) -> Iterator[str]:
    yield "## Repeat and trace"
    yield fenced([board.command, f"harness show {board.done[0].run_id}"])
    yield (
        "Every score stands in [results.csv](results.csv) beside the id of its run, and `harness show` "
        "prints that run with the command that repeats it; [index.html](index.html), opened in a browser, shows its "
        "curves and mistakes. [ablation.csv](ablation.csv) holds all effects "
        "as fractions, with their p values, numbers of pairs and seeds, and the standard deviations over seeds and "
        "clips; [ablation.tex](ablation.tex) is the table of them for a paper."
    )
