"""Leaderboards: pure functions of stored runs. The same runs give byte-identical files.

`report` reads a store and writes README.md, results.csv, ablation.csv, figures/ and copies.json: which copies of the
data the runs saw, and which errors they raised. No file holds the time of day, a path of this machine or the order
in which runs were made, and nothing here imports torch.
"""

from __future__ import annotations

from pathlib import Path

from harness.leaderboard import figures, readme, results, sheets
from harness.leaderboard.ablation import ablation, as_rows
from harness.leaderboard.results import load
from harness.store import Store, write_bytes, write_chunks, write_json

EFFECTS = "figures/effects.svg"


def report(store: Store, grid: str | None, out: Path) -> Path:
    """Writes the leaderboard of a planned grid, or of all stored runs, to the folder `out`; gives its README.

    Raises `BadInput` for a grid that was never planned here and where no run is done.
    """
    board = load(store, grid)
    rows = ablation(board)
    write_chunks(out / "results.csv", sheets.as_csv(results.tidy(board)))
    write_chunks(out / "ablation.csv", sheets.as_csv(as_rows(rows)))
    copies = {
        name: {"manifests": board.manifests(name), "miniature": name in board.miniatures, "errors": board.errors(name)}
        for name in board.datasets
    }
    write_json(out / "copies.json", copies)
    drawn = any(row.metric in readme.SHOWN for row in rows)
    if drawn:
        titles = {row.dataset: readme.heading(board, row.dataset) for row in rows}
        write_bytes(out / EFFECTS, figures.effects(rows, titles))
    else:
        (out / EFFECTS).unlink(missing_ok=True)  # of an earlier report, when there were pairs
    write_bytes(out / "README.md", readme.page(board, rows, EFFECTS if drawn else None).encode())
    return out / "README.md"
