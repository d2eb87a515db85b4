"""Leaderboards: pure functions of stored runs. The same runs give byte-identical files.

`report` reads stores and writes README.md, results.csv, ablation.csv, ablation.tex, index.html, figures/ and
copies.json: which copies of the data the runs saw, and which errors they raised. No file holds the time of day, a path
of this machine or the order in which runs were made, and nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.leaderboard import figures, page, paper, readme, results, sheets
from harness.leaderboard.ablation import ALL, Row, ablation, as_rows
from harness.leaderboard.board import Board
from harness.leaderboard.comparisons import FACTOR, INTERACTION
from harness.leaderboard.results import load
from harness.leaderboard.summary import Summary, summary
from harness.leaderboard.wording import SHOWN, heading
from harness.store import Store, write_bytes, write_chunks, write_json


def report(stores: Sequence[Store], grid: str | None, out: Path) -> Path:
    """Writes the leaderboard of a planned grid, or of all stored runs, to the folder `out`; gives its README.

    Raises `BadInput` for a grid that was never planned here and where no run is done.
    """
    board = load(stores, grid)
    found = ablation(board)
    told = summary(board, found)
    write_chunks(out / "results.csv", sheets.as_csv(results.tidy(board)))
    write_chunks(out / "ablation.csv", sheets.as_csv(as_rows(found.rows)))
    write_bytes(out / "ablation.tex", paper.tables(board, found.rows).encode())
    copies = {
        name: {"manifests": board.manifests(name), "miniature": name in board.miniatures, "errors": board.errors(name)}
        for name in board.datasets
    }
    write_json(out / "copies.json", copies)
    drawn = dict(_pictures(board, found.rows, told))
    for path in (figures.EFFECTS, figures.INTERACTIONS, figures.RANKS):
        if path in drawn:
            write_bytes(out / path, drawn[path]())
        else:
            (out / path).unlink(missing_ok=True)  # of an earlier report
    write_chunks(out / "index.html", page.document(board, found.rows, told))
    write_bytes(out / "README.md", readme.page(board, found.rows, told, drawn.keys()).encode())
    return out / "README.md"


def _pictures(board: Board, rows: Sequence[Row], found: Summary) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The pictures that there is something to draw for, by their paths."""
    titles = {dataset: heading(board, dataset) for dataset in (*board.datasets, ALL)}
    single, pairs = (
        [row for row in rows if row.kind == kind and row.metric in SHOWN] for kind in (FACTOR, INTERACTION)
    )
    if single:
        yield figures.EFFECTS, lambda: figures.effects(single, titles)
    if pairs:
        yield figures.INTERACTIONS, lambda: figures.interactions(pairs, titles)
    ranked = {metric: each for metric, each in found.standings.items() if each.ranks}
    if ranked and all(len(each.methods) <= figures.MOST_RANKED for each in ranked.values()):
        yield figures.RANKS, lambda: figures.ranks(ranked, titles[ALL])
