"""Epochs chosen on the clips that they are reported on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.training import loop
from sentinels.copies import edit_list, root_of, small
from sentinels.defects import Defect


def val_is_test(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The test clips again, as validation."""
    root = small("caer", folder)
    shutil.rmtree(root / "validation")
    shutil.copytree(root / "test", root / "validation")
    again = [
        f"validation/{line.removeprefix('test/')}" for line in (root / "annotations/test.txt").read_text().splitlines()
    ]
    edit_list(root / "annotations/validation.txt", lambda lines: again)
    return root_of(root)


def scores_test(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    """The loop is given test for val."""
    train = loop.train

    def on_test(learner: Any, splits: dict[str, Any], *others: Any) -> Any:
        return train(learner, splits | {"val": splits["test"]}, *others)

    patch.setattr(loop, "train", on_test)
    return ()


DEFECTS = [
    Defect("test-selection", "the best epoch chosen on test, as a setting", sets=("train.selection=oracle",)),
    Defect("test-selection", "validation is test under another name", breaks=val_is_test),
    Defect("test-selection", "the best epoch chosen on test, behind the setting", breaks=scores_test),
]
