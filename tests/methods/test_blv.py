"""Balancing logit variation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Case, cases, cls, log_softmax, parts_of


@settings(deadline=None, max_examples=40)
@given(cases, st.sampled_from([0.0, 0.3, 4.0]), st.sampled_from([1.0, 7.0]))
def test_it_perturbs_by_rarity(case, sigma, scale):
    batch, ctx = case.make()
    counts = np.maximum(ctx.counts.numpy(), 1).astype(float)
    rarity = np.log(counts.sum()) - np.log(counts)
    noise = np.abs(np.clip(sigma * ctx.rng("blv").standard_normal((case.size, case.classes)), -1, 1))
    log_p = log_softmax(ctx.out.logits.numpy() + scale * noise * rarity / rarity.max())
    ours = cls(f"blv(sigma={sigma},scale={scale})", batch, ctx).numpy()
    assert ours == pytest.approx(-(batch.target.numpy() * log_p).sum(-1), rel=1e-6, abs=1e-6)


def test_rare_classes_vary_more_and_no_shift_exceeds_the_scale():
    batch, ctx = Case(size=4000, classes=3).make()
    ctx.counts = torch.tensor([900, 90, 10])
    shift = parts_of("blv")[0].on_logits(ctx.out.logits, batch, ctx) - ctx.out.logits
    assert 0 <= shift.min() <= shift.max() <= 1
    means = shift.mean(0).tolist()
    assert means == sorted(means)


def test_equal_classes_and_a_single_one_are_no_trouble():
    batch, ctx = Case().make()
    for counts in (torch.full((4,), 10), torch.tensor([40, 0, 0, 0]), torch.zeros(4, dtype=torch.long)):
        ctx.counts = counts
        assert torch.isfinite(cls("blv", batch, ctx)).all()


def test_a_clips_noise_is_the_same_whoever_draws_it_and_new_at_each_step():
    batch, ctx = Case(size=6).make()
    logits = ctx.out.logits
    (part,) = parts_of("blv")
    whole = part.on_logits(logits, batch, ctx)
    ctx.first = 4
    assert torch.equal(part.on_logits(logits[4:], batch, ctx), whole[4:])
    ctx.first, ctx.step = 0, 1
    assert not torch.equal(part.on_logits(logits, batch, ctx), whole)
