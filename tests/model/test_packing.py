"""Packed prompts: the features and gradients of the padded ones, whatever their lengths and what they share."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import trunk
from harness.model.packing import Layout
from harness.model.text import TextTower
from harness.protocol import Model


@pytest.fixture(scope="module")
def tower():
    return TextTower(trunk.load(Model()))


def padded(tower, vectors, ends):
    """As open_clip runs them: all rows of all prompts, with the causal mask."""
    length = vectors.shape[1]
    rows = tower.transformer(vectors + tower.positions[:length], attn_mask=tower.mask[:length, :length])
    return tower.ln_final(rows)[torch.arange(len(rows)), ends] @ tower.projection


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(4, 12), min_size=1, max_size=6), st.integers(1, 4), st.integers(0, 1000))
def test_features_and_gradients_are_those_of_the_padded_prompts(tower, ends, shared, seed):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(ends), max(ends) + 3, tower.width, generator=generator) * 0.1
    vectors[:, :shared] = vectors[:1, :shared]
    vectors.requires_grad_()
    places = torch.tensor(ends)
    ours, theirs = tower(vectors, Layout(places, vectors.shape[1], shared)), padded(tower, vectors, places)
    assert torch.allclose(ours, theirs, atol=1e-5)
    weight = torch.randn(ours.shape, generator=generator)
    one, two = (torch.autograd.grad((out * weight).sum(), vectors)[0] for out in (ours, theirs))
    assert torch.allclose(one[:, shared:], two[:, shared:], atol=1e-4)
    assert torch.allclose(one[:, :shared].sum(0), two[:, :shared].sum(0), atol=1e-4), "shared rows are run for all"
    for k, end in enumerate(ends):
        assert not one[k, end + 1 :].any(), "nothing behind [EOS] is looked at"


def test_as_few_rows_are_run_as_there_are():
    layout = Layout(torch.tensor([5, 8, 6]), 12, 4)
    assert len(layout.rows) == 4 + 2 + 5 + 3
    assert layout.rows.tolist()[:4] == [0, 1, 2, 3]
    assert layout.rows[layout.ends].tolist() == [5, 12 + 8, 24 + 6]


def test_a_tower_of_other_blocks_is_run_padded(tower, monkeypatch):
    ends = torch.tensor([5, 8, 6])
    vectors = torch.randn(3, 10, tower.width)
    monkeypatch.setattr("harness.model.packing.plain", lambda blocks: False)
    assert torch.allclose(tower(vectors, Layout(ends, 10)), padded(tower, vectors, ends), atol=1e-5)
