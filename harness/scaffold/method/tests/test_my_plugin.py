"""my-plugin computes its formula, and keeps the contract of components."""

from types import SimpleNamespace
from typing import Any

import torch
from my_plugin import MyPlugin

from harness import conformance


def test_it_computes_its_formula() -> None:
    """The formula that the package came with, by hand: put yours in its place."""
    out: Any = SimpleNamespace(logits=torch.tensor([[0.0, 0.0], [1.0, 3.0]]))
    nothing: Any = None
    weight, value = MyPlugin(MyPlugin.Settings(weight=0.5)).loss(out, nothing, nothing)["my-plugin"]
    by_hand = (torch.tensor(2.0).log() ** 2 + (torch.tensor(1.0).exp() + torch.tensor(3.0).exp()).log() ** 2) / 2
    assert weight == 0.5
    assert torch.allclose(value, by_hand)


def test_it_keeps_the_contract() -> None:
    report = conformance.check("my-plugin")
    assert report.passed, report.text()
