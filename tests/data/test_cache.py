"""Cached features: the same numbers as without the cache, addressed by all that they depend on, and counted."""

import dataclasses
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch

from harness import miniature, plugins
from harness.data import cache, loading
from harness.data.cache import Tower, Views
from harness.data.clips import as_dataset
from harness.data.loading import Split, as_picks
from harness.data.probe import probes
from harness.data.scan import scan
from harness.data.video import Unreadable
from harness.errors import BadInput
from harness.model import trunk
from harness.protocol import Clips, Face, Model, Train

CLIPS = Clips(frames=3, views=2)
CENTRED = Face(missing="center-crop")


@pytest.fixture(scope="module")
def clip():
    return trunk.load(Model())


@pytest.fixture
def copy(tmp_path):
    """A small CAER miniature of our own, to be broken at will."""
    return miniature.ensure(tmp_path, limit=2) / "CAER"


def read(root):
    adapter = plugins.get("datasets", "caer")
    return scan(adapter(adapter.Settings(), root), Train(), CENTRED, Clips())


def features(found, clip, split="train", clips=CLIPS, face=None, calls=None, weights="w", **tower_facts):
    def tower():
        if calls is not None:
            calls.append(split)
        return clip.trunk

    views = Views(clips, face or CENTRED, clip.size)
    seen = probes(found.root, found.present, silent)
    made_by = Tower(**{"load": tower, "model": "tiny", "weights": weights, "width": clip.width, **tower_facts})
    return cache.features(found, split, views, made_by, seen, silent)


def silent(done, total): ...


def crops(found, clip, split="train", clips=CLIPS):
    seen = probes(found.root, found.present, silent)
    return cache.crops(found, split, Views(clips, CENTRED, clip.size), seen, silent)


def index_of(found, kept):
    wanted = {one.id for one in kept.clips}
    return as_dataset(found, [str(label) for label in range(7)]).filter(lambda row: row["id"] in wanted)


def test_a_view_is_the_same_to_the_last_bit_from_cached_features_from_cached_crops_and_from_the_video(
    copy, clip, tmp_path, monkeypatch
):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found, device = read(copy), torch.device("cpu")
    for split in ("train", "test"):
        kept, whole = features(found, clip, split), crops(found, clip, split)
        ready = Split(index_of(found, kept), kept, device, CLIPS)
        pixels = Split(index_of(found, whole), whole, device, CLIPS)
        numbers = [i % 2 if split == "train" else None for i in range(len(kept.clips))]
        picks = [as_picks([i], [number]) for i, number in enumerate(numbers)]
        views = Views(CLIPS, CENTRED, clip.size)
        for one, two, medium, number in zip(
            ready.batches(picks), pixels.batches(picks), kept.clips, numbers, strict=True
        ):
            assert (one.level, two.level) == ("features", "pixels")
            decoded = cache.augmented(
                cache.pictures(found.root, medium, views, [number])[0], medium, views, number, device
            )
            assert torch.equal(decoded, torch.stack([two.face[0], two.context[0]]))
            with torch.inference_mode():
                both = clip.trunk(
                    torch.stack([two.face[0], two.context[0]])
                )  # the batch size decides the order of sums
            assert torch.equal(both, torch.stack([one.face[0], one.context[0]]))
            assert torch.equal(one.label, two.label)


def test_crops_are_augmented_anew_whenever_they_are_drawn_but_sampled_in_as_many_ways_as_there_are_views(
    copy, clip, tmp_path, monkeypatch
):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = read(copy)
    kept = crops(found, clip)
    assert kept.face.shape == (2, len(kept.clips), 3, clip.size, clip.size, 3)

    def seen(clips, *views):
        split = Split(index_of(found, kept), kept, torch.device("cpu"), clips)
        return [next(split.batches([as_picks([0], [view])])).face for view in views]

    still = dataclasses.replace(CLIPS, rotation=0.0, flip=0.0, grey=0.0)
    first, third, second = seen(still, 0, 2, 1)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    first, third = seen(CLIPS, 0, 2)
    assert not torch.equal(first, third)


