"""Balanced sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import parts_of

from harness.data.sharing import epoch_picks

labels = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)


def order(label, strength, seed=0):
    return parts_of(f"balanced(strength={strength})")[0].sampler(label, np.random.default_rng(seed))


@settings(deadline=None, max_examples=60)
@given(labels, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3))
def test_an_epoch_keeps_its_length_and_classes_get_their_share(label, strength, seed):
    drawn = order(label, strength, seed)
    assert len(drawn) == len(label)
    classes, counts = np.unique(label, return_counts=True)
    share = counts ** (1 - strength)
    wanted = len(label) * share / share.sum()
    for c, want in zip(classes, wanted, strict=True):
        times = np.bincount(drawn, minlength=len(label))[label == c]
        assert abs(times.sum() - want) < 1 + 1e-6
        assert times.max() - times.min() <= 1, "one clip came more often than another of its class"


@given(labels)
def test_strength_zero_visits_every_clip_once(label):
    assert sorted(order(label, 0.0)) == list(range(len(label)))


def test_the_order_is_random_repeatable_and_what_training_uses():
    label = np.array([0] * 30 + [1] * 3)
    assert (order(label, 1.0, 1) == order(label, 1.0, 1)).all()
    assert (order(label, 1.0, 1) != order(label, 1.0, 2)).any()
    steps = epoch_picks(label, 8, 0, 0, parts_of("balanced"))
    seen = [label[position] for step in steps for position, _ in step]
    assert np.bincount(seen).tolist() in ([16, 17], [17, 16])
    assert any(pick[1] != steps[0][0][1] for step in steps for pick in step), "repeats see other views"


def test_half_strength_is_square_root_sampling():
    label = np.array([0] * 64 + [1] * 16)
    assert np.bincount(label[order(label, 0.5)]).tolist() == pytest.approx([80 * 8 / 12, 80 * 4 / 12], abs=1)
