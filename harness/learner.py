"""The learner: one module of network and components, whose forward is the whole loss.

The story of a batch is `Learner.forward`, top to bottom. Keeping everything in one module means that DDP sees
one graph, and that components' parameters and buffers are moved, synchronised and saved with the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness import plugins
from harness.errors import BadInput
from harness.grid.grammar import Method
from harness.methods import Batch, Component, Context, VideoModel
from harness.protocol import Train
from harness.settings import recording

SUM = 1e-3  # by which a row of the targets may miss 1: rounding stays far below


@dataclass
class Loss:
    """`total` is what trains; `terms` are (weight λ, value) by name; `targets` is M `[K, K]`."""

    total: Tensor
    terms: dict[str, tuple[float, Tensor]]
    logits: Tensor
    targets: Tensor


def components_of(method: Method) -> dict[str, Component]:
    """The method's components, built with their settings, in canonical order."""
    return {name: plugins.get("methods", name)(recording(settings)) for name, settings in method.components}


class Learner(nn.Module):
    """Network and components; components extend the network here, once."""

    def __init__(self, model: VideoModel, components: dict[str, Component]) -> None:
        super().__init__()
        self.model = model
        self.components = nn.ModuleDict(components)
        orders = [part.name for part in self.parts if type(part).sampler is not Component.sampler]
        if len(orders) > 1:
            raise BadInput(" and ".join(orders), "both draw the training order", "keep one of them")
        self.extended: set[str] = set()  # components whose `extend` left the network another
        self.added: dict[str, list[nn.Parameter]] = {}  # component -> parameters that it brought into the network
        for part in self.parts:
            before, known = _anatomy(model), list(model.parameters())
            part.extend(model)
            if not _same(before, _anatomy(model)):
                self.extended.add(part.name)
            ids = set(map(id, known))
            self.added[part.name] = [parameter for parameter in model.parameters() if id(parameter) not in ids]

    @property
    def parts(self) -> list[Component]:
        """The components by their `order`, and in canonical order within it."""
        return in_order(self.components.values())  # type: ignore[arg-type]

    def forward(self, batch: Batch, ctx: Context) -> Loss:
        """The loss of one (micro-)batch, each term a mean over its clips."""
        batch = self._on_batch(batch, ctx)
        if batch.level == "pixels":
            batch = self._on_batch(self.model.features(batch), ctx)
        if ctx.trace is not None:
            ctx.trace.batch = batch
        ctx.out = out = self.model(batch)
        with torch.autocast(out.logits.device.type, enabled=False):  # half precision blurs targets and losses
            targets = self.targets(ctx)
            terms = {"cls": (1.0, classification(out.logits, batch, targets, self.parts, ctx).mean())}
            for part in self.parts:
                own = _terms(part, part.loss(out, batch, ctx))
                if ctx.trace is not None:
                    ctx.trace.terms[part.name] = list(own)
                terms.update(own)
            total = torch.stack([weight * value for weight, value in terms.values()]).sum()
        return Loss(total, terms, out.logits, targets)

    def targets(self, ctx: Context) -> Tensor:
        """M `[K, K]`: row y is the distribution to aim at when the label is y (design: targets are kernels)."""
        like = torch.zeros(()) if ctx.out is None else ctx.out.logits
        targets = torch.eye(self.model.classes, device=like.device, dtype=like.dtype)
        made: dict[str, Tensor] = {}
        for part in self.parts:
            before, targets = targets, part.kernel(targets, ctx)
            if type(part).kernel is not Component.kernel:
                made[part.name] = targets
            if ctx.trace is not None and targets is not before:
                ctx.trace.kernels[part.name] = targets
                ctx.trace.compare(part.name, (before,), (targets,))
        if made and ctx.step == 0:  # once an epoch: reading a number makes a GPU's host wait
            _check_distributions(made, like)
        return targets

    def _on_batch(self, batch: Batch, ctx: Context) -> Batch:
        for part in self.parts:
            before, batch = batch, part.on_batch(batch, ctx)
            if ctx.trace is not None:
                ctx.trace.compare(part.name, _inputs(before), _inputs(batch))
        return batch

    def groups(self, train: Train) -> list[dict]:
        """Optimiser groups: the components' own, a trainable trunk, and the head with all the rest.

        Every trainable parameter is in exactly one group, by identity and not by the spelling of its name.
        """
        groups: dict[str, tuple[float, list[nn.Parameter]]] = {}
        taken: set[int] = set()
        for name, rate, parameters in self._named_groups(train):
            fresh = [p for p in parameters if p.requires_grad and id(p) not in taken]
            taken.update(map(id, fresh))
            if not fresh:
                continue
            known, members = groups.setdefault(name, (rate, []))
            if known != rate:
                what = f"two groups of parameters have this name, with the learning rates {known:g} and {rate:g}"
                raise BadInput(name, what, "give one of them another name, where a component names its groups")
            members.extend(fresh)
        return [
            {"name": name, "lr": rate, "params": members, "weight_decay": decay}
            for name, (rate, parameters) in groups.items()
            for members, decay in _by_decay(parameters, train.weight_decay)
        ]

    def _named_groups(self, train: Train) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
        for part in self.parts:
            yield from part.parameter_groups(self.model)
        if self.model.trunk is not None:
            yield "trunk", self.model.settings.trunk_lr, list(self.model.trunk.parameters())
        yield "head", train.lr, list(self.parameters())


