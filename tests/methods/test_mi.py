"""InfoNCE between learned and hand-crafted text features."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, learner, log_softmax

from harness.methods.mi import MutualInformation
from harness.model.text import FixedText


def component(classes: int, width: int, temperature: float) -> MutualInformation:
    made = MutualInformation(MutualInformation.Settings(temperature=temperature))
    made.register_buffer("written", torch.randn(classes, width, dtype=torch.float64))
    return made


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.001, 0.07, 1.0]))
def test_it_is_symmetric_with_each_class_its_own_positive(case, temperature):
    batch, ctx = case.make()
    part = component(case.classes, ctx.out.text.shape[1], temperature)
    learned, written = ctx.out.text.numpy(), part.written.numpy()
    scores = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in written] for a in learned]) / temperature
    rows, columns = log_softmax(scores), log_softmax(scores.T)
    formula = -np.mean([rows[i, i] + columns[i, i] for i in range(case.classes)]) / 2
    assert float(part.loss(ctx.out, batch, ctx)["mi"][1]) == pytest.approx(formula, rel=1e-9, abs=1e-9)


def test_its_gradient_is_right():
    batch, ctx = Case().make()
    part = component(4, ctx.out.text.shape[1], 0.3)

    def loss(text):
        ctx.out.text = text
        return part.loss(ctx.out, batch, ctx)["mi"][1]

    assert torch.autograd.gradcheck(loss, ctx.out.text.clone().requires_grad_())


def test_hand_crafted_features_are_the_encoded_descriptions_and_stay():
    made = learner("mi+prompt")
    part = made.components["mi"]
    assert torch.equal(part.written, FixedText(made.model.tower, made.model.descriptions).encoded)
    assert not part.written.requires_grad
