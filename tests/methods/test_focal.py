"""Focal loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, log_softmax
from torch.nn import functional as F


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.3, 1.0, 2.0, 5.0]), st.sampled_from(["", "+lsr(epsilon=0.2)"]))
def test_it_is_the_papers_sum_over_the_target(case, gamma, smoothing):
    batch, ctx = case.make()
    q = batch.target.numpy()
    q = q if not smoothing else 0.8 * q + 0.2 / case.classes
    log_p = log_softmax(ctx.out.logits.numpy())
    p = np.exp(log_p)
    formula = np.zeros(case.size)
    for c in range(case.classes):
        rest = np.delete(p, c, axis=1).sum(-1)  # 1 − p, without cancellation
        formula -= q[:, c] * rest**gamma * log_p[:, c]
    ours = cls(f"focal(gamma={gamma}){smoothing}", batch, ctx).numpy()
    assert ours == pytest.approx(formula, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(cases)
def test_with_gamma_zero_it_is_cross_entropy_to_the_last_bit(case):
    batch, ctx = case.make()
    assert torch.equal(cls("focal(gamma=0)", batch, ctx), cls("plain", batch, ctx))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("gap", [0.0, 30.0, 200.0, 1e4])
def test_a_clip_that_is_known_for_certain_has_a_finite_gradient(gamma, gap):
    batch, ctx = Case(size=1, classes=3).make()
    for dtype in (torch.float32, torch.float64):
        logits = (gap * F.one_hot(batch.label, 3)).to(dtype).requires_grad_()
        cls(f"focal(gamma={gamma})", batch, ctx, logits).sum().backward()
        assert torch.isfinite(logits.grad).all()
