"""DFEW: clips from films, folders of face crops `<nnnnn>/`, five folds.

Jiang et al., DFEW: A Large-Scale Database for Recognizing Dynamic Facial Expressions in the Wild, ACM MM 2020
(arXiv 2008.05924). The set's own lists are tables `train(single-labeled)/set_1.csv` of `video_name,label`, numbers
without zeros in front and labels from 1; the lists of DFER-CLIP are `DFEW_set_1_train.txt`, absolute paths and
labels from 0. Only clips with a single label are listed; the copy holds others beside them.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets import Folded
from harness.datasets._crops import FaceCrops


class DFEW(FaceCrops):
    """Seven basic emotions in films; disgust is rare (1 %), so UAR is reported beside WAR."""

    name = "dfew"
    title = "DFEW"
    paper = "arXiv:2008.05924"
    folder = "DFEW"
    classes = ("Happiness", "Sadness", "Neutral", "Anger", "Surprise", "Disgust", "Fear")
    metric = "uar"
    folds = 5
    official_folds: ClassVar[tuple[dict[str, int], ...]] = (
        {"train": 9356, "test": 2341},
        {"train": 9356, "test": 2341},
        {"train": 9357, "test": 2340},
        {"train": 9358, "test": 2339},
        {"train": 9361, "test": 2336},
    )
    official_note = "counted in the lists of DFER-CLIP"
    Settings = Folded
    aliases: ClassVar[dict[str, str]] = {"Happy": "Happiness", "Sad": "Sadness", "Angry": "Anger"}
    lists = ("EmoLabel_DataSplit",)
    homes = ("Clip/clip_224x224", "DFEW_Frame_Face", "Clip/jpg_256", "Clip/original")
    digits = 5
