"""What surrounds a grid, asked of the rooms that a run will ask: the store, the cache, data sets, and weights."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness import config, plan, plugins, variables
from harness import grid as grids
from harness.data import cupboard
from harness.datasets import folds_of
from harness.doctor.facts import Copy, Place, Weights
from harness.doctor.findings import Trouble, trouble
from harness.errors import BadInput, nearest
from harness.files import write_json
from harness.grid import Grid, grammar
from harness.model import pretrained, weights
from harness.plan import outlook
from harness.protocol import Model
from harness.slurm import Slurm
from harness.store.leases import Leases

WRITES = 5


def of_the_places(runs: str) -> dict[str, Any]:
    """The facts of the folders that are written to."""
    cache = _place("cache", variables.cache_folder())
    try:
        cached = sum(each.bytes for each in cupboard.holdings())
    except OSError as error:
        cached, cache = 0, replace(cache, trouble=trouble(error, "see to the rights of the folder"))
    hub = _place("hub", variables.hub_folder())
    return {"places": (_written(_place("store", Path(runs))), _written(cache), hub), "cached": cached}


def of_the_data(grid: Grid | None, refused: BadInput | None) -> dict[str, Any]:
    """The facts of data sets that have a root, the grid's and the user file's; `refused` is why there is no grid."""
    troubles, copies = [refused] if refused else [], list[Copy]()
    try:
        copies = list(_copies(grid))
    except BadInput as error:
        troubles.append(error)
    told = dict.fromkeys(trouble(error, "mend it") for error in troubles)
    return {"copies": tuple(copies), "refused": tuple(told)}


def of_the_grid(grid: Grid) -> dict[str, Any]:
    """The facts of what a grid needs beside its data: weights, and room."""
    try:
        needed = outlook.cache(plan.plan(grid))["bytes"]
    except BadInput:  # what is wrong is told of its data sets, or its weights
        needed = 0
    usual = asdict(Slurm())
    told = tuple(f"slurm.{name}" for name, value in asdict(grid.slurm).items() if value != usual[name])
    return {"weights": of_the_model(grid.sections["model"]), "needed": needed, "for_jobs": told}


def of_the_model(model: Model) -> Weights:
    """Whether a model's weights are there, or can be fetched."""
    try:
        source = weights.source(model)
    except BadInput as error:
        return Weights(model.name, model.pretrained, trouble=trouble(error, "give model.pretrained"))
    if weights.is_file(source):
        return Weights(model.name, source)
    offers = {offer.tag: offer for offer in pretrained.offers(model.name)}
    tag = source.lower().replace("-", "_")  # as open_clip reads a tag
    if tag not in offers:
        what = f"open_clip has no weights {source!r} for {model.name}"
        return Weights(model.name, source, trouble=Trouble("model.pretrained", what, nearest(tag, offers)))
    return Weights(model.name, source, pretrained.downloaded(offers[tag]))


def _place(role: str, folder: Path) -> Place:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        left = os.statvfs(there)
        if not os.access(there, os.W_OK):
            return Place(
                role, str(folder), trouble=Trouble(str(there), "is not for you to write to", "see to its rights")
            )
        return Place(role, str(folder), shutil.disk_usage(there).free, left.f_favail if left.f_files else 10**9)
    except OSError as error:
        return Place(role, str(folder), trouble=trouble(error, "see whether its disk is mounted"))


def _written(place: Place) -> Place:
    """The same with what a write under a lock takes there, by the means that runs are claimed and stored with."""
    if place.trouble:
        return place
    folder = Path(place.path)
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    took = []
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=there) as scratch:
            for number in range(WRITES):
                began = time.perf_counter()
                with Leases().claim(Path(scratch) / f"run-{number}") as lease:
                    assert lease is not None  # nobody else knows of the folder
                    with lease.commit():
                        write_json(Path(scratch) / f"run-{number}" / "result.json", {"status": "done"})
                took.append(time.perf_counter() - began)
    except (OSError, BadInput) as error:
        return replace(place, trouble=trouble(error, "give another folder, or see to its rights"))
    return replace(place, seconds=statistics.median(took))


def _copies(grid: Grid | None) -> Iterator[Copy]:
    own = config.load()
    mine = [name for name in own.data if name in plugins.names("datasets") and own.data[name].get("root")]
    raw = {"datasets": mine, "methods": [grammar.PLAIN]}
    for each in filter(None, (grid, grids.build("doctor", raw) if mine else None)):
        for name in each.datasets:
            if each.data[name].root and (each is grid or grid is None or name not in grid.datasets):
                yield _opened(name, each)


def _opened(name: str, grid: Grid) -> Copy:
    """A data set read as a plan reads it: lists, boxes, and which media are there."""
    found = Copy(name, grid.data[name].root, grid.origins[name])
    try:
        for fold, settings in folds_of(plugins.get("datasets", name), grid.data[name]):
            copy = plan.open_copy(name, settings, grid.sections, fold)
            found = replace(found, clips=max(found.clips, len(copy.scan.clips)))
    except Exception as error:  # also an adapter of somebody else's that fails in its own way
        return replace(found, trouble=trouble(error, f"look at it with `harness data check {name} --root …`"))
    return found
