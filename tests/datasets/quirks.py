"""What goes wrong with copies of data sets: each quirk is a function of a clean copy's folder that spoils it.

Its docstring is what is wrong.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from natives import FACE, FILM_CLASSES, MAFW_CLASSES, Quirk, folder, image, lines, lists, media, video, write


def each_line(edit: Callable[[str], str]) -> Quirk:
    """A quirk that rewrites every line of every list, tables' headers aside."""

    def spoil(root: Path) -> None:
        for file in lists(root):
            rows = file.read_text().splitlines()
            lines(file, [row if "label" in row or row.startswith("ClipID") else edit(row) for row in rows])

    spoil.__doc__ = edit.__doc__
    return spoil


# --- what goes wrong with any of them ---------------------------------------------------------------------------


def odd_bytes(root: Path) -> None:
    """The lists went through a Windows editor: BOM, CRLF, blank lines."""
    for file in lists(root):
        file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["", *file.read_text().splitlines(), " "]).encode())


def repeated_line(root: Path) -> None:
    """The last line of every list stands there twice."""
    for file in lists(root):
        rows = file.read_text().splitlines()
        lines(file, [*rows, rows[-1]])


def contradiction(root: Path) -> None:
    """The last clip of every list comes again, with another one's label."""
    for file in lists(root):
        rows = file.read_text().splitlines()
        between = "," if "," in rows[0] else " "
        clip, *label = rows[-1].split(between)
        other = next(row.split(between)[1:] for row in rows[1:] if row.split(between)[1:] != label)
        lines(file, [*rows, between.join([clip, *other])])


def missing_media(root: Path) -> None:
    """The first clip was never copied."""
    gone = media(root)[0]
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()


def unlabelled_media(root: Path) -> None:
    """A clip lies there that no list speaks of."""
    known = media(root)[0]
    new = known.with_name("77777" + known.suffix)
    shutil.copytree(known, new) if known.is_dir() else shutil.copy(known, new)


def unreadable_media(root: Path) -> None:
    """The first clip's file (or first frame) was cut off on the way."""
    file = media(root)[0]
    file = sorted(file.iterdir())[0] if file.is_dir() else file
    file.write_bytes(file.read_bytes()[:100])


def same_media_twice(root: Path) -> None:
    """The last clip is a byte-for-byte copy of the first."""
    first, last = media(root)[0], media(root)[-1]
    if first.is_dir():
        shutil.rmtree(last)
        shutil.copytree(first, last)
    else:
        shutil.copy(first, last)


ANY: dict[str, Quirk] = {
    "odd-bytes": odd_bytes,
    "repeated-line": repeated_line,
    "contradiction": contradiction,
    "missing-media": missing_media,
    "unlabelled-media": unlabelled_media,
    "unreadable-media": unreadable_media,
    "same-media-twice": same_media_twice,
}


# --- what goes wrong with some ----------------------------------------------------------------------------------


def absolute(row: str) -> str:
    """Paths of another machine, with a folder called `train` on the way."""
    return f"/home/x/train/data/{row}"


def dotted(row: str) -> str:
    """Paths begin with `./`."""
    return f"./{row}"


def doubled(row: str) -> str:
    """The split folder stands in every path twice, as it does after unpacking into a folder of that name."""
    return f"{row.split('/')[0]}/{row}"


def shifted(row: str) -> str:
    """Every label is one less than its class folder says, the first class' the last."""
    path, label = row.rsplit(" ", 1)
    return f"{path} {(int(label) - 1) % 7}"


def tabs(row: str) -> str:
    """Tabs stand between path and label."""
    return "\t".join(row.rsplit(" ", row.count(" ")))


def no_lists(root: Path) -> None:
    """The lists were never copied."""
    for file in lists(root):
        file.unlink()


def one_flat_box(root: Path) -> None:
    """The first box of every file has no area."""
    _boxes(root, lambda i, key, box: (key, [5, 5, 5, 9] if i == 0 else box))


def other_keys(root: Path) -> None:
    """The boxes are keyed in a form that no clip's path takes."""
    _boxes(root, lambda i, key, box: (f"Films:{i}:{key.replace('/', '-')}", box))


def half_the_boxes(root: Path) -> None:
    """Every other clip has no box."""
    for file in root.rglob("*face*.json"):
        write(file, json.dumps(dict(list(json.loads(file.read_text()).items())[::2])))


def _boxes(root: Path, change: Callable[[int, str, object], tuple[str, object]]) -> None:
    for file in root.rglob("*face*.json"):
        known = json.loads(file.read_text())
        write(file, json.dumps(dict(change(i, key, box) for i, (key, box) in enumerate(known.items()))))


def frames_instead(root: Path) -> None:
    """The first clip lies there as extracted frames."""
    clip = media(root)[0]
    clip.unlink()
    folder(clip.parent, clip.stem)


