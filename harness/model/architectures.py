"""The CLIP models that there are, by name, with picture size and feature width.

Read from open_clip's own files, since importing it takes seconds that `list` and `plan` do not have.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import BadInput, nearest
from harness.model.weights import TINY


class Shape(NamedTuple):
    """Side of the square pictures that the image tower takes, in pixels, and width of the features that it gives."""

    size: int
    width: int


def names() -> list[str]:
    """The embedded `tiny` and open_clip's models."""
    return ["tiny", *_known()]


def shape(name: str) -> Shape:
    """Raises `BadInput` with the nearest names for a model that open_clip does not have."""
    if name not in names():
        raise BadInput("model.name", f"open_clip has no {name!r}", nearest(name, names()))
    told = json.loads((TINY / "open_clip_config.json" if name == "tiny" else _known()[name]).read_bytes())
    config: dict[str, Any] = told.get("model_cfg", told)
    size = config["vision_cfg"]["image_size"]
    return Shape(size[0] if isinstance(size, list) else size, config["embed_dim"])


@functools.cache
def _known() -> dict[str, Path]:
    spec = importlib.util.find_spec("open_clip")
    assert spec and spec.submodule_search_locations
    folders = [Path(place) / "model_configs" for place in spec.submodule_search_locations]
    found = {path.stem: path for folder in folders for path in folder.glob("*.json")}
    return dict(sorted(found.items()))
