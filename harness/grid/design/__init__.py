"""Designs of experiments: which combinations of factor levels a grid trains, and what its runs can then tell.

`layouts` combines levels, `fractions` is the algebra of regular two-level fractions, `contrasts` weighs the runs of a
block into effects, `wording` says a design as plain data and in words. What levels are made of is the grid's to know:
here they are numbers, and a function says which combinations work.

A design's blocks are the data sets, their folds and the seeds: every combination is trained in each, so that nothing
is ever compared between them. The algebra is own code: of the libraries tried, pyDOE3 1.6 refuses 4 factors at
resolution IV, gives words of four for resolution V, and leaves the baseline out of some fractions.
"""

from harness.grid.design.contrasts import Contrast, interaction, main
from harness.grid.design.layouts import Design, Layout, lay
from harness.grid.design.levels import Levels
from harness.grid.design.wording import as_json, in_words

__all__ = ["Contrast", "Design", "Layout", "Levels", "as_json", "in_words", "interaction", "lay", "main"]