def three_columns(root: Path) -> None:
    """The other public list: a frame count, labels from 1, doubled prefixes, `valid/valid/` in the train list."""
    home = root / "annotations"
    names = {"train": "train/train", "validation": "valid/valid", "test": "test/test"}
    rows: dict[str, list[str]] = {}
    boxes = {}
    for split, prefix in names.items():
        for row in (home / f"{split}.txt").read_text().splitlines():
            path, label = row.split()
            path = f"{prefix}/{path.split('/', 1)[1]}"
            rows.setdefault(split, []).append(f"{path} 1 {int(label) + 1}")
            boxes[path] = FACE
            if split == "validation":
                image(root, path.split("/", 1)[1])
    shutil.rmtree(home)
    lines(home / "train.txt", rows["train"] + rows["validation"])
    lines(home / "test.txt", rows["test"])
    write(home / "caer_s_faces.json", json.dumps(boxes))


def another_container(root: Path) -> None:
    """One clip is an `.mp4`, though its table says `.avi`."""
    clip = media(root)[0]
    clip.rename(clip.with_suffix(".mp4"))


def frames_beside(root: Path) -> None:
    """One clip was extracted to frames in `frames/`, another to frames in its own folder."""
    for clip, name in zip(media(root)[:2], ("frames", ""), strict=True):
        clip.unlink()
        folder(clip.parent, name)


def one_list_for_all(root: Path) -> None:
    """Numbered lists in one folder, among those of other sets, with paths of another machine and labels from 0."""
    for file in lists(root):
        fold = next(part for part in (file.stem, file.parent.name) if part.startswith("set_"))
        split = "test" if "test" in str(file.relative_to(root)) else "train"
        rows = [row for row in file.read_text().splitlines() if row[0].isdigit()]
        name, prefix, edit = (
            ("MAFW", "data/faces", _named) if "no_caption" in str(file) else ("DFEW", "DFEW_Frame_Face", _counted)
        )
        told = [f"/data/somebody/{name}/{prefix}/{edit(row)}" for row in rows]
        lines(root / f"annotations/{name}_{fold}_{split}.txt", told)
        lines(root / f"annotations/{'DFEW' if name == 'MAFW' else 'MAFW'}_{fold}_{split}.txt", ["/data/x/00001 3 0"])
        file.unlink()


def _named(row: str) -> str:
    clip, name = row.split()
    return f"{clip.removesuffix('.mp4')} 3 {MAFW_CLASSES.index(name)}"


def _counted(row: str) -> str:
    clip, label = row.split(",")
    return f"{int(clip):05d} 3 {int(label) - 1}"


def other_home(root: Path) -> None:
    """The clips lie in a folder of another name."""
    home = next(
        root / name for name in ("Clip/clip_224x224", "2_ClipsforFaceCrop", "data/faces") if (root / name).is_dir()
    )
    home.rename(root / "my crops")


def original_films(root: Path) -> None:
    """Only the uncropped videos are there, numbered without zeros in front."""
    for clip in media(root):
        shutil.rmtree(clip)
        home = "Clip/original" if "Clip" in str(clip.relative_to(root)) else "data/clips"
        name = int(clip.name) if home == "Clip/original" else clip.name
        video(root, f"{home}/{name}.mp4")


def numbers_for_names(root: Path) -> None:
    """The common lists: paths of another machine, labels from 0."""
    for split in ("train", "test"):
        file = root / f"4_setups/All_scenes/{split}_All.csv"
        told = [row.split() for row in file.read_text().splitlines()]
        prefix = "/data/somebody/FERV39K/2_ClipsforFaceCrop"
        rows = [f"{prefix}/{path} 3 {FILM_CLASSES.index(name)}" for path, name in told]
        lines(root / f"annotations/FERV39K_{split}.txt", rows)
        file.unlink()


PATHS = {"absolute": each_line(absolute), "dotted": each_line(dotted), "doubled": each_line(doubled)}
BOXES = {"one-flat-box": one_flat_box, "other-keys": other_keys, "half-the-boxes": half_the_boxes}
FOLDED = {"one-list-for-all": one_list_for_all, "other-home": other_home, "original-films": original_films}
TREE = {"shifted": each_line(shifted), "tabs": each_line(tabs), "no-lists": no_lists}

QUIRKS: dict[str, dict[str, Quirk]] = {
    "caer": ANY | PATHS | BOXES | TREE | {"frames-instead": frames_instead, "another-container": another_container},
    "caer-s": ANY | PATHS | BOXES | TREE | {"three-columns": three_columns},
    "daisee": ANY | {"another-container": another_container, "frames-beside": frames_beside},
    "raer": ANY | BOXES,
    "dfew": ANY | FOLDED,
    "ferv39k": ANY | {"other-home": other_home, "numbers-for-names": numbers_for_names},
    "mafw": ANY | FOLDED,
}
