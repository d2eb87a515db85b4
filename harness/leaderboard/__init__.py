"""Leaderboards: pure functions of stored runs. The same runs give byte-identical files.

`report` reads stores and writes README.md, results.csv, ablation.csv, ablation.tex, index.html, figures/ and
copies.json: which copies of the data the runs saw, with which settings, and which errors they raised. No file holds
the time of day, a path of this machine or the order in which runs were made, and nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.files import write_bytes, write_chunks, write_json
from harness.leaderboard import figures, page, paper, readme, results, sheets
from harness.leaderboard.ablation import ALL, Row, ablation, as_rows
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION
from harness.leaderboard.markdown import without_folders
from harness.leaderboard.results import load
from harness.leaderboard.summary import Summary, summary
from harness.leaderboard.wording import SHOWN, heading
from harness.store import Store


def report(stores: Sequence[Store], grid: str | None, out: Path) -> Path:
    """Writes the leaderboard of a planned grid, or of all stored runs, to the folder `out`; gives its README.

    Raises `BadInput` for a grid that was never planned here and where no run is done. Nothing is replaced before all
    of it is known: the page, which reads every run's files, is written first, and whole or not at all.
    """
    board = load(stores, grid)
    found = ablation(board)
    told = summary(board, found)
    drawn = {path: draw() for path, draw in _pictures(board, found.rows, told)}
    texts = {
        "ablation.tex": paper.tables(board, found.rows).encode(),
        "README.md": readme.page(board, found, told, drawn.keys()).encode(),
    }
    write_chunks(out / "index.html", page.document(board, found, told))
    write_chunks(out / "results.csv", sheets.as_csv(results.tidy(board)))
    write_chunks(out / "ablation.csv", sheets.as_csv(as_rows(found.rows)))
    write_json(out / "copies.json", {name: _copy(board, name) for name in board.datasets})
    for path, content in (drawn | texts).items():
        write_bytes(out / path, content)
    for path in {figures.EFFECTS, figures.INTERACTIONS, figures.RANKS} - drawn.keys():
        (out / path).unlink(missing_ok=True)  # of an earlier report
    return out / "README.md"


def _copy(board: Board, dataset: str) -> dict[str, Any]:
    """What is told of a data set's copy: the hashes of its content, by fold where there are folds, and of its runs."""
    told = {
        "manifests": board.manifests(dataset),
        "miniature": dataset in board.miniatures,
        "errors": board.errors(dataset),
        "settings": {key: without_folders(" or ".join(told)) for key, told in board.settings(dataset).items()},
        "processes": board.processes(dataset),
    }
    folds: dict[str, set[str]] = {fold: set() for fold in board.folds(dataset)}
    for run in board.of(dataset):
        if run.fold and run.entry and run.entry.manifest:
            folds[run.fold].add(run.entry.manifest)
    by_fold = {fold: sorted(found) for fold, found in folds.items() if found}
    return {**told, "folds": by_fold} if by_fold else told


def _pictures(board: Board, rows: Sequence[Row], found: Summary) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The pictures that there is something to draw for, by their paths."""
    titles = {dataset: heading(board, dataset) for dataset in (*board.datasets, ALL)}
    single, pairs = (
        [row for row in rows if row.kind == kind and row.metric in SHOWN] for kind in (FACTOR, INTERACTION)
    )
    if single:
        yield figures.EFFECTS, lambda: figures.effects(single, titles)
    if pairs:
        yield figures.INTERACTIONS, lambda: figures.interactions(pairs, titles, board.contrasts)
    ranked = {metric: each for metric, each in found.standings.items() if each.ranks}
    if ranked and all(len(each.methods) <= figures.MOST_RANKED for each in ranked.values()):
        yield figures.RANKS, lambda: figures.ranks(ranked, titles[ALL])
