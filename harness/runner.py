"""One run from its spec to its stored result: builds splits and learner, trains, writes the run's folder.

A failing run is recorded with its traceback and the grid goes on; `result.json` is written last, so a run
folder without it is unfinished, whatever else it holds.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from harness import evaluation, manifest, store, training, trunk, weights
from harness.cache import Features, Tower, Views, features
from harness.clips import SPLITS, Clip, as_dataset
from harness.environment import describe, precision
from harness.errors import BadInput
from harness.grid import Grid
from harness.learner import Learner, components_of
from harness.loading import FeatureSplit, PixelSplit, Split, readable
from harness.model import VideoModel
from harness.plan import Copy, Run
from harness.probe import Probe, probes, twins
from harness.protocol import Model, Train
from harness.sentinels import Reading
from harness.settings import recording
from harness.shelf import Progress
from harness.training import Outcome, Viewer
from harness.video import Unreadable
from harness.watch import Alarm, Alarmed, Watch, as_row


class Runner:
    """Runs of one grid in this process; what runs share (trunk, features, splits) is loaded once.

    `counter` gives, for a piece of work on clips, who is told how far it is.
    """

    def __init__(
        self,
        grid: Grid,
        copies: dict[str, Copy],
        accelerator: Accelerator,
        placement: str,
        on_alarm: str,
        counter: Callable[[str], Progress],
    ) -> None:
        self.grid, self.copies, self.accelerator = grid, copies, accelerator
        self.placement, self.on_alarm, self.counter = placement, on_alarm, counter
        self.model: Model = grid.sections["model"]
        self._clip = functools.cache(lambda: trunk.load(self.model))
        self._features = functools.cache(self._encode)  # mapped, not held
        self._readable = functools.cache(self._read)
        self._index = functools.cache(self._as_dataset)
        self._probes = functools.cache(self._probe)
        self._manifest = functools.cache(self._hash)
        self._data = functools.lru_cache(maxsize=1)(self._load)  # held on the device; runs come copy by copy

    def cached(self, run: Run) -> bool:
        """Whether the run trains on cached features: the trunk is frozen and no component must see pixels."""
        pixels = any(component.needs_pixels for component in components_of(run.method).values())
        return self.model.trunk == "frozen" and not pixels

    def prepare(self, copy: str, *, cached: bool) -> None:
        """Reads every clip of a copy before anybody trains: into the feature cache, or to know it can be read.

        Raises `BadInput` naming the clip that can't be read, unless the settings say to skip it.
        """
        try:
            self._features(copy) if cached else self._readable(copy)
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

    def execute(self, run: Run, folder: Path, viewer: Viewer) -> dict[str, Any]:
        """Trains a run and returns its stored result, `status` being `done` or `failed`."""
        began, writes = time.monotonic(), self.accelerator.is_main_process
        if writes:
            store.write_json(folder / "spec.json", run.spec)
            store.write_json(folder / "environment.json", describe(self.accelerator, self.placement))
            store.write_lines(folder / "alarms.jsonl", [])
        watch = self._watch(folder, viewer)
        try:
            result = self._train(run, folder, viewer, watch)
        except (Alarmed, training.NotFinite) as error:  # raised by all processes together
            result = {"status": "failed", "error": _describe_error(error)}
        except Exception as error:
            result = {"status": "failed", "error": _describe_error(error)}
            if self.accelerator.num_processes > 1:  # the other processes wait for this one: end them all
                store.write_json(folder / "result.json", self._result(run, began, watch, result))
                raise
        finally:
            watch.sentinels.clear()  # they hold the learner
            self.accelerator.free_memory()
        result = self._result(run, began, watch, result)
        if writes:
            store.write_json(folder / "result.json", result)
        return result

    def _train(self, run: Run, folder: Path, viewer: Viewer, watch: Watch) -> dict[str, Any]:
        copy, settings = self.copies[run.copy], recording(self.grid.sections["train"])
        splits, counts, reading = self._data(run.copy, self.cached(run))
        watch.reading(reading)
        learner = self._learner(run, self._clip() if self.model.trunk == "frozen" else trunk.load(self.model))
        metric = settings.metric or copy.adapter.metric
        history = _History(folder, self.accelerator.is_main_process)
        outcome = training.train(learner, splits, settings, metric, run.seed, self.accelerator, viewer, history, watch)
        labels = {name: splits[name].labels_on_cpu for name in outcome.probabilities}
        if self.accelerator.is_main_process:
            _write_predictions(folder / "predictions.parquet", splits, labels, outcome)
        return {
            "status": "done",
            "manifest": self._manifest(run.copy),
            "counts": counts,
            **_scores(outcome, labels, settings, metric, copy),
        }

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
        if cached:
            for split, found in self._features(name).items():
                splits[split] = FeatureSplit(self._rows(name, found.clips), found, device)
                boxes.update(found.boxes)
                lost += found.unreadable
        else:
            for split, (clips, how, missing) in self._readable(name).items():
                splits[split] = PixelSplit(self._rows(name, clips), copy.scan.root, self._views(name), device)
                boxes.update(how)
                lost += missing
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

    def _watch(self, folder: Path, viewer: Viewer) -> Watch:
        """The run's sentinels, whose alarms are written and shown as they are raised."""
        rows: list[dict[str, Any]] = []

        def tell(alarm: Alarm) -> None:
            rows.append(as_row(alarm))
            if self.accelerator.is_main_process:
                store.write_lines(folder / "alarms.jsonl", rows)
                viewer.alarm(rows[-1])

        gather = gather_object if self.accelerator.num_processes > 1 else list
        return Watch(self.grid.sentinels, tell, stop=self.on_alarm == "stop", gather=gather)

    def _encode(self, copy: str) -> dict[str, Features]:
        """The features of a copy's splits, computed now unless the cache has them."""
        scan, probes, views = self.copies[copy].scan, self._probes(copy), self._views(copy)
        tower = Tower(
            load=lambda: self._clip().trunk.to(self.accelerator.device),
            weights=weights.name_of(self.model),
            precision=precision(self.accelerator),
            autocast=self.accelerator.autocast,
        )
        return {
            split: features(scan, split, views, tower, probes, self.counter(f"features of {copy} {split}"))
            for split in SPLITS
        }

    def _read(self, copy: str) -> dict[str, tuple[list[Clip], dict[str, int], list[str]]]:
        """What of a copy's splits can be decoded."""
        scan, views, probes = self.copies[copy].scan, self._views(copy), self._probes(copy)
        return {split: readable(scan, split, views, probes) for split in SPLITS}

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

    def _result(self, run: Run, began: float, watch: Watch, result: dict[str, Any]) -> dict[str, Any]:
        return {
            "run_id": run.run_id,
            "dataset": run.dataset,
            "fold": run.fold,
            "method": str(run.method),
            "seed": run.seed,
            "selection": self.grid.sections["train"].selection,
            "alarms": len(watch.alarms),
            "errors": len(watch.errors),
            "duration_s": round(time.monotonic() - began, 3),
            **result,
        }


