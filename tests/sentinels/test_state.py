"""A run that is cut off and goes on is watched as one that never was: same memory, same alarms, to the last bit.

Each case trains twice on the small synthetic splits: with one watch, and with a new one at every place where a run
may be cut off: before each step, between steps and evaluation, after the last epoch. Each new watch is shown the
reading and the setup and loads what went through a file. As the memories are compared at every place, a run that is
cut off at one of them alone comes out the same too.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import DESCRIPTIONS, Silent, make_splits, make_watch
from torch import nn

from harness import plugins
from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.methods import Component
from harness.methods.moco import MocoRank
from harness.methods.prompt import LearnedText
from harness.model import trunk
from harness.model.network import VideoModel
from harness.model.text import TextTower
from harness.protocol import Model, Train
from harness.sentinels import Reading, Sentinel, Setup
from harness.settings import Word, parse, recording
from harness.training import loop
from harness.training.watch import Alarm, Watch
from sentinels.defects import Defect
from sentinels.lab import every_defect

SEED = 1  # of all runs: 0 would be what a forgotten seed is
USUAL = {"epochs": 2, "batch_size": 8}


# ── cases: planted defects, and healthy runs of which a forgetful sentinel would say something ───────────────────


def _empty_while_it_waits(patch: pytest.MonkeyPatch, folder: Path) -> tuple[str, ...]:
    """A queue that takes no keys in the first epoch, as it may."""
    follow = MocoRank.after_step

    def later(self, ctx):
        self._keys = self._keys if ctx.epoch else []
        if ctx.epoch:
            follow(self, ctx)

    patch.setattr(MocoRank, "after_step", later)
    return ()


def _a_key_for_each_class(patch: pytest.MonkeyPatch, folder: Path) -> tuple[str, ...]:
    class Remembers(Component):
        name = "remembers"

        def extend(self, model):
            self.register_buffer("queue", torch.zeros(100, 4))
            self.register_buffer("labels", torch.full((100,), -1))
            self.register_buffer("next", torch.zeros((), dtype=torch.long))

        def after_step(self, ctx):
            places = self.next + torch.arange(3)
            self.labels[places] = torch.arange(3)
            self.next += 3

    patch.setitem(plugins._from_files["methods"], "remembers", Remembers)
    return ()


def _trains_in_the_third_evaluation(patch: pytest.MonkeyPatch, folder: Path) -> tuple[str, ...]:
    """What comes after the evaluations that are followed is not looked at."""
    predict, calls = loop.predict, []

    def predicting(learner, split, accelerator):
        calls.append(1)
        with pytest.MonkeyPatch.context() as inner:
            if len(calls) == 3:
                inner.setattr(learner, "eval", lambda: learner.train())
            return predict(learner, split, accelerator)

    patch.setattr(loop, "predict", predicting)
    return ()


def _large_in_training(patch: pytest.MonkeyPatch, folder: Path) -> tuple[str, ...]:
    """A text tower in half precision, which comes near to the end of its range in training alone."""
    encode, whole = TextTower.forward, LearnedText.forward

    def forward(*inputs):
        found = encode(*inputs)
        return (found if torch.is_inference_mode_enabled() else 40_000 * found / found.abs().amax()).half()

    patch.setattr(TextTower, "forward", forward)
    patch.setattr(LearnedText, "forward", lambda self: whole(self).float())
    return ()


def _planted(sentinel: str, what: str) -> Defect:
    (found,) = (defect for defect in every_defect() if (defect.sentinel, defect.what) == (sentinel, what))
    return found


MORE = [
    Defect(
        "loss-accuracy-gap",
        "a loss at its floor from the start",
        "lsr(epsilon=1.0)",
        ("model.temperature=1.0", "train.epochs=3"),
    ),
    Defect("queue-stale", "a healthy queue", "prompt+moco(queue=20)"),
    Defect("queue-stale", "a queue that waits", "prompt+moco(delay=1)", breaks=_empty_while_it_waits),
    Defect("queue-stale", "a key for each class and step", "remembers", breaks=_a_key_for_each_class),
    Defect("inactive-component", "a component that acts by its term", "prompt+mi"),
    Defect("inactive-component", "a component that acts by its target", "prompt+lsr"),
    Defect("inactive-component", "a component that draws the order", "prompt+balanced"),
    dataclasses.replace(
        _planted("overflow", "every step left out by the gradient scaler"),
        what="the same, 12 steps an epoch",
        sets=("train.batch_size=2",),
    ),
    Defect("overflow", "a tower that nearly overflows in training", breaks=_large_in_training),
    Defect(
        "train-mode-evaluation", "a third evaluation", sets=("train.epochs=3",), breaks=_trains_in_the_third_evaluation
    ),
    Defect("unused-setting", "settings that are read", "prompt(lr=0.01)", ("train.lr=0.01", "model.temperature=0.05")),
]


def _in_memory(defect: Defect) -> bool:
    """Whether it can be planted without files: in the code, the trainer or the network."""
    return all(words.startswith(("train.", "model.temperature")) for words in defect.sets)


def _remembering() -> list[type[Sentinel]]:
    found = [plugins.get("sentinels", name) for name in plugins.names("sentinels")]
    return [cls for cls in found if cls.memory]


NAMES = {cls.name for cls in _remembering()}
CASES = [case for case in (*every_defect(), *MORE) if case.sentinel in NAMES and _in_memory(case)]


# ── running them ────────────────────────────────────────────────────────────────────────────────────────────────


class Places:
    """Stands for the watch of a run; calls `at` wherever the run may be cut off, which may give another watch."""

    def __init__(self, watch: Watch, at: Callable[[Watch, Setup], Watch]) -> None:
        self.watch, self.at = watch, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self.watch, name)

    def setup(self, setup: Setup) -> None:
        self._setup = setup
        self.watch.setup(setup)

    def due(self, step: int, steps: int) -> bool:
        self.watch = self.at(self.watch, self._setup)
        return self.watch.due(step, steps)

    def evaluating(self) -> None:
        self.watch = self.at(self.watch, self._setup)
        self.watch.evaluating()

    def ending(self, ending: Any) -> None:
        self.watch = self.at(self.watch, self._setup)
        self.watch.ending(ending)


def train(case: Defect, at: Callable[[Watch, Setup], Watch], folder: Path) -> list[Alarm]:
    """All alarms of a run of the case."""
    with pytest.MonkeyPatch.context() as patch:
        assert not list(case.breaks(patch, folder))
        told = dict(word.split("=", 1) for word in case.sets)
        sections = {
            cls: {key.partition(".")[2]: Word(value) for key, value in told.items() if key.startswith(f"{name}.")}
            for name, cls in (("train", Train), ("model", Model))
        }
        settings = recording(parse(Train, USUAL | sections[Train], "train"))
        places = Places(_watch(), at)
        learner = _learner(case.method, recording(parse(Model, sections[Model], "model")))
        accelerator = Accelerator(cpu=True)
        with contextlib.suppress(loop.NotFinite):
            loop.train(learner, _splits(), settings, "war", SEED, accelerator, Silent(), [], places)
        return places.watch.alarms


def _learner(method: str, settings: Model) -> Learner:
    clip = copy.deepcopy(_clip(), {id(_clip().tokenizer): _clip().tokenizer})  # which is large, and never changes
    torch.manual_seed(SEED)  # after loading, which draws random numbers of its own
    model = VideoModel(clip, settings, DESCRIPTIONS, pixels=False)
    return Learner(model, components_of(grammar.resolve(method)))


def _watch() -> Watch:
    watch = Watch({}, lambda alarm: None)
    watch.reading(_reading())
    return watch


@functools.cache
def _reading() -> Reading:
    """What the usual watch of these splits is shown."""
    shown: list[Reading] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "reading", lambda watch, reading: shown.append(reading))
        make_watch(_splits())
    return shown[0]


_clip = functools.cache(lambda: trunk.load(Model()))
_splits = functools.cache(make_splits)


def resumed(watch: Watch, setup: Setup) -> Watch:
    """A new watch, as of another process, that has loaded the file of this one."""
    file = io.BytesIO()
    torch.save(watch.state_dict(), file)
    file.seek(0)
    for settings in (setup.train, setup.learner.model.settings, *(part.settings for part in setup.learner.parts)):
        getattr(type(settings), "_seen", set()).clear()  # another process has not read them yet
    new = _watch()
    new.setup(setup)
    new.load_state_dict(torch.load(file, weights_only=True))
    assert frozen(new.state_dict()) == frozen(watch.state_dict())
    return new


def frozen(value: Any) -> Any:
    """A value as it is now, to be compared to the last bit. Modules and parameters are who they are."""
    if isinstance(value, nn.Module | nn.Parameter):
        return id(value)
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(key, frozen(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [frozen(one) for one in value]
    if dataclasses.is_dataclass(value):
        return type(value).__name__, frozen(vars(value))
    return frozenset(value) if isinstance(value, set) else value


# ── tests ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", autouse=True)
def _one_look_at_the_folders():
    """Hundreds of watches are made here, and each asks for its sentinels' files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "_built_in", functools.cache(plugins._built_in))
        yield


