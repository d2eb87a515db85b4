"""One run from its spec to its stored result: builds the learner, trains, tries again what can pass.

A failing run is recorded with its traceback, and the grid goes on.
"""

from __future__ import annotations

import functools
import gc
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from harness import __version__, trained
from harness.data.shelf import Progress
from harness.errors import Unwritable
from harness.grid import Grid
from harness.learner import Learner, components_of
from harness.model import trunk
from harness.model.network import VideoModel
from harness.plan import Copy, Run, trains_on
from harness.protocol import Model, Train
from harness.settings import recording
from harness.store.leases import Commit
from harness.training import loop, partners, retry, trackers
from harness.training.checkpoint import Keeper
from harness.training.environment import describe, precision
from harness.training.loop import Viewer
from harness.training.material import Material
from harness.training.watch import Alarm, Alarmed, Watch, as_row
from harness.training.writing import History, Lost, Writer, error_of, heading, predictions_of, scores_of


class Onlooker(Viewer, Protocol):
    """Who sees a run to its end, beyond one try."""

    def retried(self, line: str) -> None: ...


class Runner:
    """Runs of one grid in this process; what runs share (trunk, features, splits) is loaded once.

    `counter` tells how far a piece of work on clips is. `save_model` keeps each run's trained weights, `track` names
    the trackers that are told its epochs.
    """

    def __init__(
        self,
        grid: Grid,
        copies: dict[str, Copy],
        accelerator: Accelerator,
        placement: str,
        on_alarm: str,
        counter: Callable[[str, str, str], Progress],
        save_every: float,
        *,
        save_model: bool = False,
        track: Sequence[str] = (),
    ) -> None:
        self.grid, self.copies, self.accelerator, self.save_every = grid, copies, accelerator, save_every
        self.save_model, self.track = save_model, track
        self.placement, self.on_alarm = placement, on_alarm
        self.model: Model = grid.sections["model"]
        self._clip = functools.cache(lambda: trunk.load(self.model))
        self.material = Material(copies, self.model, grid.sections["clips"], self._clip, accelerator, counter)
        gc.collect()
        gc.freeze()  # what outlives the runs is not walked through again after each of them

    def cached(self, run: Run) -> bool:
        """Whether the run trains on cached features."""
        return trains_on(self.model, run.method) == "features"

    def check(self, run: Run) -> None:
        """Builds the run's learner once, so that settings that do not fit each other are met before anybody trains."""
        self._learner(run, self._clip())

    def steps(self, run: Run) -> int:
        """Optimiser steps of an epoch, as far as known before its clips are read."""
        clips = sum(clip.split == "train" for clip in self.copies[run.copy].scan.clips)
        return math.ceil(clips / self.grid.sections["train"].batch_size)

    def execute(self, run: Run, folder: Path, viewer: Onlooker, commit: Commit) -> dict[str, Any]:
        """Trains a run, from its checkpoint if it has one, and stores its result: `status` is `done` or `failed`.

        A failure whose cause can pass is tried again, once, unless several processes train the run: the others wait in
        the middle of a step. Raises `Lost`, and stores nothing, when `commit` says that the run is not this process's
        any more; `KeyboardInterrupt`, with a checkpoint, when asked to stop.
        """
        writer = Writer(folder, commit, writes=self.accelerator.is_main_process)
        writer.begin(run.spec, describe(self.accelerator, self.placement))
        retried, train = retry.begun(folder, self.grid.sections["train"], viewer.note)
        while True:
            keeper, watch = self._keeper(writer, viewer, train.accumulation), self._watch(writer, viewer)
            result, files, again = self._attempt(run, train, writer, viewer, watch, keeper)
            if again is None or retried:
                break
            retried, train = again
            writer.retry(retry.note(retried, train))
            viewer.retried(f"{retried['why']}; {retried['how']}")
        result |= {"retried": retried} if retried else {}
        writer.end(self._result(run, keeper, watch, result), watch.alarms, *files)
        keeper.clear()
        return result

    def _attempt(
        self, run: Run, train: Train, writer: Writer, viewer: Viewer, watch: Watch, keeper: Keeper
    ) -> tuple[dict[str, Any], list[bytes | None], retry.Again | None]:
        """One try: its result, its files, and how to try again where it failed and that is of use.

        Raises what is no failure of the run alone, and any failure where other processes wait for this one.
        """
        try:
            result, *files = self._train(run, train, writer, viewer, watch, keeper)
            again = None
        except (Lost, Unwritable):
            raise
        except Exception as error:
            if partners.gone(error):
                raise
            result = {"status": "failed", "error": error_of(error, retry.advice(error, train))}
            files, again = [None], retry.of(error, train)
            everywhere = isinstance(error, Alarmed | loop.NotFinite)
            if self.accelerator.num_processes > 1 and not everywhere:  # the others wait for this one: end them all
                writer.end(self._result(run, keeper, watch, result), watch.alarms, None)
                raise
        finally:
            watch.sentinels.clear()  # they hold the learner
            with suppress(RuntimeError):  # of a device that takes no work any more
                self.accelerator.free_memory()
        return result, files, again

    def _train(
        self, run: Run, train: Train, writer: Writer, viewer: Viewer, watch: Watch, keeper: Keeper
    ) -> tuple[dict[str, Any], bytes, bytes | None]:
        """The run's result, its predictions, and its trained weights where they are to be kept."""
        copy, settings = self.copies[run.copy], recording(train)
        splits, counts, reading = self.material.of(run.copy, self.cached(run))
        watch.reading(reading)
        learner = self._learner(run, self._clip() if self.model.trunk == "frozen" else trunk.load(self.model))
        metric = settings.metric or copy.adapter.metric
        with trackers.tracking(self._trackers(run, writer), viewer.note) as tracked:
            history = History(writer, tracked.epoch)
            outcome = loop.train(
                learner, splits, settings, metric, run.seed, self.accelerator, viewer, history, watch, keeper
            )
        labels = {name: splits[name].labels_on_cpu for name in outcome.probabilities}
        result = {
            "status": "done",
            "manifest": self.material.manifest(run.copy),
            "counts": counts,
            **scores_of(outcome, labels, metric, copy.adapter.classes),
        }
        result |= {"untracked": tracked.failed} if tracked.failed else {}
        classes = list(copy.adapter.classes)
        model = trained.packed(learner.model, outcome.weights, run.run_id, classes) if self.save_model else None
        return result, predictions_of(splits, outcome), model

    def _trackers(self, run: Run, writer: Writer) -> trackers.Trackers:
        """The run's trackers by name, in the process that writes."""
        names = self.track if writer.writes else ()
        return trackers.of_run(names, self.grid.name, run.run_id, run.spec, writer.folder.parents[1])

    def _keeper(self, writer: Writer, viewer: Viewer, accumulation: int) -> Keeper:
        setting = {
            "processes": self.accelerator.num_processes,
            "precision": precision(self.accelerator),
            "device": self.accelerator.device.type,
            "accumulation": accumulation,
            "torch": str(torch.__version__),
            "harness": __version__,
        }
        folder = writer.folder / "checkpoint"
        return Keeper(folder, self.accelerator, self.save_every, setting, viewer.note, writer.check)

    def _learner(self, run: Run, clip: trunk.Loaded) -> Learner:
        descriptions = self.copies[run.copy].adapter.descriptions()
        torch.manual_seed(run.seed)  # after loading the CLIP model, which draws random numbers of its own
        model = VideoModel(clip, recording(self.model), descriptions, pixels=not self.cached(run))
        return Learner(model, components_of(run.method))

    def _watch(self, writer: Writer, viewer: Viewer) -> Watch:
        """The run's sentinels, whose alarms are written and shown as they are raised."""

        def tell(alarm: Alarm) -> None:
            if writer.writes:
                viewer.alarm(as_row(alarm))

        gather = gather_object if self.accelerator.num_processes > 1 else list
        return Watch(self.grid.sentinels, tell, keep=writer.alarms, stop=self.on_alarm == "stop", gather=gather)

    def _result(self, run: Run, keeper: Keeper, watch: Watch, result: dict[str, Any]) -> dict[str, Any]:
        return {
            **heading(run, self.grid.sections["train"], alarms=len(watch.alarms), errors=len(watch.errors)),
            "resumed": keeper.resumed,
            "unsaved": keeper.unsaved,
            "duration_s": round(keeper.seconds, 3),
            **result,
        }
