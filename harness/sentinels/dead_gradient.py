"""A part of the network gets no gradient, or stops getting any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.sentinels import Epoch, Finding, Sentinel, Setup, Step, Watching
from harness.settings import knob


class DeadGradient(Sentinel):
    """A stream that is detached, a branch that the loss does not reach, an activation that is always off: its
    parameters are in the optimiser and never learn."""

    name = "dead-gradient"
    severity = "error"
    watches = "the gradient of each part of the network and of each component, at a few steps of each epoch"
    reason = (
        "a gradient of exactly 0, or none, at every watched step of an epoch does not happen to a part that is "
        "connected. A collapse is measured against the part's own share of the whole gradient in the first epoch, "
        "since all gradients shrink together when the loss falls"
    )

    memory = ("_seen", "_first")

    @dataclass(frozen=True)
    class Settings(Watching):
        collapse: float = knob(1e-6, "a part's share of the gradient against its share in epoch 0", low=0, high=1)

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._parameters = {name: p for name, p in setup.learner.named_parameters() if p.requires_grad}
        self._parts = [_part(name) for name in self._parameters]
        self._seen: list[tuple[list[int], Tensor]] = []
        self._first: dict[str, float] = {}
        yield from ()

    def on_step(self, step: Step) -> None:
        found = [(place, p.grad) for place, p in enumerate(self._parameters.values()) if p.grad is not None]
        if found:
            norms = torch.stack(torch._foreach_norm([gradient.detach() for _, gradient in found]))
            self._seen.append(([place for place, _ in found], norms))

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        steps, self._seen = [self._norms(places, norms) for places, norms in self._seen], []
        steps = [norms for norms in steps if np.isfinite(list(norms.values())).all()]
        waiting = {part.name for part in epoch.learner.parts if part.waits(epoch.number)}
        parts = [part for part in dict.fromkeys(self._parts) if part not in waiting]
        if not steps or not any(sum(norms.values()) for norms in steps):
            return  # nothing to compare with: a loss without any gradient is another sentinel's
        shares = {part: max(norms[part] / max(sum(norms.values()), 1e-300) for norms in steps) for part in parts}
        for part, share in shares.items():
            if share == 0:
                yield Finding(
                    f"{part} got no gradient at any of the {len(steps)} watched steps of epoch {epoch.number}: the "
                    "loss does not reach it, so it stays as it is",
                    "look for a detach, a no_grad or an output that is not used between it and the loss",
                    {"part": part, "gradient": 0.0, "steps": len(steps)},
                    about=part,
                )
            elif part in self._first and share < self.settings.collapse * self._first[part]:
                yield Finding(
                    f"the gradient of {part} has all but gone: {share / self._first[part]:.0e} of its share in the "
                    "first epoch, while other parts still learn",
                    "look for activations that saturated or died, and for a target that it already meets",
                    {"part": part, "share": share, "first_share": self._first[part]},
                    about=part,
                )
        self._first = {**{part: share for part, share in shares.items() if share}, **self._first}

    def _norms(self, places: list[int], norms: Tensor) -> dict[str, float]:
        """The gradient's norm of each part, in a step."""
        squares = dict.fromkeys(self._parts, 0.0)
        for place, value in zip(places, norms.double().tolist(), strict=True):
            squares[self._parts[place]] += value**2
        return {part: value**0.5 for part, value in squares.items()}


def _part(name: str) -> str:
    """The part that a parameter belongs to: `head.face`, `text.vectors`, `trunk.visual`, or a component's name."""
    words = name.split(".")
    return words[1] if words[0] == "components" else ".".join(words[1:3])
