"""Logit adjustment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import cases, cls


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_it_is_the_softmax_weighted_by_the_prior(case, tau):
    batch, ctx = case.make()
    counts = np.maximum(ctx.counts.numpy(), 1).astype(float)
    prior = counts / counts.sum()
    logits = ctx.out.logits.numpy()
    formula = np.zeros(case.size)
    for i, q in enumerate(batch.target.numpy()):
        for y in range(case.classes):  # log(1 + Σ_{y'≠y} (π_y'/π_y)^τ exp(f_y' − f_y)): the paper's equation 10
            gaps = [
                tau * np.log(prior[o] / prior[y]) + logits[i, o] - logits[i, y] for o in range(case.classes) if o != y
            ]
            formula[i] += q[y] * np.logaddexp.reduce([0.0, *gaps])
    assert cls(f"logit-adjust(tau={tau})", batch, ctx).numpy() == pytest.approx(formula, rel=1e-6, abs=1e-6)
