"""Components that fail, for `--plugin`: by raising, by running out of memory, by giving no number."""

from __future__ import annotations

from typing import Any

import torch

from harness.methods import Component

GIB = 2**30


class Raising(Component):
    """Raises in the second step."""

    name = "raising"
    paper = "none"

    def after_step(self, ctx: Any) -> None:
        if ctx.step == 1:
            raise RuntimeError("on purpose")


class NoNumber(Component):
    """Its loss is NaN in the second step."""

    name = "no-number"
    paper = "none"

    def loss(self, out: Any, batch: Any, ctx: Any) -> dict[str, tuple[float, Any]]:
        return {"odd": (1.0, out.logits.sum() * (float("nan") if ctx.step == 1 else 0.0))}


class Hungry(Component):
    """The device has no memory for more than four clips at once."""

    name = "hungry"
    paper = "none"
    most = 4

    def on_batch(self, batch: Any, ctx: Any) -> Any:
        if len(batch.label) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return batch


class Starving(Hungry):
    """The device has no memory for more than one clip."""

    name = "starving"
    most = 1


class Large(Component):
    """Takes a gibibyte of address space for each clip, and gives it back."""

    name = "large"
    paper = "none"

    def on_batch(self, batch: Any, ctx: Any) -> Any:
        torch.empty(len(batch.label) * GIB, dtype=torch.uint8)
        return batch
