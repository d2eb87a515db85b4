"""The door for Python: what `harness run`, `show`, `predict` and `report` do, with tables and objects in place of text.

`harness.run`, `harness.results`, `harness.open` and `harness.load` lead here.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import shlex
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import config, plugins, signals
from harness.commands import arguments
from harness.errors import headline
from harness.files import writable
from harness.leaderboard import report
from harness.leaderboard import results as board
from harness.leaderboard.sheets import as_csv
from harness.settings import spell
from harness.store import Record, Store, predictions

if TYPE_CHECKING:
    import pandas

    from harness.data.clips import Box
    from harness.schedule.placement import Asked, Outcome
    from harness.trained.predict import Classifier, Prediction

__all__ = ["Results", "Run", "load", "open", "results", "run"]

_FOR_WORKERS = ("CUDA_VISIBLE_DEVICES", "HARNESS_WORKERS")  # what training sets for the processes that it starts
_device: dict[str, str] = {}  # the first of them, once a training has taken a device
_WORDS = ("run_id", "dataset", "method", "split", "metric", "fold")  # columns of results.csv that hold no numbers


@dataclass(frozen=True)
class Results:
    """What became of a grid: its scores, and what went wrong, by run id."""

    scores: pandas.DataFrame = field(repr=False)
    wanted: int
    done: int
    failed: dict[str, str]
    alarmed: dict[str, list[str]]
    leaderboard: Path | None
    runs: str

    def open(self, run: str) -> Run:
        """One of its runs, by its id or the start of it."""
        return open(run, self.runs)


@dataclass(frozen=True)
class Run:
    """A stored run; `spec` is what it was trained with, `result` what came of it."""

    record: Record = field(repr=False)
    id: str

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def spec(self) -> dict[str, Any]:
        return self.record.spec

    @property
    def result(self) -> dict[str, Any]:
        return self.record.result

    def history(self) -> pandas.DataFrame:
        """A row an epoch, a column a number: `losses.cls`, `lr.head`, `val.war`, …"""
        import pandas

        return pandas.json_normalize(self.record.history())

    def predictions(self) -> pandas.DataFrame:
        """A row a clip of `val` and `test`: `clip_id`, `split`, `label`, `prediction`, and a column a class of
        probabilities. Raises `BadInput` where they are missing or damaged."""
        import pandas

        found, classes = predictions.read(self.record.folder), self.result["classes"]
        named = {
            name: pandas.Categorical.from_codes(codes, classes)
            for name, codes in (("label", found.labels), ("prediction", found.predicted))
        }
        clips = pandas.DataFrame({"clip_id": found.clips.to_pylist(), "split": found.splits.to_pylist()})
        return pandas.concat([clips.assign(**named), pandas.DataFrame(found.probabilities, columns=classes)], axis=1)

    @functools.cached_property
    def classifier(self) -> Classifier:
        """The run's trained network; it must have been trained with its weights kept."""
        from harness import trained
        from harness.trained.predict import Classifier

        return Classifier(trained.of_run(self.record))

    def predict(
        self, path: str | Path, face: Box | Mapping[str, Box] | None = None, body: Box | None = None
    ) -> Prediction:
        """What the run says of a video, see `harness.trained.predict.Classifier.predict`."""
        return self.classifier.predict(path, face, body)

    def export(self, out: str | Path) -> Path:
        """Writes the run as a folder that `harness.load` and open_clip read, see `harness.trained.export`."""
        from harness.trained import export

        return export.export(self.record, out)


def run(
    datasets: str | Sequence[str] = (),
    methods: str | Sequence[str] = (),
    seeds: Sequence[int] = (),
    *,
    grid: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    tiny: bool = False,
    runs: str | Path | None = None,
    out: str | Path | None = None,
    workers: int | str = "auto",
    save_model: bool = False,
    track: str | Sequence[str] = (),
    plugin: str | Path | Sequence[str | Path] = (),
) -> Results:
    """Trains what is missing of a grid, as `harness run` with the same words does.

    Args:
        datasets, methods, seeds: what to train; with `grid`, only these of its runs. A text is one name.
        grid: a grid file.
        settings: settings of all runs, `{"train.epochs": 5}`.
        tiny: a smoke test: one short epoch on a few clips a class.
        runs: the store, unless told the user file's, else `runs`. All functions here have it so.
        out: where to write a leaderboard, to nowhere unless told.
        workers: processes that claim runs.
        save_model: keep trained weights, which `Run.predict` needs.
        track: trackers that are told each epoch.
        plugin: files that bring data sets or components.

    Runs that fail are warned of and stand in `Results.failed`. Raises `BadInput` before anything is trained, and where
    no run is done in the end.
    """
    from harness.schedule.placement import Asked
    from harness.training import trackers

    files = [str(Path(file).absolute()) for file in ([plugin] if isinstance(plugin, str | Path) else plugin)]
    asked = Asked(workers=str(workers), save_model=save_model, track=tuple(arguments.words(_joined(track))))
    trackers.check(asked.track)
    for file in files:
        plugins.add_file(file)
    store = _store(runs)
    selected = argparse.Namespace(
        datasets=_joined(datasets),
        methods=_joined(methods),
        seeds=_joined(seeds),
        grid=str(grid) if grid else None,
        set=[f"{key}={spell(value)}" for key, value in (settings or {}).items()],
        tiny=tiny,
        runs=str(store.root),
        out=str(out) if out else None,
        plugin=files,
    )
    return _trained(selected, store, asked)


