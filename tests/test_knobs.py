"""Every knob turns: changing any setting changes what is trained or recorded, or the setting says why not.

Settings are found by introspection, those of plugins from outside included. Each is turned alone, from a small base
run in which it can matter, and the run's whole record (weights, history, probabilities) must come out different.
"""

import dataclasses
import hashlib
import json

import pytest
import torch
from accelerate import Accelerator
from conftest import Silent, make_watch
from turning import turned

from harness import miniature, plugins, protocol
from harness.data import cache
from harness.data.scan import scan
from harness.grid import grammar
from harness.model import trunk
from harness.protocol import Clips, Face, Model, Train
from harness.training import loop

# Base values in which a setting can be felt within a few epochs, where its default can't.
BASE = {
    "warmup": {"epochs": 2, "ramp": 1},
    "train": {"epochs": 6, "batch_size": 8, "lr": 0.01, "milestones": (2, 4)},
    "mixup": {"alpha": 0.8},
    "moco": {"queue": 16, "momentum": 0.5},
}
# A setting may act only beside another: (group, setting) -> what to set with it.
BESIDE = {
    ("train", "milestones"): {"schedule": "steps"},
    ("train", "momentum"): {"optimizer": "sgd"},
}
# Settings that a synthetic split can't show; the test below that shows each.
ELSEWHERE = {
    ("train", "limit"): "test_data_settings_change_what_is_read",
    ("train", "holdout"): "test_data_settings_change_what_is_read",
    ("train", "metric"): "test_the_metric_selects_the_epoch",
    ("model", "name"): "test_model_settings_that_need_other_weights_or_pixels",
    ("model", "pretrained"): "test_model_settings_that_need_other_weights_or_pixels",
    ("model", "trunk"): "test_model_settings_that_need_other_weights_or_pixels",
    ("model", "trunk_lr"): "test_model_settings_that_need_other_weights_or_pixels",
    ("mixup", "level"): "tests/methods/test_mixup: mixup of pixels never quietly becomes mixup of features",
}


def knobs():
    groups = {"train": Train, "model": Model}
    groups |= {name: plugins.get("methods", name).Settings for name in plugins.names("methods")}
    for group, cls in groups.items():
        for field in dataclasses.fields(cls):
            yield group, field


def base_of(group: str, cls: type):
    return dataclasses.replace(cls(), **BASE.get(group, {}))


def method_with(name: str, settings=None) -> str:
    """The component beside a prompt and whatever it needs, in canonical spelling."""
    names = dict.fromkeys(["prompt", *plugins.get("methods", name).requires, name])
    parts = []
    for part in names:
        cls = plugins.get("methods", part).Settings
        chosen = settings if part == name and settings is not None else base_of(part, cls)
        parts.append((part, chosen))
    return str(grammar.Method(tuple(sorted(parts))))


