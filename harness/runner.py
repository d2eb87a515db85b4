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

from harness import evaluation, store, training, trunk, weights
from harness.cache import Features, Progress, Views, features
from harness.clips import SPLITS, Clip, as_dataset
from harness.environment import describe
from harness.errors import BadInput
from harness.grid import Grid
from harness.learner import Learner, components_of
from harness.loading import FeatureSplit, PixelSplit, Split, readable
from harness.model import VideoModel
from harness.plan import Copy, Run
from harness.protocol import Model, Train
from harness.training import Outcome, Watcher
from harness.video import Unreadable


def _unseen(what: str) -> Progress:
    return lambda done, total: None


class Runner:
    """Runs of one grid in this process; what runs share (trunk, features) is loaded once."""

    def __init__(self, grid: Grid, copies: dict[str, Copy], accelerator: Accelerator, placement: str) -> None:
        self.grid, self.copies, self.accelerator, self.placement = grid, copies, accelerator, placement
        self.model: Model = grid.sections["model"]
        self._clip = functools.cache(lambda: trunk.load(self.model))
        self._readable = functools.cache(self._read)
        self._index = functools.cache(self._as_dataset)

    def cached(self, run: Run) -> bool:
        """Whether the run trains on cached features: the trunk is frozen and no component must see pixels."""
        pixels = any(component.needs_pixels for component in components_of(run.method).values())
        return self.model.trunk == "frozen" and not pixels

    def prepare(self, dataset: str, counter: Callable[[str], Progress], *, cached: bool) -> None:
        """Reads every clip of a data set before anybody trains: into the feature cache, or to know it can be read.

        Raises `BadInput` naming the clip that can't be read, unless the settings say to skip it.
        """
        try:
            self._features(dataset, counter) if cached else self._readable(dataset)
        except Unreadable as error:
            mend = "replace the file, or leave such clips out, counted, with clips.unreadable=skip"
            raise BadInput("unreadable clip", str(error), mend) from error

    def check(self, run: Run) -> None:
        """Builds the run's learner once, so that settings that do not fit each other are met before anybody trains."""
        self._learner(run, self._clip())

    def steps(self, run: Run) -> int:
        """Optimiser steps of an epoch, as far as known before its clips are read."""
        clips = sum(clip.split == "train" for clip in self.copies[run.dataset].scan.clips)
        return math.ceil(clips / self.grid.sections["train"].batch_size)

    def execute(self, run: Run, folder: Path, watcher: Watcher) -> dict[str, Any]:
        """Trains a run and returns its stored result, `status` being `done` or `failed`."""
        began, writes = time.monotonic(), self.accelerator.is_main_process
        if writes:
            store.write_json(folder / "spec.json", run.spec)
            store.write_json(folder / "environment.json", describe(self.accelerator, self.placement))
            store.write_lines(folder / "alarms.jsonl", [])
        try:
            result = self._train(run, folder, watcher)
        except Exception as error:
            result = {"status": "failed", "error": _describe_error(error)}
            if self.accelerator.num_processes > 1:  # the other processes wait for this one: end them all
                store.write_json(folder / "result.json", self._result(run, began, result))
                raise
        finally:
            self.accelerator.free_memory()
        result = self._result(run, began, result)
        if writes:
            store.write_json(folder / "result.json", result)
        return result

    def _train(self, run: Run, folder: Path, watcher: Watcher) -> dict[str, Any]:
        copy, settings = self.copies[run.dataset], self.grid.sections["train"]
        splits, counts = self._splits(run)
        learner = self._learner(run, self._clip() if self.model.trunk == "frozen" else trunk.load(self.model))
        metric = settings.metric or copy.adapter.metric
        history = _History(folder, self.accelerator.is_main_process)
        outcome = training.train(learner, splits, settings, metric, run.seed, self.accelerator, watcher, history)
        labels = {name: splits[name].labels.cpu().numpy() for name in outcome.probabilities}
        if self.accelerator.is_main_process:
            _write_predictions(folder / "predictions.parquet", splits, labels, outcome)
        counts["faces"], counts["notes"] = copy.scan.faces, [dataclasses.asdict(note) for note in copy.scan.notes]
        return {"status": "done", "counts": counts, **_scores(outcome, labels, settings, metric, copy)}

    def _learner(self, run: Run, clip: trunk.Clip) -> Learner:
        descriptions = self.copies[run.dataset].adapter.descriptions()
        torch.manual_seed(run.seed)  # after loading the CLIP model, which draws random numbers of its own
        model = VideoModel(clip, self.model, descriptions, pixels=not self.cached(run))
        return Learner(model, components_of(run.method))

    def _splits(self, run: Run) -> tuple[dict[str, Split], dict[str, Any]]:
        copy, device = self.copies[run.dataset], self.accelerator.device
        splits: dict[str, Split] = {}
        boxes, lost = Counter[str](), []
        if self.cached(run):
            for name, found in self._features(run.dataset).items():
                splits[name] = FeatureSplit(self._rows(run.dataset, found.clips), found, device)
                boxes.update(found.boxes)
                lost += found.unreadable
        else:
            for name, (clips, how, missing) in self._readable(run.dataset).items():
                splits[name] = PixelSplit(self._rows(run.dataset, clips), copy.scan.root, self._views(), device)
                boxes.update(how)
                lost += missing
        return splits, {"boxes": dict(boxes), "unreadable": len(lost), "unreadable_clips": lost[:20]}

    def _features(self, dataset: str, counter: Callable[[str], Progress] = _unseen) -> dict[str, Features]:
        """The features of a data set's splits, computed now unless the cache has them."""
        scan, name = self.copies[dataset].scan, weights.name_of(self.model)

        def tower() -> trunk.Trunk:
            return self._clip().trunk.to(self.accelerator.device)

        return {
            split: features(scan, split, self._views(), tower, name, counter(f"features of {dataset} {split}"))
            for split in SPLITS
        }

    def _read(self, dataset: str) -> dict[str, tuple[list[Clip], dict[str, int], list[str]]]:
        """What of a data set's splits can be decoded."""
        return {split: readable(self.copies[dataset].scan, split, self._views()) for split in SPLITS}

    def _as_dataset(self, dataset: str) -> hf.Dataset:
        return as_dataset(self.copies[dataset].scan, self.copies[dataset].adapter.classes)

    def _rows(self, dataset: str, clips: list[Clip]) -> hf.Dataset:
        """The index of these clips alone, in their order."""
        place = {name: position for position, name in enumerate(self._index(dataset)["id"])}
        return self._index(dataset).select([place[clip.id] for clip in clips])

    def _views(self) -> Views:
        return Views(self.grid.sections["clips"], self.grid.sections["face"], self._clip().size)

    def _result(self, run: Run, began: float, result: dict[str, Any]) -> dict[str, Any]:
        return {
            "run_id": run.run_id,
            "dataset": run.dataset,
            "method": str(run.method),
            "seed": run.seed,
            "selection": self.grid.sections["train"].selection,
            "alarms": 0,
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
