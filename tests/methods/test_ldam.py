"""Label-distribution-aware margins."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, log_softmax


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([1.0, 30.0]))
def test_it_is_the_papers_margin_on_the_cosine(case, margin, scale):
    batch, ctx = case.cosines()
    cosines = ctx.out.video.numpy() @ ctx.out.text.numpy().T
    counts = np.maximum(ctx.counts.numpy(), 1).astype(float)
    deltas = 1 / counts**0.25
    deltas = deltas * margin / deltas.max()
    formula = np.zeros(case.size)
    for i, q in enumerate(batch.target.numpy()):
        scores = [scale * (cosines[i, c] - q[c] * deltas[c]) for c in range(case.classes)]
        formula[i] = -q @ log_softmax(np.array(scores))
    ours = cls(f"ldam(max_margin={margin},scale={scale})", batch, ctx).numpy()
    assert ours == pytest.approx(formula, rel=1e-6, abs=1e-9)


def test_the_networks_temperature_is_replaced_by_s():
    batch, ctx = Case(temperature=0.01).cosines()
    warm, ctx_warm = Case(temperature=1.0).cosines()
    assert torch.allclose(cls("ldam", batch, ctx), cls("ldam", warm, ctx_warm))


def test_the_rarest_class_has_the_largest_margin():
    batch, ctx = Case(size=1, classes=3).cosines()
    ctx.counts = torch.tensor([1000, 100, 1])
    losses = []
    for label in range(3):
        batch.target = torch.eye(3, dtype=torch.float64)[[label]]
        ctx.out.logits = torch.zeros(1, 3, dtype=torch.float64)
        losses.append(float(cls("ldam", batch, ctx)))
    assert losses == sorted(losses)
    assert losses[2] == pytest.approx(-log_softmax(np.array([0, 0, -15.0]))[2])
