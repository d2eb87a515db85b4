"""What the page holds of each run: a short row for the table, and a line of details that is read when it is opened.

Details are compact so that a page of 1,000 runs stays a few megabytes: four significant digits, curves by column,
what runs have in common (settings, environments, class names) once. No row a clip: those are in `clips`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from harness.errors import BadInput, headline
from harness.leaderboard.board import Board, Run
from harness.leaderboard.markdown import plain, without_folders
from harness.scores import BINS, bins
from harness.store import Record, repeat
from harness.store.flat import leaves, thinned
from harness.store.index import METRICS, RESULT, SPLITS, Entry, unpacked

MOST_DETAILED = 2_000  # runs; a page of more has the table without curves and what else belongs to single runs
MOST_POINTS = 60  # of a curve: one of more epochs is thinned
WORST = 12  # clips that are listed with a run
_EVIDENCE = 300  # characters of an alarm's evidence
_FOLDER = re.compile(r"^(?:[A-Za-z]:)?[/\\~].*?([^/\\]*)[/\\]*$")
_NOT_CURVES = ("epoch", "duration_s")


class Pool:
    """Values that many runs share, each held once and named by its place."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any, written: Callable[[Any], Any] = lambda value: value) -> int:
        """The place of `value` as it is `written`, which is done once for values that are the same."""
        key = json.dumps([written.__name__, value], sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(written(value))
        return self._places[key]


def listed(board: Board) -> dict[str, Any]:
    """The rows of the runs table, in the board's order; names are told by their place in lists of names."""
    methods, datasets = Pool(), list(board.datasets)
    selections, variants = Pool(), Pool()
    rows = []
    for run in board.runs:
        entry = run.entry
        scores = [rounded(run.score(split, metric)) for split in reversed(SPLITS) for metric in METRICS]
        rows.append(
            [
                plain(run.run_id),
                datasets.index(run.dataset),
                methods.place(plain(run.method)),
                run.seed,
                plain(run.fold),
                _state(run),
                selections.place(plain(entry.selection) if entry and entry.done else ""),
                variants.place(plain(board.variant(run)) if entry and entry.done else ""),
                entry.errors if entry else 0,
                entry.alarms - entry.errors if entry else 0,
                list(run.levels),
                scores,
            ]
        )
    return {"rows": rows, "methods": methods.values, "selections": selections.values, "variants": variants.values}


def detail(record: Record, entry: Entry, shared: Pool) -> dict[str, Any]:
    """What the page shows of one run when it is opened, but for what is told by its predictions.

    `unread` says what of its files is damaged: the page does without that.
    """
    spec, result = record.spec, record.result
    unread = [_sentence(f"{RESULT}: {what}") for _, name, what in unpacked(entry.raised) if name == RESULT]
    history, alarms = (_kept(read, [], unread) for read in (record.history, record.alarms))
    confusion = result.get("confusion", {}).get("test")
    if confusion and not all(type(count) is int for row in confusion for count in row):
        confusion = None
        unread.append(f"{RESULT}: its confusion table holds what is no count")
    told: dict[str, Any] = {
        "primary": plain(result.get("primary", "")),
        "epoch": result.get("epoch"),
        "epochs": len(history),
        "seconds": rounded(result.get("duration_s")),
        "resumed": result.get("resumed"),
        "alarms": [_alarm(alarm) for alarm in alarms],
        "classes": shared.place(result.get("classes", []), _names),
        "confusion": confusion,
        "settings": shared.place({key: value for key, value in spec.items() if key not in _ELSEWHERE}, _settings),
        "environment": shared.place(_kept(record.environment, {}, unread), flat),
        "unread": unread,
        "notes": shared.place([note["message"] for note in result.get("counts", {}).get("notes", ())], _sentences),
        "repeat": plain(repeat.command(anywhere(spec))),
        **curves(history),
    }
    if result.get("error"):
        told["error"] = _sentence(headline(result["error"]))
    if again := result.get("retried"):
        told["retried"] = _sentence(f"{again['why']}; {again['how']}")
    return {key: value for key, value in told.items() if value is not None and value != []}


def _kept(read: Callable[[], Any], instead: Any, unread: list[str]) -> Any:
    try:
        return read()
    except BadInput as error:
        where, what = error.where, error.what
    except OSError as error:
        where, what = str(error.filename), str(error.strerror)
    unread.append(_sentence(f"{PurePath(where).name}: {what}"))
    return instead


_ELSEWHERE = ("dataset", "method", "seed", "schema")  # of a spec: what the run's heading says


def curves(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every number that the history has an epoch, by its name, and the epochs that are shown.

    A number that never changes is given once.
    """
    shown = thinned(len(history), MOST_POINTS)
    rows = [_numbers(history[place]) for place in shown]
    found: dict[str, Any] = {}
    for name in sorted({name for row in rows for name in row}):
        values = [rounded(row.get(name)) for row in rows]
        found[plain(name)] = values[0] if len(set(values)) == 1 and len(values) > 1 else values
    epochs = {} if len(shown) == len(history) else {"shown": shown}
    return {"curves": found, **epochs}


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[list[float | None]]:
    """A row a bin of confidence that has clips: its place, its clips, their mean confidence, the share that is right.

    The bins are those of the expected calibration error.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = bins(confidence)
    counts = np.bincount(bin_of, minlength=BINS)
    sure, good = np.bincount(bin_of, confidence, minlength=BINS), np.bincount(bin_of, right, minlength=BINS)
    return [
        [place, int(n), rounded(float(sure[place] / n)), rounded(float(good[place] / n))]
        for place, n in enumerate(counts)
        if n
    ]


def worst(probabilities: np.ndarray, labels: np.ndarray, places: np.ndarray) -> list[list[float | None]]:
    """The wrong clips that the run gave the least probability to their own class: (place among the set's clips, the
    class they were taken for, that probability)."""
    own, taken = probabilities[np.arange(len(labels)), labels], probabilities.argmax(1)
    wrong = np.flatnonzero(taken != labels)
    order = wrong[np.lexsort((places[wrong], own[wrong]))][:WORST]
    return [[int(places[clip]), int(taken[clip]), rounded(float(own[clip]))] for clip in order]


def flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as `{"train.epochs": "20", …}`."""
    texts = ((name, v if isinstance(v, str) else json.dumps(v, sort_keys=True)) for name, v in leaves(values))
    return {plain(name): _sentence(text) for name, text in texts}


def anywhere(value: Any) -> Any:
    """A spec with `/path/to/…` for every folder: the page doesn't tell on whose machine things lay."""
    if isinstance(value, dict):
        return {key: anywhere(part) for key, part in value.items()}
    return _FOLDER.sub(r"/path/to/\1", value) if isinstance(value, str) else value


def rounded(value: float | None) -> float | None:
    """Four significant digits; None for what is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short == int(short) else short


def _state(run: Run) -> str:
    if run.done or run.failed:
        return "done" if run.done else "failed"
    return "unfinished" if run.entry else "not started"


def _alarm(alarm: Mapping[str, Any]) -> dict[str, Any]:
    evidence = json.dumps(alarm["evidence"], sort_keys=True, ensure_ascii=False) if alarm.get("evidence") else ""
    told = {
        "severity": plain(alarm["severity"]),
        "sentinel": plain(alarm["sentinel"]),
        "epoch": alarm.get("epoch"),
        "message": _sentence(alarm["message"]),
        "mend": _sentence(str(alarm.get("mend") or "")),
        "evidence": _sentence(evidence if len(evidence) <= _EVIDENCE else evidence[: _EVIDENCE - 1] + "…"),
    }
    return {key: value for key, value in told.items() if value not in (None, "")}


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {n: v for n, v in leaves(row, " ") if type(v) in (int, float) and n not in _NOT_CURVES}


def _settings(spec: Mapping[str, Any]) -> dict[str, str]:
    return flat(anywhere(spec))


def _names(texts: Iterable[str]) -> list[str]:
    return list(map(plain, texts))


def _sentences(texts: Iterable[str]) -> list[str]:
    return list(map(_sentence, texts))


def _sentence(text: str) -> str:
    return without_folders(plain(text))
