"""The bench: a component beside what it needs, trained on a small fixed set by the loop that trains everything.

The set is random numbers whose mean tells the class: features as the cache would hold them or, for components that
must see pixels, crops. 23 clips to train on, so that with batches of 8 the last one is uneven.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from harness import plugins
from harness.conformance.verdicts import Failed
from harness.data.cache import Stored
from harness.data.clips import Clip, Scan, as_dataset
from harness.data.loading import Split
from harness.data.shelf import Rows
from harness.errors import BadInput
from harness.grid import grammar
from harness.grid.grammar import Method
from harness.learner import Learner, components_of
from harness.model import trunk
from harness.model.network import VideoModel
from harness.plan import trains_on
from harness.protocol import Clips, Model, Train
from harness.training import loop
from harness.training.checkpoint import Keeper
from harness.training.watch import Watch

CLASSES = ("happy", "sad", "angry")
DESCRIPTIONS = ("a happy face", "a sad face with tears", "an angry face with a deep frown")
CLIPS = {"train": 23, "val": 9, "test": 10}
TRAIN = Train(epochs=3, batch_size=8, lr=0.01, selection="last")  # what acts late must show
FRAMES = {"features": 4, "frames": 2}


class Unwatched:
    """A viewer that looks at nothing; `stop` is called after each step, and may cut the training off."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self.stop = stop

    def step(self, epoch: int, live: Callable[[], dict[str, str]]) -> None:
        self.stop()

    def epoch(self, row: dict[str, Any]) -> None: ...
    def alarm(self, row: dict[str, Any]) -> None: ...
    def note(self, line: str) -> None: ...
    def resumed(self, epoch: int, step: int) -> None: ...


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    learner: Learner
    outcome: loop.Outcome

    def digest(self) -> str:
        """Equal for trainings that ended with the same weights, buffers and probabilities, to the last bit."""
        return _digest(self.learner.state_dict(), self.outcome)

    def effect(self) -> str:
        """The same of what is evaluated: the network, whatever a component keeps beside it."""
        return _digest(self.learner.model.state_dict(), self.outcome)


class Bench:
    """Trainings of one component, which stands beside a prompt, where it may, and what it requires."""

    def __init__(self, cls: Any) -> None:
        self.cls, self.name = cls, cls.name
        self.accelerator = accelerator()
        self.effect = functools.cache(self._effect)
        prompt = () if "prompt" in cls.excludes or cls.name == "prompt" else ("prompt",)
        self.beside = tuple(name for name in _closure(*prompt, cls.name) if name != cls.name)

    def method(self, *more: str, settings: Any = None) -> Method:
        """The component beside what it needs, and more. Raises `Incompatible` where it can't stand beside that."""
        method = grammar.resolve("+".join(dict.fromkeys([*_closure(*self.beside, *more), self.name])))
        own = [(name, settings if name == self.name and settings else chosen) for name, chosen in method.components]
        return Method(tuple(own))

    def without(self) -> Method:
        """What it stands beside, alone."""
        return grammar.resolve("+".join(self.beside) or grammar.PLAIN)

    def train(self, method: Method, settings: Train = TRAIN, *, still: bool = False) -> Trained:
        """A training from the first step; `still`: without dropout."""
        return self.train_on(self.learner(method, still=still), method, settings)

    def train_on(
        self,
        learner: Learner,
        method: Method,
        settings: Train = TRAIN,
        *,
        keeper: Keeper | None = None,
        stop: Callable[[], None] = lambda: None,
    ) -> Trained:
        """The same with a learner at hand, or from `keeper`'s checkpoint; `stop` is called after each step."""
        watch = Watch({}, lambda alarm: None)
        watch.sentinels.clear()  # they judge runs, the kit judges the component
        data = splits(trains_on(Model(), method))
        viewer = Unwatched(stop)
        try:
            outcome = loop.train(learner, data, settings, "war", 0, self.accelerator, viewer, [], watch, keeper)
        except loop.NotFinite as error:
            mend = "clamp what is divided by, and what log or sqrt takes; their gradients must be finite as well"
            raise Failed(str(error), mend) from error
        finally:
            self.accelerator.free_memory()
        return Trained(learner, outcome)

    def learner(self, method: Method, *, still: bool = False) -> Learner:
        """A learner of three classes, always from the same random numbers."""
        settings = Model(dropout=0.0) if still else Model()
        clip = copy.deepcopy(_clip(), {id(_clip().tokenizer): _clip().tokenizer})  # a component may open its towers
        torch.manual_seed(0)  # after loading, which draws random numbers of its own
        pixels = trains_on(settings, method) == "frames"
        learner = Learner(VideoModel(clip, settings, DESCRIPTIONS, pixels=pixels), components_of(method))
        for module in learner.modules() if still else ():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        return learner

    def ends(self, settings: Any) -> str:
        """What a training with these settings comes to; empty where they are refused."""
        try:
            return self.effect(self.method(settings=settings))
        except BadInput:
            return ""

    def _effect(self, method: Method) -> str:
        return self.train(method).effect()


def accelerator() -> Accelerator:
    """One that leaves buffers to the components, as in runs; on the CPU, where two processes always find room."""
    return Accelerator(cpu=True, kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)])


@functools.cache
def splits(level: str) -> dict[str, Split]:
    """The set, as `features` or as `frames`, always the same."""
    rng = torch.Generator().manual_seed(0)
    return {name: _split(name, size, level, 2 if name == "train" else 1, rng) for name, size in CLIPS.items()}


def _split(name: str, size: int, level: str, views: int, rng: torch.Generator) -> Split:
    clips = [Clip(f"{name}/{i}", "", i % len(CLASSES), name) for i in range(size)]
    index = as_dataset(Scan(Path(), clips, [], {}, False, name), CLASSES)
    label = torch.tensor([clip.label for clip in clips], dtype=torch.float32)
    face, context = (_rows(label, level, views, rng) for _ in range(2))
    return Split(index, Stored(clips, face, context, {}, []), torch.device("cpu"), Clips())


def _rows(label: torch.Tensor, level: str, views: int, rng: torch.Generator) -> Rows:
    """One stream's rows `[V, N, T, …]`."""
    clip = _clip()
    inner = (clip.width,) if level == "features" else (clip.size, clip.size, 3)
    rows = torch.randn(views, len(label), FRAMES[level], *inner, generator=rng)
    rows += label.view(1, -1, *[1] * (rows.ndim - 2))
    rows = rows if level == "features" else (64 + 48 * rows).clamp(0, 255).to(torch.uint8)
    places = torch.stack(torch.meshgrid(torch.arange(views), torch.arange(len(label)), indexing="ij"), dim=-1)
    return Rows(list(rows), places)


@functools.cache
def _clip() -> trunk.Loaded:
    return trunk.load(Model())


def _closure(*names: str) -> Sequence[str]:
    """The components and all that they require, which may require each other."""
    wanted = list(dict.fromkeys(names))
    for name in wanted:  # grows as it goes
        wanted += [other for other in plugins.get("methods", name).requires if other not in wanted]
    return wanted


def _digest(state: dict[str, Any], outcome: loop.Outcome) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        plain = value.reshape(-1).view(torch.uint8)  # numpy does not know every type of torch
        digest.update(name.encode() + plain.numpy().tobytes())
    for rows in outcome.probabilities.values():
        digest.update(rows.tobytes())
    return digest.hexdigest()
