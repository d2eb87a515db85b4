"""Semantic label distributions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, kernel
from torch.nn import functional as F

from harness.learner import row_entropy


@settings(deadline=None, max_examples=40)
@given(cases, st.floats(0.01, 2), st.sampled_from([0.5, 1.0, 10.0]))
def test_it_is_a_divergence(case, temperature, divisor):
    batch, ctx = case.make()
    text = F.normalize(ctx.out.text_raw, dim=-1)
    q = F.softmax(text @ text.T / temperature, dim=-1)
    log_p = F.log_softmax(ctx.out.logits / divisor, dim=-1)
    formula = sum(
        batch.target[:, y] * F.kl_div(log_p, q[y].expand_as(log_p), reduction="none").sum(-1)
        for y in range(case.classes)
    )
    ours = cls(f"ldl(temperature={temperature},prediction_temperature={divisor})", batch, ctx)
    assert torch.allclose(ours, formula, atol=1e-5, rtol=1e-9)
    assert (ours > -1e-9).all()


@settings(deadline=None, max_examples=30)
@given(cases, st.sampled_from(["lsr(epsilon=0.3)", "ldl", "ldl+lsr", "ldl+warmup(epochs=2,ramp=3)"]), st.integers(0, 9))
def test_every_kernel_has_rows_that_sum_to_one(case, method, epoch):
    targets = kernel(method, case.make()[1], epoch)
    assert torch.allclose(targets.sum(-1), torch.ones(case.classes, dtype=targets.dtype), atol=1e-6)
    assert (targets >= 0).all()


@pytest.mark.parametrize("normalise", ["true", "false"])
def test_the_target_is_detached_unless_told(normalise):
    _, ctx = Case().make()
    ctx.out.text_raw.requires_grad_()
    ctx.out.text = F.normalize(ctx.out.text_raw, dim=-1)
    assert not kernel(f"ldl(normalise={normalise})", ctx).requires_grad
    attached = kernel(f"ldl(normalise={normalise},detach=false,temperature=5)", ctx)
    (gradient,) = torch.autograd.grad(row_entropy(attached).sum(), ctx.out.text_raw)
    assert gradient.abs().sum() > 0


def test_an_attached_target_has_the_right_gradient():
    batch, ctx = Case(size=3, classes=3).make()

    def loss(raw):
        ctx.out.text_raw, ctx.out.text = raw, F.normalize(raw, dim=-1)
        return cls("ldl(detach=false,temperature=0.5)", batch, ctx)

    assert torch.autograd.gradcheck(loss, ctx.out.text_raw.clone().requires_grad_())


def test_without_normalising_the_target_saturates_to_the_hard_label():
    _, ctx = Case().make()
    text = ctx.out.text
    ctx.out.text_raw = 24 * text  # the norm of CLIP's text features
    assert torch.allclose(kernel("ldl(normalise=false,temperature=0.1)", ctx), torch.eye(4, dtype=torch.float64))
    ctx.out.text_raw = 0.5 * text
    assert torch.allclose(kernel("ldl(normalise=false,temperature=0.1)", ctx), F.softmax(text @ text.T / 0.4, dim=-1))
