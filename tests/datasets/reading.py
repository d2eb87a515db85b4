"""How the tests of this folder read a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layouts import build

from harness import plugins
from harness.data.clips import Note
from harness.data.scan import Scan, scan
from harness.datasets import Adapter
from harness.protocol import Clips, Face, Train
from harness.settings import parse

lenient = Face(max_missing=1.0)


def adapter(name: str, root: Path, **settings: Any) -> Adapter:
    cls = plugins.get("datasets", name)
    fold = {"fold": "1"} if cls.folds else {}
    return cls(parse(cls.Settings, fold | settings, name), root)


def read(name: str, root: Path, face: Face = lenient, **settings: Any) -> Scan:
    return scan(adapter(name, root, **settings), Train(), face, Clips(max_absent=0.5))


def read_built(name: str, root: Path, quirk: str | None = None, face: Face = lenient, **settings: Any) -> Scan:
    return read(name, build(name, root, quirk), face, **settings)


def notes(found: Scan) -> dict[str, Note]:
    return {note.kind: note for note in found.notes}


def labels(found: Scan) -> dict[str, int]:
    return {clip.id: clip.label for clip in found.clips}
