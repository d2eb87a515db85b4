"""Learned prompts (CoOp): context vectors around each class description, through the frozen text tower."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.methods import Component, VideoModel
from harness.model.network import undecayed
from harness.model.packing import Layout
from harness.model.text import TextTower
from harness.settings import knob


class Prompt(Component):
    """A prompt is [SOS] v_1 … v_M <class description> [EOS]; the vectors v train, the tower does not.

    `position` is that of the description: behind the vectors, between their halves, or before them. With several
    prompts a class, a logit is the mean of its prompts' cosines over the temperature.
    """

    name = "prompt"
    paper = "Zhou et al., CoOp, IJCV 2022 (arXiv 2109.01134); per class as in CLIP-CAER (arXiv 2507.00586)"

    @dataclass(frozen=True)
    class Settings:
        tokens: int = knob(8, "learned context vectors of a prompt", low=1, unit="tokens")
        position: str = knob("end", "where the class description stands", choices=("end", "middle", "front"))
        prompts: int = knob(1, "prompts of each class, averaged", low=1)
        per_class: bool = knob(True, "each class has context vectors of its own")
        lr: float = knob(1e-3, "learning rate of the context vectors", above=0)

    def extend(self, model: VideoModel) -> None:
        model.text = LearnedText(model.tower, model.descriptions, self.settings)

    def parameter_groups(self, model: VideoModel) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
        assert isinstance(model.text, LearnedText)
        yield "prompt", self.settings.lr, [model.text.vectors]


class LearnedText(nn.Module):
    """The text side with learned context: `forward() -> [K, D]`, or `[K, P, D]` of P > 1 prompts; not normalised.

    `vectors` is `[K · P, M, W]`, the prompts of a class side by side, or `[P, M, W]` shared by all classes.
    """

    words: Tensor
    order: Tensor

    def __init__(self, tower: TextTower, descriptions: tuple[str, ...], settings: Prompt.Settings) -> None:
        super().__init__()
        self.tower, self.classes, self.prompts = tower, len(descriptions), settings.prompts
        tokens, ends = tower.tokenize(descriptions, room=settings.tokens)
        before = {"end": settings.tokens, "middle": settings.tokens // 2, "front": 0}[settings.position]
        orders = [_order(int(end), tokens.shape[1], settings.tokens, before) for end in ends]
        groups = self.classes if settings.per_class else 1
        shared = 1 + before if groups * self.prompts == 1 else 1  # [SOS], and vectors that all prompts begin with
        self.vectors = undecayed(torch.randn(groups * self.prompts, settings.tokens, tower.width) * 0.02)
        for name, rows in (
            ("words", tower.embed(tokens)),
            ("order", torch.tensor(orders)[..., None]),
        ):
            self.register_buffer(name, rows.repeat_interleave(self.prompts, dim=0), persistent=False)
        ends = (ends + settings.tokens).repeat_interleave(self.prompts)
        self.layout = Layout(ends, tokens.shape[1] + settings.tokens, shared)

    def forward(self) -> Tensor:
        vectors = self.vectors.repeat(len(self.words) // len(self.vectors), 1, 1)
        rows = torch.cat([self.words, vectors], dim=1).take_along_dim(self.order, dim=1)
        features = self.tower(rows, self.layout)
        return features if self.prompts == 1 else features.view(self.classes, self.prompts, -1)


def _order(end: int, length: int, learned: int, before: int) -> list[int]:
    """Which of `length` words, [EOS] at `end`, and `learned` vectors behind them stands where in a prompt."""
    vectors = list(range(length, length + learned))
    return [0, *vectors[:before], *range(1, end), *vectors[before:], *range(end, length)]
