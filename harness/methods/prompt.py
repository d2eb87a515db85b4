"""Learned prompts (CoOp): context vectors before each class description, through the frozen text tower."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.methods import Component, VideoModel
from harness.model import TextTower, undecayed
from harness.settings import knob


class Prompt(Component):
    """A prompt is [SOS] v_1 … v_M <class description> [EOS]; the vectors v train, the tower does not."""

    name = "prompt"
    paper = "Zhou et al., CoOp, IJCV 2022 (arXiv 2109.01134); per class as in CLIP-CAER (arXiv 2507.00586)"

    @dataclass(frozen=True)
    class Settings:
        tokens: int = knob(8, "learned context vectors before the class description", low=1, unit="tokens")
        per_class: bool = knob(True, "each class has context vectors of its own")
        lr: float = knob(1e-3, "learning rate of the context vectors", above=0)

    def extend(self, model: VideoModel) -> None:
        model.text = LearnedText(model.tower, model.descriptions, self.settings)

    def parameter_groups(self, model: VideoModel) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
        assert isinstance(model.text, LearnedText)
        yield "prompt", self.settings.lr, [model.text.vectors]


class LearnedText(nn.Module):
    """The text side with learned context: `forward() -> [K, D]`, not normalised."""

    start: Tensor
    rest: Tensor
    ends: Tensor

    def __init__(self, tower: TextTower, descriptions: tuple[str, ...], settings: Prompt.Settings) -> None:
        super().__init__()
        self.tower = tower
        tokens, ends = tower.tokenize(descriptions, room=settings.tokens)
        embedded = tower.embed(tokens)
        groups = len(descriptions) if settings.per_class else 1
        self.vectors = undecayed(torch.randn(groups, settings.tokens, tower.width) * 0.02)
        self.register_buffer("start", embedded[:, :1], persistent=False)
        self.register_buffer("rest", embedded[:, 1:], persistent=False)
        self.register_buffer("ends", ends + settings.tokens, persistent=False)

    def forward(self) -> Tensor:
        vectors = self.vectors.expand(len(self.start), -1, -1)
        return self.tower(torch.cat([self.start, vectors, self.rest], dim=1), self.ends)
