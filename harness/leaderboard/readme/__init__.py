"""The page that people read: the answer first, then the effects, the scores, and all that went otherwise.

Nothing is left out without a word: dropped combinations, failed and missing runs, missing face boxes, alarms
and disagreeing settings all have their place. No score is ever printed bold, since the highest of many
noisy numbers is not the best method.
"""

from __future__ import annotations

from collections.abc import Collection

from harness.leaderboard.ablation import Ablation
from harness.leaderboard.board import Board
from harness.leaderboard.readme.circumstances import alarms, data, left_out, protocol, repeat
from harness.leaderboard.readme.effects import effects
from harness.leaderboard.readme.opening import opening
from harness.leaderboard.readme.scores import methods, others, scores, variance
from harness.leaderboard.summary import Summary


def page(board: Board, asked: Ablation, found: Summary, figures: Collection[str]) -> str:
    """README.md. `figures` are the paths of the pictures that there are, from the page."""
    parts = [
        *opening(board, asked, found),
        *effects(board, asked.rows, figures),
        *scores(board),
        *methods(board, found, figures),
        *variance(board, found),
        *others(board, found),
        *left_out(board, found),
        *alarms(board),
        *data(board),
        *protocol(board),
        *repeat(board),
    ]
    return "\n\n".join(parts) + "\n"
