"""A stored run trained again from its spec, into another store, by as many processes and threads as it was.

The spec makes a grid of one run, planned and trained by the rooms that train every run. Where that has become another
run (data, weights, a plugin or the protocol have changed) nothing is trained, and what changed is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch

from harness import config, grid, plan, plugins, protocol
from harness.compare.agreement import differing
from harness.errors import BadInput, headline
from harness.plan import Plan, Run
from harness.schedule import launch as launching
from harness.schedule.launch import Launch
from harness.schedule.progress import Board, Counter, RunBar
from harness.store import Record, Store, repeat
from harness.training import partners
from harness.training.runner import Runner

_WORDS = {
    "protocol": "this version trains otherwise: protocol {} when it was trained, {} now",
    "data.fingerprint": "the data have changed: fingerprint {} when it was trained, {} now",
    "model.weights": "the model's weights are others: {} when it was trained, {} now",
}
_WHERE = (*(f"data.{place}" for place in config.PLACES), "data.miniature", "model.pretrained")
_UNTRUE = "its run id is not that of its spec, which was edited after it was trained"


class Unverifiable(Exception):
    """A run that can't be trained again as it was: the message says why."""


class Again:
    """Trains runs again, into `store`. `anew` are the ids of those whose cached rows had to be made here."""

    def __init__(self, store: Store, launch: Launch, board: Board, *, save_model: bool = False) -> None:
        self.store, self.launch, self.board, self.save_model = store, launch, board, save_model
        self.anew, self._made = set[str](), set[str]()  # and the copies whose rows they are

    def train(self, record: Record) -> Record | None:
        """The run as it is now; None in a launched process that only helps the first. Raises `Unverifiable`."""
        try:
            planned = _planned(record.spec, record.run_id)
            (run,) = planned.runs
            self._train(planned, run, record.environment())
        except BadInput as error:
            raise Unverifiable(str(error)) from error
        if run.copy in self._made:
            self.anew.add(run.run_id)
        return self.store.record(run.dataset, run.run_id)

    def _train(self, planned: Plan, run: Run, environment: Mapping[str, Any]) -> None:
        processes, launch = int(environment.get("processes", 1)), self.launch
        if processes != launch.world:
            how = f"torchrun --nproc_per_node {processes} -m harness verify" if processes > 1 else "harness verify"
            raise Unverifiable(f"trained by {processes} at once, and {launch.world} were started here: use {how} …")
        placement = "pair" if processes == 1 else "data"
        accelerator, epochs = launching.accelerator(launch, placement), planned.grid.sections["train"].epochs
        runner = Runner(
            planned.grid,
            planned.copies,
            accelerator,
            placement,
            "warn",
            self._counter,
            math.inf,
            save_model=self.save_model,
        )
        runner.material.stored(run.copy, runner.cached(run))
        torch.set_num_threads(int(environment.get("threads", torch.get_num_threads())))
        viewer, folder = RunBar(self.board, run, runner.steps(run), epochs), self.store.folder(run.dataset, run.run_id)
        try:
            with partners.relied_on() if processes > 1 else nullcontext():
                result = runner.execute(run, folder, viewer, lambda: nullcontext(True))
        finally:
            viewer.close()
        if result["status"] == "failed":
            raise Unverifiable(f"trained again, it failed: {headline(result['error'])}")

    def _counter(self, kind: str, copy: str, split: str) -> Callable[[int, int], None]:
        """A bar that notes when there was something to make."""
        shown = Counter(self.board, kind, copy, split)

        def progress(done: int, total: int) -> None:
            if done < total and kind in ("features", "frames"):
                self._made.add(copy)
            shown(done, total)

        return progress


def _planned(spec: Mapping[str, Any], run_id: str) -> Plan:
    """The plan of this one run. Raises `Unverifiable` where its spec makes another run by now."""
    plugins.add_stored(spec.get("plugins", {}))
    try:
        raw = _tables(spec)
    except KeyError as error:
        raise Unverifiable(f"its spec lacks {error}") from error
    planned = plan.plan(grid.build("verify", raw))
    (run,) = planned.runs
    changed = "; ".join(_changed(spec, run.spec))
    if run.run_id != run_id:
        raise Unverifiable(changed or _UNTRUE)
    if changed:  # and yet the address is the same
        raise Unverifiable(f"{_UNTRUE} ({changed})")
    return planned


def _tables(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as the tables of a grid of one run: every setting as it was, whatever is default by now."""
    groups: dict[str, Any] = {group: dict(spec[group]) for group in protocol.GROUPS}
    groups["model"].pop("weights")
    data = {key: value for key, value in spec["data"].items() if key not in repeat.OF_THE_COPY}
    return {
        **groups,
        **spec["components"],
        "datasets": [spec["dataset"]],
        "methods": ["+".join(spec["components"]) or "plain"],
        "seeds": [spec["seed"]],
        "data": {spec["dataset"]: data},
        "sentinels": spec.get("sentinels", {}),
    }


def _changed(spec: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What makes another run of a spec, in words; where a copy lies and what watches it makes none."""
    for key, (before, after) in differing(spec, now).items():
        if key.startswith("plugins.") and key.endswith(".hash"):
            yield f"the code of the plugin {key.split('.')[1]} has changed"
        elif key not in _WHERE and not key.startswith(("sentinels", "method", "plugins", "schema")):
            yield _WORDS.get(key, f"{key} was {{}}, now it is {{}}").format(before, after)
