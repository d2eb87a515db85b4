"""Runs a planted defect, or a healthy run, through the real command in this process, and reads its alarms."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.store import Store
from sentinels import defects
from sentinels.defects import Defect


def every_defect() -> list[Defect]:
    modules = (importlib.import_module(f"sentinels.defects.{m.name}") for m in pkgutil.iter_modules(defects.__path__))
    return [defect for module in modules for defect in module.DEFECTS]


def alarms_of(defect: Defect, folder: Path) -> list[dict[str, Any]]:
    """The alarms of the run with the defect; patches are undone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        words = defect.breaks(patch, folder)
        return run(folder / "runs", defect.dataset, defect.method, [*defect.sets, *words], defect.epochs)


def run(runs: Path, dataset: str, method: str, sets: list[str], epochs: int, seed: int = 0) -> list[dict[str, Any]]:
    """Trains one run and gives the alarms that it stored. A run that fails must have told why."""
    words = ["run", "--datasets", dataset, "--methods", method, "--seeds", str(seed), "--runs", str(runs)]
    words += ["--out", str(runs.parent / "leaderboard"), "--workers", "1"]
    for text in (f"train.epochs={epochs}", *sets):
        words += ["--set", text]
    code = cli.main(words)
    (record,) = Store(runs).records()
    errors = [alarm for alarm in record.alarms() if alarm["severity"] == "error"]
    assert code == (1 if errors or not record.done else 0), "the command says that something is wrong"
    assert record.done or errors, record.result
    return record.alarms()
