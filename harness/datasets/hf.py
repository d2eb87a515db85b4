"""Sets in the form of the Hugging Face `datasets` library: a folder of one, or its name on the hub.

The bytes of every row are laid out once, as they are, as files in the cache folder; from there on the set is
files like any other, so decoding, boxes and audits need not know where it came from. Which columns are meant stands
in `_columns`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import filelock
from tqdm import tqdm

from harness.data import cupboard, usage
from harness.data.clips import IMAGES, VIDEOS, frame_names, natural
from harness.data.paths import within
from harness.datasets import Entry
from harness.datasets._columns import Columns, Settings, columns_of
from harness.datasets.folder import Folder
from harness.errors import BadInput
from harness.files import read_json, read_lines, write_json, write_lines

if TYPE_CHECKING:
    import datasets

LAYOUT = 1  # raise it when the same rows would be laid out in another way
_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
_MAGIC = (  # the first bytes of a file, for media without a name
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"\x89PNG\r\n", ".png"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"RIFF....AVI ", ".avi"),
    (rb"....ftypqt", ".mov"),
    (rb"....ftyp", ".mp4"),
    (rb"\x1aE\xdf\xa3", ".mkv"),
    (rb"\x00\x00\x01\xba", ".mpg"),
    (rb"BM", ".bmp"),
)


class HF(Folder):
    """Rows with a video, an image or a list of images, and a label; a column `face` holds boxes [x1, y1, x2, y2].

    It holds one of a row or, where a row is a list of images, perhaps one of each image.
    """

    name = "hf"
    title = "a Hugging Face data set"
    Settings: ClassVar[type] = Settings

    @classmethod
    def locate(cls, settings: Any) -> Path:
        """The folder in the cache that holds the set as files, laid out when first asked for."""
        splits = _load(settings.root)
        known = {name: split for name, split in splits.items() if name.casefold() in cls.splits}
        if not known:
            mend = f"call its splits {', '.join(cls.splits)}"
            raise BadInput(settings.root, f"has only splits called {', '.join(splits)}", mend)
        columns = columns_of(known, settings)
        facts = [(name, split._fingerprint, len(split), str(split.features)) for name, split in splits.items()]
        parts = [LAYOUT, facts, astuple(columns), *settings.classes]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        folder = cupboard.home(cupboard.HF) / key
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                left_out = [name for name in splits if name not in known]
                _lay_out(folder, settings, known, columns, left_out)
            usage.use(folder)
        return folder

    def read_classes(self) -> tuple[str, ...]:
        if not (self.root / "set.json").is_file():
            raise BadInput(
                str(self.root), "is no laid-out set", "open the set by data.hf.root: `HF.locate` lays it out"
            )
        return tuple(read_json(self.root / "set.json")["classes"])

    def entries(self) -> Iterator[Entry]:
        if self.settings.annotations:
            raise BadInput("data.hf.annotations", "has no meaning here: rows hold their labels", "leave it out")
        facts, rows = read_json(self.root / "set.json"), read_lines(self.root / "clips.jsonl")
        source, read = facts["source"], [f"{what} {name}" for what, name in facts["columns"].items() if name]
        self.note("columns-read", source, "columns: " + ", ".join(read), count=len(rows))
        if facts["left_out"]:
            message = f"splits that are none of train, val, test are not read: {', '.join(facts['left_out'])}"
            self.note("split-unknown", source, message, count=len(facts["left_out"]))
        labelled = [row for row in rows if row["label"] is not None]
        if len(labelled) < len(rows):
            message = "rows without a label are left out"
            self.note("row-without-label", source, message, "label them, or drop them", len(rows) - len(labelled))
        yield from self.checked([self._entry(row) for row in labelled])

    def _entry(self, row: Mapping[str, Any]) -> Entry:
        split, name = row["path"].split("/", 1)
        number, label = name.split(".")[0], row["label"]
        clip = f"{split}/{self.classes[label]}/{number}"  # with the class, so that renamed classes are another set
        return Entry(row["path"], label, self.splits[split.casefold()], row["frames"], row["subject"], id=clip)


# --- from the library ---------------------------------------------------------------------------------------------


def _load(root: str) -> dict[str, datasets.Dataset]:
    """The splits of a folder (of `save_to_disk`, or of files that `load_dataset` knows) or of a name on the hub."""
    import datasets as hf

    folder = Path(os.path.expanduser(root))
    if not folder.is_dir() and not _HUB.fullmatch(root):
        raise BadInput("data.hf.root", f"no folder {folder}", "give a folder that is there, or a name on the hub")
    if (folder / "clips.jsonl").is_file() and (folder / "set.json").is_file():
        source = read_json(folder / "set.json")["source"]
        raise BadInput("data.hf.root", f"{folder} is only the laid-out form of {source}", f"give {source} itself")
    if folder.is_dir():
        _refuse_remote(folder)
    saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    try:
        found = hf.load_from_disk(str(folder)) if saved else hf.load_dataset(str(folder) if folder.is_dir() else root)
    except Exception as error:  # what a loader raises depends on the format, the hub and the network
        mend = "check the folder's files"
        if not folder.is_dir():
            mend = "check the name and the network; without one, `save_to_disk` the set elsewhere and give that folder"
        what = f"{root} can't be loaded: {type(error).__name__}: {error!s:.300}"
        raise BadInput("data.hf.root", what, mend) from error
    return dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}


def _refuse_remote(folder: Path) -> None:
    """A folder is read without a network, though its card can tell the library to fetch its rows from anywhere."""
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    for name, form in (("README.md", "{}"), (".huggingface.yaml", "---\n{}\n---\n")):
        card = folder / name
        try:
            text = form.format(card.read_text(encoding="utf-8")) if card.is_file() else ""
            told = MetadataConfigs.from_dataset_card_data(DatasetCard(text).data) if text.startswith("---") else {}
        except Exception as error:  # the library's own, by what is wrong with the card
            raise BadInput(str(card), f"can't be read: {error!s:.300}", "mend it, or take it away") from error
        if "://" in json.dumps(told, default=str):
            raise BadInput(str(card), "names files elsewhere as the set's data", "download them, and name them here")


# --- to files -----------------------------------------------------------------------------------------------------


def _lay_out(
    folder: Path, settings: Settings, splits: Mapping[str, datasets.Dataset], columns: Columns, left_out: list[str]
) -> None:
    """Writes the set beside its place and moves it there when it is whole."""
    source, part, homes = settings.root, folder.with_name(folder.name + ".part"), _homes(settings.root)
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    total = sum(map(len, splits.values()))
    print(f"laying out {total} clips of {source} in {folder}", file=sys.stderr, flush=True)
    classes, rows, faces = list(settings.classes) or _classes(splits, columns.label), [], {}
    try:
        with tqdm(total=total, desc="laying out", unit="clip", file=sys.stderr, disable=None) as bar:
            for name, split in splits.items():
                for number, row in enumerate(_rows(split, columns)):
                    path, frames = _write(row[columns.media], part, f"{name}/{number:06d}", source, homes)
                    label = _label(row[columns.label], classes, f"{source}: {name}, row {number}")
                    subject = row.get(columns.subject)
                    told = "" if subject is None else str(subject)
                    rows.append({"path": path, "label": label, "frames": frames, "subject": told})
                    faces[path] = _boxes(row.get(columns.face), part / path, frames)
                    bar.update()
        write_lines(part / "clips.jsonl", rows)
        if columns.face:
            write_json(part / "faces.json", faces)
        facts = {"source": source, "classes": classes, "columns": asdict(columns), "left_out": left_out}
        write_json(part / "set.json", facts)
        os.sync()  # media are on disk before their folder has its name
        part.rename(folder)
    except OSError as error:
        mend = "free some space, or set HARNESS_CACHE to a folder on another disk"
        raise BadInput(str(error.filename or part), f"can't lay out {source}: {error.strerror}", mend) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _rows(split: datasets.Dataset, columns: Columns) -> Iterator[dict[str, Any]]:
    """The rows as stored: media as `{"bytes", "path"}`, nothing decoded."""
    wanted = [column for column in dict.fromkeys(astuple(columns)) if column]
    for table in split.select_columns(wanted).with_format("arrow").iter(batch_size=1):
        yield from table.to_pylist()


def _classes(splits: Mapping[str, datasets.Dataset], column: str) -> list[str]:
    """The names of a `ClassLabel`, or the texts that occur, in natural order."""
    first = next(iter(splits.values()))
    names = getattr(first.features[column], "names", None)
    if names is None:
        names = sorted({text for split in splits.values() for text in split.unique(column) if text}, key=natural)
    return list(names)


def _label(value: Any, classes: list[str], where: str) -> int | None:
    """The class's number; None where a row has none, which a `ClassLabel` writes as null or -1."""
    if isinstance(value, str):
        return classes.index(value) if value else None
    if value is not None and value >= len(classes):
        what = f"label {value} is outside 0..{len(classes) - 1}"
        raise BadInput(where, what, "name all classes in data.hf.classes, counted from 0")
    return value if value is not None and value >= 0 else None


