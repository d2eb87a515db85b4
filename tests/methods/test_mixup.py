"""Mixup."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from situations import Case, cases, cls, parts_of

from harness.methods import Context


@pytest.mark.parametrize("method", ["lsr", "ldl", "logit-adjust", "focal", "iec"])
@settings(deadline=None, max_examples=20)
@given(cases)
def test_it_mixes_losses_as_it_mixes_labels(method, case):
    case = dataclasses.replace(case, mixed=False)
    batch, ctx = case.make()
    (mixup,) = parts_of("mixup(alpha=1)")
    mixed = mixup.on_batch(batch, ctx)
    partner = torch.tensor([i ^ 1 if i ^ 1 < case.size else i for i in range(case.size)])
    lam = ctx.rng("mixup").beta(1, 1)
    assert torch.allclose(mixed.face, lam * batch.face + (1 - lam) * batch.face[partner], atol=1e-6)
    assert torch.allclose(mixed.context, lam * batch.context + (1 - lam) * batch.context[partner], atol=1e-6)
    other = dataclasses.replace(batch, target=batch.target[partner])
    both = lam * cls(method, batch, ctx) + (1 - lam) * cls(method, other, ctx)
    assert torch.allclose(cls(method, mixed, ctx), both, atol=1e-6, rtol=1e-9)


def test_all_weight_on_one_clip_changes_nothing(monkeypatch):
    batch, ctx = Case().make()
    monkeypatch.setattr(Context, "rng", lambda self, name: type("One", (), {"beta": staticmethod(lambda a, b: 1.0)}))
    mixed = parts_of("mixup")[0].on_batch(batch, ctx)
    assert torch.equal(mixed.face, batch.face)
    assert torch.equal(mixed.target, batch.target)


def test_mixup_of_pixels_never_quietly_becomes_mixup_of_features():
    (pixels,) = parts_of("mixup(level=input)")
    batch, ctx = Case().make()
    assert pixels.needs_pixels
    assert pixels.on_batch(batch, ctx) is batch
    assert not parts_of("mixup")[0].needs_pixels
