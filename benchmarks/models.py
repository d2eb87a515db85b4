"""A model of ViT-B/32's size, for benchmarks."""

from __future__ import annotations

import open_clip
import torch

from harness.model import trunk


def vit_b_32() -> trunk.Loaded:
    """ViT-B/32 with random weights: as large and as slow as a real one."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", load_weights=False).eval()
    tower = trunk.Trunk(model.visual, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return trunk.Loaded(model, open_clip.get_tokenizer("ViT-B-32"), 224, 512, tower)
