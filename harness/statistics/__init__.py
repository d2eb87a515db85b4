"""Estimates from runs: effects with intervals, ranks, and what varies. Numbers in, numbers out.

Plain functions of numbers; runs, files and tables are the leaderboard's. What each number means and how well it does
is shown by simulation in docs/statistics.md.
"""

from harness.statistics.bootstrap import Estimate, interquartile_mean, probability_of_improvement
from harness.statistics.clips import influence, recall_influence
from harness.statistics.effects import LEVEL, Effect, effect, shared_variance, sure, verdict
from harness.statistics.numbers import deviation, mean
from harness.statistics.power import detectable, seeds_needed, stein
from harness.statistics.pvalues import holm, mcnemar
from harness.statistics.ranks import Ranks, average_ranks
from harness.statistics.variance import Split, variance_split

__all__ = [
    "LEVEL",
    "Effect",
    "Estimate",
    "Ranks",
    "Split",
    "average_ranks",
    "detectable",
    "deviation",
    "effect",
    "holm",
    "influence",
    "interquartile_mean",
    "mcnemar",
    "mean",
    "probability_of_improvement",
    "recall_influence",
    "seeds_needed",
    "shared_variance",
    "stein",
    "sure",
    "variance_split",
    "verdict",
]
