"""How whole methods stand over all data sets, what scores vary with, and what papers print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.leaderboard.ablation import ALL
from harness.leaderboard.page.markup import Markup, join, listed, name, table, tag
from harness.leaderboard.page.verdict import titled
from harness.leaderboard.published import Published
from harness.leaderboard.summary import Standings, Summary
from harness.leaderboard.wording import NO_BASELINE
from harness.statistics import Estimate, Ranks, Split
from harness.store.wording import percent
from harness.words import plural

_NOT_OURS = (
    "As printed in papers. Another choice of the epoch, another copy of the data and a single seed each make another "
    "number, so none of these is held against ours."
)


def methods(summary: Summary, headings: Mapping[str, str]) -> Markup:
    """A table a metric of the methods whose runs are complete."""
    parts = [
        tag("div", _standings(metric, standings, headings[ALL]), data_metric=metric)
        for metric, standings in summary.standings.items()
        if len(standings.methods) > 1
    ]
    if summary.disagreeing:
        parts.append(tag("p", "The runs on ", listed([name(d) for d in summary.disagreeing]), " disagree in their "
            "settings, so methods are not held against each other over all data sets."))  # fmt: skip
    if not summary.seeds:
        parts.append(
            tag("p", "The data sets share no seeds, so methods are not held against each other over all of them.")
        )
    elif summary.lacking:
        names = listed([name(method or "plain") for method in summary.lacking])
        parts.append(
            tag(
                "p",
                f"Left out because runs of theirs are missing: {plural(len(summary.lacking), 'method')} (",
                names,
                ").",
            )
        )
    return join(parts)


def variance(summary: Summary, headings: Mapping[str, str]) -> Markup:
    """What scores vary with, a table a metric."""
    parts = []
    for metric in dict.fromkeys(metric for _, metric in summary.splits):
        splits = {dataset: split for (dataset, of), split in summary.splits.items() if of == metric}
        kinds = list(dict.fromkeys(kind for split in splits.values() for kind in split.parts))
        header = ["Over", *kinds, "standard deviation for the draw of clips, points"]
        rows = [[name(headings[dataset]), *_shares(split, kinds)] for dataset, split in splits.items()]
        caption = f"What {metric.upper()} varies with: shares of its variance"
        parts.append(tag("div", table(caption, header, rows), data_metric=metric))
    return join(parts)


def published(summary: Summary) -> Markup:
    """What papers print on the board's data sets, apart from all numbers of ours."""
    parts = [_published(dataset, found) for dataset, found in summary.published.items()]
    return join([tag("p", _NOT_OURS, class_="warning", role="note"), *parts]) if parts else Markup()


def _standings(metric: str, standings: Standings, heading: str) -> list[Markup]:
    ranks = standings.ranks
    baseline = any(one.better for one in standings.methods)
    header = ["Method", "Mean of the middle half, %", "Beats the baseline in, %", *(["Average rank"] if ranks else [])]
    rows = [
        [
            name(one.method or "plain"),
            _estimate(one.middle),
            _estimate(one.better) if one.better else "is the baseline" if baseline else "–",
            *([f"{ranks.ranks[place]:.2f}"] if ranks else []),
        ]
        for place, one in enumerate(standings.methods)
    ]
    caption = name(f"{heading}: {titled(metric)}; over all data sets and seeds, with 95 % intervals")
    return [
        table(caption, header, rows, "wide"),
        *([] if baseline else [tag("p", NO_BASELINE, class_="note")]),
        *([tag("p", " ".join(_ranked(ranks)), class_="note")] if ranks else []),
    ]


def _ranked(ranks: Ranks) -> Iterator[str]:
    yield f"Ranks are averaged over {plural(ranks.blocks, 'data set')}; 1 is best."
    if ranks.p is not None and ranks.critical is not None:
        yield (
            f"That the ranks differ at all: p = {ranks.p:.2g} (Friedman). Two methods can be told apart where their "
            f"ranks differ by more than {ranks.critical:.2f} (Nemenyi)."
        )
    if ranks.few:
        yield "With fewer than five data sets this test finds next to nothing."


def _estimate(found: Estimate) -> str:
    interval = "" if found.low is None or found.high is None else f" [{100 * found.low:.1f} to {100 * found.high:.1f}]"
    return f"{100 * found.value:.1f}{interval}"


def _shares(split: Split, kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        share = split.shares.get(kind)
        yield "–" if share is None else f"{100 * share:.0f} %" + (" (cut at 0)" if kind in split.cut else "")
    yield "–" if split.clips is None else f"{100 * split.clips**0.5:.1f}"


def _published(dataset: str, rows: Sequence[Published]) -> Markup:
    header = ["Method", "UAR, %", "WAR, %", "Source", "Epoch chosen", "Seeds"]
    cells = [
        [name(row.method), percent(row.uar, 2), percent(row.war, 2), row.source, row.selection, row.seeds]
        for row in rows
    ]
    return table(tag("span", "Published on the real ", name(dataset)), header, cells)
