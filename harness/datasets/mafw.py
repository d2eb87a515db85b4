"""MAFW: clips from films and television, folders of face crops `data/faces/<nnnnn>`, eleven classes, five folds.

Liu et al., MAFW: A Large-scale, Multi-modal, Compound Affective Database for Dynamic Facial Expression Recognition
in the Wild, ACM MM 2022 (arXiv 2208.00847). The set's own lists are `set_1/train.txt` with lines `00025.mp4 anger`;
the lists of DFER-CLIP are `MAFW_set_1_train.txt`, absolute paths and labels from 0 in the order below. The set's
authors order the classes otherwise (anger first): a list of numbers in their order can't be told from one in this.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets import Folded
from harness.datasets._crops import FaceCrops


class MAFW(FaceCrops):
    """Eleven emotions, four of them beyond the basic ones; contempt and disappointment are rare."""

    name = "mafw"
    title = "MAFW"
    paper = "arXiv:2208.00847"
    folder = "MAFW"
    classes = (
        *("Happiness", "Sadness", "Neutral", "Anger", "Surprise", "Disgust", "Fear"),
        *("Contempt", "Anxiety", "Helplessness", "Disappointment"),
    )
    metric = "uar"
    folds = 5
    official_folds: ClassVar[tuple[dict[str, int], ...]] = (
        {"train": 7333, "test": 1839},
        {"train": 7335, "test": 1837},
        {"train": 7339, "test": 1833},
        {"train": 7340, "test": 1832},
        {"train": 7341, "test": 1831},
    )
    official_note = "counted in the lists of DFER-CLIP"
    Settings = Folded
    aliases: ClassVar[dict[str, str]] = {
        "Happy": "Happiness",
        "Sad": "Sadness",
        "Angry": "Anger",
        "Helpless": "Helplessness",
        "Disappointed": "Disappointment",
    }
    lists = (
        *("Train & Test Set/single/no_caption", "split/single/no_caption", "label/no_caption", "single/no_caption"),
        "single",
    )
    homes = ("data/faces", "data/frames", "data/clips")
    digits = 5
