"""Pictures of a leaderboard, as SVG: the same numbers give the same bytes.

Matplotlib is imported only when something is drawn, through its object interface (no display, no user style).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.leaderboard.ablation import Row
from harness.leaderboard.markdown import plain
from harness.leaderboard.summary import Standings
from harness.statistics import LEVEL, Ranks
from harness.store.wording import points

EFFECTS, INTERACTIONS, RANKS = (f"figures/{name}.svg" for name in ("effects", "interactions", "ranks"))
MOST_RANKED = 40  # methods whose names still fit in a picture of ranks

_STYLE = {
    "svg.hashsalt": "harness",  # else element ids are random
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_LOOKS = {"war": ("WAR", "#4477aa", "o", -0.14), "uar": ("UAR", "#cc6677", "s", 0.14)}


@contextmanager
def _drawing(width: float, height: float, into: io.BytesIO) -> Iterator[Any]:
    """A figure of that many inches, which is then written to `into`."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(into, format="svg", metadata={"Date": None, "Creator": "harness"})


def _titled(panel: Any, title: str) -> None:
    panel.set_title(plain(title).replace(" (", "\n(").replace("; ", ",\n"), fontsize=9)


# ── effects ─────────────────────────────────────────────────────────────────────────────────────────────────


def effects(rows: Sequence[Row], titles: Mapping[str, str]) -> bytes:
    """A forest plot: a panel a data set with its title, a line a factor, WAR above UAR."""
    factors = list(dict.fromkeys(row.factor for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    with _drawing(1.2 + 2.1 * len(datasets), 1.1 + 0.42 * len(factors), drawn := io.BytesIO()) as figure:
        panels = figure.subplots(1, len(datasets), sharex=True, sharey=True, squeeze=False)[0]
        for panel, dataset in zip(panels, datasets, strict=True):
            _forest(panel, [row for row in rows if row.dataset == dataset], factors)
            _titled(panel, titles[dataset])
        panels[0].set_yticks(range(len(factors)), list(map(plain, factors)))
        panels[0].set_ylim(len(factors) - 0.5, -0.5)
        figure.supxlabel(f"effect on the test score, points, with {100 * LEVEL:.0f} % interval", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
    return drawn.getvalue()


def _forest(panel: Any, rows: Sequence[Row], factors: Sequence[str]) -> None:
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


# ── interactions ────────────────────────────────────────────────────────────────────────────────────────────


def interactions(rows: Sequence[Row], titles: Mapping[str, str], order: Sequence[str]) -> bytes:
    """Heat maps, a row of them a metric, one a data set; each pair of factors once, framed where it is sure.

    Pairs that are one contrast of the runs have one number, or its opposite. `order` is that of the factors.
    """
    pairs = [pair for row in rows for _, *pair in row.pairs]
    down, across = ([name for name in order if name in {pair[place] for pair in pairs}] for place in (0, 1))
    datasets, metrics = (list(dict.fromkeys(getattr(row, key) for row in rows)) for key in ("dataset", "metric"))
    most = max(100 * abs(row.effect.effect) for row in rows) or 1.0
    width, height = (0.5 + 0.62 * len(names) for names in (across, down))
    with _drawing(1.2 + width * len(datasets), 1.5 + height * len(metrics), drawn := io.BytesIO()) as figure:
        panels = figure.subplots(len(metrics), len(datasets), sharex=True, sharey=True, squeeze=False)
        for line, metric in zip(panels, metrics, strict=True):
            for panel, dataset in zip(line, datasets, strict=True):
                mine = [row for row in rows if (row.dataset, row.metric) == (dataset, metric)]
                _heat(panel, mine, down, across, most)
            line[0].set_ylabel(metric.upper())
        for panel, dataset in zip(panels[0], datasets, strict=True):
            _titled(panel, titles[dataset])
        figure.supxlabel("interaction, points of the test score; framed: can be told from nothing", fontsize=9)
    return drawn.getvalue()


def _heat(panel: Any, rows: Sequence[Row], down: Sequence[str], across: Sequence[str], most: float) -> None:
    import matplotlib
    import numpy as np
    from matplotlib.patches import Rectangle

    table = np.full((len(down), len(across)), np.nan)
    for row, (sign, first, second) in [(each, pair) for each in rows for pair in each.pairs]:
        y, x, effect = down.index(first), across.index(second), -row.effect.effect if sign else row.effect.effect
        table[y, x] = 100 * effect
        colour = "white" if abs(table[y, x]) > 0.6 * most else "black"
        panel.text(x, y, points(effect), ha="center", va="center", color=colour, fontsize=8)
        if row.sure:
            frame = Rectangle((x - 0.46, y - 0.46), 0.92, 0.92, fill=False, edgecolor="black", linewidth=2)
            panel.add_patch(frame)
    columns, lines = (np.arange(len(names) + 1) - 0.5 for names in (across, down))
    colours = {"vmin": -most, "vmax": most, "cmap": matplotlib.colormaps["RdBu"]}
    panel.pcolormesh(columns, lines, table, **colours, edgecolors="white", linewidth=1)
    panel.set_xticks(range(len(across)), list(map(plain, across)), rotation=40, ha="right")
    panel.set_yticks(range(len(down)), list(map(plain, down)))
    panel.set_ylim(len(down) - 0.5, -0.5)
    panel.tick_params(length=0)
    panel.spines["bottom"].set_visible(False)
    panel.set_aspect("equal")


# ── ranks ───────────────────────────────────────────────────────────────────────────────────────────────────


def ranks(standings: Mapping[str, Standings], title: str) -> bytes:
    """Critical-difference diagrams (Demšar 2006), one a metric: best rank left, bars join what can't be told apart.

    `title` says which data sets the ranks are averages over.
    """
    shown = {metric: (each.ranks, [s.method for s in each.methods]) for metric, each in standings.items() if each.ranks}
    rows = max(len(methods) for _, methods in shown.values()) / 2
    with _drawing(8, len(shown) * (1.1 + 0.2 * rows), drawn := io.BytesIO()) as figure:
        panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        for panel, (metric, (found, methods)) in zip(panels, shown.items(), strict=True):
            _ranking(panel, found, methods)
            panel.set_title(plain(f"average rank by {metric.upper()}, {title}"), fontsize=9, loc="left")
    return drawn.getvalue()


def _ranking(panel: Any, found: Ranks, methods: Sequence[str]) -> None:
    """Axis at height 0; below it the bars of the cliques, then the names, the better half at the left."""
    count, step, margin = len(methods), 0.5, 0.45 * len(methods)
    order = sorted(range(count), key=lambda place: (found.ranks[place], methods[place]))
    panel.set_axis_off()
    panel.plot([1, count], [0, 0], color="black", linewidth=1)
    for tick in range(1, count + 1):
        panel.plot([tick, tick], [0, 0.2], color="black", linewidth=0.8)
        panel.text(tick, 0.3, str(tick), ha="center", va="bottom", fontsize=8)
    if found.critical is not None:
        reach = 1 + min(found.critical, count - 1)
        panel.plot([1, reach], [1.4, 1.4], color="#888888", linewidth=2, marker="|")
        panel.text(
            reach + 0.1, 1.4, f"critical difference {found.critical:.1f}", va="center", fontsize=8, color="#555555"
        )
    for level, clique in enumerate(found.cliques):
        ends = [found.ranks[clique[0]] - 0.06, found.ranks[clique[-1]] + 0.06]
        panel.plot(ends, [-0.35 - 0.25 * level] * 2, color="#cc6677", linewidth=3, solid_capstyle="butt")
    top = -0.8 - 0.25 * len(found.cliques)
    for place, method in enumerate(order):
        better = place < (count + 1) // 2
        line = place if better else count - 1 - place
        height, rank = top - step * line, found.ranks[method]
        end, side = (0.8, -0.1) if better else (count + 0.2, 0.1)
        panel.plot([rank, rank, end], [0, height, height], color="#4477aa", linewidth=0.8)
        label = f"{plain(methods[method])}  {rank:.1f}" if better else f"{rank:.1f}  {plain(methods[method])}"
        panel.text(end + side, height, label, ha="right" if better else "left", va="center", fontsize=8)
    panel.set_xlim(1 - margin, count + margin)
    panel.set_ylim(top - step * ((count + 1) // 2 - 1) - 0.4, 1.9)
