"""How the runs of one data set and seed are weighed against each other for each comparison.

Only runs of one block (fold, settings) are ever weighed against each other. A seed's difference is the mean over its
blocks, each as often as it has pairs. A seed that lacks a fold has none: a mean over other folds would not compare.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from harness.grid.design import Levels
from harness.leaderboard.board import Board, Run
from harness.leaderboard.comparisons import Comparison, contrast

Block = tuple[str, str]  # fold, and what differs in the settings


class Weighing(NamedTuple):
    """Of some runs: their weights `[comparisons, runs]`, and of how many pairs each comparison is the mean `[…]`."""

    weights: np.ndarray
    n_pairs: np.ndarray


class Weigher:
    """Weighs runs for a board's comparisons. Most seeds have the same runs, so most weighings are made once."""

    def __init__(self, board: Board, comparisons: Sequence[Comparison]) -> None:
        self.board, self.comparisons = board, comparisons
        self._weighing = cache(self._weigh)
        self._contrast = cache(lambda comparison, cells: contrast(comparison, cells, board.design))
        self._planned: dict[str, dict[str, set[Levels]]] = defaultdict(lambda: defaultdict(set))
        for run in board.runs:
            self._planned[run.dataset][run.fold].add(run.levels)

    def __call__(self, runs: Sequence[Run], known: Sequence[bool]) -> Weighing:
        """Runs that aren't known have weight 0, and nothing is compared with them."""
        cells = [((run.fold, self.board.variant(run)), run.levels) for run in runs]
        (dataset,) = {run.dataset for run in runs}
        return self._weighing(dataset, tuple(cell if there else None for cell, there in zip(cells, known, strict=True)))

    def _weigh(self, dataset: str, cells: tuple[tuple[Block, Levels] | None, ...]) -> Weighing:
        blocks: dict[Block, dict[Levels, int]] = defaultdict(dict)
        for place, cell in enumerate(cells):
            if cell:
                blocks[cell[0]][cell[1]] = place
        weights, n_pairs = np.zeros((len(self.comparisons), len(cells))), np.zeros(len(self.comparisons), int)
        for row, comparison in enumerate(self.comparisons):
            found = {block: self._contrast(comparison, frozenset(places)) for block, places in blocks.items()}
            if not self._folds(dataset, comparison) <= {fold for (fold, _), part in found.items() if part.n_pairs}:
                continue
            n_pairs[row] = sum(part.n_pairs for part in found.values())
            for block, part in found.items():
                for levels, weight in part.weights.items():
                    weights[row, blocks[block][levels]] = weight * part.n_pairs / n_pairs[row]
        return Weighing(weights, n_pairs)

    def _folds(self, dataset: str, comparison: Comparison) -> set[str]:
        """The folds in which the board's runs, also those that aren't done, make the comparison."""
        planned = self._planned[dataset].items()
        return {fold for fold, levels in planned if self._contrast(comparison, frozenset(levels)).n_pairs}


def by_seed(board: Board, dataset: str) -> Iterator[tuple[int, list[Run]]]:
    """The finished runs of a data set, seed by seed in the plan's order."""
    found: dict[int, list[Run]] = defaultdict(list)
    for run in board.of(dataset):
        found[run.seed].append(run)
    for seed in board.seeds:
        if seed in found:
            yield seed, found[seed]