def record(make_learner, splits, method: str, train: Train, **model) -> str:
    """A digest of all that a short run leaves."""

    torch.manual_seed(0)
    learner = make_learner(method, **model)
    metric, watch = train.metric or "war", make_watch(splits)
    outcome = loop.train(learner, splits, train, metric, 0, Accelerator(cpu=True), Silent(), [], watch)
    rows = [{**row, "duration_s": 0} for row in outcome.history]
    digest = hashlib.sha256(json.dumps([rows, outcome.epoch], sort_keys=True).encode())
    for name, value in sorted(learner.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    for probabilities in outcome.probabilities.values():
        digest.update(probabilities.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def remembered():
    return {}


@pytest.mark.parametrize(("group", "field"), list(knobs()), ids=lambda part: getattr(part, "name", part))
def test_every_setting_changes_training_or_its_record(group, field, make_learner, splits, remembered):
    if (group, field.name) in ELSEWHERE:
        pytest.skip(f"shown by {ELSEWHERE[group, field.name]}")
    train = base_of("train", Train)
    beside = BESIDE.get((group, field.name), {})

    def run(value=None):
        change = beside if value is None else {**beside, field.name: value}
        if group == "train":
            return record(make_learner, splits, "prompt", dataclasses.replace(train, **change))
        if group == "model":
            return record(make_learner, splits, "prompt", train, **change)
        cls = plugins.get("methods", group).Settings
        return record(
            make_learner, splits, method_with(group, dataclasses.replace(base_of(group, cls), **change)), train
        )

    key = (group, tuple(beside.items()))
    if key not in remembered:
        remembered[key] = run()
    owner = {"train": train, "model": Model()}.get(group) or base_of(group, plugins.get("methods", group).Settings)
    start = beside.get(field.name, getattr(owner, field.name))
    assert run(turned(field, start)) != remembered[key], f"{group}.{field.name} changes nothing"


DEAD = """
from dataclasses import dataclass
from harness.methods import Component
from harness.settings import knob

class Dead(Component):
    name = "dead-knob"
    paper = "none"

    @dataclass(frozen=True)
    class Settings:
        strength: float = knob(0.5, "read by nobody", low=0)

    def loss(self, out, batch, ctx):
        return {}
"""


def test_a_knob_of_a_plugin_that_turns_nothing_is_found(make_learner, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_from_files", {kind: dict(found) for kind, found in plugins._from_files.items()})
    (tmp_path / "dead.py").write_text(DEAD)
    assert plugins.add_file(str(tmp_path / "dead.py")) == ["dead-knob"]
    (field,) = (field for group, field in knobs() if group == "dead-knob")
    with pytest.raises(AssertionError, match="dead-knob.strength changes nothing"):
        test_every_setting_changes_training_or_its_record("dead-knob", field, make_learner, splits, {})


def test_the_knob_test_reaches_every_setting_of_the_product():
    reached = {(group, field.name) for group, field in knobs()}
    shared = {(group, f.name) for group in protocol.GROUPS for f in dataclasses.fields(protocol.GROUPS[group])}
    pictures = {(group, name) for group, name in shared if group in ("clips", "face")}
    assert shared - pictures <= reached
    assert pictures == {("clips", name) for name in PICTURES} | {("face", name) for name in BOXES}
    assert set(ELSEWHERE) <= reached
    print(f"{len(reached) + len(pictures)} settings, each turned ({len(ELSEWHERE)} by a test of their own)")


# ── settings that act on pictures: each must change what the trunk sees ─────────────────────────────────────

CENTRED = Face(missing="center-crop")
PICTURES = {
    "frames": 4,
    "views": 3,
    "context": "masked-face",
    "rotation": 30.0,
    "flip": 1.0,
    "grey": 1.0,
    "unreadable": "skip",
    "max_absent": 0.5,
}
BY_SCAN = {"unreadable", "max_absent"}  # what they stop or let pass is shown by tests of the cache and of the scan
BOXES = {"missing": "full-frame", "margin": 5, "max_missing": 0.0001}


@pytest.fixture(scope="module")
def caer(tmp_path_factory):
    """A small CAER with one clip that can't be read and boxes missing."""
    root = miniature.ensure(tmp_path_factory.mktemp("knobs"), limit=6) / "CAER"
    boxes = root / "annotations" / "caer_faces.json"
    known = json.loads(boxes.read_text())
    known.pop("CAER/train/Sad/0001", None)
    boxes.write_text(json.dumps(known))
    return root


def pictures(root, clips=None, face=None) -> str:
    adapter = plugins.get("datasets", "caer")
    found = scan(adapter(adapter.Settings(), root), Train(), face or CENTRED, Clips())
    views = cache.Views(
        dataclasses.replace(Clips(frames=3, views=2, flip=0.0, grey=0.0), **(clips or {})), face or CENTRED, 32
    )
    digest = hashlib.sha256()
    for clip in found.clips:
        if clip.split == "train":
            for number in range(views.clips.views):
                streams = cache.pictures(root, clip, views, [number])[0]
                digest.update(cache.augmented(streams, clip, views, number, torch.device("cpu")).numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", sorted(set(PICTURES) - BY_SCAN))
def test_every_setting_of_clips_changes_what_the_trunk_sees(name, caer):
    assert pictures(caer, {name: PICTURES[name]}) != pictures(caer)


@pytest.mark.parametrize("name", ["missing", "margin"])
def test_every_setting_of_face_changes_what_the_trunk_sees(name, caer):
    assert pictures(caer, face=Face(**{"missing": "center-crop", name: BOXES[name]})) != pictures(caer)


def test_the_largest_share_of_missing_boxes_is_a_limit(caer):
    from harness.errors import BadInput

    with pytest.raises(BadInput, match="max_missing"):
        pictures(caer, face=Face(missing="center-crop", max_missing=BOXES["max_missing"]))


# ── settings that need more than synthetic features ─────────────────────────────────────────────────────────


def test_data_settings_change_what_is_read(caer, tmp_path):
    adapter = plugins.get("datasets", "raer")
    root = caer.parent / "RAER"

    def ids(train):
        found = scan(adapter(adapter.Settings(), root), train, Face(missing="center-crop", max_missing=0.2), Clips())
        return [(clip.id, clip.split) for clip in found.clips]

    whole = ids(Train())
    assert ids(Train(holdout=0.45)) != whole
    assert len(ids(Train(limit=1))) < len(whole)


def test_the_metric_selects_the_epoch(make_learner, splits):
    def chosen(metric):
        train = dataclasses.replace(base_of("train", Train), metric=metric)
        learner = make_learner("prompt")
        watch = make_watch(splits)
        outcome = loop.train(learner, splits, train, metric, 0, Accelerator(cpu=True), Silent(), [], watch)
        return outcome.score, max(row["val"][metric] for row in outcome.history)

    for metric in ("war", "uar"):
        score, best = chosen(metric)
        assert score == best


def test_model_settings_that_need_other_weights_or_pixels(tmp_path):
    from harness.model import weights
    from harness.model.network import VideoModel

    assert weights.name_of(Model()) != weights.name_of(Model(name="ViT-B-32", pretrained="openai"))
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.TINY.joinpath("model.safetensors").read_bytes() + b"")
    assert trunk.load(Model(pretrained=str(other))).width == trunk.load(Model()).width
    from harness.learner import Learner

    def trunk_groups(**settings):
        chosen = Model(**settings)
        learner = Learner(VideoModel(trunk.load(chosen), chosen, ("a", "b"), pixels=True), {})
        return [group["lr"] for group in learner.groups(Train()) if group["name"] == "trunk"]

    assert trunk_groups() == []
    assert set(trunk_groups(trunk="trainable")) == {1e-5}
    assert set(trunk_groups(trunk="trainable", trunk_lr=0.5)) == {0.5}
