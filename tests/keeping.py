"""Runs trained with their weights through the real command, and what the store says of their clips."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness import grid, plan
from harness.cli import main
from harness.data.clips import Clip
from harness.store import Record, Store, predictions


class Kept(NamedTuple):
    """A run of a store of its own, the folder of its data set, and its test clips."""

    record: Record
    root: Path
    clips: list[Clip]

    @property
    def runs(self) -> str:
        return str(self.record.folder.parents[1])

    def stored(self) -> dict[str, list[float]]:
        """The stored probabilities of the test clips."""
        found = predictions.read(self.record.folder).of("test")
        return dict(zip(found.clips.to_pylist(), found.probabilities.tolist(), strict=True))


def words_of(folder: Path, dataset: str, method: str, *sets: str) -> list[str]:
    settings = [word for text in sets for word in ("--set", text)]
    places = ["--runs", str(folder / "runs"), "--out", str(folder / "out"), "--workers", "1"]
    return ["run", "--datasets", dataset, "--methods", method, "--tiny", *settings, *places]


def kept(folder: Path, dataset: str, method: str, *sets: str, flags: tuple[str, ...] = ("--save-model",)) -> Kept:
    assert main([*words_of(folder, dataset, method, *sets), *flags]) in (0, 1)  # 1: a tiny run may alarm
    (record,) = Store(folder / "runs").records()
    assert record.done
    raw = {"datasets": [dataset], "methods": [method], "seeds": [0]}
    (copy,) = plan.plan(grid.build("same", raw, sets, tiny=True)).copies.values()
    return Kept(record, copy.scan.root, [clip for clip in copy.scan.clips if clip.split == "test"])