class _History(list):
    """A list of rows that is on disk whole after every `append`."""

    def __init__(self, folder: Path, writes: bool) -> None:
        super().__init__()
        self.folder, self.writes = folder, writes

    def append(self, row: dict[str, Any]) -> None:
        super().append(row)
        if self.writes:
            store.write_lines(self.folder / "history.jsonl", self)


def _scores(
    outcome: Outcome, labels: dict[str, np.ndarray], settings: Train, metric: str, copy: Copy
) -> dict[str, Any]:
    metrics, confusion, per_class = {}, {}, {}
    for name, probabilities in outcome.probabilities.items():
        scores = evaluation.measure(probabilities, labels[name])
        confusion[name] = scores.pop("confusion")
        recalls = evaluation.recalls(np.asarray(confusion[name])).tolist()
        per_class[name] = dict(zip(copy.adapter.classes, recalls, strict=True))
        metrics[name] = scores
    return {
        "epoch": outcome.epoch,
        "primary": metric,
        "classes": list(copy.adapter.classes),
        "metrics": metrics,
        "per_class": per_class,
        "confusion": confusion,
    }


def _write_predictions(path: Path, splits: dict[str, Split], labels: dict[str, np.ndarray], outcome: Outcome) -> None:
    tables = [
        pyarrow.table(
            {
                "clip_id": splits[name].index["id"][:],
                "split": [name] * len(probabilities),
                "epoch": np.full(len(probabilities), outcome.epoch, dtype=np.int32),
                "label": labels[name].astype(np.int32),
                "prediction": probabilities.argmax(1).astype(np.int32),
                "probabilities": probabilities.astype(np.float32).tolist(),
            }
        )
        for name, probabilities in outcome.probabilities.items()
    ]
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables), sink)
    store.write_bytes(path, sink.getvalue().to_pybytes())


def _describe_error(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
