"""A comparison for people: tables side by side, and in words what they can't show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from harness.store.wording import percent, points
from harness.words import plural

SHOWN = ("war", "uar")  # metrics whose effects are written out
NONE = "–"
_MARK = {True: "", False: "differ", None: "only in one"}


def text(found: Mapping[str, Any]) -> str:
    """What `harness compare` prints."""
    return "\n".join(
        [*_heads(found), *_data(found), *_differences(found), *_runs(found), *_scores(found), *_rest(found)]
    )


def _heads(found: Mapping[str, Any]) -> Iterator[str]:
    for place, name in enumerate(found["names"]):
        if found["kind"] == "runs":
            run = found["runs"][place]
            name += f" ({run['dataset']} · {run['method']} · seed {run['seed']} · {run['status']})"
        yield f"{'AB'[place]}: {name}"
    yield ""


def _data(found: Mapping[str, Any]) -> Iterator[str]:
    yield "data"
    yield from (f"  {name}: {_copies_in_words(fact)}" for name, fact in found["copies"].items())
    for place, alarms in enumerate(found["alarms"]):
        for dataset, errors in alarms.items():
            yield f"  ⚠ errors in {'AB'[place]}, {dataset}: {', '.join(errors)}: its scores mean something else"


def _copies_in_words(manifests: Sequence[Sequence[str]]) -> str:
    first, second = (" or ".join(found) for found in manifests)
    if not (first and second):
        return "unknown whether the copies are the same: runs of before manifests were stored"
    if first == second:
        return f"the same copy (manifest {first})"
    return f"DIFFERENT COPIES (manifest {first} against {second}): scores don't compare; see `harness data diff`"


def _differences(found: Mapping[str, Any]) -> Iterator[str]:
    if found["kind"] == "leaderboards":
        yield from _settings(found["settings"])
        return
    for title in ("settings", "environment"):
        rows = [[key, *values] for key, values in found[title].items()]
        yield from ("", title, tabulate(rows, ["", "A", "B"], disable_numparse=True) if rows else "  the same")


def _settings(found: Mapping[str, Mapping[str, Sequence[str]] | None]) -> Iterator[str]:
    """Of leaderboards: a line for each setting and its values, with the data sets whose runs differ in it so."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for dataset, settings in found.items():
        for key, values in (settings or {}).items():
            lines.setdefault((key, *values), []).append(dataset)
    unknown = [dataset for dataset, settings in found.items() if settings is None]
    yield from ("", "settings")
    if lines:
        rows = [[", ".join(datasets), *line] for line, datasets in lines.items()]
        yield tabulate(rows, ["data set", "", "A", "B"], disable_numparse=True)
    elif not unknown:
        yield "  the same" if found else "  the two share no data set"
    if unknown:
        yield f"  not known of {', '.join(unknown)}: a folder was written before they were told; mend: harness report"


def _runs(found: Mapping[str, Any]) -> Iterator[str]:
    """Of leaderboards: which seeds stand behind each method. Of runs: what the sentinels raised."""
    if found["kind"] == "leaderboards":
        rows = [
            [*row["of"], *(", ".join(seeds) or NONE for seeds in row["done"]), row["same"]] for row in found["runs"]
        ]
        yield from ("", "seeds that are done (the same runs: the same data, settings, weights and seed)")
        yield tabulate(rows, ["data set", "method", "A", "B", "the same"], disable_numparse=True)
        for row in found["runs"]:
            for place, seeds in enumerate(row["missing"]):
                if seeds:
                    what = f"{' '.join(row['of'])} seed {', '.join(seeds)}"
                    yield f"missing in {'AB'[place]}: {what} (failed, or not trained)"
        return
    for place, run in enumerate(found["runs"]):
        yield from ("", f"alarms of {'AB'[place]}: {len(run['alarms']) or 'none'}")
        yield from (f"  {alarm['severity']} {alarm['sentinel']}: {alarm['message']}" for alarm in run["alarms"])


def _scores(found: Mapping[str, Any]) -> Iterator[str]:
    rows = [[*row["of"], *map(percent, row["values"]), _change(row)] for row in found["scores"]]
    named = ["data set", "method", "metric"][-len(found["scores"][0]["of"]) :] if found["scores"] else []
    columns = ["left"] * len(named) + ["right"] * 3
    over = ", means over the seeds that both have" if found["kind"] == "leaderboards" else ""
    yield from ("", "test scores, %" + over)
    yield tabulate(rows, [*named, "A", "B", "B − A"], disable_numparse=True, colalign=columns)
    apart = dict.fromkeys(" ".join(row["of"][:-1]) for row in found["scores"] if not row.get("shared", 1))
    yield from (f"no seed in both, so each has its own mean and nothing is subtracted: {name}" for name in apart)
    if told := _why(found):
        yield told
    yield from (f"only in {'AB'[place]}: {', '.join(names)}" for place, names in enumerate(found["alone"]) if names)


def _why(found: Mapping[str, Any]) -> str:
    """What the differences between two leaderboards' scores may come from."""
    if found["kind"] == "runs" or all(_change(row) in (NONE, points(0.0)) for row in found["scores"]):
        return ""
    if any(found["settings"].values()):
        return "⚠ settings differ (above): B − A is what they do to the same method"
    return "⚠ settings are not known (above): B − A may be what they do" if None in found["settings"].values() else ""


def _rest(found: Mapping[str, Any]) -> Iterator[str]:
    if found["kind"] == "leaderboards":
        yield from _effects(found["effects"])
        return
    if found["recalls"]:
        rows = [[row["of"], *map(percent, row["values"])] for row in found["recalls"]]
        columns = ("left", "right", "right")
        yield from ("", "recall on test, %")
        yield tabulate(rows, ["class", "A", "B"], disable_numparse=True, colalign=columns)
    clips = found["clips"]
    if clips is None:
        yield from ("", f"clip by clip: {found['untested']}")
        return
    a, b = clips["only_right"]
    yield ""
    yield (
        f"clip by clip: of {plural(clips['shared'], 'test clip')} both got {clips['both_right']} right, only A {a}, "
        f"only B {b}; McNemar's exact p = {clips['p']:.2g}"
    )
    yield "  (of these two trained networks: other seeds of the same methods may differ by as much)"


def _effects(effects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not effects:
        return
    shown = [row for row in effects if row["of"][1] in SHOWN or row["agree"] is False]
    rows = [[*row["of"], *map(_effect, row["effects"]), _MARK[row["agree"]]] for row in shown]
    agree = sum(row["agree"] is True for row in effects)
    yield from ("", "effects, points, with 95 % intervals (not corrected for their number, as the words are)")
    yield tabulate(rows, ["data set", "metric", "factor", "A", "B", "words"], disable_numparse=True)
    yield f"{agree} of {plural(len(effects), 'effect')} (of all metrics) get the same word in both"


def _effect(effect: Mapping[str, Any] | None) -> str:
    if effect is None:
        return NONE
    between = "" if effect["low"] is None else f" [{points(effect['low'])}, {points(effect['high'])}]"
    return f"{points(effect['effect'])}{between} {effect['word']}"


def _change(row: Mapping[str, Any]) -> str:
    first, second = row["values"]
    return points(second - first) if row["same_data"] and row.get("shared", 1) else NONE
