"""Crops are where the boxes are, nothing is made up without being counted, and augmentation is one draw a clip."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import folder, half_and_half

from harness.data.clips import Clip
from harness.data.video import Streams, Unreadable, views_of
from harness.protocol import Clips, Face

STEP = 8  # brightness between two frames

plain_clips = Clips(frames=4, rotation=0.0, flip=0.0, grey=0.0)


def streams(root: Path, clip: Clip, clips: Clips, face: Face, size: int, rng: np.random.Generator | None) -> Streams:
    return views_of(root, clip, clips, face, size, [rng])[0]


def centred(**settings) -> Face:
    return Face(missing="center-crop", **settings)


def brightness(frames: int, height: int, width: int) -> list[np.ndarray]:
    """Frames that show their own number as brightness, which any crop keeps."""
    return [np.full((height, width, 3), 10 + STEP * i, np.uint8) for i in range(frames)]


def test_a_face_is_its_box_and_margin_clamped_to_the_picture(tmp_path: Path) -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[0:15, 0:20] = 200
    folder(tmp_path / "clip", [picture] * 5)
    clip = Clip("clip", "clip", 0, "train", face={"": (2.0, 2.0, 15.0, 10.0)})
    found = streams(tmp_path, clip, plain_clips, centred(margin=5), 16, None)
    assert (found.face == 200).all()
    assert found.face.shape == found.context.shape == (4, 16, 16, 3)
    assert found.boxes == {"clip": 4}
    assert found.count == 5
    wider = streams(tmp_path, clip, plain_clips, centred(margin=20), 16, None)
    assert (wider.face == 0).any()


def test_a_frame_without_a_box_takes_its_nearest_neighbours(tmp_path: Path) -> None:
    pictures = brightness(4, 40, 60)
    for picture in pictures:
        picture[:, 30:] = 255
    folder(tmp_path / "clip", pictures, ["f_008.png", "f_009.png", "f_010.png", "f_100.png"])
    left, right = (0.0, 0.0, 20.0, 20.0), (35.0, 0.0, 55.0, 20.0)
    clip = Clip("clip", "clip", 0, "train", face={"f_009.png": left, "f_098.png": right})
    found = streams(tmp_path, clip, plain_clips, centred(margin=0), 8, None)
    assert found.boxes == {"frame": 1, "nearest": 3}
    assert [int(face.mean()) for face in found.face] == [10, 10 + STEP, 10 + 2 * STEP, 255]


@pytest.mark.parametrize("box", [(70.0, 5.0, 90.0, 20.0), (20.0, 20.0, 10.0, 30.0), (-30.0, 5.0, -2.0, 9.0)])
def test_boxes_outside_the_picture_are_missing_boxes_and_counted(tmp_path: Path, box: tuple) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": box})
    for missing in ("center-crop", "full-frame"):
        found = streams(tmp_path, clip, plain_clips, Face(missing=missing), 8, None)
        assert found.boxes == {missing: 4, "outside": 4}
    with pytest.raises(Unreadable, match="no face box"):
        streams(tmp_path, clip, plain_clips, Face(missing="error"), 8, None)


def test_a_frame_whose_own_box_lies_outside_takes_its_neighbours_and_is_counted(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    boxes = {f"{i}.png": (0.0, 0.0, 20.0, 20.0) for i in (1, 2, 3)} | {"4.png": (90.0, 0.0, 99.0, 9.0)}
    found = streams(tmp_path, Clip("clip", "clip", 0, "train", face=boxes), plain_clips, centred(margin=0), 8, None)
    assert found.boxes == {"frame": 3, "nearest": 1, "outside": 1}


def test_the_context_keeps_its_proportions_and_can_hide_the_face(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [np.full((20, 40, 3), 100, np.uint8)] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": (0.0, 0.0, 20.0, 20.0)})
    full = streams(tmp_path, clip, plain_clips, centred(margin=0), 40, None).context[0]
    assert (full[10:30] == 100).all()
    assert (full[:10] == 0).all()
    assert (full[30:] == 0).all()
    masked_clips = Clips(frames=4, context="masked-face")
    masked = streams(tmp_path, clip, masked_clips, centred(margin=0), 40, None)
    assert (masked.context[0][10:30, :20] == 0).all()
    assert (masked.context[0][10:30, 20:] == 100).all()
    assert (masked.face == 100).all(), "the face stream still sees the face"


def test_a_masked_context_hides_the_box_without_the_margin_of_the_face_stream(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [np.full((40, 40, 3), 100, np.uint8)] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": (10.0, 10.0, 30.0, 30.0)})
    context = streams(tmp_path, clip, Clips(frames=4, context="masked-face"), centred(margin=20), 40, None).context[0]
    assert (context[10:30, 10:30] == 0).all()
    assert (context == 100).sum() == 3 * (40 * 40 - 20 * 20)


def test_a_clip_without_a_box_leaves_nothing_to_mask_and_is_counted(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    masked = Clips(frames=4, context="masked-face")
    found = streams(tmp_path, Clip("clip", "clip", 0, "train"), masked, centred(), 8, None)
    assert found.boxes == {"center-crop": 4, "mask: none": 4}
    assert (
        found.context == streams(tmp_path, Clip("clip", "clip", 0, "train"), plain_clips, centred(), 8, None).context
    ).all()


def test_the_context_is_the_body_only_where_that_is_asked_for(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train", body=(30.0, 0.0, 60.0, 30.0))
    found = streams(tmp_path, clip, Clips(frames=4, context="body"), centred(), 8, None)
    assert (found.context[..., 2] == 255).all()
    assert (found.context[..., 0] == 0).all()
    assert found.boxes == {"center-crop": 4, "body": 4}
    full = streams(tmp_path, clip, plain_clips, centred(), 8, None)
    without = streams(tmp_path, dataclasses.replace(clip, body=None), plain_clips, centred(), 8, None)
    assert (full.context == without.context).all()
    assert full.boxes == {"center-crop": 4}


@pytest.mark.parametrize("body", [None, (70.0, 5.0, 90.0, 20.0)])
def test_without_a_usable_body_box_the_context_is_the_frame_and_counted(tmp_path: Path, body: tuple | None) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train", body=body)
    found = streams(tmp_path, clip, Clips(frames=4, context="body"), centred(), 8, None)
    assert found.boxes == {"center-crop": 4, "body: full-frame": 4}
    assert (found.context == streams(tmp_path, clip, plain_clips, centred(), 8, None).context).all()


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), box=st.tuples(*[st.floats(-200, 200)] * 4))
def test_any_picture_and_any_box_give_two_full_streams(tmp_path_factory, height, width, box) -> None:  # type: ignore[no-untyped-def]
    root = tmp_path_factory.mktemp("any")
    folder(root / "clip", [np.full((height, width, 3), 7, np.uint8)])
    found = streams(root, Clip("clip", "clip", 0, "test", face={"": box}), plain_clips, centred(margin=3), 12, None)
    assert found.face.shape == found.context.shape == (4, 12, 12, 3)
    assert sum(found.boxes[how] for how in ("frame", "clip", "nearest", "center-crop", "full-frame")) == 4


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(9, 70),
    height=st.integers(9, 70),
    box=st.tuples(*[st.floats(-10, 80)] * 4),
    margin=st.integers(0, 20),
    context=st.sampled_from(["full", "masked-face", "body"]),
    size=st.integers(5, 40),
)
def test_flipping_picture_and_boxes_flips_the_crops(  # type: ignore[no-untyped-def]
    tmp_path_factory, width, height, box, margin, context, size
) -> None:
    root = tmp_path_factory.mktemp("flip")
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    folder(root / "seen", [picture])
    folder(root / "mirrored", [picture[:, ::-1]])
    x1, y1, x2, y2 = min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]) + 1, max(box[1], box[3]) + 1
    other = (width - x2, y1, width - x1, y2)
    clips, face = Clips(frames=1, context=context), Face(missing="full-frame", margin=margin)
    here = Clip("clip", "seen", 0, "test", face={"": (x1, y1, x2, y2)}, body=(x1, y1, x2, y2))
    there = Clip("clip", "mirrored", 0, "test", face={"": other}, body=other)
    seen, mirrored = (streams(root, clip, clips, face, size, None) for clip in (here, there))
    assert seen.boxes == mirrored.boxes
    for name in ("face", "context"):
        difference = getattr(seen, name).astype(int) - getattr(mirrored, name)[:, :, ::-1]
        assert abs(difference).max() <= 2, "but for rounding while resizing"
