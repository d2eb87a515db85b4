"""Bottleneck adapters."""

import pytest
import torch
from situations import clips, learner

from harness.methods.adapter import Adapter, Bottleneck
from harness.protocol import Train


def bottleneck(**settings):
    torch.manual_seed(0)
    return Bottleneck(8, Adapter.Settings(**settings)).double()


def test_the_residual_form_blends_the_adapted_feature_with_the_frozen_one():
    made, frames = bottleneck(ratio=0.3).eval(), torch.randn(2, 3, 8, dtype=torch.float64)
    hidden = (frames @ made.down.weight.T).clamp(min=0)
    assert torch.allclose(made(frames), 0.3 * (hidden @ made.up.weight.T) + 0.7 * frames)
    assert made.down.weight.shape == (2, 8)


def test_the_replacing_form_ends_in_relu_and_dropout():
    made, frames = bottleneck(form="replace"), torch.randn(200, 3, 8, dtype=torch.float64)
    zeros = (made(frames) == 0).double().mean()
    assert 0.6 < zeros < 0.9, "half by ReLU, half of the rest by dropout"
    hidden = (frames @ made.down.weight.T).clamp(min=0)
    assert torch.allclose(made.eval()(frames), (hidden @ made.up.weight.T).clamp(min=0))


@pytest.mark.parametrize("form", ["residual", "replace"])
def test_its_gradient_is_right(form):
    made = bottleneck(form=form).eval()
    assert torch.autograd.gradcheck(made, torch.randn(2, 2, 8, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(("streams", "changed"), [("face", (1, 0)), ("context", (0, 1)), ("both", (1, 1))])
def test_it_sits_on_the_chosen_streams_and_trains_at_its_own_rate(streams, changed):
    made = learner(f"adapter(streams={streams},lr=0.25)")
    found = tuple(int(isinstance(made.model.head.adapt[name], Bottleneck)) for name in ("face", "context"))
    assert found == changed
    groups = [group for group in made.groups(Train()) if group["name"] == "adapter"]
    assert {group["lr"] for group in groups} == {0.25}
    assert sum(len(group["params"]) for group in groups) == 2 * sum(changed)


def test_with_ratio_zero_the_network_is_as_without():
    with torch.no_grad():
        plain, zero = learner("plain").eval(), learner("adapter(ratio=0)").eval()
        assert torch.equal(plain.model(clips()).logits, zero.model(clips()).logits)


def test_a_bottleneck_is_never_narrower_than_one():
    assert Bottleneck(8, Adapter.Settings(reduction=100)).down.weight.shape == (1, 8)
