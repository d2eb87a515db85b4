"""What tests share."""

import functools
import os
from pathlib import Path

import hypothesis
import pytest
import torch

from harness import plugins
from harness.data.cache import Stored
from harness.data.clips import Clip, Scan, as_dataset
from harness.data.loading import Split
from harness.data.probe import Probe
from harness.data.shelf import Rows
from harness.grid import grammar
from harness.learner import Learner, components_of
from harness.model import trunk
from harness.model.network import VideoModel
from harness.protocol import Clips, Face, Model
from harness.sentinels import Reading
from harness.training.watch import Watch

torch.set_num_threads(1)  # test workers share the cores
hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine takes its time
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """One cache for all tests of this call, never the user's own."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["HARNESS_CACHE"] = str(base / "cache")
    os.environ["XDG_CONFIG_HOME"] = str(base / "config")  # never the developer's own
    return base / "cache"


@pytest.fixture(autouse=True)
def no_plugin_stays():
    """What a test registers from a file is gone after it."""
    before = {kind: dict(found) for kind, found in plugins._from_files.items()}
    yield
    for kind, found in before.items():
        plugins._from_files[kind].clear()
        plugins._from_files[kind].update(found)


# ── a small classifier on the embedded model, and features to train it on ───────────────────────────────────

DESCRIPTIONS = ("a happy face", "a sad face with tears", "an angry face with a deep frown")


class Silent:
    """A watcher of a run that shows nothing."""

    def step(self, epoch, live): ...
    def epoch(self, row): ...
    def alarm(self, row): ...
    def note(self, line): ...
    def resumed(self, epoch, step): ...


def small_learner(method: str, **model_settings) -> Learner:
    torch.manual_seed(0)
    settings = Model(**model_settings)
    model = VideoModel(trunk.load(settings), settings, DESCRIPTIONS, pixels=False)
    return Learner(model, components_of(grammar.resolve(method)))


@pytest.fixture
def make_learner():
    """A learner of three classes for a method string and model settings, always from the same random numbers."""
    return small_learner


@pytest.fixture(scope="session")
def make_learner_once():
    """The same, kept for the session: for property tests that reset what they touch."""
    return functools.cache(small_learner)


def in_memory(features: torch.Tensor) -> Rows:
    """`[V, N, T, D]` as if they had been mapped from a cache."""
    views, clips = features.shape[:2]
    places = torch.stack(torch.meshgrid(torch.arange(views), torch.arange(clips), indexing="ij"), dim=-1)
    return Rows(list(features), places)


def make_splits():
    """Random features whose mean tells the class: 23 clips to train on, so that the last batch is uneven."""
    rng = torch.Generator().manual_seed(0)
    device = torch.device("cpu")

    def split(name: str, size: int, views: int) -> Split:
        clips = [Clip(f"{name}/{i}", "", i % 3, name) for i in range(size)]
        index = as_dataset(Scan(Path(), clips, [], {}, False, name), ("happy", "sad", "angry"))
        centre = torch.tensor([clip.label for clip in clips], dtype=torch.float32)[None, :, None, None]
        face, context = (centre + torch.randn(views, size, 4, 64, generator=rng) for _ in range(2))
        return Split(index, Stored(clips, in_memory(face), in_memory(context), {}, []), device, Clips())

    return {"train": split("train", 23, 2), "val": split("val", 9, 1), "test": split("test", 10, 1)}


def make_watch(
    splits, tell=print, settings=None, *, classes=("happy", "sad", "angry"), descriptions=DESCRIPTIONS
) -> Watch:
    """All sentinels, as a run of these splits would have them: data first."""
    watch = Watch(settings or {}, tell)
    clips = [Clip(id, "", label, name) for name, split in splits.items() for id, label in _clips_of(split)]
    watch.reading(
        Reading(
            dataset="synthetic",
            classes=classes,
            descriptions=descriptions,
            scan=Scan(Path(), clips, [], {}, False, "synthetic", clips),
            face=Face(missing="full-frame"),
            labels={name: split.labels_on_cpu for name, split in splits.items()},
            boxes={},
            unreadable=(),
            probes={clip.id: Probe() for clip in clips},
            twins=(),
        )
    )
    return watch


def _clips_of(split):
    return zip(split.index["id"][:], split.labels_on_cpu.tolist(), strict=True)


@pytest.fixture
def splits():
    return make_splits()
