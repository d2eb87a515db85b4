"""Face boxes that are not found, or are not those of the frames that they are laid on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from sentinels.copies import edit_boxes, root_of, small
from sentinels.defects import Break, Defect

ALLOWED = ("face.max_missing=1",)  # else a run refuses to start


def boxes(dataset: str, edit: Callable[[str, Any], tuple[str, Any] | None]) -> Break:
    def breaks(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
        root = small(dataset, folder)
        edit_boxes(root / f"annotations/{dataset}_faces.json", edit)
        return root_of(root)

    return breaks


def no_file(patch: pytest.MonkeyPatch, folder: Path) -> Iterable[str]:
    root = small("caer", folder)
    (root / "annotations/caer_faces.json").unlink()
    return root_of(root)


def number(key: str) -> int:
    return int(re.findall("[0-9]+", key)[-1])


def respelt(key: str, value: Any) -> tuple[str, Any]:
    return key.replace("/", "_"), value


def respelt_in_test(key: str, value: Any) -> tuple[str, Any]:
    return (respelt if "/test/" in key else lambda k, v: (k, v))(key, value)


def every_third_in_train(key: str, value: Any) -> tuple[str, Any] | None:
    return None if "/train/" in key and number(key) % 3 == 0 else (key, value)


DEFECTS = [
    Defect("missing-boxes", "box keys spelt in another way", sets=ALLOWED, breaks=boxes("caer", respelt)),
    Defect(
        "missing-boxes", "box keys of test alone spelt otherwise", sets=ALLOWED, breaks=boxes("caer", respelt_in_test)
    ),
    Defect(
        "missing-boxes",
        "clips without a face dropped in train alone",
        sets=(*ALLOWED, "face.missing=skip"),
        breaks=boxes("caer", every_third_in_train),
    ),
    Defect(
        "missing-boxes",
        "the first frame's box for every frame",
        dataset="raer",
        breaks=boxes("raer", lambda key, frames: (key, dict([next(iter(frames.items()))]))),
    ),
    Defect(
        "missing-boxes",
        "boxes that were found on larger pictures",
        breaks=boxes("caer", lambda key, box: (key, [10 * side for side in box])),
    ),
    Defect("missing-boxes", "no box file", sets=ALLOWED, breaks=no_file),
]
