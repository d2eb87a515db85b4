"""Instance-enhanced classifier."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, log_softmax, parts_of


def slerp(start, end, share):
    angle = np.arccos(np.clip(start @ end, -1, 1))
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_it_is_the_cosine_with_text_turned_to_the_clip(case, share):
    batch, ctx = case.cosines()
    video, text = ctx.out.video.numpy(), ctx.out.text.numpy()
    logits = np.array([[v @ slerp(t, v, share) / case.temperature for t in text] for v in video])
    ours = parts_of(f"iec(share={share})")[0].on_logits(ctx.out.logits, batch, ctx)
    assert ours.numpy() == pytest.approx(logits, rel=1e-6, abs=1e-6)
    assert cls(f"iec(share={share})", batch, ctx).numpy() == pytest.approx(
        -(batch.target.numpy() * log_softmax(logits)).sum(-1), rel=1e-6, abs=1e-6
    )
    assert torch.equal(ours.argsort(-1), ctx.out.logits.argsort(-1)), "no class may become nearer than another"


@pytest.mark.parametrize("cosine", [-1.0, -0.999, 0.0, 1.0])
def test_the_gradient_is_finite_on_the_clip_and_opposite_to_it(cosine):
    batch, ctx = Case(size=1, classes=2).make()
    logits = torch.full((1, 2), cosine / 0.01, requires_grad=True)
    parts_of("iec")[0].on_logits(logits, batch, ctx).sum().backward()
    assert torch.isfinite(logits.grad).all()
