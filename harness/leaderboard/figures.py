"""Pictures of a leaderboard, as SVG: the same numbers give the same bytes.

Matplotlib is imported only when something is drawn, through its object interface (no display, no user style).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from harness.leaderboard.ablation import Row
from harness.leaderboard.markdown import plain
from harness.statistics import LEVEL

_STYLE = {
    "svg.hashsalt": "harness",  # else element ids are random
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_LOOKS = {"war": ("WAR", "#4477aa", "o", -0.14), "uar": ("UAR", "#cc6677", "s", 0.14)}


def effects(rows: Sequence[Row], titles: Mapping[str, str]) -> bytes:
    """A forest plot: a panel a data set with its title, a line a factor, WAR above UAR."""
    import matplotlib.style
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.metric in _LOOKS]
    factors = list(dict.fromkeys(row.factor for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    with matplotlib.style.context(["default", _STYLE]):
        size = (1.2 + 2.1 * len(datasets), 1.1 + 0.42 * len(factors))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(1, len(datasets), sharex=True, sharey=True, squeeze=False)[0]
        for panel, dataset in zip(panels, datasets, strict=True):
            _panel(panel, [row for row in rows if row.dataset == dataset], factors)
            panel.set_title(plain(titles[dataset]).replace(" (", "\n(").replace("; ", ",\n"), fontsize=9)
        panels[0].set_yticks(range(len(factors)), list(map(plain, factors)))
        panels[0].set_ylim(len(factors) - 0.5, -0.5)
        figure.supxlabel(f"effect on the test score, points, with {100 * LEVEL:.0f} % interval", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": "harness"})
    return drawn.getvalue()


def _panel(panel: Any, rows: Sequence[Row], factors: Sequence[str]) -> None:
    panel.axvline(0, color="#888888", linewidth=0.8)
    panel.tick_params(axis="y", length=0)
    for metric, (label, colour, marker, shift) in _LOOKS.items():
        shown = [row for row in rows if row.metric == metric]
        heights = [factors.index(row.factor) + shift for row in shown]
        centres = [100 * row.effect.effect for row in shown]
        panel.plot(centres, heights, marker, color=colour, markersize=4, label=label)
        for row, height in zip(shown, heights, strict=True):
            if row.effect.low is not None and row.effect.high is not None:
                ends = [100 * row.effect.low, 100 * row.effect.high]
                panel.plot(ends, [height, height], color=colour, linewidth=1.2)
