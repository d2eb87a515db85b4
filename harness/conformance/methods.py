"""What is asked of a component: the contract of `harness.methods`, and what training needs to trust it.

Each check takes the bench, returns a line of evidence, and raises where the component does not hold.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness.conformance import knobs
from harness.conformance.bench import TRAIN, Bench, splits
from harness.conformance.hooks import hooks
from harness.conformance.processes import difference, record, two_processes
from harness.conformance.verdicts import Failed, Spared, Warned
from harness.data.loading import as_picks
from harness.grid.grammar import Incompatible, Method
from harness.methods import HOOKS, Component, Context
from harness.plan import trains_on
from harness.protocol import Model, Train
from harness.training import loop
from harness.training.checkpoint import Keeper
from harness.words import plural, some

SLOWEST = 3.0  # times the step without the component: more is surely not meant
TIMED = 20  # steps of each


def declares(bench: Bench) -> str:
    """A component says what it is, where it comes from, and what each setting means."""
    cls, told = bench.cls, knobs.declared(bench.cls)
    for other, why in {**cls.requires, **cls.excludes}.items():
        if not why.strip():
            raise Failed(f"no reason is given for {other}", "write in requires and excludes why it is so")
    told += f"; hooks: {', '.join(hook for hook in HOOKS if getattr(cls, hook) is not getattr(Component, hook))}"
    if doubt := cls.doubt():
        what, _, mend = doubt.partition(": ")
        raise Warned(f"{told}; {what}", mend)
    return told


def repeats(bench: Bench) -> str:
    """The same seed trains the same twice: without that, no run can be repeated and no knob be tested."""
    first, second = (bench.train(bench.method()).digest() for _ in range(2))
    if first != second:
        mend = "draw random numbers from ctx.rng or ctx.noise, and keep nothing outside the component"
        raise Failed("two trainings from the same seed end with other weights", mend)
    return "two trainings from one seed end alike to the last bit"


def acts(bench: Bench) -> str:
    """With the component, or at least with some setting of it, training ends elsewhere than without."""
    without = bench.effect(bench.without())
    if bench.effect(bench.method()) != without:
        return f"{bench.method()} ends elsewhere than {bench.without()}"
    for settings, told in _single_turns(bench):
        if bench.ends(settings) not in ("", without):
            return f"with {told} it ends elsewhere than {bench.without()}; at its defaults not within 3 epochs"
    raise Failed(f"training ends as {bench.without()} does", "see whether its hooks are called and what they return")


def _single_turns(bench: Bench) -> Iterator[tuple[object, str]]:
    default = bench.cls.Settings()
    for field in knobs.fields(bench.cls.Settings):
        for value in knobs.turned(bench.cls.Settings, field, getattr(default, field.name)):
            yield dataclasses.replace(default, **{field.name: value}), f"{field.name} = {value}"


def turns(bench: Bench) -> str:
    """Every setting changes what is trained, at the defaults or beside another choice of another setting."""
    cls, default = bench.cls.Settings, bench.cls.Settings()
    if not knobs.fields(cls):
        raise Spared("it has no settings")
    found = {field.name: knobs.turn(default, field, bench.ends) for field in knobs.fields(cls)}
    if dead := [name for name, told in found.items() if told is None]:
        what = f"no value of {', '.join(dead)} changes what is trained within {TRAIN.epochs} epochs"
        raise Failed(what, "read self.settings where the hook computes, or take the setting out")
    return "; ".join(filter(None, found.values()))


def gradients(bench: Bench) -> str:
    """Finite gradients reach all that trains, and all that the component brings."""
    learner = bench.learner(bench.method())
    own = {id(p) for p in (*learner.added[bench.name], *learner.components[bench.name].parameters())}
    trained = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    steepest = dict.fromkeys(trained, 0.0)

    def note(name: str, parameter: nn.Parameter) -> None:
        if parameter.grad is not None:
            steepest[name] = max(steepest[name], float(parameter.grad.abs().nan_to_num(nan=float("inf")).max()))

    for name, parameter in trained.items():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: note(name, p))
    bench.train_on(learner, bench.method())
    if wild := [name for name, value in steepest.items() if value == float("inf")]:
        raise Failed(
            f"gradients of {some(wild)} are not finite", "clamp what is divided by, and what log or sqrt takes"
        )
    brought = [name for name, parameter in trained.items() if id(parameter) in own]
    if dead := [name for name in brought if not steepest[name]]:
        raise Failed(f"no gradient reaches {some(dead)}", "use it in what the loss depends on, without detach")
    return f"finite at {plural(len(trained), 'tensor')}, {len(brought)} of them its own"


def batches(bench: Bench) -> str:
    """A batch may hold one clip, and the last one of an epoch as few as are left."""
    for size in (1, 11):
        bench.train(bench.method(), dataclasses.replace(TRAIN, epochs=1, batch_size=size))
    return "batches of 1, and of 11, 11 and 1 clips"


def evaluation(bench: Bench) -> str:
    """Evaluation is the same each time, and leaves nothing behind."""
    method = bench.method()
    learner = bench.train(method).learner
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    split = splits(trains_on(Model(), method))["test"]
    first, second = (loop.predict(learner, split, bench.accelerator) for _ in range(2))
    changed = [name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])]
    if changed or not np.array_equal(first, second):
        what = f"evaluation changes {some(changed)}" if changed else "two evaluations of one network differ"
        raise Failed(what, "what trains or draws belongs into training hooks, or behind `if self.training`")
    return f"{plural(len(split), 'clip')} evaluated twice, alike to the last bit"


class _Cut(BaseException):
    """Ends a training between two steps; a `KeyboardInterrupt` would be the user's."""


