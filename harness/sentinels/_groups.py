"""The groups of parameters that components declare, for the sentinels that compare them with the optimiser's."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from harness.learner import Learner
from harness.methods import Component, VideoModel
from harness.settings import plain


def declared(part: Component, model: VideoModel) -> list[tuple[str, float, list[nn.Parameter]]]:
    """A component's own groups. Asking leaves no trace: a rate that only sentinels look at is not used."""
    recorded = part.settings
    part.settings = plain(recorded)
    try:
        return [(name, rate, list(parameters)) for name, rate, parameters in part.parameter_groups(model)]
    finally:
        part.settings = recorded


def asked(learner: Learner) -> Iterator[tuple[str, float, nn.Parameter]]:
    """Every parameter that a component wants to train at a rate of its own: the first one that names it has it."""
    taken: set[int] = set()
    for part in learner.parts:
        for name, rate, parameters in declared(part, learner.model):
            for parameter in parameters:
                if parameter.requires_grad and id(parameter) not in taken:
                    taken.add(id(parameter))
                    yield name, rate, parameter
