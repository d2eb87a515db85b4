"""FERV39k: clips of 22 scenes, folders of face crops `2_ClipsforFaceCrop/<Scene>/<Class>/<nnnn>`, one split.

Wang et al., FERV39k: A Large-Scale Multi-Scene Dataset for Facial Expression Recognition in Videos, CVPR 2022
(arXiv 2203.09463). The set's own lists are `4_setups/All_scenes/train_All.csv` with lines `Action/Happy/0267 Happy`;
the lists of DFER-CLIP are `FERV39K_train.txt`, absolute paths and labels from 0.
"""

from __future__ import annotations

from typing import ClassVar

from harness.datasets._crops import FaceCrops


class FERV39k(FaceCrops):
    """Seven basic emotions in 22 scenes of films and television."""

    name = "ferv39k"
    title = "FERV39k"
    paper = "arXiv:2203.09463"
    folder = "FERV39k"
    classes = ("Happiness", "Sadness", "Neutral", "Anger", "Surprise", "Disgust", "Fear")
    metric = "uar"
    official: ClassVar[dict[str, int]] = {"train": 31088, "test": 7847}
    official_note = "counted in the lists of DFER-CLIP"
    aliases: ClassVar[dict[str, str]] = {"Happy": "Happiness", "Sad": "Sadness", "Angry": "Anger"}
    lists = ("4_setups/All_scenes",)
    homes = ("2_ClipsforFaceCrop",)
    parts = 3
