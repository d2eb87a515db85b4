"""One run from its spec to its stored result: builds splits and learner, trains, tries again what can pass.

A failing run is recorded with its traceback, and the grid goes on.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets as hf
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from harness import __version__, trained
from harness.data import manifest, sharing
from harness.data.cache import Stored, Tower, Views, check_room, crops, features
from harness.data.clips import SPLITS, Clip, as_dataset
from harness.data.loading import Split
from harness.data.probe import Probe, probes, twins
from harness.data.shelf import Progress
from harness.data.video import Unreadable
from harness.errors import BadInput, Unwritable
from harness.grid import Grid
from harness.learner import Learner, components_of
from harness.model import trunk, weights
from harness.model.network import VideoModel
from harness.plan import Copy, Run, trains_on
from harness.protocol import Model, Train
from harness.sentinels import Reading
from harness.settings import recording
from harness.store.leases import Commit
from harness.training import loop, retry, trackers
from harness.training.checkpoint import Keeper
from harness.training.environment import describe, precision
from harness.training.loop import Viewer
from harness.training.watch import Alarm, Alarmed, Watch, as_row
from harness.training.writing import History, Lost, Writer, error_of, predictions_of, scores_of


class Runner:
    """Runs of one grid in this process; what runs share (trunk, features, splits) is loaded once.

    `counter` gives, for a piece of work on clips, who is told how far it is. `save_model` keeps each run's trained
    weights, `track` names the trackers that are told its epochs.
    """

    def __init__(
        self,
        grid: Grid,
        copies: dict[str, Copy],
        accelerator: Accelerator,
        placement: str,
        on_alarm: str,
        counter: Callable[[str], Progress],
        save_every: float,
        *,
        save_model: bool = False,
        track: Sequence[str] = (),
    ) -> None:
        self.grid, self.copies, self.accelerator, self.save_every = grid, copies, accelerator, save_every
        self.save_model, self.track = save_model, track
        self.placement, self.on_alarm, self.counter = placement, on_alarm, counter
        self.model: Model = grid.sections["model"]
        self._clip = functools.cache(lambda: trunk.load(self.model))
        self._stored = functools.cache(self._store)  # mapped, not held
        self._index = functools.cache(self._as_dataset)
        self._probes = functools.cache(self._probe)
        self._manifest = functools.cache(self._hash)
        self._data = _OneAtATime(self._load)  # held on the device; runs come copy by copy
        gc.collect()
        gc.freeze()  # what outlives the runs is not walked through again after each of them

    def cached(self, run: Run) -> bool:
        """Whether the run trains on cached features."""
        return trains_on(self.model, run.method) == "features"

    def prepare(self, copy: str, *, cached: bool) -> None:
        """Reads every clip of a copy into the cache before anybody trains: as features, or as crops.

        Raises `BadInput` naming the clip that can't be read, unless the settings say to skip it.
        """
        try:
            self._stored(copy, cached)
        except Unreadable as error:
            mend = "replace the file, or leave such clips out, counted, with clips.unreadable=skip"
            raise BadInput("unreadable clip", str(error), mend) from error

    def check(self, run: Run) -> None:
        """Builds the run's learner once, so that settings that do not fit each other are met before anybody trains."""
        self._learner(run, self._clip())

    def steps(self, run: Run) -> int:
        """Optimiser steps of an epoch, as far as known before its clips are read."""
        clips = sum(clip.split == "train" for clip in self.copies[run.copy].scan.clips)
        return math.ceil(clips / self.grid.sections["train"].batch_size)

    def execute(self, run: Run, folder: Path, viewer: Viewer, commit: Commit) -> dict[str, Any]:
        """Trains a run, from its checkpoint if it has one, and stores its result: `status` is `done` or `failed`.

        A failure whose cause can pass is tried again, once. Raises `Lost`, and stores nothing, when `commit` says that
        the run is not this process's any more; `KeyboardInterrupt`, with a checkpoint, when asked to stop.
        """
        writer = Writer(folder, commit, writes=self.accelerator.is_main_process)
        writer.begin(run.spec, describe(self.accelerator, self.placement))
        retried, train = retry.begun(folder / "checkpoint", self.grid.sections["train"])
        while True:
            keeper = self._keeper(writer, viewer, train.accumulation)
            watch = self._watch(writer, viewer)
            try:
                result, *files = self._train(run, train, writer, viewer, watch, keeper)
            except (Lost, Unwritable):
                raise
            except Exception as error:
                if sharing.gone(error):
                    raise
                described = error_of(error, retry.advice(error, train))
                result, files = {"status": "failed", "error": described}, [None]
                again = None if retried else retry.of(error, train)
                together = not isinstance(error, Alarmed | loop.NotFinite)  # those are raised by all processes
                if self.accelerator.num_processes > 1 and together:  # the others wait for this one: end them all
                    writer.end(self._result(run, keeper, watch, result), watch.alarms, None)
                    raise
            else:
                again = None
            finally:
                watch.sentinels.clear()  # they hold the learner
                with suppress(RuntimeError):  # of a device that takes no work any more
                    self.accelerator.free_memory()
            if again is None:
                break
            retried, train = again
            if writer.writes:
                retry.begin(folder / "checkpoint", retried, train)
            viewer.note(f"{retried['why']}; {retried['how']}")
        result |= {"retried": retried} if retried else {}
        writer.end(self._result(run, keeper, watch, result), watch.alarms, *files)
        keeper.clear()
        return result

    def _train(
        self, run: Run, train: Train, writer: Writer, viewer: Viewer, watch: Watch, keeper: Keeper
    ) -> tuple[dict[str, Any], bytes, bytes | None]:
        """The run's result, its predictions, and its trained weights where they are to be kept."""
        copy, settings = self.copies[run.copy], recording(train)
        splits, counts, reading = self._data(run.copy, self.cached(run))
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
            "manifest": self._manifest(run.copy),
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

    def _learner(self, run: Run, clip: trunk.Clip) -> Learner:
        descriptions = self.copies[run.copy].adapter.descriptions()
        torch.manual_seed(run.seed)  # after loading the CLIP model, which draws random numbers of its own
        model = VideoModel(clip, recording(self.model), descriptions, pixels=not self.cached(run))
        return Learner(model, components_of(run.method))

    def _load(self, name: str, cached: bool) -> tuple[dict[str, Split], dict[str, Any], Reading]:
        """A copy's splits, what its result tells of how they were read, and what the sentinels may know of it."""
        copy, device = self.copies[name], self.accelerator.device
        splits: dict[str, Split] = {}
        boxes, lost = Counter[str](), []
        for split, found in self._stored(name, cached).items():
            splits[split] = Split(self._rows(name, found.clips), found, device, self.grid.sections["clips"])
            boxes.update(found.boxes)
            lost += found.unreadable
        counts = {
            "boxes": dict(boxes),
            "unreadable": len(lost),
            "unreadable_clips": lost,
            "faces": copy.scan.faces,
            "notes": [dataclasses.asdict(note) for note in copy.scan.notes],
        }
        reading = Reading(
            dataset=copy.adapter.name,
            classes=tuple(copy.adapter.classes),
            descriptions=copy.adapter.descriptions(),
            scan=copy.scan,
            face=copy.face,
            labels={split: found.labels_on_cpu for split, found in splits.items()},
            boxes=boxes,
            unreadable=tuple(lost),
            twins=twins(copy.scan.clips, self._probes(name)),
            probes=self._probes(name),
            cropped=copy.adapter.stand_in == "full-frame",
        )
        return splits, counts, reading

    def _watch(self, writer: Writer, viewer: Viewer) -> Watch:
        """The run's sentinels, whose alarms are written and shown as they are raised."""

        def tell(alarm: Alarm) -> None:
            if writer.writes:
                viewer.alarm(as_row(alarm))

        gather = gather_object if self.accelerator.num_processes > 1 else list
        return Watch(self.grid.sentinels, tell, keep=writer.alarms, stop=self.on_alarm == "stop", gather=gather)

    def _store(self, copy: str, cached: bool) -> dict[str, Stored]:
        """The rows of a copy's splits, made unless the cache has them: features, or crops for a trunk that trains."""
        scan, probes, views = self.copies[copy].scan, self._probes(copy), self._views(copy)
        tower = Tower(
            load=lambda: self._clip().trunk.to(self.accelerator.device),
            model=self.model.name,
            weights=weights.name_of(self.model),
            width=self._clip().width,
            precision=precision(self.accelerator),
            autocast=self.accelerator.autocast,
        )
        check_room(scan, views, tower if cached else None, probes)
        found = {}
        for split in SPLITS:
            progress = self.counter(f"{'features' if cached else 'frames'} of {copy} {split}")
            found[split] = (
                features(scan, split, views, tower, probes, progress)
                if cached
                else crops(scan, split, views, probes, progress)
            )
        return found

    def _probe(self, copy: str) -> dict[str, Probe]:
        """A closer look at each medium of a copy, from the cache where it has not changed."""
        scan = self.copies[copy].scan
        return probes(scan.root, scan.present, self.counter(f"clips of {copy}"))

    def _hash(self, copy: str) -> str:
        adapter, scan = self.copies[copy].adapter, self.copies[copy].scan
        return manifest.hash_of(adapter.name, adapter.classes, scan.present, self._probes(copy))

    def _as_dataset(self, copy: str) -> hf.Dataset:
        return as_dataset(self.copies[copy].scan, self.copies[copy].adapter.classes)

    def _rows(self, copy: str, clips: list[Clip]) -> hf.Dataset:
        """The index of these clips alone, in their order."""
        place = {name: position for position, name in enumerate(self._index(copy)["id"])}
        return self._index(copy).select([place[clip.id] for clip in clips])

    def _views(self, copy: str) -> Views:
        return Views(self.grid.sections["clips"], self.copies[copy].face, self._clip().size)

    def _result(self, run: Run, keeper: Keeper, watch: Watch, result: dict[str, Any]) -> dict[str, Any]:
        return {
            "run_id": run.run_id,
            "dataset": run.dataset,
            "fold": run.fold,
            "method": str(run.method),
            "seed": run.seed,
            "selection": self.grid.sections["train"].selection,
            "alarms": len(watch.alarms),
            "errors": len(watch.errors),
            "resumed": keeper.resumed,
            "unsaved": keeper.unsaved,
            "duration_s": round(keeper.seconds, 3),
            **result,
        }


class _OneAtATime:
    """What a function gave for its last arguments; it is dropped before the next is made, so never two are held."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        self.held: tuple[tuple[Any, ...], Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.held is None or self.held[0] != arguments:
            self.held = None
            self.held = arguments, self.make(*arguments)
        return self.held[1]