def _trained(selected: argparse.Namespace, store: Store, asked: Asked) -> Results:
    """What becomes of the runs that are selected."""
    from harness.commands.course import Course
    from harness.schedule import launch

    grid, folder = arguments.grid_of(selected), writable(selected.out) if selected.out else None
    command, leads = arguments.command_line(selected), launch.here().leads
    words = [*shlex.split(command)[1:], *["--save-model"] * asked.save_model]
    words += ["--track", ",".join(asked.track)] if asked.track else []
    with _at_home():
        outcome, _ = Course(store, asked, command, words).train(grid)
    return _results(outcome, store, grid.name, folder, leads=leads)


def _joined(told: str | Sequence[Any]) -> str:
    """As the command line takes it; a text is one name, not a list of letters."""
    return told if isinstance(told, str) else ",".join(map(str, told))


def _results(outcome: Outcome, store: Store, grid: str, folder: Path | None, *, leads: bool) -> Results:
    """Who leads the launched processes warns, and writes the leaderboard."""
    failed = {failure["run_id"]: headline(failure["error"]) for failure in outcome.failed}
    for kind, told in (("failed", failed), ("without weights", outcome.weightless)) if leads else ():
        for run_id, why in told.items():
            warnings.warn(f"{kind}: {run_id}: {why}", stacklevel=4)
    scores = _scores(store, grid)
    page = report([store], grid, folder) if folder and leads else None
    return Results(scores, outcome.wanted, outcome.done, failed, outcome.alarmed, page, str(store.root))


def results(runs: str | Path | None = None, grid: str | None = None) -> pandas.DataFrame:
    """The scores of stored runs, a row a score, with the columns of a leaderboard's `results.csv`.

    Of all runs of the store, or with `grid`, its name, of a grid that was planned there.
    """
    return _scores(_store(runs), grid)


def _store(runs: str | Path | None) -> Store:
    return Store(config.runs() if runs is None else runs)


def _scores(store: Store, grid: str | None) -> pandas.DataFrame:
    import pandas

    table = b"".join(as_csv(board.tidy(board.load([store], grid))))
    return pandas.read_csv(io.BytesIO(table), dtype=dict.fromkeys(_WORDS, str), keep_default_na=False)


def open(run: str | Path, runs: str | Path | None = None) -> Run:
    """A stored run, by its id, the start of its id, or its folder."""
    record = _store(runs).find(str(run))
    return Run(record, record.run_id)


def load(source: str | Path, runs: str | Path | None = None) -> Classifier:
    """A classifier: of an exported folder, or of a run that was trained with its weights kept."""
    from harness.trained import export

    return export.load(source, runs)


@contextmanager
def _at_home() -> Iterator[None]:
    """Leaves this process as it was: who listens to signals, how many threads, and the environment's variables.

    A process can't give a device back, so the next training is told which one it has. Inside, the first Ctrl-C saves
    the run at hand and then interrupts. Only the main thread can listen.
    """
    import torch

    listens = threading.current_thread() is threading.main_thread()
    numbers = (*signals.SIGNALS, signal.SIGALRM) if listens else ()
    before = {number: signal.getsignal(number) for number in numbers}
    threads, told = torch.get_num_threads(), dict(os.environ)
    os.environ.update(_device)
    if listens:
        signals.install()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        torch.set_num_threads(threads)
        if (device := os.environ.get("CUDA_VISIBLE_DEVICES")) != told.get("CUDA_VISIBLE_DEVICES") and device:
            _device["CUDA_VISIBLE_DEVICES"] = device
        for name in _FOR_WORKERS:
            os.environ.pop(name, None)
        os.environ.update(told)  # what a launcher has told is hidden while runs train one by one
