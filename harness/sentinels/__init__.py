"""What a sentinel is. Each other file in this folder is one sentinel, found by its file name.

A sentinel watches a run for one kind of silent failure and says so with evidence and a mend. It sees five things,
each in a hook that it may define: what was read (`on_reading`), what will be trained (`on_setup`), a few steps of
each epoch (`on_step`), each epoch with its validation (`on_epoch`), and what is kept (`on_ending`); and it is told
when an epoch's evaluation begins (`on_evaluation`). All but `on_step` and `on_evaluation` yield `Finding`s. `on_step`
only gathers, in tensors on the device: nothing may be read there, since that would stop a GPU at every step;
`on_epoch` reads. A setting that a sentinel looks at goes through `harness.settings.plain`, or it would count as used.
What `on_step`, `on_evaluation` and `on_epoch` leave in a sentinel is its `memory`: see there. Who calls the hooks is
`harness.training.watch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.clips import Scan
from harness.data.probe import Probe
from harness.learner import Learner, Loss
from harness.methods import Context, Trace
from harness.protocol import Face, Train
from harness.settings import knob
from harness.snapshot import copied

SEVERITIES = ("error", "warning")


@dataclass(frozen=True)
class Finding:
    """What a sentinel saw and what it means, in words; `evidence` in numbers; `mend` is what to do.

    `about` names the term, group, component or split that it is about: of each, a run is told once.
    `severity` is the sentinel's own unless this finding is known to be milder or graver.
    """

    message: str
    mend: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    severity: str = ""


@dataclass(frozen=True)
class Reading:
    """What was read of the data, before training. `labels` are those of the clips that are trained on, by split.

    `boxes` counts how each frame's face was found; `twins` are pairs of clips with the same pictures:
    (id, split, id, split). `probes` is the closer look at each clip's medium, by id. `cropped` says that the set's
    frames are faces already.
    """

    dataset: str
    classes: tuple[str, ...]
    descriptions: tuple[str, ...]
    scan: Scan
    face: Face
    labels: Mapping[str, np.ndarray]
    boxes: Mapping[str, int]
    unreadable: tuple[str, ...]
    twins: tuple[tuple[str, str, str, str], ...]
    probes: Mapping[str, Probe]
    cropped: bool = False


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate, as the optimiser has them, by their name in the learner."""

    name: str
    rate: float  # what it was built with: the schedule multiplies it
    members: Mapping[str, nn.Parameter]
    decay: Mapping[str, float]  # the weight decay of each member


@dataclass(frozen=True)
class Setup:
    """What will be trained: the learner, and the optimiser's groups. `metric` is the one that selects the epoch."""

    learner: Learner
    groups: tuple[Group, ...]
    train: Train
    metric: str
    steps: int  # of an epoch


@dataclass(frozen=True)
class Step:
    """A watched step, after its backward pass and before the optimiser moves: gradients are there, unclipped.

    With a gradient scaler they are scaled, so compare them with zero and with each other only.
    """

    ctx: Context
    learner: Learner
    loss: Loss
    trace: Trace


@dataclass(frozen=True)
class Epoch:
    """A finished epoch with its validation.

    `row` is its line of the history (losses, λ, learning rates, targets, scores); `confusion [K, K]` counts the
    training clips by label and prediction; `picked [K]` those that the epoch should have had by label, and `order`
    their positions as they came, of all processes;
    `probabilities [N, K]` and `labels [N]` are of the split that was evaluated; `skipped` counts optimiser steps
    that a gradient scaler left out, `scale` is its factor after the epoch (None: there is no scaler). `no_numbers` are
    the loss terms that became none, in words: `x, then cls` where x did so first.
    """

    number: int
    row: Mapping[str, Any]
    confusion: np.ndarray
    picked: np.ndarray
    order: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    rates: Mapping[str, float]
    learner: Learner
    steps: int
    skipped: int
    scale: float | None
    no_numbers: str = ""


@dataclass(frozen=True)
class Ending:
    """What is kept of a run: weights that were to be restored and are not, and how many predictions there are."""

    learner: Learner
    missing: tuple[str, ...]
    clips: Mapping[str, int]
    predictions: Mapping[str, int]
    epoch: int


@dataclass(frozen=True)
class Watching:
    """What every sentinel can be told."""

    severity: str = knob("", "error, warning or off; empty: as the sentinel sees fit", choices=("", *SEVERITIES, "off"))


class Sentinel:
    """Base of all sentinels: one instance watches one run.

    A subclass sets `name`, `severity`, `watches` (a few words: what it observes), `reason` (why its thresholds are
    what they are) and, where it has thresholds, `Settings`; and defines the hooks that it needs.

    `memory` names the attributes in which it gathers. A run that was cut off is read and set up again before it goes
    on, so what `on_reading` and `on_setup` make (parameters, hooks on modules) is not remembered; the rest is, from
    one step or epoch to the next, and what is not named here is forgotten without a word: the sentinel then goes on
    as if it had seen nothing. Memory is plain data, see `harness.snapshot`.
    """

    name: ClassVar[str] = ""
    severity: ClassVar[str] = "error"
    watches: ClassVar[str] = ""
    reason: ClassVar[str] = ""
    failures: ClassVar[tuple[int, ...]] = ()  # of the numbered failures in docs/sentinels.md, those that it catches
    memory: ClassVar[tuple[str, ...]] = ()
    Settings: ClassVar[type] = Watching

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @classmethod
    def problem(cls) -> str:
        """What is wrong with a sentinel from outside; empty when nothing is."""
        if not (isinstance(cls.Settings, type) and issubclass(cls.Settings, Watching)):
            return "its Settings are no subclass of harness.sentinels.Watching, which has the severity"
        if not (isinstance(cls.memory, tuple) and all(isinstance(name, str) for name in cls.memory)):
            return f"its memory is no tuple of names of attributes: {cls.memory!r}"
        hooks = ("on_reading", "on_setup", "on_step", "on_evaluation", "on_epoch", "on_ending")
        if any(getattr(cls, hook) is not getattr(Sentinel, hook) for hook in hooks):
            return ""
        return f"defines no hook: known are {', '.join(hooks)}"

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        yield from ()

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        yield from ()

    def on_step(self, step: Step) -> None:
        """Gathers what `on_epoch` will judge; reads no tensor."""

    def on_evaluation(self) -> None:
        """An epoch's steps are over and its evaluation begins; it is over when `on_epoch` is called."""

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        yield from ()

    def on_ending(self, ending: Ending) -> Iterator[Finding]:
        yield from ()

    def state_dict(self) -> dict[str, Any]:
        """A copy of its memory, on the CPU. Raises `BadInput` where an attribute is more than plain data."""
        return {name: copied(getattr(self, name), "cpu", f"{self.name}: {name}") for name in self.memory}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Goes on with this memory, its tensors on the device of the run. Called when the run is set up."""
        for name in self.memory:
            setattr(self, name, copied(state[name], device, f"{self.name}: {name}"))


def gradient_norm(parameters: list[nn.Parameter]) -> Tensor | None:
    """The norm of all their gradients together, on their device; None where none has a gradient at all."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return None
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
