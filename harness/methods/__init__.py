"""What a component is. Each other file in this folder is one component, found by its file name.

A component changes training in one way, through any of the hooks below; a hook that it does not define does
nothing. It is an `nn.Module`, so its parameters and buffers (momentum copies, queues) move, synchronise and
are saved like any other. Hooks are called by name and stand here in the order of their calls: the learner
(`harness.learner`) calls them, but for `sampler` (`harness.data.sharing`, before an epoch) and `after_step` (the loop,
`harness.training.loop`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import nearest
from harness.model.network import Batch, Output, VideoModel
from harness.settings import knob, plain

__all__ = ["HOOKS", "Batch", "Component", "Context", "Output", "Trace", "VideoModel", "Weighted", "ramp"]

HOOKS = ("extend", "parameter_groups", "sampler", "on_batch", "kernel", "on_logits", "weigh", "loss", "after_step")


class Trace:
    """What each component did in one step, for who watches: which hooks changed anything, and the targets it made.

    Comparing costs a little, so only a few steps are traced; results stay on the device.
    """

    def __init__(self) -> None:
        self.changed: dict[str, list[Tensor]] = {}  # component -> a flag for each of its hooks that was called
        self.kernels: dict[str, Tensor] = {}  # component -> the targets [K, K] behind its kernel, still attached
        self.terms: dict[str, list[str]] = {}  # component -> names of its loss terms
        self.batch: Batch | None = None  # as the network saw it

    def compare(self, component: str, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> None:
        """Notes whether a hook gave back something else than it got."""
        flags = [
            torch.tensor(False) if a is b else (a != b).any() if a.shape == b.shape else torch.tensor(True)
            for a, b in zip(before, after, strict=True)
        ]
        self.changed.setdefault(component, []).extend(flags)


@dataclass
class Context:
    """Where training stands, and what a hook may need beside the batch.

    `counts [K]` are the training clips by class, before any sampler changes how often they come. `first` is the
    place of the batch's first clip in the step's global batch, which processes and micro-batches share out.
    """

    model: VideoModel
    seed: int = 0
    epoch: int = 0
    step: int = 0
    first: int = 0
    out: Output | None = None
    counts: Tensor | None = None
    gather: Callable[[Tensor], Tensor] = field(default=lambda rows: rows)
    trace: Trace | None = None

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of this step, the same in every process, micro-batch and repetition of the run."""
        return np.random.default_rng([self.seed, self.epoch, self.step, *name.encode()])

    def noise(self, name: str, rows: Tensor) -> Tensor:
        """Standard normal numbers like `rows [B, …]`: a clip's are the same whichever process draws them."""
        drawn = self.rng(name).standard_normal((self.first + len(rows), *rows.shape[1:]))
        return torch.from_numpy(drawn[self.first :]).to(rows.device, rows.dtype, non_blocking=True)

    def counts_like(self, rows: Tensor) -> Tensor:
        """`counts` on the device and of the type of `rows`; 1 where a class has no clip, so that logarithms exist."""
        assert self.counts is not None, "whoever trains tells the context how many clips each class has"
        return self.counts.to(rows).clamp(min=1)


def ramp(epoch: int, delay: int, length: int) -> float:
    """0 before epoch `delay`, then rising linearly to 1 over `length` epochs (0: at once)."""
    return min(max((epoch - delay + 1) / (length + 1), 0.0), 1.0)


@dataclass(frozen=True)
class Weighted:
    """Settings of a component that adds a loss term: its λ is 0 at first, then ramps up to `weight`."""

    weight: float = knob(1.0, "λ of this term", low=0)
    delay: int = knob(0, "epochs in which λ is 0", low=0, unit="epochs")
    ramp: int = knob(0, "epochs in which λ then rises linearly to its weight; 0: at once", low=0, unit="epochs")

    def at(self, epoch: int) -> float:
        """λ of an epoch."""
        return self.weight * ramp(epoch, self.delay, self.ramp)


@dataclass(frozen=True)
class NoSettings:
    """Settings of a component that has none."""


class Component(nn.Module):
    """Base of all components. A subclass sets `name`, `paper`, `Settings`, and defines the hooks that it needs.

    `requires` and `excludes` map other components' names to the reason; `divergence = "kl"` makes the value of
    the classification loss KL(target ‖ p) instead of the cross-entropy (gradients are the same).
    """

    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Settings: ClassVar[type] = NoSettings
    requires: ClassVar[dict[str, str]] = {}
    excludes: ClassVar[dict[str, str]] = {}
    divergence: ClassVar[str] = "ce"
    order: ClassVar[int] = 0  # its hooks come before those of others (-1), or after and see what they made (1)

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings

    @classmethod
    def problem(cls) -> str:
        """What is wrong with a component from outside; empty when nothing is. A misspelt hook would do nothing."""
        if any(getattr(cls, hook) is not getattr(Component, hook) for hook in HOOKS):
            return ""
        known = vars(Component)
        own = [name for name, value in vars(cls).items() if name not in known and name[0] != "_" and callable(value)]
        if not own:
            return f"defines no hook: known are {', '.join(HOOKS)}"
        return f"defines no hook, and nobody calls {own[0]}: {nearest(own[0], HOOKS)}"

    @classmethod
    def doubt(cls) -> str:
        """A method that is called almost as a hook is: nobody calls it. Empty where there is none."""
        for name, value in vars(cls).items():
            near = get_close_matches(name, HOOKS, 1, 0.8) if callable(value) and name[0] != "_" else []
            if near and name not in HOOKS:
                return f"{name} is no hook, and nobody calls it: did you mean {near[0]}?"
        return ""

    @property
    def needs_pixels(self) -> bool:
        """Whether the method must see pixels, so that cached features can't serve it."""
        return False

    def waits(self, epoch: int) -> bool:
        """Whether, by its settings, it does nothing yet: sentinels then leave it alone."""
        settings = plain(self.settings)  # asking is no use of a setting
        return isinstance(settings, Weighted) and epoch < settings.delay

    def extend(self, model: VideoModel) -> None:
        """Adds modules to the network at its named points, once, before training."""

    def parameter_groups(self, model: VideoModel) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
        """Parameters with a learning rate of their own: (group, rate, parameters)."""
        yield from ()

    def sampler(self, label: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """The epoch's order of training clips, given their labels `[N]`: positions `[M]`; None leaves it random."""
        return None

    def on_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Edits inputs and label mixture; called before the trunk (pixels) and behind it (features)."""
        return batch

    def kernel(self, targets: Tensor, ctx: Context) -> Tensor:
        """Row-stochastic `[K, K]`: given what to aim at for each label so far, what to aim at instead."""
        return targets

    def on_logits(self, logits: Tensor, batch: Batch, ctx: Context) -> Tensor:
        """Edits the logits `[B, K]` that the classification loss sees; evaluation never does."""
        return logits

    def weigh(self, log_p: Tensor, batch: Batch, ctx: Context) -> Tensor:
        """Factors `[B, K]` on −q_c log p_c, the classes' shares of the cross-entropy, given `log_p [B, K]`."""
        return torch.ones_like(log_p)

    def loss(self, out: Output, batch: Batch, ctx: Context) -> dict[str, tuple[float, Tensor]]:
        """Further terms of the total loss: name -> (weight λ, mean over the batch)."""
        return {}

    def after_step(self, ctx: Context) -> None:
        """Follows an optimiser step: momentum updates, queue pushes. Never called in evaluation."""
