"""Frames are the right ones, crops are where the boxes are, and nothing unreadable passes for a video."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clips import Clip
from harness.protocol import Clips, Face
from harness.video import Unreadable, frame_count, read_frames, sample, streams

STEP = 8  # brightness between two frames: far more than compression changes


def numbered(frames: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that show their own number as brightness."""
    return [np.full((height, width, 3), 10 + STEP * i, np.uint8) for i in range(frames)]


def encode(path: Path, pictures: list[np.ndarray], codec: str = "mpeg4", **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def remux(source: Path, target: Path, start: int) -> None:
    """Copies the packets from `start` on: a video whose first key frame is gone."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in list(old.demux(video=0))[start:]:
            if packet.size:
                packet.stream = stream
                new.mux(packet)


def folder(path: Path, pictures: list[np.ndarray], names: list[str] | None = None) -> Path:
    path.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(path / (names[i] if names else f"{i + 1}.png")), picture[..., ::-1])
    return path


def number(picture: np.ndarray) -> int:
    return round((float(picture.mean()) - 10) / STEP)


def half_and_half(height: int = 40, width: int = 60) -> np.ndarray:
    """Red on the left, blue on the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = picture[:, width // 2 :, 2] = 255
    return picture


plain_clips = Clips(frames=4, rotation=0.0, flip=0.0, grey=0.0)


@given(count=st.integers(1, 400), frames=st.integers(1, 64), seed=st.none() | st.integers(0, 99))
def test_a_sample_is_in_order_and_in_range_and_as_long_as_asked(count: int, frames: int, seed: int | None) -> None:
    indices = sample(count, frames, None if seed is None else np.random.default_rng(seed))
    assert indices.shape == (frames,)
    assert indices.min() >= 0
    assert indices.max() < count
    assert (np.diff(indices) >= 0).all()
    if count >= frames:
        assert len(set(indices.tolist())) == frames
    else:
        assert set(indices.tolist()) == set(range(count)), "every frame of a short clip is seen"
        repeats = np.bincount(indices)
        assert repeats.max() - repeats.min() <= 1, "and none is dwelt upon"


@given(count=st.integers(1, 400), frames=st.integers(1, 64), seed=st.integers(0, 99))
def test_a_random_sample_takes_one_frame_from_each_segment(count: int, frames: int, seed: int) -> None:
    if count >= frames:
        indices = sample(count, frames, np.random.default_rng(seed))
        segment = np.arange(frames + 1) * count // frames
        assert (segment[:-1] <= indices).all()
        assert (indices < segment[1:]).all()


def test_evaluation_frames_are_those_of_the_published_protocol() -> None:
    tick = 300 / 16
    assert sample(300, 16, None).tolist() == [int(tick / 2 + tick * x) for x in range(16)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.avi", "mpeg4", {}), ("a.avi", "mjpeg", {}), ("a.mp4", "libx264", {"bf": "3", "g": "12"}),
     ("b.avi", "libx264", {"bf": "2"})],
)  # fmt: skip
def test_every_frame_is_exactly_the_one_asked_for(tmp_path: Path, name: str, codec: str, options: dict) -> None:
    path = encode(tmp_path / name, numbered(29), codec, **options)
    assert frame_count(path) == 29
    wanted = np.array([0, 3, 3, 11, 28])
    pictures, indices, names = read_frames(path, lambda count: wanted)
    assert [number(picture) for picture in pictures] == wanted.tolist() == indices.tolist()
    assert names == ["0", "3", "3", "11", "28"]


def test_frame_folders_are_read_in_natural_order_and_hidden_files_are_no_frames(tmp_path: Path) -> None:
    path = folder(tmp_path / "clip", numbered(12))
    (path / "._1.png").write_bytes(b"resource fork")
    (path / "Thumbs.db").write_bytes(b"")
    pictures, _, names = read_frames(path, np.arange)
    assert [number(picture) for picture in pictures] == list(range(12))
    assert names[9] == "10.png"


def test_an_image_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    path = folder(tmp_path / "faces", [half_and_half()]) / "1.png"
    pictures, _, _ = read_frames(path, lambda count: sample(count, 3, None))
    assert frame_count(path) == 1
    assert len(pictures) == 3
    assert pictures[0][0, 0].tolist() == [255, 0, 0], "red is red: pictures are RGB"


def test_a_video_that_breaks_is_read_up_to_there_and_named_when_more_is_wanted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", numbered(29), "mjpeg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # ends in the middle of a frame
    count = frame_count(path)
    assert 2 < count < 29
    pictures, _, _ = read_frames(path, lambda count: np.array([0, count - 2]))
    assert [number(picture) for picture in pictures] == [0, count - 2]
    with pytest.raises(Unreadable, match=rf"a\.avi: breaks at frame {count - 1}"):
        read_frames(path, lambda count: np.array([0, count - 1]))


def test_packets_that_give_no_frame_are_not_counted_as_frames(tmp_path: Path) -> None:
    encode(tmp_path / "whole.mp4", numbered(20), "libx264", g="10", bf="0")
    path = tmp_path / "cut.mp4"
    remux(tmp_path / "whole.mp4", path, start=5)  # five packets that hang on a lost key frame
    asked: list[int] = []
    pictures, _, _ = read_frames(path, lambda count: asked.append(count) or np.arange(count))
    assert asked == [15, 10]
    assert [number(picture) for picture in pictures] == list(range(10, 20))


def test_a_pick_beyond_the_frames_is_an_error_and_not_a_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", numbered(5))
    with pytest.raises(IndexError, match=r"a\.avi: frame 5 was picked, of 5"):
        read_frames(path, lambda count: np.array([0, count]))


@pytest.mark.parametrize("how", ["missing", "empty", "text", "audio", "empty folder", "no image", "empty image"])
def test_what_cannot_be_read_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / ("clip" if "folder" in how else "clip.png" if "image" in how else "clip.avi")
    if how in ("empty", "empty image"):
        path.touch()
    elif how in ("text", "no image"):
        path.write_text("not a picture " * 50)
    elif how == "empty folder":
        path.mkdir()
    elif how == "audio":
        with av.open(str(path), "w") as container:
            sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(sound.encode(frame))
    with pytest.raises(Unreadable, match=r"clip") as error:
        read_frames(path, np.arange)
    assert str(path) in str(error.value)


def test_a_face_is_its_box_and_margin_clamped_to_the_picture(tmp_path: Path) -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[0:15, 0:20] = 200
    folder(tmp_path / "clip", [picture] * 5)
    clip = Clip("clip", "clip", 0, "train", face={"": (2.0, 2.0, 15.0, 10.0)})
    found = streams(tmp_path, clip, plain_clips, Face(margin=5), 16, None)
    assert (found.face == 200).all()
    assert found.face.shape == found.context.shape == (4, 16, 16, 3)
    assert found.boxes == {"clip": 4}
    assert found.count == 5
    wider = streams(tmp_path, clip, plain_clips, Face(margin=20), 16, None)
    assert (wider.face == 0).any()


def test_a_frame_without_a_box_takes_its_nearest_neighbours(tmp_path: Path) -> None:
    pictures = numbered(4, 40, 60)
    for picture in pictures:
        picture[:, 30:] = 255
    folder(tmp_path / "clip", pictures, ["f_008.png", "f_009.png", "f_010.png", "f_100.png"])
    left, right = (0.0, 0.0, 20.0, 20.0), (35.0, 0.0, 55.0, 20.0)
    clip = Clip("clip", "clip", 0, "train", face={"f_009.png": left, "f_098.png": right})
    found = streams(tmp_path, clip, plain_clips, Face(margin=0), 8, None)
    assert found.boxes == {"frame": 1, "nearest": 3}
    assert [int(face.mean()) for face in found.face] == [10, 10 + STEP, 10 + 2 * STEP, 255]


@pytest.mark.parametrize("box", [(70.0, 5.0, 90.0, 20.0), (20.0, 20.0, 10.0, 30.0), (-30.0, 5.0, -2.0, 9.0)])
def test_boxes_outside_the_picture_are_missing_boxes_and_counted(tmp_path: Path, box: tuple) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": box})
    for missing in ("center-crop", "full-frame"):
        found = streams(tmp_path, clip, plain_clips, Face(missing=missing), 8, None)
        assert found.boxes == {missing: 4}
    with pytest.raises(Unreadable, match="no face box"):
        streams(tmp_path, clip, plain_clips, Face(missing="error"), 8, None)


def test_the_context_keeps_its_proportions_and_can_hide_the_face(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [np.full((20, 40, 3), 100, np.uint8)] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": (0.0, 0.0, 20.0, 20.0)})
    full = streams(tmp_path, clip, plain_clips, Face(margin=0), 40, None).context[0]
    assert (full[10:30] == 100).all()
    assert (full[:10] == 0).all()
    assert (full[30:] == 0).all()
    masked_clips = Clips(frames=4, context="masked-face")
    masked = streams(tmp_path, clip, masked_clips, Face(margin=0), 40, None)
    assert (masked.context[0][10:30, :20] == 0).all()
    assert (masked.context[0][10:30, 20:] == 100).all()
    assert (masked.face == 100).all(), "the face stream still sees the face"


def test_the_context_is_the_body_where_the_adapter_gives_one(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train", body=(30.0, 0.0, 60.0, 30.0))
    context = streams(tmp_path, clip, plain_clips, Face(), 8, None).context
    assert (context[..., 2] == 255).all()
    assert (context[..., 0] == 0).all()


def test_a_flip_mirrors_both_streams_with_the_box_in_its_place(tmp_path: Path) -> None:
    picture = half_and_half()
    picture[10:20, 0:4] = (0, 255, 0)  # a green ear, far left
    folder(tmp_path / "clip", [picture] * 4)
    clip = Clip("clip", "clip", 0, "train", face={"": (0.0, 0.0, 20.0, 30.0)})
    always = Clips(frames=4, rotation=0.0, flip=1.0, grey=0.0)
    seen = streams(tmp_path, clip, plain_clips, Face(margin=0), 30, np.random.default_rng(0))
    flipped = streams(tmp_path, clip, always, Face(margin=0), 30, np.random.default_rng(0))
    assert (flipped.face == seen.face[:, :, ::-1]).all()
    assert (flipped.context == seen.context[:, :, ::-1]).all()
    assert flipped.face[0, 15, -1].tolist() == [0, 255, 0], "the same ear, now on the right of the same face"


def test_augmentation_is_one_draw_for_a_clip_and_both_its_streams(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half(40, 40)] * 9)
    clip = Clip("clip", "clip", 0, "train", face={"": (0.0, 0.0, 40.0, 40.0)})
    clips = Clips(frames=4, rotation=30.0, flip=0.5, grey=0.3)
    for seed in range(8):
        found = streams(tmp_path, clip, clips, Face(margin=0), 20, np.random.default_rng(seed))
        assert (found.face == found.face[:1]).all()
        assert (found.face == found.context).all()
        again = streams(tmp_path, clip, clips, Face(margin=0), 20, np.random.default_rng(seed))
        assert (again.face == found.face).all()


def test_each_augmentation_knob_turns(tmp_path: Path) -> None:
    folder(tmp_path / "clip", [half_and_half()] * 4)
    clip = Clip("clip", "clip", 0, "train")
    looks = [
        streams(tmp_path, clip, clips, Face(), 16, np.random.default_rng(3)).context
        for clips in (plain_clips, Clips(4, rotation=20.0, flip=0.0, grey=0.0),
                      Clips(4, rotation=0.0, flip=1.0, grey=0.0), Clips(4, rotation=0.0, flip=0.0, grey=1.0))
    ]  # fmt: skip
    assert all((a != b).any() for a, b in itertools.combinations(looks, 2))
    assert (looks[3][..., 0] == looks[3][..., 2]).all()


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), box=st.tuples(*[st.floats(-200, 200)] * 4))
def test_any_picture_and_any_box_give_two_full_streams(tmp_path_factory, height, width, box) -> None:  # type: ignore[no-untyped-def]
    root = tmp_path_factory.mktemp("any")
    folder(root / "clip", [np.full((height, width, 3), 7, np.uint8)])
    found = streams(root, Clip("clip", "clip", 0, "test", face={"": box}), plain_clips, Face(margin=3), 12, None)
    assert found.face.shape == found.context.shape == (4, 12, 12, 3)
    assert sum(found.boxes.values()) == 4
