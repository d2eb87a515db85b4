"""Decorrelation of classes or channels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, term

from harness.methods.dc import Decorrelation


def dc(form, ctx, batch):
    return Decorrelation(Decorrelation.Settings(form=form)).loss(ctx.out, batch, ctx)["dc"][1]


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from(["class", "channel"]))
def test_it_is_the_mean_squared_cosine_off_the_diagonal(case, form):
    batch, ctx = case.make()
    text = ctx.out.text.numpy()
    rows = text if form == "class" else text.T
    n, total = len(rows), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += (rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j])) ** 2
    assert float(dc(form, ctx, batch)) == pytest.approx(total / (n * (n - 1)), rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(cases)
def test_few_classes_bound_the_channel_form_from_below(case):
    batch, ctx = case.make()
    width = ctx.out.text.shape[1]
    assert float(dc("channel", ctx, batch)) >= (width / case.classes - 1) / (width - 1) - 1e-9


@pytest.mark.parametrize("form", ["class", "channel"])
def test_its_gradient_is_right(form):
    batch, ctx = Case(classes=3).make()

    def loss(text):
        ctx.out.text = text
        return dc(form, ctx, batch)

    assert torch.autograd.gradcheck(loss, ctx.out.text.clone().requires_grad_())


@pytest.mark.parametrize("form", ["class", "channel"])
def test_one_class_and_a_channel_that_is_zero_are_no_trouble(form):
    batch, ctx = Case().make()
    ctx.out.text = torch.tensor([[1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    value = dc(form, ctx, batch)
    value.backward()
    assert value == 0
    assert torch.isfinite(ctx.out.text.grad).all()


def test_weight_follows_its_schedule():
    batch, ctx = Case().make()
    weights = []
    for ctx.epoch in range(5):
        part = Decorrelation(Decorrelation.Settings(weight=0.4, delay=1, ramp=1))
        weights.append(part.loss(ctx.out, batch, ctx)["dc"][0])
    assert weights == pytest.approx([0, 0.2, 0.4, 0.4, 0.4])
    assert term("dc+prompt", "dc", ctx, batch) >= 0
