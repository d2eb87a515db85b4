"""Evaluation that is not evaluation: dropout on, labels or updates of training at work, or chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.learner import Learner
from harness.model.network import Batch, Output
from harness.sentinels import Epoch, Finding, Sentinel, Setup, Step
from harness.sentinels._sums import moved, sums
from harness.words import plural

EVALUATIONS = 2  # that are followed
CLIPS = 4  # of the validation split, answered twice
TOLERANCE = 1e-4  # of a probability


class TrainModeEvaluation(Sentinel):
    """From the end of an epoch's steps until it is judged the network is followed. Then no layer may be in training
    mode, nothing of the learner may change, and what is scored must be what the network says. In training, a frozen
    copy (of a momentum encoder) must not be in training mode."""

    name = "train-mode-evaluation"
    severity = "error"
    watches = "layers' modes, the learner's state and the network's answers in the first two evaluations"
    reason = (
        "no threshold on modes and state. Answers are compared to 1e-4 of a probability: the same numbers pass the "
        "same kernels, so rounding is far below, and dropout or a logit edit far above"
    )
    failures = (14, 16, 24, 29)
    memory = ("_training_copies", "_evaluations")

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._learner = setup.learner
        self._copies = list(_frozen_layers(setup.learner, ""))
        self._training_copies: list[str] = []
        self._evaluations = 0
        self._evaluation: _Evaluation | None = None  # while it lasts
        yield from ()

    def on_step(self, step: Step) -> None:
        if step.ctx.epoch == 0:
            known = self._training_copies
            known += [name for name, module in self._copies if module.training and name not in known]

    def on_evaluation(self) -> None:
        if self._evaluations < EVALUATIONS:
            self._evaluations += 1
            self._evaluation = _Evaluation(self._learner)

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        seen, self._evaluation = self._evaluation, None
        if seen is None:
            return
        seen.end()
        yield from _in_training_mode(seen.modes, "evaluation", "its scores are those of a network with dropout on")
        yield from _in_training_mode(self._training_copies, "training", "its keys carry dropout's noise")
        yield from _changed(seen, epoch)
        yield from _scored_otherwise(seen, epoch)
        if not seen.modes:
            yield from _by_chance(seen, epoch)


class _Evaluation:
    """What the network is asked and says until the epoch is judged, and not in training: components may ask it things
    there."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.modes: set[str] = set()  # layers in training mode
        self.batch: Batch | None = None
        self.logits: list[Tensor] = []
        state = _changing(learner)
        self.tensors, self.sums = list(state), sums(state.values())
        self._hooks = [
            learner.model.register_forward_pre_hook(self._before, with_kwargs=True),
            learner.model.register_forward_hook(self._after),
        ]

    def _before(self, model: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.modes |= {name for name, layer in self.learner.named_modules() if layer.training and _acts(layer)}
        if self.batch is None:
            self.batch = next((found for found in (*inputs, *named.values()) if isinstance(found, Batch)), None)

    def _after(self, model: nn.Module, inputs: tuple[Any, ...], output: Output) -> None:
        self.logits.append(output.logits.detach().float())

    def end(self) -> None:
        for hook in self._hooks:
            hook.remove()


def _changed(seen: _Evaluation, epoch: Epoch) -> Iterator[Finding]:
    """Whether anything of the learner is another since the evaluation began, came to it or went."""
    state = _changing(epoch.learner)
    names, did = sorted(state.keys() ^ set(seen.tensors)), "added or dropped"
    if not names:
        now = moved(seen.sums, sums(state[name] for name in seen.tensors))
        names, did = [name for name, flag in zip(seen.tensors, now, strict=True) if flag], "changed"
    if names:
        yield Finding(
            f"evaluation {did} {plural(len(names), 'tensor')} of the learner, such as {names[0]}: how often one "
            "evaluates then changes what is trained",
            "update momentum copies, queues and running statistics in training steps only",
            {"tensors": len(names), "first": names[0]},
            about="state",
        )


def _scored_otherwise(seen: _Evaluation, epoch: Epoch) -> Iterator[Finding]:
    """Whether the probabilities that were scored are those that the network gave for this process's clips."""
    from accelerate import PartialState  # here, since `list sentinels` has no seconds for it

    here, state = np.arange(len(epoch.probabilities)), PartialState()
    here = np.array_split(here, state.num_processes)[state.process_index]
    if not len(here) or sum(map(len, seen.logits)) < len(here):
        return
    said = torch.cat(seen.logits)[: len(here)].softmax(dim=-1).cpu().numpy()
    gap = float(np.abs(said - epoch.probabilities[here]).max())
    if gap > TOLERANCE:
        yield Finding(
            f"what evaluation scores is not what the network says: probabilities differ by up to {gap:.3f}. An "
            "edit that is meant for training, such as a margin or a prior on the logits, acts on the scores",
            "score the plain softmax of the network's logits, in the order of the split",
            {"largest_difference": gap},
            about="scores",
        )


@torch.inference_mode()
def _by_chance(seen: _Evaluation, epoch: Epoch) -> Iterator[Finding]:
    """Whether the network answers the same clips twice alike."""
    if seen.batch is None:
        return
    few = {name: getattr(seen.batch, name)[:CLIPS] for name in ("face", "context", "label", "target")}
    first, second = (epoch.learner.model(dataclasses.replace(seen.batch, **few)).logits for _ in range(2))
    gap = float((first.softmax(dim=-1) - second.softmax(dim=-1)).abs().max())
    if gap > TOLERANCE:
        yield Finding(
            f"two evaluations of the same clips differ by up to {gap:.3f} in a probability: chance is at work "
            "although every layer is in evaluation mode",
            "look for dropout or noise that does not ask for the mode (F.dropout needs training=self.training)",
            {"largest_difference": gap, "clips": len(first)},
            about="chance",
        )


def _in_training_mode(names: Collection[str], when: str, meaning: str) -> Iterator[Finding]:
    if names:
        first = min(names)
        which = "a frozen copy" if when == "training" else "the network"
        yield Finding(
            f"{len(names)} layers of {which} are in training mode during {when}, such as {first}: {meaning}",
            "call .eval() on it" + (", and keep it so when train() is called" if when == "training" else " first"),
            {"layers": len(names), "first": first},
            about=when,
        )


def _acts(module: nn.Module) -> bool:
    """Whether training mode makes this layer compute something else."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return True
    return bool(isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0)


def _frozen_layers(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Layers that act differently in training, of the parts that do not train: frozen towers and momentum copies."""
    if any(parameter.requires_grad for parameter in module.parameters()):
        for child, part in module.named_children():
            yield from _frozen_layers(part, f"{name}.{child}".lstrip("."))
    elif any(True for _ in module.parameters()):
        yield from ((f"{name}.{inner}", layer) for inner, layer in module.named_modules() if _acts(layer))


def _changing(learner: nn.Module) -> dict[str, Tensor]:
    """All that training changes and evaluation must not."""
    own = {name: p for name, p in learner.named_parameters() if p.requires_grad or name.startswith("components.")}
    return {**own, **dict(learner.named_buffers())}
