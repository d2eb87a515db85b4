"""CAER: clips from television series, `{train,validation,test}/<Class>/<nnnn>.avi`.

Lee et al., Context-Aware Emotion Recognition Networks, ICCV 2019 (arXiv 1908.05913). The widely used lists are
`train/Anger/0001.avi 60 0`; without them the class folders are the annotation. Never both: folder names differ
between splits (`Angry`, `Anger`) in some copies.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets import Adapter


class CAER(Adapter):
    """Seven basic emotions in context."""

    name = "caer"
    title = "CAER"
    paper = "arXiv:1908.05913"
    folder = "CAER"
    classes = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    boxed = True
    metric = "war"
    official: ClassVar[dict[str, int]] = {"train": 9222, "val": 1316, "test": 2637}
    official_note = "counted in the public lists; the set itself holds a few clips more"
    aliases: ClassVar[dict[str, str]] = {"Angry": "Anger", "Happiness": "Happy", "Sadness": "Sad"}
