"""The k-th frame is the k-th frame, in every kind of file; what is damaged is named."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from rendered import encode, half_and_half, number, numbered, packet, remux

from harness.data.video import Unreadable, read, sample
from harness.data.video.films import opened

FRAMES = 61
UNEVEN = [0, *itertools.accumulate([17, 50, 33, 90] * FRAMES)][:FRAMES]
KINDS = {
    "mpeg4": ("a.avi", {"codec": "mpeg4"}),
    "mpeg4 with B-frames": ("a.avi", {"codec": "mpeg4", "bf": "2"}),
    "mpeg4 in mp4": ("a.mp4", {"codec": "mpeg4"}),
    "mjpeg": ("a.avi", {"codec": "mjpeg"}),
    "H.264 with B-frames": ("a.mp4", {"codec": "libx264", "bf": "3", "g": "12"}),
    "H.264 with open groups": ("a.mp4", {"codec": "libx264", "bf": "3", "g": "12", "x264-params": "open-gop=1"}),
    "H.264 in AVI, whose time stamps are wrong": ("a.avi", {"codec": "libx264", "bf": "2", "g": "12"}),
    "H.264, interlaced": ("a.mp4", {"codec": "libx264", "x264-params": "interlaced=1"}),
    "H.264, 10 bits": ("a.mp4", {"codec": "libx264", "pixels": "yuv420p10le"}),
    "H.265": ("a.mp4", {"codec": "libx265", "x265-params": "log-level=none"}),
    "VP9": ("a.webm", {"codec": "libvpx-vp9"}),
    "H.264, variable rate": ("a.mkv", {"codec": "libx264", "times": UNEVEN, "g": "12"}),
    "mpeg4, variable rate": ("a.mkv", {"codec": "mpeg4", "times": UNEVEN}),
    "grey": ("a.mkv", {"codec": "ffv1", "pixels": "gray"}),
    "grey, 16 bits": ("a.mkv", {"codec": "ffv1", "pixels": "gray16le"}),
    "transparent": ("a.mkv", {"codec": "ffv1", "pixels": "bgra"}),
}
PICKS = {
    "all": np.arange,
    "middles": lambda count: sample(count, 16, None),
    "random": lambda count: sample(count, 16, np.random.default_rng(1)),
    "repeated and backwards": lambda count: np.array([count - 1, 30, 30, 29, 0]),
    "last": lambda count: np.array([count - 1]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_exactly_the_one_asked_for(tmp_path: Path, kind: str) -> None:
    name, options = KINDS[kind]
    path = encode(tmp_path / name, numbered(FRAMES), **options)
    assert read(path, lambda count: np.array([0])).count == FRAMES
    for pick in PICKS.values():
        found = read(path, pick)
        pictures, indices, names = found.pictures, found.indices, found.names
        assert [number(picture) for picture in pictures] == indices.tolist() == pick(FRAMES).tolist()
        assert names == [str(i) for i in indices]
        assert all(picture.dtype == np.uint8 and picture.shape == (48, 64, 3) for picture in pictures)


@pytest.mark.parametrize(("codec", "name"), [("mpeg4", "a.avi"), ("mjpeg", "a.avi"), ("libx264", "a.mp4")])
def test_one_frame_is_a_clip_and_odd_sizes_keep_their_edges(tmp_path: Path, codec: str, name: str) -> None:
    picture = np.full((17, 33, 3), 30, np.uint8)
    picture[:, -1] = picture[-1] = 220
    found = read(encode(tmp_path / name, [picture], codec, **odd(codec)), np.arange)
    pictures, indices = found.pictures, found.indices
    assert indices.tolist() == [0]
    assert pictures[0].shape == (17, 33, 3)
    assert pictures[0][:-2, :-2].mean() < 60 < 180 < pictures[0][-1, -1].mean()


def odd(codec: str) -> dict[str, str]:
    """4:2:0 of H.264 can't be odd."""
    return {"pixels": "yuv444p"} if codec == "libx264" else {}


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_video_is_turned_as_its_display_matrix_says(tmp_path: Path, angle: int, turns: int) -> None:
    picture = half_and_half(32, 64)
    picture[:16] //= 2
    path = encode(tmp_path / "a.mp4", [picture] * 3, "libx264", rotation=angle)
    found = read(path, np.arange).pictures[2]
    assert found.shape == np.rot90(picture, turns).shape
    assert abs(found.astype(int) - np.rot90(picture, turns)).mean() < 12


def test_a_display_angle_that_is_no_quarter_turn_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", numbered(2), "libx264", rotation=45)
    with pytest.raises(Unreadable, match=r"a\.mp4: .* no quarter turn"):
        read(path, np.arange)


