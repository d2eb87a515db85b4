"""A trained run as a folder that others load, with *harness* or with open_clip alone, and the way back.

    open_clip_config.json         with the next one what open_clip calls a `local-dir:`
    open_clip_model.safetensors   the CLIP model, its image tower as the run left it
    head.safetensors              the head and the text side; the names that they have in the network
    config.json                   the run's settings, classes and descriptions
    README.md                     the model card, and the code to load all this

CLIP model and head are two files because open_clip refuses a file that holds anything else than the model.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from harness import config, plugins, trained
from harness.errors import BadInput, Unwritable
from harness.files import read_json, writable, write_bytes, write_json
from harness.leaderboard.card import card
from harness.model import trunk, weights
from harness.store import Record, Store
from harness.trained import SCHEMA, TEXT, Facts, Trained
from harness.trained.predict import Classifier

CONFIG, HEAD, CLIP = "config.json", "head.safetensors", "open_clip_model.safetensors"
OPEN_CLIP = "open_clip_config.json"

LOADING = """
## Loading

```python
import harness  # the whole classifier

classifier = harness.load("{folder}")
prediction = classifier.predict("video.mp4", face=(x1, y1, x2, y2))
prediction.label, prediction.probabilities, prediction.notes
```

```python
import open_clip  # the CLIP model alone, its image tower as the run left it
from safetensors.torch import load_file

clip, _, preprocess = open_clip.create_model_and_transforms("local-dir:{folder}")
features = clip.encode_image(pixels)  # a frame each; the head reads {frames} of the face and {frames} of its context
tensors = load_file("{folder}/head.safetensors")
tensors["{text}"]  # {shape}: the text side, a class a row, before its normalisation
```

The classes are, in this order: {classes}.
"""


def export(record: Record, out: Path | str) -> Path:
    """Writes the folder `out` of a run that was trained with `--save-model`; raises `BadInput` for any other.

    Without its configurations nobody loads the folder. They go first and come last, so that an export that is cut off
    is not mixed with the one that was there.
    """
    out, found, page = writable(out), trained.of_run(record), card(record)
    head = {name: value for name, value in found.tensors.items() if not name.startswith("trunk.")}
    about = {"schema": SCHEMA, "run_id": record.run_id}
    for file in (out / CONFIG, out / OPEN_CLIP):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise Unwritable(error.errno, error.strerror, str(file)) from error
    write_bytes(out / CLIP, trained.as_bytes(found.clip.model.state_dict(), about))
    write_bytes(out / HEAD, trained.as_bytes(head, about))
    told = LOADING.format(
        folder=out.resolve().name,
        frames=found.facts.clips["frames"],
        text=TEXT,
        shape=list(head[TEXT].shape),
        classes=", ".join(found.facts.classes),
    )
    write_bytes(out / "README.md", (page + told).encode())
    write_json(out / OPEN_CLIP, _open_clip(found))
    write_json(out / CONFIG, {"schema": SCHEMA, **dataclasses.asdict(_portable(found.facts))})
    return out


def load(source: str | Path, runs: str | Path | None = None) -> Classifier:
    """The classifier of an exported folder, or of a run of a store: its id, the start of one, or its folder."""
    folder = Path(source)
    if (folder / HEAD).is_file():
        return Classifier(_of_folder(folder))
    return Classifier(trained.of_run(Store(runs or config.runs()).find(str(source))))


def _of_folder(folder: Path) -> Trained:
    for name in (OPEN_CLIP, CONFIG):
        if not (folder / name).is_file():
            raise BadInput(str(folder), f"has no {name}: the export was cut off", "export the run again")
    told = read_json(folder / CONFIG)
    schema = told.pop("schema", None)
    if type(schema) is not int or schema > SCHEMA:
        raise BadInput(str(folder / CONFIG), f"has schema {schema!r}, this version knows {SCHEMA}", "update harness")
    try:
        facts = Facts(**told)
    except TypeError as error:
        raise BadInput(str(folder / CONFIG), f"is no export's ({error})", "export the run again") from error
    for name in (CLIP, HEAD):
        if (run_id := trained.run_of(folder / name)) != facts.run_id:
            what = f"is of the run {run_id}, and {CONFIG} of {facts.run_id}"
            raise BadInput(str(folder / name), what, "export the run again")
    plugins.add_stored({name: each for name, each in facts.plugins.items() if name in facts.components}, load=False)
    clip = _clip(folder, facts)
    tensors, _ = trained.read(folder / HEAD)
    tower = {f"trunk.{name}": value for name, value in clip.trunk.state_dict().items()}  # as the run left it
    return trained.build(facts, clip, tensors | tower, str(folder / HEAD))


def _clip(folder: Path, facts: Facts) -> trunk.Loaded:
    """The CLIP model, with the mean and deviation of pictures that its tag had: its architecture alone has others."""
    clip = trunk.load(dataclasses.replace(facts.settings("model"), pretrained=str(folder / CLIP)))
    try:
        prepared = read_json(folder / OPEN_CLIP)["preprocess_cfg"]
        clip.trunk = trunk.Trunk(clip.trunk.visual, tuple(prepared["mean"]), tuple(prepared["std"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        what = f"does not say how pictures are prepared ({type(error).__name__}: {error})"
        raise BadInput(str(folder / OPEN_CLIP), what, "export the run again") from error
    return clip


def _portable(facts: Facts) -> Facts:
    """Without paths of this machine; a plugin from outside is asked for by its file's name, and known by its hash."""
    named = {name: {**found, "file": Path(found["file"]).name} for name, found in facts.plugins.items()}
    return dataclasses.replace(facts, model={**facts.model, "pretrained": ""}, plugins=named)


def _open_clip(found: Trained) -> dict[str, Any]:
    """What `open_clip_config.json` holds: architecture, and how pictures are prepared."""
    import open_clip

    name = found.facts.model["name"]
    if name == "tiny":
        return read_json(weights.TINY / OPEN_CLIP)
    prepared = {
        key: value for key, value in found.clip.model.visual.preprocess_cfg.items() if key not in ("size", "mode")
    }
    return {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": prepared}
