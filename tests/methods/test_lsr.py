"""Label smoothing."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, kernel
from torch.nn import functional as F


@settings(deadline=None, max_examples=40)
@given(cases, st.floats(0, 1))
def test_it_is_cross_entropy_and_its_uniform_share(case, epsilon):
    batch, ctx = case.make()
    log_p = F.log_softmax(ctx.out.logits, dim=-1)
    formula = (1 - epsilon) * -(batch.target * log_p).sum(-1) - epsilon * log_p.mean(-1)
    assert torch.allclose(cls(f"lsr(epsilon={epsilon})", batch, ctx), formula, atol=1e-6, rtol=1e-9)


def test_nothing_smoothed_is_the_hard_label():
    assert torch.equal(kernel("lsr(epsilon=0)", Case().make()[1]), torch.eye(4, dtype=torch.float64))
