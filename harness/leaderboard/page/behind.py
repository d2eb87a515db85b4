"""Which runs are behind an effect: those whose scores carry a weight in its estimate."""

from __future__ import annotations

import base64

import numpy as np

from harness.leaderboard.board import Board
from harness.leaderboard.markdown import plain
from harness.leaderboard.weighing import Weigher, by_seed


def behind(board: Board, weigher: Weigher) -> dict[str, str]:
    """By the effect's name, over all data sets: the places among the board's runs of those behind it."""
    places = {(run.dataset, run.run_id): place for place, run in enumerate(board.runs)}
    weighed = np.zeros((len(weigher.comparisons), len(board.runs)), bool)
    for dataset in board.datasets:
        for _, runs in by_seed(board, dataset):
            here = [places[dataset, run.run_id] for run in runs]
            weighed[:, here] = weigher(runs, [True] * len(runs)).weights != 0
    return {plain(a.name): _bits(row) for a, row in zip(weigher.comparisons, weighed, strict=True) if row.any()}


def _bits(row: np.ndarray) -> str:
    """A bit a run, the lowest of each byte first, as base64."""
    return base64.b64encode(np.packbits(row, bitorder="little").tobytes()).decode()