@functools.cache
def uncut(case: Defect) -> tuple[list[Alarm], list[Any], set[tuple[str, str]]]:
    """Of a run that is never cut off: its alarms, the watch's state at every place, and what changed after setup."""
    states, begun, changed = [], [], set()

    def at(watch: Watch, setup: Setup) -> Watch:
        states.append(frozen(watch.state_dict()))
        now = {(one.name, name): frozen(value) for one in watch.sentinels for name, value in vars(one).items()}
        begun.append(now)  # the first place is before the first step
        changed.update(key for key in now if now[key] != begun[0].get(key, "not there"))
        return watch

    return train(case, at, Path()), states, changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.sentinel}: {case.what}")
def test_a_run_that_is_cut_off_everywhere_is_watched_as_one_that_never_was(case):
    alarms, states, changed = uncut(case)
    places = iter(states)

    def at(watch: Watch, setup: Setup) -> Watch:
        assert frozen(watch.state_dict()) == next(places)
        return resumed(watch, setup)

    assert train(case, at, Path()) == alarms
    assert not list(places)
    hidden = {(sentinel, name) for sentinel, name in changed if name not in plugins.get("sentinels", sentinel).memory}
    assert not hidden, "gathered where no checkpoint finds it: name it in `memory`"


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls in _remembering() for name in cls.memory],
    ids=lambda it: getattr(it, "name", it),
)
def test_without_any_part_of_its_memory_a_sentinel_says_something_else(cls, name, monkeypatch):
    monkeypatch.setattr(cls, "memory", tuple(other for other in cls.memory if other != name))
    assert any(_differs(case) for case in CASES if case.sentinel == cls.name), "needless, or no case needs it"


def _differs(case: Defect) -> bool:
    try:
        return train(case, resumed, Path()) != uncut(case)[0]
    except (KeyError, RuntimeError):  # it can't even go on
        return True
