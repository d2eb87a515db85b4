"""What should train does not, or what should stand still moves."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from harness.learner import Learner
from harness.sentinels import Epoch, Finding, Sentinel, Setup, Step, gradient_norm
from harness.sentinels._groups import declared
from harness.sentinels._sums import moved, sums
from harness.settings import plain


class FrozenGroup(Sentinel):
    """Parameters that the optimiser leaves out, or that get gradients and no step: the model then trains in part
    only, with nothing to show for it but a worse number. And the reverse: a frozen tower that moves, and weight decay
    that pulls learned prompts and norms to zero."""

    name = "frozen-group"
    severity = "error"
    watches = "which parameters the optimiser holds, and which ones moved in the first two epochs"
    reason = (
        "no threshold: a number has moved or it has not. Sums in double precision tell, since copies of a trunk would "
        "double its memory"
    )
    failures = (12, 21)
    memory = ("_before", "_gradients", "_still_before")

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._groups = {group.name: dict(group.members) for group in setup.groups}
        self._trained = [(group, name, p) for group, members in self._groups.items() for name, p in members.items()]
        self._before = sums(p for _, _, p in self._trained)
        self._gradients: dict[str, list[Tensor]] = {}
        still = _still(setup.learner)
        self._still, self._still_before = still, sums(still.values())
        yield from _outside(setup)
        yield from _shut(setup.learner)
        yield from _open(setup.learner)
        yield from _decayed(setup)

    def on_step(self, step: Step) -> None:
        if step.ctx.epoch == 0:
            for name, members in self._groups.items():
                norm = gradient_norm(list(members.values()))
                if norm is not None:
                    self._gradients.setdefault(name, []).append(norm.detach())

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        if epoch.number == 0:
            yield from self._stuck(epoch)
        if epoch.number < 2:
            yield from self._strayed()

    def _stuck(self, epoch: Epoch) -> Iterator[Finding]:
        """Groups that have a rate of 0, or gradients and no movement."""
        flags = moved(self._before, sums(p for _, _, p in self._trained))
        gradients = {name: max(map(float, norms)) for name, norms in self._gradients.items()}
        moving = {group for (group, _, _), flag in zip(self._trained, flags, strict=True) if flag}
        for name in self._groups:
            if epoch.rates.get(name) == 0:
                yield Finding(
                    f"the learning rate of {name} is 0 in the first epoch: nothing in this group is trained",
                    "look at the schedule and at the rate that the group is built with",
                    {"group": name, "rate": 0.0},
                    about=name,
                )
            elif name not in moving and gradients.get(name, 0) > 0 and epoch.skipped < epoch.steps:
                rate = epoch.rates.get(name, 0.0)
                yield Finding(
                    f"{name} has gradients (norm {gradients[name]:.1e}) and did not move in the first epoch at all: "
                    f"at a learning rate of {rate:g} the optimiser does not reach the weights that the model uses",
                    "raise its learning rate, and see that the optimiser holds the parameters of this very model",
                    {"group": name, "rate": rate, "gradient": gradients[name]},
                    about=name,
                )

    def _strayed(self) -> Iterator[Finding]:
        """Frozen parameters of the network that are not what they were before training."""
        flags = moved(self._still_before, sums(self._still.values()))
        names = [name for name, flag in zip(self._still, flags, strict=True) if flag]
        if names:
            yield Finding(
                f"{len(names)} tensors of the network are frozen and moved all the same, such as {names[0]}: cached "
                "features and encoded class descriptions no longer fit the network",
                "find what writes to them: an update in a component, or an optimiser that was given them",
                {"tensors": len(names), "first": names[0]},
                about="moved",
            )


def _still(learner: Learner) -> dict[str, Tensor]:
    """Parameters of the network that do not train and must not move.

    What components have brought into it is theirs: they may freeze it (an expert), and move it (a momentum copy).
    """
    theirs = {id(parameter) for added in learner.added.values() for parameter in added}
    found = ((f"model.{name}", p) for name, p in learner.model.named_parameters() if not p.requires_grad)
    return {name: parameter for name, parameter in found if id(parameter) not in theirs}


def _outside(setup: Setup) -> Iterator[Finding]:
    held = {id(p) for group in setup.groups for p in group.members.values()}
    names = [name for name, p in setup.learner.named_parameters() if p.requires_grad and id(p) not in held]
    if names:
        yield Finding(
            f"{len(names)} trainable tensors are in no group of the optimiser, such as {names[0]}: they stay at "
            "their random start",
            "collect parameters by identity, not by the spelling of their names, and after the model is complete",
            {"tensors": len(names), "first": names[0]},
            about="outside",
        )


def _shut(learner: Learner) -> Iterator[Finding]:
    """Parts of the head that do not require gradients: nothing in the product freezes any of it."""
    names = [name for name in _still(learner) if name.startswith("model.head.")]
    if names:
        yield Finding(
            f"{len(names)} tensors of the head do not require gradients, such as {names[0]}: they stay at their "
            "random start",
            "let them train (requires_grad_(True)); if a component freezes them on purpose, switch this sentinel off",
            {"tensors": len(names), "first": names[0]},
            about="head",
        )


def _open(learner: Learner) -> Iterator[Finding]:
    """Towers that should be frozen and require gradients, but for what a component trains in a group of its own."""
    model = learner.model
    theirs = {id(p) for part in learner.parts for _, _, group in declared(part, model) for p in group}
    theirs |= {id(p) for added in learner.added.values() for p in added}
    towers: dict[str, nn.Module] = {"text tower": model.tower}
    if model.trunk is not None and plain(model.settings).trunk == "frozen":
        towers["trunk"] = model.trunk
    for name, tower in towers.items():
        count = sum(p.requires_grad and id(p) not in theirs for p in tower.parameters())
        if count:
            yield Finding(
                f"the {name} is said to be frozen, and {count} of its tensors require gradients: it is fine-tuned "
                "at the rate of whichever group took it",
                "freeze it (requires_grad_(False)), or say model.trunk=trainable",
                {"tower": name, "tensors": count},
                about=name,
            )


def _decayed(setup: Setup) -> Iterator[Finding]:
    """Norms, biases and parameters marked `no_decay` with weight decay on them."""
    found = [
        (name, group.decay[name])
        for group in setup.groups
        for name, p in group.members.items()
        if group.decay[name] > 0 and (p.ndim < 2 or getattr(p, "no_decay", False))
    ]
    if found:
        name, decay = found[0]
        yield Finding(
            f"weight decay {decay:g} acts on {len(found)} tensors that it should not touch (norms, biases, learned "
            f"prompts, positions), such as {name}: it pulls them towards zero, which for them is no simpler model",
            "put them in a group of the optimiser with weight_decay = 0",
            {"tensors": len(found), "first": name, "weight_decay": decay},
            about="decay",
            severity="warning",
        )