def _boxes(value: list[Any] | None, medium: Path, frames: int) -> list[float] | dict[str, Any] | None:
    """A row's box, or by their names those of its images."""
    if not any(isinstance(each, list) for each in value or ()):
        return _box(value)
    boxes, names = value or [], frame_names(medium) if frames else []
    if frames and len(boxes) != frames:
        where = f"{medium.parent.name}/{medium.name}"
        raise BadInput(where, f"has {len(boxes)} boxes for {frames} images", "give each image a box, or null")
    return {name: _box(box) for name, box in zip(names, boxes, strict=False)}


def _box(value: list[float] | None) -> list[float] | None:
    """The box as JSON can hold it: one of NaN is none."""
    return value if value and all(n is not None and math.isfinite(n) for n in value) else None


def _homes(source: str) -> list[Path]:
    """Where a row's file may lie: in the set's own folder, or where the library keeps what it downloads and unpacks."""
    from datasets import config
    from huggingface_hub import constants

    return [*map(Path, (os.path.expanduser(source), config.HF_DATASETS_CACHE, constants.HF_HUB_CACHE))]


def _write(value: Any, part: Path, clip: str, source: str, homes: Sequence[Path]) -> tuple[str, int]:
    """Writes a row's medium; returns its path below `part` and how many frames it is (0: one file).

    A row without a medium keeps its path, at which nothing lies: it is counted with all that a copy lacks.
    """
    (part / clip).parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(value, list):
        return (clip + _write_file(value, part / clip, f"{source}: {clip}", homes) if value else clip), 0
    for number, frame in enumerate(value, start=1):
        (part / clip).mkdir(exist_ok=True)
        _write_file(frame or {}, part / clip / f"{number:05d}", f"{source}: {clip}, frame {number}", homes)
    return clip, len(value)


