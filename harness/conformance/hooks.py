"""What each hook of a component gives for one batch, held against what the learner takes.

A fault found here is told with the line of the hook; found in a training, it would show as the learner's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.conformance.bench import CLASSES, Bench, splits
from harness.conformance.verdicts import Failed
from harness.data.loading import as_picks
from harness.learner import Learner
from harness.methods import Batch, Component, Context
from harness.plan import trains_on
from harness.protocol import Model


def hooks(bench: Bench) -> str:
    """What its hooks give is what the learner takes: distributions, shapes, positions, names of its own."""
    method = bench.method()
    learner = bench.learner(method).train()
    (part,) = (part for part in learner.parts if part.name == bench.name)
    said: list[str] = []
    data = splits(trains_on(Model(), method))["train"]
    (batch,) = data.batches([as_picks(range(5), range(5))])
    for epoch in (0, 100):  # before any warm-up is over, and after
        ctx = Context(learner.model, epoch=epoch, counts=torch.bincount(data.labels, minlength=len(CLASSES)))
        said = list(_given(part, learner, batch, ctx))
    order = part.sampler(data.labels_on_cpu, np.random.default_rng(0))
    if order is not None and not (len(order) and np.min(order) >= 0 and np.max(order) < len(data)):
        what = "sampler gives positions that no clip has"
        raise _fault(part, "sampler", what, "give positions from 0 to the number of labels - 1")
    return "; ".join(said)


def _given(part: Component, learner: Learner, batch: Batch, ctx: Context) -> Iterator[str]:
    seen = learner.model.features(_batch(part, batch, ctx))
    seen = _batch(part, seen, ctx) if batch.level == "pixels" else seen
    _distributions(part, "on_batch", "a label mixture", seen.target, (len(batch.label), len(CLASSES)))
    yield f"label mixtures {list(seen.target.shape)} sum to 1"
    ctx.out = out = learner.model(seen)
    for targets in (torch.eye(len(CLASSES)), torch.full((len(CLASSES),) * 2, 1 / len(CLASSES))):
        _distributions(part, "kernel", "targets", part.kernel(targets, ctx), (len(CLASSES),) * 2)
    yield "targets sum to 1"
    logits = part.on_logits(out.logits, seen, ctx)
    _finite(part, "on_logits", logits, out.logits)
    _finite(part, "weigh", part.weigh(logits.log_softmax(-1), seen, ctx), out.logits)
    yield f"finite terms: {', '.join(_terms(part, part.loss(out, seen, ctx))) or 'none'}"


def _batch(part: Component, batch: Batch, ctx: Context) -> Batch:
    found = part.on_batch(batch, ctx)
    if not isinstance(found, Batch):
        raise _fault(part, "on_batch", f"on_batch gives {_kind(found)}", "return the batch")
    return found


def _distributions(part: Component, hook: str, noun: str, rows: Any, shape: tuple[int, int]) -> None:
    mend = "every row must be a distribution over K"
    if not isinstance(rows, Tensor):
        raise _fault(part, hook, f"{hook} gives {_kind(rows)} for {noun}", mend)
    if tuple(rows.shape) != shape or (rows < 0).any() or not torch.allclose(rows.sum(-1), torch.ones(shape[0])):
        sums = [round(value, 4) for value in rows.detach().flatten(1).sum(-1).tolist()]
        raise _fault(part, hook, f"{hook} gives {noun} {list(rows.shape)} whose rows sum to {sums}", mend)


def _finite(part: Component, hook: str, rows: Any, logits: Tensor) -> None:
    mend = f"let {hook} give finite numbers [B, K]"
    if not isinstance(rows, Tensor):
        raise _fault(part, hook, f"{hook} gives {_kind(rows)}", mend)
    if rows.shape != logits.shape or not torch.isfinite(rows).all():
        what = f"{hook} gives {list(rows.shape)}, or what is not finite, for logits {list(logits.shape)}"
        raise _fault(part, hook, what, mend)


def _terms(part: Component, terms: Any) -> list[str]:
    """Names of the loss terms."""
    mend = "give {name: (weight λ, value)}: a number, and a tensor that is the mean over the clips of the batch"
    if not isinstance(terms, dict):
        raise _fault(part, "loss", f"loss gives {_kind(terms)}", mend)
    for name, term in terms.items():
        kinds = [_kind(each) for each in term] if isinstance(term, tuple) else []
        if not (len(kinds) == 2 and isinstance(term[0], Real) and isinstance(term[1], Tensor)):
            told = f"({', '.join(kinds)})" if kinds else _kind(term)
            raise _fault(part, "loss", f"loss gives {told} for the term {name!r}", mend)
        if name in ("cls", "total"):
            what = f"a loss term is called {name!r}, as one of the learner's own"
            raise _fault(part, "loss", what, "give it the component's name")
        if term[1].shape != () or not torch.isfinite(term[1]):
            what = f"the term {name!r} is {term[1].detach()}"
            raise _fault(part, "loss", what, "give one finite number: a mean over the clips of the batch")
    return list(terms)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"`{type(value).__name__}`"


def _fault(part: Component, hook: str, what: str, mend: str) -> Failed:
    """A fault of a hook, with the line where it is defined."""
    code = inspect.unwrap(getattr(type(part), hook)).__code__
    return Failed(what, f"{mend}; see {code.co_filename}:{code.co_firstlineno}, in {hook}")
