"""Bottleneck adapter on per-frame features, before the temporal head (the code family's \"EAA\" on faces)."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from harness.methods import Component, VideoModel
from harness.settings import knob


class Adapter(Component):
    """A(x) = W₂ dropout(ReLU(W₁ x)), W₁: D → D/reduction, W₂ back; x ← ratio · A(x) + (1 − ratio) · x.

    `form = "replace"` repeats the code family instead: x ← dropout(ReLU(A(x))), without the residual. ReLU and
    dropout 0.5 at the end then zero three quarters of the frozen feature's channels.
    """

    name = "adapter"
    paper = "Gao et al., CLIP-Adapter, IJCV 2024 (arXiv 2110.04544); `replace`: RAPT-CLIP-CAER"

    @dataclass(frozen=True)
    class Settings:
        streams: str = knob("face", "streams that get an adapter each", choices=("face", "context", "both"))
        form: str = knob("residual", "blend with the frozen feature, or replace it", choices=("residual", "replace"))
        ratio: float = knob(0.2, "share of the adapted feature (residual form)", low=0, high=1)
        reduction: int = knob(4, "feature width over the width of the bottleneck", low=1)
        dropout: float = knob(0.5, "dropout in the bottleneck, in the replacing form also behind it", low=0, high=0.9)
        lr: float = knob(1e-4, "learning rate of the adapters", above=0)

    def extend(self, model: VideoModel) -> None:
        for stream in self._streams():
            model.head.adapt[stream] = Bottleneck(model.width, self.settings)

    def parameter_groups(self, model: VideoModel) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
        found = [parameter for stream in self._streams() for parameter in model.head.adapt[stream].parameters()]
        yield "adapter", self.settings.lr, found

    def _streams(self) -> tuple[str, ...]:
        return ("face", "context") if self.settings.streams == "both" else (self.settings.streams,)


class Bottleneck(nn.Module):
    """The adapter of one stream: `[B, T, D]` to `[B, T, D]`."""

    def __init__(self, width: int, settings: Adapter.Settings) -> None:
        super().__init__()
        self.settings, narrow = settings, max(width // settings.reduction, 1)
        self.down, self.up = nn.Linear(width, narrow, bias=False), nn.Linear(narrow, width, bias=False)
        self.dropout, self.relu = nn.Dropout(settings.dropout), nn.ReLU()

    def forward(self, frames: Tensor) -> Tensor:
        adapted = self.up(self.dropout(self.relu(self.down(frames))))
        if self.settings.form == "replace":
            return self.dropout(self.relu(adapted))
        return self.settings.ratio * adapted + (1 - self.settings.ratio) * frames