def test_only_what_decides_the_crops_changes_their_address(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = read(copy)

    def shards():
        return len(list((tmp_path / "cache" / "frames").rglob("*.safetensors")))

    crops(found, clip)
    before = shards()
    crops(found, clip, clips=dataclasses.replace(CLIPS, rotation=0.0, flip=1.0, grey=1.0))
    assert shards() == before
    crops(found, clip, clips=dataclasses.replace(CLIPS, frames=4))
    assert shards() > before


def test_rows_that_are_mapped_and_read_ahead_equal_those_held_in_memory(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = read(copy)
    kept = features(found, clip)
    held = Split(index_of(found, kept), kept, torch.device("cpu"), CLIPS)
    monkeypatch.setattr(loading, "_room", lambda device: 0)
    mapped = Split(index_of(found, kept), kept, torch.device("cpu"), CLIPS)
    assert held.held
    assert not mapped.held
    picks = [as_picks([at, at - 1], [at, 3]) for at in range(len(kept.clips))]
    for one, two in zip(held.batches(picks), mapped.batches(picks), strict=True):
        assert torch.equal(one.face, two.face) and torch.equal(one.context, two.context)
        assert torch.equal(one.target, two.target)


def test_rows_that_do_not_come_are_an_error_and_not_a_wait(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = read(copy)
    kept = features(found, clip)
    monkeypatch.setattr(loading, "_room", lambda device: 0)
    monkeypatch.setattr(loading, "STALLED", 0.05)
    split, over = Split(index_of(found, kept), kept, torch.device("cpu"), CLIPS), threading.Event()
    monkeypatch.setattr(split, "_rows", lambda place: over.wait())
    with pytest.raises(loading.Stalled, match="does not answer"):
        list(split.batches([as_picks([0], [0])]))
    over.set()


def test_a_disk_without_room_is_met_before_anything_is_made(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found, calls = read(copy), []
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(BadInput, match=r"1 kB are free.*HARNESS_CACHE"):
        features(found, clip, calls=calls)
    with pytest.raises(BadInput, match="cache clear"):
        crops(found, clip)
    assert not calls
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_features_are_computed_once_and_found_again(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    calls = []
    first = features(read(copy), clip, calls=calls)
    moved = copy.rename(tmp_path / "CAER")
    second = features(read(moved), clip, calls=calls)
    assert calls == ["train"], "the address does not depend on where the copy lies"
    assert torch.equal(first.face.read(), second.face.read())
    assert first.boxes == second.boxes


def test_whatever_changes_the_pictures_changes_the_address(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found, calls = read(copy), []
    variants = [
        {},
        {"clips": dataclasses.replace(CLIPS, frames=4)},
        {"clips": dataclasses.replace(CLIPS, views=3)},
        {"clips": dataclasses.replace(CLIPS, flip=0.0)},
        {"clips": dataclasses.replace(CLIPS, rotation=0.0)},
        {"clips": dataclasses.replace(CLIPS, grey=1.0)},
        {"clips": dataclasses.replace(CLIPS, context="masked-face")},
        {"face": Face(missing="center-crop", margin=3)},
        {"face": Face(missing="full-frame")},
        {"weights": "other"},
        {"model": "ViT-B-16"},  # weights of the hub go by a tag, which models share
        {"precision": "bf16"},
    ]
    for variant in variants:
        features(found, clip, calls=calls, **variant)
    assert len(calls) == len(variants)
    for flip in (0.0, 1.0):
        features(found, clip, "test", clips=dataclasses.replace(CLIPS, flip=flip), calls=calls)
    assert len(calls) == len(variants) + 1, "augmentation does not reach the evaluation view"


def test_a_changed_clip_changes_the_address(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    calls = []
    features(read(copy), clip, calls=calls)
    one, two = sorted((copy / "train" / "Anger").glob("*.avi"))[:2]
    shutil.copy(two, one)
    features(read(copy), clip, calls=calls)
    assert len(calls) == 2


@pytest.fixture
def broken(copy):
    video = sorted((copy / "train" / "Happy").glob("*.avi"))[0]
    video.write_bytes(video.read_bytes()[:200])
    return video


def test_an_unreadable_video_is_an_error_that_names_it_never_zeros(broken, copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Unreadable, match=broken.name):
        features(read(copy), clip)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_fewer_views_and_other_folds_compute_nothing_that_is_there(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found, calls = read(copy), []
    whole = features(found, clip, calls=calls)
    assert torch.equal(
        features(found, clip, clips=dataclasses.replace(CLIPS, views=1), calls=calls).face.read(), whole.face.read()[:1]
    )
    swapped = {"train": "test", "test": "train", "val": "val"}
    other = dataclasses.replace(found, clips=[dataclasses.replace(c, split=swapped[c.split]) for c in found.clips])
    features(found, clip, "test", calls=calls)
    assert len(calls) == 2
    features(other, clip, "test", calls=calls)
    features(found, clip, "train", calls=calls)
    assert len(calls) == 3, "clips in another split need their evaluation view only"
    features(other, clip, "test", calls=calls)
    assert len(calls) == 3


def test_an_unreadable_video_is_skipped_and_counted_when_asked(broken, copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found = read(copy)
    kept = features(found, clip, clips=dataclasses.replace(CLIPS, unreadable="skip"))
    assert len(kept.unreadable) == 1
    assert len(kept.clips) == kept.face.shape[1] == sum(c.split == "train" for c in found.clips) - 1
    assert sum(kept.boxes.values()) == len(kept.clips) * CLIPS.views * CLIPS.frames


def test_a_clip_of_which_one_view_can_not_be_made_is_left_out_whole(copy, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    found, whole = read(copy), cache.pictures
    bad = next(one.id for one in found.clips if one.split == "train")
    skip = dataclasses.replace(CLIPS, unreadable="skip")
    features(found, clip, clips=dataclasses.replace(skip, views=1))

    def breaks_once(root, one, views, numbers):
        if one.id == bad and 1 in numbers:
            raise Unreadable("a frame that only this view samples")
        return whole(root, one, views, numbers)

    monkeypatch.setattr(cache, "pictures", breaks_once)
    kept = features(found, clip, clips=skip)
    assert kept.unreadable == [bad]
    monkeypatch.setattr(cache, "pictures", whole)
    assert not features(found, clip, clips=skip).unreadable, "what passes is tried again"


def test_frames_between_the_probed_ones_and_their_names_count(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    raer = miniature.ensure(tmp_path, limit=3) / "RAER"
    adapter, calls = plugins.get("datasets", "raer"), []

    def again():
        face = Face(missing="center-crop", max_missing=1)
        found = scan(adapter(adapter.Settings(), raer), Train(holdout=0.5), face, Clips())
        features(found, clip, calls=calls)
        return found, len(calls)

    found, first = again()
    assert again()[1] == first
    folder = raer / next(c.media for c in found.clips if c.split == "train" and c.frames > 4)
    frames = sorted(folder.iterdir())
    frames[1].unlink()
    frames[1].write_bytes(frames[3].read_bytes())
    assert again()[1] == first + 1
    frames[2].rename(frames[2].with_name(f"{frames[2].stem}9.jpg"))
    assert again()[1] == first + 2


def test_a_fill_that_begins_late_makes_nothing_that_another_has_made_although_a_clip_can_not_be_made(tmp_path):
    from harness.data.shelf import Item, Made, Shelf

    made = []

    def make(item, places):
        made.append(item)
        return Made({}) if item == 1 else Made({"a": torch.full((len(places), 2), float(item))}, [{}] * len(places))

    items = [Item(number, (f"key {number}",)) for number in range(8)]
    early = Shelf(tmp_path)
    early.fill(items[:4], lambda: make, silent, 2)
    late = Shelf(tmp_path)
    late.fill(items, lambda: make, silent, 2)
    again = Shelf(tmp_path)
    again.fill(items, lambda: make, silent, 2)
    assert sorted(made) == [0, 1, 1, 1, 2, 3, 4, 5, 6, 7], "what can't be made is tried again, and nothing else"


def test_features_of_a_second_learner_are_made_where_the_first_one_moved_the_tower(clip):
    from harness.model.text import FixedText, TextTower

    moved = trunk.load(Model())
    moved.model.to("meta")  # as a run moves the tower to its device, in place; the embedding stays
    moved.model.token_embedding.to_empty(device="cpu")
    assert FixedText(TextTower(moved), ("a face", "a longer face")).encoded.device.type == "meta"


def test_a_shelf_that_a_living_process_reads_is_not_cleared(copy, clip, tmp_path, monkeypatch):
    from harness.data import cupboard, usage

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    features(read(copy), clip)
    folder = next((tmp_path / "cache" / "features").iterdir())
    assert usage.used(folder)
    assert not cupboard.clear("features")
    usage._held.pop(folder).close()
    assert cupboard.clear("features")
    assert not folder.exists()
