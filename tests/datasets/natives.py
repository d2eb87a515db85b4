"""Tiny clean copies of the seven sets, as their publishers lay them out: `layouts` builds and spoils them.

Media are real and readable, and no two are alike.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

Quirk = Callable[[Path], None]
CAER_CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
FILM_CLASSES = ("Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear")  # as FERV39k calls its folders
MAFW_CLASSES = (
    *("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"),
    *("contempt", "anxiety", "helplessness", "disappointment"),
)
RAER_CLASSES = ("Neutral", "Enjoyment", "Confusion", "Fatigue", "Distraction")
FACE, BODY = [8, 6, 40, 38], [0, 0, 60, 47]  # in pictures of 64 × 48
HEADER = "ClipID,Boredom,Engagement,Confusion,Frustration "
NUMBERS = {"caer": 42, "caer-s": 42, "daisee": 24, "raer": 40, "dfew": 35, "ferv39k": 28, "mafw": 55}  # clips


# --- media and lists --------------------------------------------------------------------------------------------


def pictures(path: str, count: int) -> Iterator[np.ndarray]:
    """Pictures of coloured blocks that no other path has."""
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    for _ in range(count):
        blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        yield cv2.resize(blocks, (64, 48), interpolation=cv2.INTER_NEAREST)


def image(root: Path, path: str) -> None:
    write(root / path, cv2.imencode(Path(path).suffix, next(pictures(path, 1)))[1].tobytes())


def folder(root: Path, path: str, count: int = 3) -> None:
    for number, picture in enumerate(pictures(path, count), start=1):
        write(root / path / f"{number:05d}.jpg", cv2.imencode(".jpg", picture)[1].tobytes())


def video(root: Path, path: str, count: int = 4) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(root / path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for picture in pictures(path, count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(path: Path, rows: Iterable[str], ending: str = "\n") -> Path:
    return write(path, ending.join(rows))  # no newline at the end, as in the public lists


def lists(root: Path) -> list[Path]:
    return sorted(file for ending in ("txt", "csv") for file in root.rglob(f"*.{ending}"))


def media(root: Path) -> list[Path]:
    """Clips in order: videos, folders of frames, or images that lie beside many others of their kind."""
    videos = sorted(path for ending in ("avi", "mp4") for path in root.rglob(f"*.{ending}"))
    return videos or sorted(root.rglob("*.png")) or sorted({path.parent for path in root.rglob("*.jpg")})


# --- the clean copies -------------------------------------------------------------------------------------------


def caer(root: Path) -> None:
    rows: dict[str, list[str]] = {}
    boxes = {}
    for split, n in {"train": 3, "validation": 1, "test": 2}.items():
        for label, name in enumerate(CAER_CLASSES):
            for i in range(1, n + 1):
                path = f"{split}/{name}/{i:04d}"
                video(root, f"{path}.avi")
                rows.setdefault(split, []).append(f"{path}.avi 4 {label}")
                boxes[f"CAER/{path}"] = FACE
    for split, part in rows.items():
        lines(root / f"annotations/{split}.txt", part)
    write(root / "annotations/caer_video_faces.json", json.dumps(boxes))


def caer_s(root: Path) -> None:
    """Validation lies under `train/`; the angry are `Angry` in train and `Anger` in test; short lists beside."""
    rows: dict[str, list[str]] = {}
    for split, home, n in (("train", "train", 3), ("validation", "train", 1), ("test", "test", 2)):
        for label, name in enumerate(CAER_CLASSES):
            name = "Angry" if name == "Anger" and home == "train" else name
            for i in range(1, n + 1):
                path = f"{home}/{name}/{i if split != 'validation' else 9:04d}.png"
                image(root, path)
                rows.setdefault(split, []).append(f"{path} {label}")
    for split, part in rows.items():
        lines(root / f"annotations/{split}.txt", part)
    for split in ("train", "validation"):
        lines(root / f"annotations/{split}_small.txt", rows[split][:7])
    boxes = {row.split()[0]: FACE for part in rows.values() for row in part}
    write(root / "annotations/caer_s_faces.json", json.dumps(boxes))


def daisee(root: Path) -> None:
    """Eight clips a split of four people; all four affects occur at all levels."""
    everything = [HEADER]
    for s, split in enumerate(("Train", "Validation", "Test"), start=1):
        rows = [HEADER]
        for i in range(8):
            clip = f"{s}1000{i % 4}10{i:02d}"
            video(root, f"DataSet/{split}/{clip[:6]}/{clip}/{clip}.avi")
            rows.append(f"{clip}.avi,{(i + 1) % 4},{i % 4},{(i + 2) % 4},{(i + 3) % 4}")
        lines(root / f"Labels/{split}Labels.csv", [*rows, ""], "\r\n")
        everything += rows[1:]
    lines(root / "Labels/AllLabels.csv", [*everything, ""], "\r\n")


def raer(root: Path) -> None:
    """Paths of somebody's machine, labels from 1; face boxes frame by frame, body boxes clip by clip."""
    faces, bodies = {}, {}
    for split, n in (("train", 6), ("test", 2)):
        rows = []
        for label, name in enumerate(RAER_CLASSES, start=1):
            for i in range(1, n + 1):
                path = f"{split}/{name}/{i:03d}"
                folder(root, path)
                rows.append(f"/media/F/FERDataset/AER-DB/{path} 3 {label}")
                faces[path] = {f"{number:05d}.jpg": FACE for number in (1, 3)}  # one frame without a face
                bodies[path] = BODY
        lines(root / f"annotations/{split}.txt", rows)
    write(root / "annotations/face_detection_result.json", json.dumps(faces))
    write(root / "annotations/body_detection_result.json", json.dumps(bodies))


def dfew(root: Path) -> None:
    """Tables of numbers from 1; every clip is tested in one of five folds."""
    labels = {number: number % 7 + 1 for number in range(1, 36)}
    for number in labels:
        folder(root, f"Clip/clip_224x224/{number:05d}")
    for fold in range(1, 6):
        tested = {number for number in labels if (number - 1) // 7 + 1 == fold}
        for split, part in (("train", labels.keys() - tested), ("test", tested)):
            rows = ["video_name,label", *(f"{number},{labels[number]}" for number in sorted(part)), ""]
            lines(root / f"EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv", rows)


def ferv39k(root: Path) -> None:
    for split, n in (("train", 3), ("test", 1)):
        rows = []
        for c, name in enumerate(FILM_CLASSES):
            for i in range(n):
                path = f"{('Action', 'War')[c % 2]}/{name}/{i + 9 * (split == 'test'):04d}"
                folder(root, f"2_ClipsforFaceCrop/{path}")
                rows.append(f"{path} {name}")
        lines(root / f"4_setups/All_scenes/{split}_All.csv", rows)


def mafw(root: Path) -> None:
    """Lists of names; every clip is tested in one of five folds."""
    clips = {f"{number:05d}": MAFW_CLASSES[number % 11] for number in range(1, 56)}
    for clip in clips:
        folder(root, f"data/faces/{clip}")
    for fold in range(1, 6):
        for split in ("train", "test"):
            part = [clip for clip in clips if ((int(clip) - 1) // 11 + 1 == fold) == (split == "test")]
            rows = [f"{clip}.mp4 {clips[clip]}" for clip in part]
            lines(root / f"Train & Test Set/single/no_caption/set_{fold}/{split}.txt", rows)


CLEAN: dict[str, Quirk] = {
    "caer": caer,
    "caer-s": caer_s,
    "daisee": daisee,
    "raer": raer,
    "dfew": dfew,
    "ferv39k": ferv39k,
    "mafw": mafw,
}
