"""Where a trunk's weights come from, and the hash that names them in a run's spec.

The embedded `tiny` model, a local file, or an open_clip tag. Knows paths and hashes only: loading is the
model's. A tag is its own name, since the hub's files behind it do not change.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from harness.errors import BadInput
from harness.protocol import Model

TINY = Path(__file__).parents[1] / "assets" / "tiny"


def source(model: Model) -> str:
    """What `open_clip.create_model` takes as `pretrained`: a file or a tag."""
    if model.name == "tiny" and not model.pretrained:
        return str(TINY / "model.safetensors")
    if not model.pretrained:
        mend = "give model.pretrained: an open_clip tag such as openai, or a weights file"
        raise BadInput("model.pretrained", f"{model.name} has no weights", mend)
    if is_file(model.pretrained) and not Path(model.pretrained).is_file():
        raise BadInput("model.pretrained", f"no weights file {model.pretrained}", "give the path of a file that exists")
    if not is_file(model.pretrained) and Path(model.pretrained).is_file():
        mend = f"write ./{model.pretrained} for the file, or move it away for open_clip's tag"
        raise BadInput("model.pretrained", f"{model.pretrained} is a file in this folder, or a tag?", mend)
    if model.name == "tiny" and not is_file(model.pretrained):  # open_clip would take the embedded weights all the same
        mend = "give a weights file, or choose a model.name that has tags"
        raise BadInput("model.pretrained", f"the embedded tiny model has no {model.pretrained!r}", mend)
    return model.pretrained


def is_file(source: str) -> bool:
    """Whether a source is a path, told by how it is written."""
    return "/" in source or source.endswith((".safetensors", ".pt", ".bin"))


def name_of(model: Model) -> str:
    """A short name for the weights that changes when they do: a file's hash, or the hub's tag."""
    where = source(model)
    if is_file(where):
        return _file_hash(where, Path(where).stat().st_mtime_ns)
    return where


@functools.cache
def _file_hash(path: str, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
