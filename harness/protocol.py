"""What all runs of a grid share: the trainer's, the model's, the clips' and the face boxes' settings.

A grid file has one section for each group here (`[train]`, `[model]`, `[clips]`, `[face]`) and one
`[data.NAME]` for each data set. `VERSION` is part of every run's address: raise it when the same settings
would train something else than before, and old runs are no longer taken for new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.settings import knob

VERSION = 3


@dataclass(frozen=True)
class Train:
    """The loop: how long, how fast, which epoch is kept."""

    epochs: int = knob(20, "passes over the training clips", low=1, unit="epochs")
    batch_size: int = knob(16, "clips in one optimiser step, over all processes together", low=1, unit="clips")
    accumulation: int = knob(1, "micro-batches that make up one step", low=1)
    optimizer: str = knob("adamw", "the optimiser", choices=("adamw", "sgd"))
    lr: float = knob(1e-3, "learning rate of the heads", above=0)
    momentum: float = knob(0.9, "momentum of sgd, first beta of adamw", low=0, high=1)
    weight_decay: float = knob(1e-4, "weight decay; never on norms, biases, prompts and positions", low=0)
    schedule: str = knob("cosine", "learning rate over the epochs", choices=("constant", "cosine", "steps"))
    milestones: tuple[int, ...] = knob((10, 15), "epochs at which `steps` multiplies the rate by 0.1", low=1)
    clip_norm: float = knob(1.0, "gradients are clipped to this norm; 0: not at all", low=0)
    selection: str = knob("val", "the epoch that is reported", choices=("val", "last", "oracle"))
    metric: str = knob("", "metric that selects the epoch; empty: the data set's own", choices=("", "war", "uar"))
    holdout: float = knob(0.2, "share of `train` held out where no official `val` exists", above=0, high=0.5)
    limit: int = knob(0, "at most this many clips a class and split; 0: all (what --tiny sets)", low=0)


@dataclass(frozen=True)
class Model:
    """The network: a CLIP trunk by its open_clip name, and the head on top of its per-frame features."""

    name: str = knob("tiny", "any open_clip model name, or the embedded `tiny`")
    pretrained: str = knob("", "open_clip tag or a weights file; empty: the embedded weights of `tiny`")
    trunk: str = knob("frozen", "whether the image tower trains", choices=("frozen", "trainable"))
    trunk_lr: float = knob(1e-5, "learning rate of a trainable trunk", above=0)
    layers: int = knob(1, "layers of each stream's temporal transformer", low=1)
    heads: int = knob(8, "attention heads of the temporal transformer", low=1)
    mlp: int = knob(2, "width of its MLP, in multiples of the feature width", low=1)
    dropout: float = knob(0.1, "dropout of the temporal transformer", low=0, high=0.9)
    temperature: float = knob(0.01, "logits are cosines divided by this", above=0)


@dataclass(frozen=True)
class Clips:
    """From a clip to two streams of frames."""

    frames: int = knob(16, "frames sampled from a clip, one per equal segment", low=1, high=64, unit="frames")
    views: int = knob(4, "fixed views of each training clip that the cache holds", low=1)
    context: str = knob(
        "full",
        "second stream: the frame, the frame with the face blacked out, or the body",
        choices=("full", "masked-face", "body"),
    )
    rotation: float = knob(4.0, "largest random rotation of a training clip", low=0, high=180, unit="degrees")
    flip: float = knob(0.5, "chance of a horizontal flip", low=0, high=1)
    grey: float = knob(0.1, "chance of a clip without colour", low=0, high=1)
    unreadable: str = knob("error", "what to do with a clip that can't be read", choices=("error", "skip"))
    max_absent: float = knob(0.05, "largest share of a split's labelled clips that a copy may lack", low=0, high=1)


@dataclass(frozen=True)
class Face:
    """The face stream and what stands in for a missing box."""

    missing: str = knob(
        "auto",
        "stand-in where a clip has no box; auto: the whole frame where frames are face crops, else their centre",
        choices=("auto", "center-crop", "full-frame", "skip", "error"),
    )
    margin: int = knob(20, "margin around the box", low=0, unit="pixels")
    max_missing: float = knob(0.05, "largest share of a split without a box, in a set that has boxes", low=0, high=1)


@dataclass(frozen=True)
class Data:
    """Where one data set lies. Without a root, the set's rendered miniature is used."""

    root: str = knob("", "folder of the data set, in its native layout; empty: its miniature, if it has one")
    annotations: str = knob("", "folder of the annotation lists; empty: the root, or `annotations/` in it")
    faces: str = knob("", "file of face boxes; empty: `*face*.json` beside the lists")
    descriptions: Mapping[str, str] = knob({}, "a sentence of visible cues for each class, instead of ours")


GROUPS: dict[str, type] = {"train": Train, "model": Model, "clips": Clips, "face": Face}
