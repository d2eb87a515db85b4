"""A queue of keys that does not move, or not as it should, or whose momentum copy stands still."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.methods import Component
from harness.sentinels import Epoch, Finding, Sentinel, Setup, Step
from harness.sentinels._queues import queues_of
from harness.sentinels._sums import moved, sums
from harness.settings import plain

EPOCHS = 2  # that are watched: every clip has then passed twice, and an evaluation lies between; waiting comes on top


class QueueStale(Sentinel):
    """Keys must come in as clips are trained on, one a clip (or one a class and step), and none in evaluation.

    Queues are found by their buffers `queue`, `labels` and `next`, so one of a component from outside is watched too.
    Its momentum copies are the frozen modules in it that are built like a part of the network. While a component waits
    it may fill its queue or leave it empty, and let its copies be.
    """

    name = "queue-stale"
    severity = "error"
    watches = "the place that a queue writes next, how many places are filled, and its momentum copies' weights"
    reason = (
        "no threshold: after n clips the next place is n modulo the queue's size and the smaller of both is filled, "
        "or keys were dropped (at the wrap-around, from other processes) or pushed outside training. A copy whose "
        "original has moved and which has not moved at all, to the last bit of double precision sums, does not follow "
        "it"
    )
    failures = (13, 29)
    memory = ("_before", "_steps", "_waited", "_seen", "_first", "_sums")

    def __init__(self, settings: object) -> None:
        super().__init__(settings)
        self._batch = self._classes = 0
        self._before = self._steps = 0  # clips and steps of earlier epochs
        self._waited: dict[str, tuple[int, int]] = {}  # component -> clips and steps of the epochs in which it waited
        self._seen: list[tuple[str, int, tuple[int, ...], Tensor]] = []  # queue, its size, keys due, where it stands
        self._pairs: dict[str, tuple[str, nn.Module, nn.Module]] = {}  # name of a copy -> component, copy, original
        self._first: dict[str, tuple[Tensor, Tensor]] = {}  # of each pair, its sums once it has something to do
        self._sums: dict[str, tuple[Tensor, Tensor]] = {}

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._batch, self._classes = plain(setup.train).batch_size, setup.learner.model.classes
        for part in setup.learner.parts:
            if hasattr(part, "queue"):
                for name, slow, fast in _copies(part, setup.learner.model):
                    self._pairs[f"{part.name}.{name}"] = part.name, slow, fast
        yield from ()

    def on_step(self, step: Step) -> None:
        epoch, parts = step.ctx.epoch, step.learner.parts
        watched = {part.name for part in parts if epoch < EPOCHS or part.waits(epoch - EPOCHS)}
        waiting = {part.name for part in parts if part.waits(epoch)}
        clips, steps = self._before + step.ctx.step * self._batch, self._steps + step.ctx.step
        for queue in queues_of(step) if watched else ():
            idle = (clips, steps) if queue.component in waiting else self._waited.get(queue.component, (0, 0))
            due = (clips, steps * self._classes, clips - idle[0], (steps - idle[1]) * self._classes)
            if queue.component in watched:
                stands = torch.stack([queue.next.reshape(()), (queue.labels >= 0).sum()])
                self._seen.append((queue.component, len(queue.labels), due, stands))
        pairs = [(name, pair) for name, pair in self._pairs.items() if pair[0] in watched - waiting]
        self._sums = {name: _sums(slow, fast) for name, (_, slow, fast) in pairs}
        self._first = self._sums | self._first

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        seen, self._seen = self._seen, []
        self._before += int(epoch.picked.sum())
        self._steps += epoch.steps
        waiting = [part.name for part in epoch.learner.parts if part.waits(epoch.number)]
        self._waited |= dict.fromkeys(waiting, (self._before, self._steps))
        for component, size, due, stands in seen:
            expected = [_places(pushed, size) for pushed in due]
            place, filled = map(int, stands.tolist())
            if (place, filled) not in expected:
                yield _misplaced(component, size, due[0], (place, filled), expected[0])
        for copy, now in self._sums.items():
            name, was = self._pairs[copy][0], self._first[copy]
            if any(moved(was[1], now[1])) and not any(moved(was[0], now[0])):
                yield Finding(
                    f"the momentum copy of {name} stands still while the network that it copies moves: its keys stay "
                    "those of an untrained network",
                    f"lower {name}.momentum, and update the copy after each optimiser step",
                    {"component": name, "epoch": epoch.number},
                    about=f"{name}, copy",
                )


def _places(pushed: int, size: int) -> tuple[int, int]:
    """The next place, and how many are filled, after so many keys."""
    return pushed % size, min(pushed, size)


def _misplaced(component: str, size: int, clips: int, found: tuple[int, int], expected: tuple[int, int]) -> Finding:
    does = "loses keys, or takes some that it should not" if found[1] else "takes no keys"
    return Finding(
        f"the queue of {component} {does}: after {clips} training clips its next place is {found[0]} of "
        f"{size} and {found[1]} are filled, where {expected[0]} and {expected[1]} were due",
        "push every key of a step once, from all processes, after the optimiser step and never in evaluation; write "
        "round the ring place by place, so that a batch at its end goes on at its beginning",
        {"component": component, "clips": clips, "next": found[0], "filled": found[1], "size": size},
        about=component,
    )


def _copies(part: Component, model: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Frozen modules in a component with the trainable parts of the network that they are built like."""
    shapes = {
        _shapes(module): module for module in model.modules() if any(p.requires_grad for p in module.parameters())
    }
    for name, slow in part.named_children():
        fast = shapes.get(_shapes(slow))
        if fast is not None and not any(parameter.requires_grad for parameter in slow.parameters()):
            yield name, slow, fast


def _shapes(module: nn.Module) -> tuple[object, ...]:
    return type(module), *((name, parameter.shape) for name, parameter in module.named_parameters())


def _sums(slow: nn.Module, fast: nn.Module) -> tuple[Tensor, Tensor]:
    """Sums of the weights of a copy, and of those that it copies."""
    pairs = [(old, new) for old, new in zip(slow.parameters(), fast.parameters(), strict=True) if new.requires_grad]
    return sums(old for old, _ in pairs), sums(new for _, new in pairs)
