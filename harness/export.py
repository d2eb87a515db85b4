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

from harness import trained, trunk, weights
from harness.card import card
from harness.errors import BadInput
from harness.predict import Classifier
from harness.store import Record, Store, read_json, writable, write_bytes, write_json
from harness.trained import SCHEMA, TEXT, Facts, Trained

CONFIG, HEAD, CLIP = "config.json", "head.safetensors", "open_clip_model.safetensors"

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
    """Writes the folder `out` of a run that was trained with `--save-model`; raises `BadInput` for any other."""
    out, found, page = writable(out), trained.of_run(record), card(record)
    head = {name: value for name, value in found.tensors.items() if not name.startswith("trunk.")}
    about = {"schema": SCHEMA, "run_id": record.run_id}
    write_bytes(out / CLIP, trained.as_bytes(found.clip.model.state_dict(), about))
    write_bytes(out / HEAD, trained.as_bytes(head, about))
    write_json(out / "open_clip_config.json", _open_clip(found))
    write_json(out / CONFIG, {"schema": SCHEMA, **dataclasses.asdict(_portable(found.facts))})
    told = LOADING.format(
        folder=out.name,
        frames=found.facts.clips["frames"],
        text=TEXT,
        shape=list(head[TEXT].shape),
        classes=", ".join(found.facts.classes),
    )
    write_bytes(out / "README.md", (page + told).encode())
    return out


def load(source: str | Path, runs: str | Path = "runs") -> Classifier:
    """The classifier of an exported folder, or of a run: its id, the start of one, or its folder."""
    folder = Path(source)
    if (folder / CONFIG).is_file() and (folder / HEAD).is_file():
        return Classifier(_of_folder(folder))
    return Classifier(trained.of_run(Store(runs).find(str(source))))


def _of_folder(folder: Path) -> Trained:
    told = read_json(folder / CONFIG)
    schema = told.pop("schema", None)
    if type(schema) is not int or schema > SCHEMA:
        raise BadInput(str(folder / CONFIG), f"has schema {schema!r}, this version knows {SCHEMA}", "update harness")
    try:
        facts = Facts(**told)
    except TypeError as error:
        raise BadInput(str(folder / CONFIG), f"is no export's ({error})", "export the run again") from error
    tensors, about = trained.read(folder / HEAD)
    if about.get("run_id") != facts.run_id:
        what = f"is of the run {about.get('run_id')}, and {CONFIG} of {facts.run_id}"
        raise BadInput(str(folder / HEAD), what, "export the run again")
    clip = trunk.load(dataclasses.replace(facts.settings("model"), pretrained=str(folder / CLIP)))
    tower = {f"trunk.{name}": value for name, value in clip.trunk.state_dict().items()}  # as the run left it
    return trained.build(facts, clip, tensors | tower, str(folder / HEAD))


def _portable(facts: Facts) -> Facts:
    """Without paths of this machine; a plugin from outside is found by its file's name, and known by its hash."""
    plugins = {name: {**found, "file": Path(found["file"]).name} for name, found in facts.plugins.items()}
    return dataclasses.replace(facts, model={**facts.model, "pretrained": ""}, plugins=plugins)


def _open_clip(found: Trained) -> dict[str, Any]:
    """What `open_clip_config.json` holds: architecture, and how pictures are prepared."""
    import open_clip

    name = found.facts.model["name"]
    if name == "tiny":
        return read_json(weights.TINY / "open_clip_config.json")
    prepared = {
        key: value for key, value in found.clip.model.visual.preprocess_cfg.items() if key not in ("size", "mode")
    }
    return {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": prepared}