def test_frames_before_the_start_of_an_edit_list_are_no_frames(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", numbered(30), "libx264", bf="2", g="15")
    path = remux(whole, tmp_path / "late.mp4", earlier=6 * 1024)
    assert read(path, lambda count: np.array([0])).count == 24
    assert [number(picture) for picture in read(path, np.arange).pictures] == list(range(6, 30))


def test_packets_that_give_no_frame_are_not_counted_as_frames(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", numbered(20), "libx264", g="10", bf="0")
    path = remux(whole, tmp_path / "cut.mp4", start=5)  # five packets that hang on a lost key frame
    asked: list[int] = []
    pictures = read(path, lambda count: asked.append(count) or np.arange(count)).pictures
    assert asked == [15, 10]
    assert [number(picture) for picture in pictures] == list(range(10, 20))
    assert read(path, np.arange).count == 10


@pytest.mark.parametrize("pick", [np.arange, lambda count: np.array([count - 1]), lambda count: np.array([9, 20])])
def test_a_packet_that_says_as_before_shifts_no_frame(tmp_path: Path, pick) -> None:  # type: ignore[no-untyped-def]
    whole = encode(tmp_path / "whole.avi", numbered(30))
    vop_not_coded = bytes.fromhex("000001b6539f")
    path = remux(whole, tmp_path / "skips.avi", at_5=vop_not_coded)
    shown = [n for n in range(30) if n != 5]
    found = read(path, pick)
    pictures, indices = found.pictures, found.indices
    ahead = [shown[i] for i in indices]
    assert [number(picture) for picture in pictures if number(picture) >= 12] == [n for n in ahead if n >= 12]


@pytest.mark.parametrize(("codec", "name"), [("mpeg4", "a.avi"), ("libx264", "a.mp4"), ("mjpeg", "a.avi")])
@pytest.mark.parametrize("how", ["noise", "half"])
def test_a_damaged_packet_is_named_and_what_lies_before_it_is_read(
    tmp_path: Path, codec: str, name: str, how: str
) -> None:
    options = {} if codec == "mjpeg" else {"g": "12"}
    whole = encode(tmp_path / f"whole_{name}", numbered(40), codec, **options)
    good = packet(whole, 16)
    noise = np.random.default_rng(1).integers(0, 256, len(good), np.uint8).tobytes()
    bad = good[: len(good) // 3] + noise[len(good) // 3 :] if how == "noise" else good[: len(good) // 2]
    path = remux(whole, tmp_path / name, at_16=bad)
    assert [number(picture) for picture in read(path, lambda count: np.arange(13)).pictures] == list(range(13))
    with pytest.raises(Unreadable, match=rf"{name}: (breaks at frame|frame) 1[3-9]"):
        read(path, lambda count: np.array([0, 17 if codec != "mjpeg" else 16]))


def test_damage_that_no_picked_frame_builds_on_does_no_harm(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.avi", numbered(40))
    path = remux(whole, tmp_path / "a.avi", at_16=packet(whole, 16)[:20])
    wanted = np.array([3, 12, 15, 24, 39])
    assert [number(picture) for picture in read(path, lambda count: wanted).pictures] == wanted.tolist()


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_a_video_that_is_cut_off_is_read_up_to_there_and_named_when_more_is_wanted(tmp_path: Path, codec: str) -> None:
    path = encode(tmp_path / "a.avi", numbered(29), codec)
    whole = path.read_bytes()
    last = packet(path, 17)
    path.write_bytes(whole[: whole.index(last) + len(last) // 2])
    with opened(path) as film:
        count = film.count
    assert count == 18
    pictures = read(path, lambda count: np.array([0, count - 2])).pictures
    assert [number(picture) for picture in pictures] == [0, count - 2]
    with pytest.raises(Unreadable, match=rf"a\.avi: breaks at frame {count - 1}"):
        read(path, lambda count: np.array([0, count - 1]))


def test_a_pick_beyond_the_frames_is_an_error_and_not_a_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", numbered(5))
    with pytest.raises(IndexError, match=r"a\.avi: frame 5 was picked, of 5"):
        read(path, lambda count: np.array([0, count]))


def test_absurd_sizes_and_lengths_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = encode(tmp_path / "large.mkv", [np.zeros((8, 16_000, 3), np.uint8)], "ffv1")
    monkeypatch.setattr("harness.data.video.images.MOST_PIXELS", 16_000 * 7)
    with pytest.raises(Unreadable, match=r"large\.mkv: has 16000 x 8, more than"):
        read(large, np.arange)
    long = encode(tmp_path / "long.avi", numbered(9))
    monkeypatch.setattr("harness.data.video.films.MOST_FRAMES", 8)
    with pytest.raises(Unreadable, match=r"long\.avi: has over 8 frames"):
        read(long, np.arange)
    monkeypatch.setattr("harness.data.video.films.MOST_FRAMES", 9)
    assert len(read(long, np.arange).pictures) == 9


@pytest.mark.parametrize("how", ["missing", "empty", "text", "audio", "header only", "moov lost"])
def test_what_cannot_be_read_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "clip.avi"
    if how == "empty":
        path.touch()
    elif how == "text":
        path.write_text("not a picture " * 50)
    elif how == "header only":
        path.write_bytes(encode(tmp_path / "whole.avi", numbered(9)).read_bytes()[:600])
    elif how == "moov lost":
        whole = encode(tmp_path / "whole.mp4", numbered(9), "libx264").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "audio":
        with av.open(str(path), "w") as container:
            sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(sound.encode(frame))
    with pytest.raises(Unreadable, match=r"clip\.avi: ") as error:
        read(path, np.arange)
    assert str(path) in str(error.value)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.avi").touch()
    with pytest.raises(Unreadable, match=r"a\.avi: is empty"):
        read(tmp_path / "a.avi", np.arange)


def test_a_kind_of_video_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", numbered(5))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQ0Q"))
    with pytest.raises(Unreadable, match=r"a\.avi: holds a kind of video that can't be decoded"):
        read(path, np.arange)


def test_a_title_that_is_no_utf_8_does_no_harm(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", numbered(5))
    whole = path.read_bytes()
    software = whole[whole.index(b"Lavf") :][:4]
    path.write_bytes(whole.replace(software, b"\xff\xfe\xe9\xe8"))
    assert read(path, np.arange).count == 5
