"""Target warm-up."""

import pytest
import torch
from situations import Case, kernel


def test_it_means_hard_labels_then_a_ramp_then_the_method():
    _, ctx = Case(classes=3).make()
    soft, eye = kernel("ldl", ctx), torch.eye(3, dtype=torch.float64)
    assert torch.equal(kernel("ldl+warmup(epochs=2)", ctx, 1), eye)
    assert torch.allclose(kernel("ldl+warmup(epochs=2)", ctx, 2), soft)
    ramp = [kernel("ldl+warmup(epochs=2,ramp=3)", ctx, epoch) for epoch in range(1, 7)]
    shares = [float((m - eye).abs().sum() / (soft - eye).abs().sum()) for m in ramp]
    assert shares == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])
