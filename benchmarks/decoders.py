"""How fast, and how exactly, several decoders give 16 frames of a clip.

    python benchmarks/decoders.py [--repeats N] [--frames N] [--json]

Renders clips of 640 x 480 whose frames show their number, has each decoder fetch the frames of the evaluation view, in
turn and on one thread each, and prints milliseconds (min, median, max), how many times as long as ours that is (median
of the ratios within a round), and how many of the frames are the right ones. A decoder that isn't installed, or that
can't start, is named and left out.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from harness.data.video import films, read, sample

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from rendered import BITS, encode, number, numbered, remux

WANTED = 16
LATE = 6  # frames that an edit list hides, or that lost their key frame

Way = Callable[[Path], list[np.ndarray]]


def ours(path: Path) -> list[np.ndarray]:
    return read(path, lambda count: sample(count, WANTED, None)).pictures


def all_up_to_the_last(path: Path) -> list[np.ndarray]:
    """PyAV without starting anew at key frames."""
    known, films.IN_ORDER = films.IN_ORDER, ()
    try:
        return ours(path)
    finally:
        films.IN_ORDER = known


def naive(path: Path) -> list[np.ndarray]:
    """Every frame a PIL image, as much of the published code has it."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        images = [frame.to_image() for frame in container.decode(video=0)]
    return [np.asarray(images[i]) for i in sample(len(images), WANTED, None)]


def _capture(path: Path) -> tuple[Any, list[int]]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    return capture, sample(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), WANTED, None).tolist()


def opencv_grabs(path: Path) -> list[np.ndarray]:
    capture, wanted = _capture(path)
    found, at = [], -1
    for index in wanted:
        while at < index and capture.grab():
            at += 1
        got, picture = capture.retrieve()
        found += [picture[..., ::-1]] if got and at == index else []
    return found


def opencv_seeks(path: Path) -> list[np.ndarray]:
    capture, wanted = _capture(path)
    found = []
    for index in wanted:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        got, picture = capture.read()
        found += [picture[..., ::-1]] if got else []
    return found


def ways() -> tuple[dict[str, Way], dict[str, str]]:
    """The decoders that can be compared here, and why others can't."""
    found: dict[str, Way] = {
        "ours": ours,
        "PyAV, all up to the last": all_up_to_the_last,
        "OpenCV, grab and retrieve": opencv_grabs,
        "OpenCV, seek": opencv_seeks,
        "every frame to PIL": naive,
    }
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:  # a wheel without the system's FFmpeg fails as it is imported
        return found, {"torchcodec": str(error).strip().splitlines()[0]}

    def torchcodec(path: Path) -> list[np.ndarray]:
        decoder = VideoDecoder(str(path), num_ffmpeg_threads=1, dimension_order="NHWC")
        return list(decoder.get_frames_at(sample(len(decoder), WANTED, None).tolist()).data.numpy())

    return {**found, "torchcodec": torchcodec}, {}


def render(folder: Path, frames: int) -> dict[str, tuple[Path, int]]:
    """Clips by name, each with the number that its first frame shows."""
    coarse = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    scenery = cv2.resize(coarse, (640 + 2 * frames, 480), interpolation=cv2.INTER_CUBIC)
    pictures = [
        cv2.addWeighted(digits, 0.75, np.ascontiguousarray(scenery[:, 2 * i : 2 * i + 640]), 0.25, 0)
        for i, digits in enumerate(numbered(frames, 480, 640))
    ]
    uneven = [0, *accumulate([17, 50, 33, 90] * frames)][:frames]
    h264 = encode(folder / "h264.mp4", pictures, "libx264", bf="3", g="48")
    plain = encode(folder / "plain.mp4", pictures, "libx264", bf="0", g="48")
    return {
        "MPEG-4 .avi": (encode(folder / "mpeg4.avi", pictures, b="1500000"), 0),
        "MJPEG .avi": (encode(folder / "mjpeg.avi", pictures, "mjpeg"), 0),
        "H.264 with B-frames .mp4": (h264, 0),
        "H.264 with B-frames .avi": (encode(folder / "h264.avi", pictures, "libx264", bf="2", g="48"), 0),
        "H.264, variable rate .mkv": (encode(folder / "vfr.mkv", pictures, "libx264", times=uneven, g="48"), 0),
        "H.264, edit list .mp4": (remux(h264, folder / "late.mp4", earlier=LATE * 1024), LATE),
        "H.264, first key frame lost .mp4": (remux(plain, folder / "cut.mp4", start=LATE), 48),
    }


def right(pictures: list[np.ndarray], first: int, frames: int) -> int:
    wanted = first + sample(frames - first, WANTED, None)
    return sum(number(picture) == i % (1 << BITS) for picture, i in zip(pictures, wanted.tolist(), strict=False))


def measure(path: Path, first: int, frames: int, repeats: int, found: dict[str, Way]) -> dict[str, dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in found}
    exact: dict[str, int] = {}
    failed: dict[str, dict[str, Any]] = {}
    for round_ in range(repeats + 1):  # the first warms up
        for name, way in found.items():
            began = time.perf_counter()
            try:
                pictures = way(path)
            except RuntimeError as error:  # torchcodec, where it can't seek
                failed[name] = {"failed": str(error).splitlines()[0]}
                continue
            if round_:
                times[name].append(1000 * (time.perf_counter() - began))
            exact[name] = right(pictures, first, frames)
    return {
        name: {
            "ms": [round(pick(values), 1) for pick in (min, statistics.median, max)],
            "over_ours": round(statistics.median(a / b for a, b in zip(values, times["ours"], strict=True)), 2),
            "right": exact[name],
        }
        for name, values in times.items()
        if name not in failed
    } | failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found, missing = ways()
    with tempfile.TemporaryDirectory() as folder:
        clips = render(Path(folder), arguments.frames)
        result = {
            name: measure(path, first, arguments.frames, arguments.repeats, found)
            for name, (path, first) in clips.items()
        }
    if arguments.json:
        print(json.dumps({"wanted": WANTED, "clips": result, "left_out": missing}))
        return
    for clip, rows in result.items():
        print(f"\n{clip:<34}{'min':>8}{'median':>8}{'max':>8}{'x ours':>8}{'right':>8}")
        for name, row in rows.items():
            if "failed" in row:
                print(f"  {name:<32}failed: {row['failed']}")
                continue
            low, middle, high = row["ms"]
            print(f"  {name:<32}{low:>8}{middle:>8}{high:>8}{row['over_ours']:>8}{row['right']:>5}/{WANTED}")
    for name, why in missing.items():
        print(f"\nleft out: {name}: {why}")


if __name__ == "__main__":
    main()
