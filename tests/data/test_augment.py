"""Augmentation: drawn once for a view, the same for all its pixels, and what each setting says it is."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.augment import Change, changed, drawn
from harness.data.video.streams import pixels
from harness.protocol import Clips

STILL = Change(0.0, False, False)


def picture(height: int = 24, width: int = 24, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=generator)


def test_the_evaluation_view_is_never_changed():
    assert drawn("a", None, Clips(rotation=30.0, flip=1.0, grey=1.0)) is None
    frames = picture()[None]
    assert changed(frames, None) is frames


def test_a_view_is_drawn_the_same_again_and_another_view_or_clip_is_another_draw():
    clips = Clips(rotation=30.0, flip=0.5, grey=0.3)
    assert drawn("a", 7, clips) == drawn("a", 7, clips)
    angles = {drawn(clip, view, clips).angle for clip in "ab" for view in range(3)}
    assert len(angles) == 6


def test_one_setting_does_not_change_anothers_luck():
    both = [drawn("a", view, Clips(rotation=30.0, flip=0.5, grey=0.3)) for view in range(40)]
    one = [drawn("a", view, Clips(rotation=0.0, flip=0.5, grey=0.0)) for view in range(40)]
    assert [change.flip for change in both] == [change.flip for change in one]
    assert {change.flip for change in one} == {True, False}
    assert not any(change.angle or change.grey for change in one)


def test_draws_follow_their_settings():
    clips = Clips(rotation=10.0, flip=0.25, grey=0.75)
    found = [drawn("a", view, clips) for view in range(800)]
    assert max(abs(change.angle) for change in found) <= 10
    assert sum(change.flip for change in found) / 800 == pytest.approx(0.25, abs=0.05)
    assert sum(change.grey for change in found) / 800 == pytest.approx(0.75, abs=0.05)


def quarters(low: int, high: int) -> st.SearchStrategy[float]:
    """Numbers that are mirrored without rounding."""
    return st.integers(4 * low, 4 * high).map(lambda number: number / 4)


@settings(max_examples=40, deadline=None)
@given(
    box=st.tuples(*[quarters(-5, 39)] * 2, *[quarters(1, 45)] * 2).filter(
        lambda box: box[0] < box[2] and box[1] < box[3]
    )
)
def test_flipping_a_crop_is_cropping_the_flipped_picture_at_the_flipped_box(box):
    whole = picture(40, 40)
    x1, y1, x2, y2 = pixels(box, whole.numpy())
    mirrored = (40 - box[2], box[1], 40 - box[0], box[3])
    a1, b1, a2, b2 = pixels(mirrored, whole.numpy())
    flipped = changed(whole[y1:y2, x1:x2], Change(0.0, True, False))
    assert torch.equal(flipped, whole.flip(1)[b1:b2, a1:a2])


@pytest.mark.parametrize("change", [Change(20.0, True, True), Change(-3.0, False, True), STILL])
def test_all_frames_of_both_streams_change_alike_and_keep_shape_and_type(change):
    one = picture()
    found = changed(one.expand(2, 5, 24, 24, 3), change)
    assert found.shape == (2, 5, 24, 24, 3)
    assert found.dtype == torch.uint8
    assert (found == found[0, 0]).all()


def test_each_kind_of_change_shows():
    looks = [changed(picture(), change) for change in (STILL, Change(20.0, False, False), Change(0.0, True, False),
                                                       Change(0.0, False, True))]  # fmt: skip
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(looks, 2))
    assert (looks[3][..., 0] == looks[3][..., 2]).all()


def test_a_quarter_turn_moves_every_pixel_to_its_place():
    whole = picture()
    assert torch.equal(changed(whole, Change(90.0, False, False)), whole.rot90(1, (0, 1)))
    back = changed(changed(whole, Change(90.0, False, False)), Change(-90.0, False, False))
    assert torch.equal(back, whole)


def test_a_small_turn_leaves_the_centre_and_blackens_the_corners():
    white = torch.full((25, 25, 3), 255, dtype=torch.uint8)
    turned = changed(white, Change(30.0, False, False))
    assert turned[12, 12].tolist() == [255] * 3
    assert turned[0, 0].tolist() == [0] * 3