def _anatomy(model: nn.Module) -> dict[str, Any]:
    """What makes the network what it is, by name: modules, tensors and how often written to, hooks, plain values."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            parts = value if isinstance(value, dict) else {"": value}
            found |= {f"{path}.{name}.{key}": part for key, part in parts.items()}
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                written = 0 if tensor.is_inference() else tensor._version
                found[f"{path}.{name}:state"] = f"{written}, {tensor.requires_grad}"
    return found


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two anatomies are of one network, and nothing in it was replaced, added, taken away or written to."""
    plain = (bool, int, float, str)
    return before.keys() == after.keys() and all(
        old is after[name] or (isinstance(old, plain) and type(old) is type(after[name]) and old == after[name])
        for name, old in before.items()
    )


def _inputs(batch: Batch) -> tuple[Tensor, ...]:
    return batch.face, batch.context, batch.label, batch.target


def _terms(part: Component, found: Any) -> dict[str, tuple[float, Tensor]]:
    """A component's loss terms, refused by its name where they are something else."""
    if not isinstance(found, dict) or not all(isinstance(term, tuple) and len(term) == 2 for term in found.values()):
        raise TypeError(f"{part.name}.loss must give {{name: (weight, value)}}, not {type(found).__name__}")
    return found


def _check_distributions(made: dict[str, Tensor], logits: Tensor) -> None:
    """Refuses targets whose rows are no distributions, by the component behind which they were none first.

    Logits that are no numbers make targets that are none: then nobody is blamed here, and the loss will tell.
    """
    facts = torch.stack([torch.stack([rows.min(), *rows.sum(-1).aminmax()]) for rows in made.values()])
    facts = torch.where(logits.isfinite().all(), facts, 1)
    for name, (least, low, high) in zip(made, facts.tolist(), strict=True):
        if not (least >= 0 and 1 - SUM <= low <= high <= 1 + SUM):
            raise ValueError(
                f"{name}.kernel must give distributions over the classes: its rows sum to {low:.4g} at least and "
                f"{high:.4g} at most, its least entry is {least:.4g} — divide each row by its sum, and let no entry be "
                "negative or no number"
            )


def in_order(parts: Iterable[Component]) -> list[Component]:
    """The order in which components' hooks are called."""
    return sorted(parts, key=lambda part: (part.order, part.name))


def classification(logits: Tensor, batch: Batch, targets: Tensor, parts: list[Component], ctx: Context) -> Tensor:
    """CE(qM, p) by clip `[B]`; for divergences −q·h on top, h the entropies of M's rows: linear in q M.

    Components edit the logits (`on_logits`) and weigh each class's share of the sum (`weigh`).
    """
    for part in parts:
        before, logits = logits, part.on_logits(logits, batch, ctx)
        if ctx.trace is not None:
            ctx.trace.compare(part.name, (before,), (logits,))
    log_p = torch.log_softmax(logits, dim=-1)
    shares = -(batch.target @ targets) * log_p
    for part in parts:
        before, shares = shares, shares * part.weigh(log_p, batch, ctx)
        if ctx.trace is not None:
            ctx.trace.compare(part.name, (before,), (shares,))
    loss = shares.sum(-1)
    if any(part.divergence == "kl" for part in parts):
        loss = loss - batch.target @ row_entropy(targets)
    return loss


def row_entropy(targets: Tensor) -> Tensor:
    """Entropy of each row of M in nats `[K]`."""
    return -torch.special.xlogy(targets, targets).sum(-1)


def _by_decay(parameters: list[nn.Parameter], decay: float) -> Iterator[tuple[list[nn.Parameter], float]]:
    """Norms, biases and parameters marked `no_decay` stay out of weight decay."""
    free = [p for p in parameters if p.ndim < 2 or getattr(p, "no_decay", False)]
    rest = [p for p in parameters if not (p.ndim < 2 or getattr(p, "no_decay", False))]
    yield from ((members, rate) for members, rate in ((free, 0.0), (rest, decay)) if members)
