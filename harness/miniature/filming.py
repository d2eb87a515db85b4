"""Films the shots of miniatures: here, or in Python processes that do nothing else.

Not by `multiprocessing`: it imports the user's script in each process that it spawns, and one without a `__main__`
guard would begin anew in there; and a fork of a process that runs torch may hang. What goes to and fro is JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from harness.miniature.face import Picture
from harness.miniature.motion import FPS
from harness.miniature.world import film

FOLDERS = {"caer": "CAER", "daisee": "DAiSEE", "raer": "RAER"}
Boxes = NDArray[np.int64]

_START = "import sys; sys.path[:] = {path!r}; from harness.miniature.filming import serve; serve()"


@dataclass(frozen=True)
class Shot:
    """A clip to be filmed, and where it goes: `path` is relative to the folder of its set."""

    setting: str
    split: str
    mood: str
    label: int
    path: str
    person: int
    seed: int
    frames: int
    codec: str = "mpeg4"


@dataclass(frozen=True)
class Take:
    """A filmed shot, with the boxes of its frames."""

    shot: Shot
    faces: Boxes
    bodies: Boxes


@contextmanager
def filming(out: Path, processes: int) -> Iterator[Callable[[Iterable[Shot]], Iterable[Take]]]:
    """What films shots into `out`, in so many processes, and gives their takes in order."""
    if processes == 1:
        yield partial(map, partial(shoot, out=out))
        return
    words = [sys.executable, "-c", _START.format(path=sys.path)]
    started = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(processes)]
    free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    for process in started:
        free.put(process)
    pool = ThreadPoolExecutor(processes)
    try:
        yield partial(pool.map, partial(_shoot_apart, free=free, out=out))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.kill()
        pool.shutdown()
        for process in started:
            process.stdout.close()  # type: ignore[union-attr]
            process.wait()


def _shoot_apart(shot: Shot, free: queue.SimpleQueue[subprocess.Popen[bytes]], out: Path) -> Take:
    process = free.get()
    assert process.stdin and process.stdout
    try:
        process.stdin.write(json.dumps([dataclasses.asdict(shot), str(out)]).encode() + b"\n")
        process.stdin.flush()
        told = json.loads(process.stdout.readline() or "null")
    except BrokenPipeError:
        told = None
    finally:
        free.put(process)
    if told is None:
        raise RuntimeError(f"a process that films miniatures ended with {process.wait()}")
    if "errno" in told:
        raise OSError(told["errno"], told["strerror"])
    return Take(shot, np.array(told["faces"], np.int64), np.array(told["bodies"], np.int64))


def serve() -> None:
    """What such a process does: films what it reads of, and tells the boxes, until nothing more comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of us, and who started us ends us
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed must not stand among the answers
    for line in sys.stdin.buffer:
        shot, out = json.loads(line)
        try:
            take = shoot(Shot(**shot), Path(out))
            told = {"faces": take.faces.tolist(), "bodies": take.bodies.tolist()}
        except OSError as error:
            told = {"errno": error.errno, "strerror": error.strerror or str(error)}
        print(json.dumps(told), file=answers, flush=True)


def shoot(shot: Shot, out: Path) -> Take:
    cv2.setNumThreads(1)
    footage = film(shot.setting, shot.mood, person=shot.person, seed=shot.seed, frames=shot.frames)
    path = out / FOLDERS[shot.setting] / shot.path
    if shot.codec == "jpg":
        path.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(footage.frames, 1):
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 62])[1]
            (path / f"{number:05d}.jpg").write_bytes(data.tobytes())  # `imwrite` tells nobody of a full disk
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(path, footage.frames, shot.codec)
    return Take(shot, footage.faces, footage.bodies)


ENCODING: dict[str, tuple[str, dict[str, str]]] = {
    "mjpeg": ("yuvj420p", {"qmin": "5", "qmax": "8"}),
    "mpeg4": ("yuv420p", {"qmin": "2", "qmax": "7"}),
    "libx264": ("yuv420p", {"crf": "25", "preset": "ultrafast"}),
}


def _encode(path: Path, frames: Sequence[Picture], codec: str) -> None:
    pixels, options = ENCODING[codec]
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=FPS, options=options))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
