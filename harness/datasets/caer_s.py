"""CAER-S: stills of CAER's television series, `{train,test}/<Class>/<nnnn>.png`; each image is a clip of one frame.

Lee et al., Context-Aware Emotion Recognition Networks, ICCV 2019 (arXiv 1908.05913). Two public lists are in use:
`train/Angry/1769.png 0`, whose validation images lie under `train/`, and `train/train/Disgust/6023.png 1 2` with a
frame count, labels from 1 and `valid/valid/` among the training lines. Anger is the folder `Angry` in train and
`Anger` in test.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets import Adapter


class CAERS(Adapter):
    """Seven basic emotions in context, still images."""

    name = "caer-s"
    title = "CAER-S"
    paper = "arXiv:1908.05913"
    folder = "CAER-S"
    classes = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    boxed = True
    metric = "war"
    official: ClassVar[dict[str, int]] = {"train": 44996, "test": 20987}
    official_note = "from memory of the literature, not counted; the public lists hold 44,100 + 4,907 and 20,992 lines"
    aliases: ClassVar[dict[str, str]] = {"Angry": "Anger", "Happiness": "Happy", "Sadness": "Sad"}