def _write_file(medium: Mapping[str, Any], place: Path, where: str, homes: Sequence[Path]) -> str:
    """Copies a medium, byte for byte, to `place` and the extension that it returns.

    A set from elsewhere could name any file of this machine, so one without bytes has to lie in one of `homes`.
    """
    data, path = medium.get("bytes"), medium.get("path") or ""
    if data is None and not os.path.isfile(path):
        raise BadInput(where, f"has no bytes, and no file at {path!r}", "save the set with its media in it")
    if data is None and not any(within(home, os.path.realpath(path)) for home in homes):
        raise BadInput(where, f"names {path!r}, outside the set's folder", "save the set with its media in it")
    extension = os.path.splitext(path)[1].lower()
    if extension not in VIDEOS + IMAGES:
        extension = _by_content(_head(path) if data is None else data, where)
    target = place.with_name(place.name + extension)
    if data is None:
        shutil.copyfile(path, target)
    else:
        target.write_bytes(data)
    return extension


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(16)


def _by_content(data: bytes, where: str) -> str:
    """The extension that belongs to a file's first bytes."""
    for magic, extension in _MAGIC:
        if re.match(magic, data, re.DOTALL):
            return extension
    raise BadInput(where, f"begins with {data[:8]!r}: no known video or image", "convert it to MP4, JPEG or PNG")
