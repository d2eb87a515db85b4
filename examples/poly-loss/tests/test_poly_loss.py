"""Poly-1 is the published formula, and keeps the contract of components."""

from typing import Any

import pytest
import torch
from poly_loss import Poly

from harness import conformance

NOTHING: Any = None


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
def test_the_weighted_cross_entropy_is_poly_1(epsilon: float) -> None:
    log_p = (10 * torch.randn(50, 7, dtype=torch.float64)).log_softmax(-1)
    loss = -log_p * Poly(Poly.Settings(epsilon=epsilon)).weigh(log_p, NOTHING, NOTHING)
    assert torch.allclose(loss, -log_p + epsilon * (1 - log_p.exp()), atol=1e-9)


def test_a_certain_network_has_a_finite_gradient() -> None:
    log_p = torch.tensor([0.0, -1e-9, -1e-3, -50.0], requires_grad=True)
    (log_p * Poly(Poly.Settings()).weigh(log_p, NOTHING, NOTHING)).sum().backward()
    assert log_p.grad is not None and torch.isfinite(log_p.grad).all()


def test_it_keeps_the_contract() -> None:
    report = conformance.check("poly")
    assert report.passed, report.text()
