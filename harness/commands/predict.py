"""`harness predict`: what a trained run says of videos."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import Add
from harness.commands.arguments import plugin, runs
from harness.errors import BadInput
from harness.words import printable

if TYPE_CHECKING:
    from harness.data.clips import Box
    from harness.trained.predict import Prediction


def declare(add: Add) -> None:
    parser = add("predict", predict, "what a trained run says of videos: class, probabilities, the crops that it saw")
    parser.add_argument("run", metavar="RUN", help="a run trained with --save-model, as for `show`; or an export")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="a video, a folder of frames, or a picture")
    parser.add_argument("--face", type=_box, metavar="X,Y,W,H", help="where the face is in the video, in pixels")
    parser.add_argument("--body", type=_box, metavar="X,Y,W,H", help="the body, for runs whose context it is")
    parser.add_argument("--out", metavar="DIR", help="write what the network saw of each video there, as a PNG")
    runs(parser)
    plugin(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def predict(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.files import writable
    from harness.trained.export import load

    for option in ("face", "body"):
        if len(arguments.videos) > 1 and getattr(arguments, option):
            what = f"is one box, and there are {len(arguments.videos)} videos"
            raise BadInput(f"--{option}", what, "give one video at a time")
    out = writable(arguments.out) if arguments.out else None
    classifier = load(arguments.run, arguments.runs)
    found = [classifier.predict(video, arguments.face, arguments.body) for video in arguments.videos]
    sheets = [each.save(path) for each, path in zip(found, _places(found, out), strict=True)] if out else []
    if arguments.json:
        print(json.dumps({"run_id": classifier.facts.run_id, "videos": [each.as_json() for each in found]}, indent=2))
    else:
        print(printable("\n".join(line for each in found for line in _lines(each))))
        print(printable("".join(f"crops: {sheet}\n" for sheet in sheets)), end="")
    return 0


def _lines(found: Prediction) -> Iterator[str]:
    ordered = sorted(found.probabilities.items(), key=lambda pair: -pair[1])
    yield f"{found.path}: {found.label}"
    yield "  " + "  ".join(f"{name} {100 * share:.1f} %" for name, share in ordered)
    yield from (f"  note: {note}" for note in found.notes)


def _places(found: list[Prediction], out: Path) -> list[Path]:
    """A file for each video, by its name; videos of one name are numbered."""
    taken: dict[Path, None] = {}
    for each in found:
        stem, number = Path(each.path).stem, 1
        place = out / f"{stem}.png"
        while place in taken:
            number += 1
            place = out / f"{stem}-{number}.png"
        taken[place] = None
    return list(taken)


def _box(text: str) -> Box:
    number = r"\s*(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)\s*"
    match = re.fullmatch(",".join([number] * 4), text)
    x, y, width, height = map(float, match.groups()) if match else (0.0, 0.0, 0.0, 0.0)
    if width <= 0 or height <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no box: write x,y,width,height in pixels")
    return x, y, x + width, y + height
