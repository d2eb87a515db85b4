"""What is kept of a trained run, and the network built again from it.

`model.safetensors` in a run's folder holds what training changed and what prediction reads beside the CLIP model: the
head, what components brought into it, the text side as the vectors that it came to (`text.encoded`), and a trunk that
trained. A frozen trunk stays out: the run's spec names its weights, by tag or hash, and no others will do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from harness import plugins, protocol
from harness.errors import BadInput
from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.model import trunk, weights
from harness.model.network import VideoModel
from harness.settings import parse
from harness.store import Record, repeat

FILE = "model.safetensors"
TEXT = "text.encoded"
SCHEMA = 1  # of what is kept: raise it when a reader of before would misunderstand it
_ABOUT = "harness"  # the entry of the file's header that holds our facts


@dataclass(frozen=True)
class Facts:
    """What prediction needs to know of a run beside its tensors. Plain data, as JSON holds it."""

    run_id: str
    dataset: str
    method: str
    components: dict[str, dict[str, Any]]
    model: dict[str, Any]
    clips: dict[str, Any]
    face: dict[str, Any]
    classes: list[str]
    descriptions: list[str]
    precision: str = "fp32"
    plugins: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self, group: str) -> Any:
        """The settings of one of `protocol.GROUPS`."""
        told = {key: value for key, value in getattr(self, group).items() if key != "weights"}
        return parse(protocol.GROUPS[group], told, f"{self.run_id}: {group}")


@dataclass(frozen=True)
class Trained:
    """A trained network in evaluation mode, with the CLIP model that it stands on."""

    facts: Facts
    clip: trunk.Loaded
    model: VideoModel
    tensors: dict[str, Tensor] = field(repr=False)


def packed(model: VideoModel, changed: Mapping[str, Tensor], run_id: str, classes: list[str]) -> bytes:
    """The content of `model.safetensors`; `changed` is what training changed, by its names in the network."""
    with torch.no_grad():
        tensors = {**changed, TEXT: model.text()}
    about = {"schema": SCHEMA, "run_id": run_id, "classes": classes, "descriptions": list(model.descriptions)}
    return as_bytes(tensors, about)


def as_bytes(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """Safetensors of copies on the CPU, since no two tensors of a file may share memory."""
    copies = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(copies, {_ABOUT: json.dumps(about, sort_keys=True)})


def read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file that `as_bytes` made. Raises `BadInput` for any other."""
    with _opened(file) as (opened, about):
        return {name: opened.get_tensor(name) for name in opened.keys()}, about  # noqa: SIM118 - it is no mapping


def run_of(file: Path) -> str:
    """The id of the run that such a file is of."""
    with _opened(file) as (_, about):
        return str(about["run_id"])


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    try:
        with safetensors.safe_open(file, "pt") as opened:
            about = json.loads((opened.metadata() or {})[_ABOUT])
            if about["schema"] > SCHEMA:
                what = f"has schema {about['schema']}, this version knows {SCHEMA}"
                raise BadInput(str(file), what, "update harness")
            yield opened, about
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        what = f"can't be read as the weights of a run ({type(error).__name__}: {error})"
        raise BadInput(str(file), what, "delete it, and make it again") from error


def of_run(record: Record) -> Trained:
    """The trained network of a stored run.

    Raises `BadInput` for a run that is not done, was trained without `--save-model`, or whose trunk has other weights
    by now.
    """
    command = repeat.command(record.spec, repeat.store_of(record.folder))
    if not record.done:
        raise BadInput(record.run_id, "is not done", f"train it: {command} --save-model")
    file = record.folder / FILE
    if not file.exists():
        what = "its trained weights were not kept"
        raise BadInput(record.run_id, what, f"train it again with them, its result stays: {command} --save-model")
    tensors, about = read(file)
    if about["run_id"] != record.run_id:
        what = f"holds the weights of the run {about['run_id']}"
        raise BadInput(str(file), what, f"delete it, then: {command} --save-model")
    facts = _facts(record, about)
    model, then = facts.settings("model"), facts.model["weights"]
    if (now := weights.name_of(model)) != then:
        what = f"the trunk's weights are others: {then} when {record.run_id} was trained, {now} now"
        raise BadInput("model.pretrained", what, f"put those weights back in {weights.source(model)}")
    return build(facts, trunk.load(model), tensors, str(file))


def _facts(record: Record, about: Mapping[str, Any]) -> Facts:
    spec = record.spec
    return Facts(
        run_id=record.run_id,
        dataset=spec["dataset"],
        method=spec["method"],
        components=spec["components"],
        model=spec["model"],
        clips=spec["clips"],
        face=spec["face"],
        classes=about["classes"],
        descriptions=about["descriptions"],
        precision=record.environment().get("precision", "fp32"),
        plugins=spec.get("plugins", {}),
    )


def build(facts: Facts, clip: trunk.Loaded, tensors: dict[str, Tensor], where: str) -> Trained:
    """The network that the facts describe, on a CLIP model, with these tensors. Raises `BadInput` for unfit ones."""
    plugins.add_stored({name: found for name, found in facts.plugins.items() if name in facts.components})
    method = grammar.resolve("+".join(facts.components) or grammar.PLAIN, facts.components)
    model = VideoModel(clip, facts.settings("model"), tuple(facts.descriptions), pixels=True)
    Learner(model, components_of(method))  # which extends the network
    model.text = EncodedText(tensors[TEXT] if TEXT in tensors else torch.zeros(0))
    state = model.state_dict()
    needed = {name for name, parameter in model.named_parameters() if parameter.requires_grad} | {TEXT}
    kept = {name: value for name, value in tensors.items() if name == TEXT or not name.startswith("text.")}
    odd = (needed - set(kept)) | {name for name in kept if name not in state or state[name].shape != kept[name].shape}
    if odd or len(kept[TEXT]) != len(facts.classes):
        what = f"does not hold what {facts.method} needs ({', '.join(sorted(odd)) or TEXT})"
        raise BadInput(where, what, "delete it, and make it again")
    model.load_state_dict(kept, strict=False)
    return Trained(facts, clip, model.eval().requires_grad_(False), tensors)


class EncodedText(nn.Module):
    """The text side after training: one vector a class `[K, D]`, or one for each of its prompts `[K, P, D]`."""

    encoded: Tensor

    def __init__(self, encoded: Tensor) -> None:
        super().__init__()
        self.register_buffer("encoded", encoded)

    def forward(self) -> Tensor:
        return self.encoded
