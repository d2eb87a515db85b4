"""What the tests of components share: random situations in float64, and small learners on the embedded model."""

import functools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import strategies as st
from torch.nn import functional as F

from harness import plugins
from harness.grid import grammar
from harness.learner import Learner, classification, components_of, in_order
from harness.methods import Batch, Context, Output
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Model, Train

WIDTH = 6
DESCRIPTIONS = ("a happy face", "a sad face with tears", "an angry face with a deep frown")


@dataclass(frozen=True)
class Case:
    """A random situation: clips, classes, spread of the logits, their temperature, mixed labels, an empty class."""

    size: int = 5
    classes: int = 4
    seed: int = 0
    spread: float = 4.0
    temperature: float = 0.01
    mixed: bool = False
    empty: bool = False

    def make(self) -> tuple[Batch, Context]:
        """A batch, and a context whose output is random and raw logits are anything up to ± `spread`."""
        torch.manual_seed(self.seed)
        label = torch.randint(0, self.classes, (self.size,))
        target = F.one_hot(label, self.classes).double()
        if self.mixed:
            target = 0.7 * target + 0.3 * target.roll(1, 0)
        batch = Batch(torch.randn(self.size, 4, WIDTH), torch.randn(self.size, 4, WIDTH), label, target)
        raw = 5 * torch.randn(self.classes, WIDTH, dtype=torch.float64)
        video = F.normalize(torch.randn(self.size, WIDTH, dtype=torch.float64), dim=-1)
        logits = self.spread * (2 * torch.rand(self.size, self.classes, dtype=torch.float64) - 1)
        counts = torch.randint(1, 500, (self.classes,))
        if self.empty:
            counts[0] = 0
        model = SimpleNamespace(settings=Model(temperature=self.temperature))
        out = Output(logits, video, F.normalize(raw, dim=-1), raw)
        return batch, Context(model=model, out=out, counts=counts)

    def cosines(self) -> tuple[Batch, Context]:
        """The same with the logits that the network would give: cosines of video and text over the temperature."""
        batch, ctx = self.make()
        ctx.out.logits = ctx.out.video @ ctx.out.text.T / self.temperature
        return batch, ctx


cases = st.builds(
    Case,
    size=st.integers(1, 9),
    classes=st.integers(2, 7),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.1, 4.0, 100.0, 1e4]),
    temperature=st.sampled_from([0.01, 0.07, 1.0]),
    mixed=st.booleans(),
    empty=st.booleans(),
)


def parts_of(method: str) -> list:
    return in_order(components_of(grammar.resolve(method)).values())


def kernel(method: str, ctx: Context, epoch: int = 0) -> torch.Tensor:
    """M of a method."""
    ctx.epoch = epoch
    targets = torch.eye(len(ctx.out.text), dtype=ctx.out.logits.dtype)
    for part in parts_of(method):
        targets = part.kernel(targets, ctx)
    return targets


def cls(method: str, batch: Batch, ctx: Context, logits: torch.Tensor | None = None) -> torch.Tensor:
    """The classification loss of a method by clip `[B]`."""
    logits = ctx.out.logits if logits is None else logits
    return classification(logits, batch, kernel(method, ctx), parts_of(method), ctx)


def term(method: str, name: str, ctx: Context, batch: Batch) -> torch.Tensor:
    (value,) = [part for part in parts_of(method) if part.name == name]
    return value.loss(ctx.out, batch, ctx)[name][1]


def log_softmax(rows: np.ndarray) -> np.ndarray:
    """By the formula, in numpy."""
    rows = rows - rows.max(-1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(-1, keepdims=True))


# ── learners ────────────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _clip() -> trunk.Loaded:
    return trunk.load(Model())


def learner(method: str, **settings) -> Learner:
    """A learner of three classes, always from the same random numbers; all share the frozen CLIP model."""
    clip = _clip()
    torch.manual_seed(0)  # after loading, which draws random numbers of its own
    model = VideoModel(clip, Model(**settings), DESCRIPTIONS, pixels=False)
    return Learner(model, components_of(grammar.resolve(method)))


def closure(*names: str) -> str:
    """The components and all that they require, as a method."""
    wanted = dict.fromkeys(names)
    for name in names:
        for other in plugins.get("methods", name).requires:
            wanted |= dict.fromkeys(closure(other).split("+"))
    return "+".join(sorted(wanted))


def clips(size: int = 5, seed: int = 0, width: int = 64) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    label = torch.arange(size) % len(DESCRIPTIONS)
    face, context = (torch.randn(size, 3, width, generator=rng) for _ in range(2))
    return Batch(face, context, label, F.one_hot(label, len(DESCRIPTIONS)).float())


class Steps:
    """Training by hand, one step at a time."""

    def __init__(self, method: str, **settings) -> None:
        self.learner = learner(method, **settings)
        self.optimizer = torch.optim.AdamW(self.learner.groups(Train()), lr=1e-2)
        self.ctx = Context(model=self.learner.model, counts=torch.tensor([9, 3, 1]))

    def step(self, number: int):
        torch.manual_seed(number)
        self.learner.train()
        self.ctx.step = number
        loss = self.learner(clips(seed=number), self.ctx)
        loss.total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for part in self.learner.parts:
                part.after_step(self.ctx)
        return loss
