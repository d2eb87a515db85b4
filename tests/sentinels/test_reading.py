"""What the sentinels of data and selection let pass, what not, and where between the two their settings lie."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness import plugins
from harness.data.clips import Clip, Note, Scan
from harness.data.probe import Probe
from harness.protocol import Face
from harness.sentinels import Epoch, Finding, Reading, Watching
from harness.sentinels._shares import CHANCE, differ, exceeds

CLASSES = ("happy", "sad", "angry")
SENTENCES = ("a wide smile", "tears and a drooping mouth", "a deep frown")


def a_reading(train: int = 300, val: int = 90, test: int = 90, **changes) -> Reading:
    """A healthy copy, with everything that a test changes replaced."""
    sizes = {"train": train, "val": val, "test": test}
    clips = [Clip(f"{s}/{i}", f"{s}/{i}.avi", i % 3, s, 20) for s, n in sizes.items() for i in range(n)]
    faces = {split: {"found": n, "missing": 0} for split, n in sizes.items()}
    told = {f.name: changes.pop(f.name) for f in dataclasses.fields(Scan) if f.name in changes}
    clips = told.get("clips", clips)
    told = {"clips": clips, "present": clips, "notes": [], "faces": faces, "has_boxes": True} | told
    scan = Scan(root=Path(), fingerprint="", **told)
    lost = set(changes.get("unreadable", ()))
    labels = {s: np.array([c.label for c in clips if c.split == s and c.id not in lost]) for s in sizes}
    facts = {
        "dataset": "mine",
        "classes": CLASSES,
        "descriptions": SENTENCES,
        "scan": scan,
        "face": Face(),
        "labels": labels,
        "boxes": {"clip": 16 * len(clips)},
        "unreadable": (),
        "twins": (),
        "probes": {clip.id: Probe(frames=20, content=clip.id) for clip in clips},
    }
    return Reading(**facts | changes)


def found(name: str, reading: Reading, **settings) -> Counter:
    """What a sentinel says of a reading: how many findings of each severity."""
    cls = plugins.get("sentinels", name)
    sentinel = cls(cls.Settings(**settings))
    return Counter(finding.severity or cls.severity for finding in sentinel.on_reading(reading))


def faces(**missing: tuple[int, int]) -> dict:
    return {split: {"found": size - gone, "missing": gone} for split, (gone, size) in missing.items()}


NAMES = (
    "missing-boxes",
    "unreadable-clips",
    "label-range",
    "split-leak",
    "class-missing",
    "class-collapse",
    "test-selection",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_healthy_copy_is_not_spoken_of(name):
    assert not found(name, a_reading())


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_two_shares_differ_where_fishers_exact_test_says_so(count, more, other, rest):
    total, others = count + more, other + rest
    p = stats.fisher_exact([[count, total - count], [other, others - other]], "greater").pvalue
    assert differ(count, total, other, others) == (p < CHANCE and count * others > other * total)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.001, 0.5))
def test_a_count_is_too_high_where_the_binomial_tail_says_so(count, more, share):
    total = count + more
    expected = count > share * total and stats.binom.sf(count - 1, total, share) < CHANCE
    assert exceeds(count, total, share) == expected


# ── boxes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_published_gaps_in_boxes_are_no_alarm():
    caer = faces(train=(60, 9222), val=(8, 1316), test=(17, 2637))
    assert not found("missing-boxes", a_reading(faces=caer))
    assert not found("missing-boxes", a_reading(faces=faces(train=(400, 49012), test=(170, 20987))))
    assert found("missing-boxes", a_reading(faces=faces(train=(1630, 49012), test=(696, 20987)))) == {"warning": 1}


def test_settings_of_missing_boxes_turn():
    even = a_reading(faces=faces(train=(12, 300), val=(4, 90), test=(4, 90)))
    assert found("missing-boxes", even) == {"warning": 1}
    assert not found("missing-boxes", even, share=0.03)
    apart = a_reading(faces=faces(train=(1, 300), val=(0, 90), test=(12, 90)))
    assert found("missing-boxes", apart)["error"] == 1
    assert not found("missing-boxes", apart, gap=0.2)["error"]


def test_a_few_lost_frames_are_filled_from_their_neighbours_without_a_word():
    assert not found("missing-boxes", a_reading(boxes={"frame": 950, "nearest": 50}))
    assert found("missing-boxes", a_reading(boxes={"frame": 50, "nearest": 950})) == {"error": 1}


def test_frames_that_are_faces_already_need_no_boxes():
    none = {"has_boxes": False, "face": Face(missing="full-frame"), "boxes": {"missing": 16 * 480}}
    assert found("missing-boxes", a_reading(**none)) == {"warning": 1}
    assert not found("missing-boxes", a_reading(**none, cropped=True))


# ── clips ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_some_labels_without_a_video_are_usual():
    absent = [Clip(f"train/x{i}", "", i % 3, "train") for i in range(6)]
    assert not found("unreadable-clips", a_reading(absent=absent))
    assert found("unreadable-clips", a_reading(absent=absent), share=0.001)


def test_the_share_of_lost_clips_is_a_setting():
    lost = tuple(f"train/{i}" for i in range(15))
    assert found("unreadable-clips", a_reading(unreadable=lost)) == {"warning": 1}
    assert not found("unreadable-clips", a_reading(unreadable=lost), share=0.03)
    assert found("unreadable-clips", a_reading(unreadable=lost), share=0.001) == {"error": 1}


def test_a_class_that_loses_more_than_the_others_is_an_error_though_the_total_is_small():
    lost = tuple(f"train/{3 * i}" for i in range(9))
    assert found("unreadable-clips", a_reading(3000, 90, 90, unreadable=lost))["error"] == 1


def test_a_broken_file_must_be_among_those_left_out():
    reading = a_reading()
    broken = reading.probes | {"test/4": Probe(error="no frames")}
    assert found("unreadable-clips", dataclasses.replace(reading, probes=broken)) == {"error": 1}
    assert not found("unreadable-clips", a_reading(unreadable=("test/4",), probes=broken))


# ── labels, persons, pictures ───────────────────────────────────────────────────────────────────────────────────


def test_a_few_labels_that_contradict_their_folder_are_a_warning_and_many_an_error():
    def told(count: int) -> Reading:
        return a_reading(notes=[Note("label-contradicts-folder", "train.txt:1", "another class", "mend", count)])

    assert found("label-range", told(3)) == {"warning": 1}
    assert found("label-range", told(200)) == {"error": 1}


@pytest.mark.parametrize(("empty", "errors"), [(0, 1), (1, 0), (2, 1)])
def test_a_class_without_clips_at_either_end_looks_like_a_shift(empty, errors):
    clips = [clip for clip in a_reading().scan.clips if clip.label != empty]
    assert found("label-range", a_reading(clips=clips))["error"] == errors


def test_sentences_that_speak_of_another_class_are_seen():
    swapped = ("a sad mouth", "a happy smile", "a deep frown")
    assert found("label-range", a_reading(descriptions=swapped)) == {"error": 1}
    assert not found("label-range", a_reading(descriptions=("a happy smile", "a sad mouth", "a deep frown")))
    assert found("label-range", a_reading(descriptions=SENTENCES[:2])) == {"error": 1}
    assert found("label-range", a_reading(descriptions=(*SENTENCES[:2], SENTENCES[0]))) == {"error": 1}


def test_prompts_that_are_fewer_than_the_sentences_are_told_by_their_number():
    cls = plugins.get("sentinels", "label-range")
    sentinel = cls(cls.Settings())
    assert not list(sentinel.on_reading(a_reading()))

    def prompts(*descriptions: str) -> list[Finding]:
        network = SimpleNamespace(model=SimpleNamespace(descriptions=descriptions))
        return list(sentinel.on_setup(SimpleNamespace(learner=network)))

    assert not prompts(*SENTENCES)
    (fewer,), (other,) = prompts(*SENTENCES[:2]), prompts(*SENTENCES[::-1])
    assert fewer.evidence == {"prompts": 2, "sentences": 3} and "2 of them for 3 sentences" in fewer.message
    assert other.evidence["class"] == 0 and f"class 0 got {SENTENCES[2]!r}" in other.message


def test_a_leak_is_worth_its_share_of_the_split():
    many = tuple((f"train/{i}", "train", f"test/{i}", "test") for i in range(9))
    big = a_reading(3000, 90, 900, twins=many[:1])
    assert found("split-leak", big) == {"warning": 1}
    assert found("split-leak", big, share=0.0) == {"error": 1}
    assert found("split-leak", a_reading(twins=many)) == {"error": 1}


def test_persons_of_the_training_clips_may_not_be_scored():
    clips = [dataclasses.replace(clip, subject=f"{clip.split}{i % 7}") for i, clip in enumerate(a_reading().scan.clips)]
    assert not found("split-leak", a_reading(clips=clips))
    known = [dataclasses.replace(c, subject=c.subject.replace("test", "train")) for c in clips]
    assert found("split-leak", a_reading(clips=known)) == {"error": 1}


# ── epochs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def an_epoch(predicted: np.ndarray, labels: np.ndarray, trained: tuple[int, ...], picked: tuple[int, ...]) -> Epoch:
    return Epoch(
        number=0,
        row={},
        confusion=np.diag(trained),
        picked=np.array(picked),
        order=np.arange(sum(picked)),
        probabilities=np.eye(3)[predicted],
        labels=labels,
        rates={},
        learner=None,
        steps=1,
        skipped=0,
        scale=1.0,
    )


def test_one_class_must_be_predicted_for_some_epochs_and_against_the_labels():
    def epochs(labels: np.ndarray, **settings) -> list[int]:
        cls = plugins.get("sentinels", "class-collapse")
        sentinel = cls(cls.Settings(**settings))
        list(sentinel.on_reading(a_reading()))
        one, two = np.zeros(30, dtype=int), np.arange(30) % 2
        runs = [one, two, one, one, one, one]
        return [at for at, of in enumerate(runs) if list(sentinel.on_epoch(an_epoch(of, labels, (1, 1, 1), (1, 1, 1))))]

    assert epochs(np.arange(30) % 3) == [3]
    assert epochs(np.arange(30) % 3, epochs=1) == [0, 2]
    assert epochs(np.arange(30) % 3, epochs=4) == [5]
    assert epochs((np.arange(30) == 0).astype(int)) == [], "all but one clip are of that class"


def test_an_epoch_that_misses_a_class_by_accident_is_not_accused():
    def misses(trained: tuple[int, ...], picked: tuple[int, ...]) -> bool:
        cls = plugins.get("sentinels", "class-missing")
        sentinel = cls(cls.Settings())
        list(sentinel.on_reading(a_reading(30, 9, 9)))
        none = np.zeros(9, dtype=int)
        return bool(list(sentinel.on_epoch(an_epoch(none, none, trained, picked))))

    assert not misses((10, 10, 10), (10, 10, 10))
    assert misses((10, 10, 0), (10, 10, 10)), "picked, and not trained on"
    assert misses((15, 15, 0), (15, 15, 0)), "a sampler that leaves it out, in 30 draws"
    assert not misses((2, 2, 0), (2, 2, 0)), "in 4 draws that is chance"


def test_a_rare_class_may_be_missed_by_uneven_draws():
    def misses(rare: int, draws: int) -> bool:
        clips = [c for c in a_reading(3000).scan.clips if c.label < 2 or int(c.id.split("/")[1]) < 3 * rare]
        sentinel = plugins.get("sentinels", "class-missing")(Watching())
        list(sentinel.on_reading(a_reading(clips=clips)))
        none, seen = np.zeros(9, dtype=int), (draws // 2, draws // 2, 0)
        return bool(list(sentinel.on_epoch(an_epoch(none, none, seen, seen))))

    assert not misses(rare=1, draws=100), "a class of 1 in 2001, drawn as often as it is"
    assert misses(rare=500, draws=100), "a class of 1 in 5"


def test_val_and_test_may_share_less_than_half():
    pairs = tuple((f"val/{i}", "val", f"test/{i}", "test") for i in range(90))
    assert found("test-selection", a_reading(twins=pairs)) == {"error": 1}
    assert not found("test-selection", a_reading(twins=pairs[:45]))
