"""The page's data, as JSON in script blocks that no name can end: what the script draws and looks up.

    board    the runs table, the effects, and which runs are behind each: read at once
    details  a line of JSON a run, read when the run is opened
    clips    test clips by data set, read when they are shown
    shared   what many runs have in common: settings, environments, class names

Runs are read one after another, so a board of any size is written without being held in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.leaderboard import predictions
from harness.leaderboard.ablation import Ablation, Row
from harness.leaderboard.board import Board, Run
from harness.leaderboard.markdown import plain
from harness.leaderboard.page import runs
from harness.leaderboard.page.behind import behind
from harness.leaderboard.page.clips import Clips, pictures
from harness.store import Store
from harness.store.index import METRICS
from harness.store.wording import BRIEFLY


def blocks(board: Board, found: Ablation, headings: Mapping[str, str]) -> Iterator[bytes]:
    """The script blocks, piece by piece. `headings` name each data set and `all` as the page does."""
    detailed = len(board.runs) <= runs.MOST_DETAILED
    yield from _block("board", [_as_json(_board(board, found, headings, detailed))])
    shared, clips = runs.Pool(), {name: Clips(()) for name in board.datasets}
    if detailed:
        yield from _block("details", _details(board, shared, clips))
    told = {plain(name): _clips(board, name, of) for name, of in clips.items() if of.classes or of.left_out}
    yield from _block("clips", [_as_json(told)])
    yield from _block("shared", [_as_json(shared.values)])


def _board(board: Board, found: Ablation, headings: Mapping[str, str], detailed: bool) -> dict[str, Any]:
    return {
        **runs.listed(board),
        "metrics": METRICS,
        "datasets": [{"name": plain(name), "heading": plain(headings[name])} for name in board.datasets],
        "all": plain(headings["all"]),
        "factors": [{"name": plain(f.name), "marks": list(map(plain, f.marks))} for f in board.factors],
        "behind": behind(board, found.weigher),
        "effects": [_effect(row) for row in found.rows],
        "chosen": BRIEFLY,
        "detailed": detailed,
    }


def _effect(row: Row) -> list[Any]:
    found = row.effect
    numbers = map(runs.rounded, (found.effect, found.low, found.high, found.p, row.p_holm))
    names = map(plain, (row.kind, row.dataset, row.metric, row.factor))
    return [*names, *numbers, found.n_pairs, found.n_seeds, row.word, row.effect.of_seeds_alone]


def _details(board: Board, shared: runs.Pool, clips: dict[str, Clips]) -> Iterator[str]:
    """A line a run, in the table's order; an empty one for a run of which nothing is stored."""
    stores: dict[Path, Store] = {}
    for place, run in enumerate(board.runs):
        root = run.folder.parents[1]
        record = stores.setdefault(root, Store(root)).record(run.dataset, run.run_id) if run.entry else None
        told = runs.detail(record, run.entry, shared) if record and run.entry else {}
        if record and run.done:
            told |= _predicted(run, record.result.get("classes", ()), clips)
        yield ("\n" if place else "") + _as_json(told)


def _predicted(run: Run, classes: Sequence[str], clips: dict[str, Clips]) -> dict[str, Any]:
    """What the run's predictions say of it; they are added to those of its data set."""
    told, of = predictions.read(run.folder), clips[run.dataset]
    if not of.classes and told:
        of = clips[run.dataset] = Clips(classes, of.left_out)
    if not told or told.probabilities.shape[1] != len(classes) or of.classes != list(classes):
        of.left_out += 1
        return {}
    places = of.add(run.method, told)
    return {
        "reliability": runs.reliability(told.probabilities, told.labels),
        "worst": runs.worst(told.probabilities, told.labels, places),
    }


def _clips(board: Board, dataset: str, clips: Clips) -> dict[str, Any]:
    found: dict[int, str] = {}
    word = "Only clips of rendered miniatures have thumbnails, so that no licensed face travels with this page."
    if dataset in board.miniatures:
        stores = list(map(Store, dict.fromkeys(run.folder.parents[1] for run in board.of(dataset))))
        found, word = pictures(clips, dataset, stores)
    return {
        "classes": list(map(plain, clips.classes)),
        "rows": clips.rows(),
        "pictures": found,
        "pictured": word,
        "left_out": clips.left_out,
    }


def _block(name: str, pieces: Iterator[str] | Sequence[str]) -> Iterator[bytes]:
    yield f'<script type="application/json" id="data-{name}">'.encode()
    for piece in pieces:
        yield piece.encode()
    yield b"</script>\n"


def _as_json(value: Any) -> str:
    """JSON in ASCII without the signs that HTML reads."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