def saves(bench: Bench) -> str:
    """A training that is cut off and goes on from its checkpoint ends as if nothing had been."""
    method, steps, half = bench.method(), 0, 0

    def count() -> None:
        nonlocal steps
        steps += 1
        if steps == half:
            raise _Cut

    whole = bench.train_on(bench.learner(method), method, stop=count).digest()
    total, half, steps = steps, (steps + 1) // 2, 0  # each of the 3 epochs has a step: one at least is saved
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for stop in (count, lambda: None):
            keeper = Keeper(Path(folder), bench.accelerator, 0.0, {}, said.append)
            with suppress(_Cut):
                trained = bench.train_on(bench.learner(method), method, keeper=keeper, stop=stop)
    mend = "carry what steps need of each other in buffers (self.register_buffer), not in attributes"
    if said:
        raise Failed(said[0], mend)
    told = f"cut off at step {half} of {total} and gone on"
    if trained.digest() != whole:
        raise Failed(f"{told}, training ends with other weights", mend)
    return f"{told}, it ends alike to the last bit"


def composes(bench: Bench) -> str:
    """It trains beside label distributions and mixup, or says why it does not."""
    allowed: list[str] = []
    said = []
    for other in ("ldl", "mixup"):
        try:
            bench.method(*allowed, other)
            allowed.append(other)
        except Incompatible as error:
            said.append(f"not beside {other}: {error.what}")
    method = bench.method(*allowed)
    bench.train(method)
    return "; ".join([f"trains as {method}", *said])


def micro_batches(bench: Bench) -> str:
    """Three micro-batches train what one batch trains."""
    _same(record(bench), record(bench, accumulation=3), "a batch whole and in 3 parts")
    return "batches in 3 parts train what whole ones train"


def processes(bench: Bench) -> str:
    """Two processes train what one trains."""
    _same(record(bench), two_processes(bench.name), "one process and two")
    return "two processes train what one trains"


def _same(one: dict, two: dict, what: str) -> None:
    if apart := difference(one, two):
        mend = (
            "make each term a mean over the batch's clips, draw from ctx.rng or ctx.noise, and pass what all "
            "processes must know through ctx.gather"
        )
        raise Failed(f"{what} train differently: {apart}", mend)


def speed(bench: Bench) -> str:
    """A step with the component takes about as long as one without; measured turn by turn, so that load hits both."""
    methods = bench.without(), bench.method()
    steppers = [_Stepper(bench, method) for method in methods]
    times = [[stepper.step() for stepper in steppers] for _ in range(TIMED + 5)][5:]
    before, after = (statistics.median(column) for column in zip(*times, strict=True))
    told = f"{after / before:.2f} times the step of {methods[0]} ({1000 * before:.1f} ms on the bench)"
    if after > SLOWEST * before:
        raise Failed(told, "compute what does not depend on the batch once, in extend, and avoid loops over clips")
    return told


class _Stepper:
    """One learner's training steps on one batch, timed."""

    def __init__(self, bench: Bench, method: Method) -> None:
        self.learner = bench.learner(method).train()
        self.optimizer = torch.optim.AdamW(self.learner.groups(Train()))
        data = splits(trains_on(Model(), method))["train"]
        (self.batch,) = data.batches([as_picks(range(16), range(16))])
        self.ctx = Context(self.learner.model, counts=torch.bincount(data.labels))

    def step(self) -> float:
        began = time.perf_counter()
        self.learner(self.batch, self.ctx).total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for part in self.learner.parts:
                part.after_step(self.ctx)
        self.ctx.step += 1
        return time.perf_counter() - began


BASIS = ("declares", "hooks", "repeats")  # what the checks behind them stand on
CHECKS = {
    "declares": declares,
    "hooks": hooks,
    "repeats": repeats,
    "acts": acts,
    "knobs": turns,
    "gradients": gradients,
    "batches": batches,
    "evaluation": evaluation,
    "save-load": saves,
    "composition": composes,
    "micro-batches": micro_batches,
    "processes": processes,
    "speed": speed,
}
