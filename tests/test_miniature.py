"""The rendered stand-ins: repeatable, in the sets' own layouts, with their quirks; and the tiny model."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import harness
from harness import miniature
from harness.miniature import layouts
from harness.miniature.filming import FOLDERS, shoot
from harness.miniature.moods import SETTINGS
from harness.miniature.world import film

PACKAGE = Path(harness.__file__).parent
TINY = PACKAGE / "assets" / "tiny"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("miniatures")
    miniature.render(out, limit=3)
    return out


def shots(setting: str, limit: int | None = None) -> list[layouts.Shot]:
    return layouts.plan(setting, limit)


# ---------------------------------------------------------------- the world


def test_a_clip_is_the_same_each_time_it_is_filmed() -> None:
    one, other = (film("caer", "Anger", person=3, seed=4, frames=9) for _ in range(2))
    np.testing.assert_array_equal(np.stack(one.frames), np.stack(other.frames))
    np.testing.assert_array_equal(one.faces, other.faces)


def test_filming_some_frames_gives_the_frames_of_the_whole_clip() -> None:
    whole = film("raer", "Fatigue", person=8, seed=1, frames=12)
    some = film("raer", "Fatigue", person=8, seed=1, frames=12, only=[2, 7])
    np.testing.assert_array_equal(np.stack(some.frames), np.stack([whole.frames[2], whole.frames[7]]))
    np.testing.assert_array_equal(some.faces, whole.faces[[2, 7]])


def test_seeds_and_people_make_a_difference() -> None:
    first = film("caer", "Happy", person=3, seed=4, frames=2).frames[0]
    for person, seed in ((3, 5), (4, 4)):
        assert (film("caer", "Happy", person=person, seed=seed, frames=2).frames[0] != first).any()


@pytest.mark.parametrize("setting", SETTINGS)
def test_boxes_lie_inside_the_picture_and_bodies_hold_faces(setting: str) -> None:
    width, height = SETTINGS[setting].size
    for seed, mood in enumerate(SETTINGS[setting].moods):
        clip = film(setting, mood, person=seed, seed=seed, frames=12)
        assert (clip.faces >= 0).all()
        assert (clip.faces <= [width, height, width, height]).all()
        assert (clip.faces[:, 2:] - clip.faces[:, :2] >= 20).all()
        assert (clip.bodies[:, :2] <= clip.faces[:, :2]).all()
        assert (clip.bodies[:, 2:] >= clip.faces[:, 2:]).all()


def test_a_face_fills_its_box_and_not_the_place_beside_it() -> None:
    clip = film("caer", "Neutral", person=11, seed=2, frames=8)
    moved = np.abs(np.diff(np.stack(clip.frames).astype(int), axis=0)).sum((0, 3))
    left, upper, right, lower = clip.faces.mean(0).astype(int)
    inside = moved[upper:lower, left:right].mean()
    assert inside > 1.2 * np.concatenate([moved[:, : left - 12].ravel(), moved[:20].ravel()]).mean()


# ---------------------------------------------------------------- the plan


@pytest.mark.parametrize("setting", SETTINGS)
def test_nobody_is_in_two_splits_and_every_split_has_every_class(setting: str) -> None:
    people: dict[str, set[int]] = {}
    labels: dict[str, set[int]] = {}
    for shot in shots(setting):
        people.setdefault(shot.split, set()).add(shot.person)
        labels.setdefault(shot.split, set()).add(shot.label)
    assert sum(map(len, people.values())) == len(set().union(*people.values()))
    assert all(found == set(range(len(SETTINGS[setting].moods))) for found in labels.values())


def test_every_test_split_has_at_least_a_hundred_clips_and_some_clips_are_short() -> None:
    for setting in SETTINGS:
        assert sum(shot.split.lower() == "test" for shot in shots(setting)) >= 100
        assert 0 < sum(shot.frames < 8 for shot in shots(setting)) < 0.1 * len(shots(setting))


def test_a_limited_plan_holds_the_same_clips_only_fewer() -> None:
    for setting in SETTINGS:
        few = shots(setting, 2)
        assert set(few) < set(shots(setting))
        assert max(sum(s.split == "test" and s.label == k for s in few) for k in range(4)) <= 2


def test_class_descriptions_name_the_classes_in_label_order() -> None:
    described = tomllib.loads((PACKAGE / "datasets" / "descriptions.toml").read_text())
    described["daisee"] = described["daisee"]["engagement"]
    for name, setting in SETTINGS.items():
        assert list(described[name]) == list(setting.moods)


# ---------------------------------------------------------------- the layouts


def test_caer_lists_end_without_a_newline_and_boxes_are_keyed_without_extension(rendered: Path) -> None:
    lists = rendered / "CAER" / "annotations"
    text = (lists / "train.txt").read_text()
    assert not text.endswith("\n")
    lines = [line.split(" ") for name in ("train", "validation", "test")
             for line in (lists / f"{name}.txt").read_text().split("\n")]  # fmt: skip
    boxes = json.loads((lists / "caer_faces.json").read_text())
    assert boxes.keys() <= {"CAER/" + path.removesuffix(".avi") for path, _, _ in lines}
    assert len(lines) - len(boxes) == 1
    counts = [(int(listed), frame_count(rendered / "CAER" / path)) for path, listed, _ in lines]
    assert 0 < sum(listed != real for listed, real in counts) < 5
    assert {int(label) for *_, label in lines} == set(range(7))


def test_daisee_labels_name_avi_files_some_of_which_are_missing_or_mp4(rendered: Path) -> None:
    labelled: set[str] = set()
    for split in ("Train", "Validation", "Test"):
        raw = (rendered / "DAiSEE" / "Labels" / f"{split}Labels.csv").read_bytes().decode()
        assert raw.startswith("ClipID,Boredom,Engagement,Confusion,Frustration \r\n")
        rows = list(csv.DictReader(raw.splitlines()))
        assert all(row["ClipID"].endswith(".avi") and 0 <= int(row["Engagement"]) <= 3 for row in rows)
        labelled |= {row["ClipID"].removesuffix(".avi") for row in rows}
    files = [path for path in (rendered / "DAiSEE" / "DataSet").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".avi", ".mp4"}
    assert all(path.parent.name == path.stem and path.parents[1].name == path.stem[:6] for path in files)
    assert not list((rendered / "DAiSEE").rglob("*.json"))


def test_daisee_has_labels_without_video_and_videos_without_label(tmp_path: Path) -> None:
    takes = [layouts.Take(shot, np.zeros((1, 4), int), np.zeros((1, 4), int)) for shot in shots("daisee")]
    layouts.ANNOTATE["daisee"](tmp_path, takes)
    rows = [line.split(".avi")[0] for path in (tmp_path / "Labels").iterdir() for line in path.open()]
    labelled, filmed = {row for row in rows if row.isdigit()}, {Path(take.shot.path).stem for take in takes}
    assert 0 < len(labelled - filmed) < 20
    assert 0 < len(filmed - labelled) < 20


def test_raer_lists_count_labels_from_one_and_boxes_go_by_frame(rendered: Path) -> None:
    root = rendered / "RAER"
    lines = [line.split() for line in (root / "annotations" / "test.txt").read_text().splitlines()]
    assert {int(label) for *_, label in lines} == {1, 2, 3, 4, 5}
    faces = json.loads((root / "annotations" / "raer_faces.json").read_text())
    bodies = json.loads((root / "annotations" / "raer_bodies.json").read_text())
    assert 0 < len(bodies) - len(faces) <= 2
    missing = 0
    for path, frames, _ in lines:
        folder = path.split("RAER/")[1]
        names = sorted(file.name for file in (root / folder).iterdir())
        assert len(names) == int(frames)
        assert len(bodies[folder]) == 4
        missing += len(names) - len(faces.get(folder, names))
    assert missing > 0
    folder, boxes = next(iter(faces.items()))
    picture = cv2.imread(str(root / folder / next(iter(boxes))))
    assert picture is not None
    assert picture.shape[:2][::-1] == SETTINGS["raer"].size


def test_the_rendering_says_that_it_is_not_the_real_data(rendered: Path) -> None:
    assert "NOT" in (rendered / "README.txt").read_text()


def test_ensure_renders_once_and_leaves_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "render", lambda out, **_: out.mkdir())
    folder = miniature.ensure(tmp_path, limit=1)
    monkeypatch.setattr(layouts, "render", lambda *_, **__: pytest.fail("rendered twice"))
    assert miniature.ensure(tmp_path, limit=1) == folder
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_ensure_accepts_what_another_process_put_there_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(out: Path, **_: object) -> None:
        out.mkdir()
        (out / "ours").touch()
        theirs = tmp_path / f"miniatures-v{miniature.VERSION}-limit1"
        theirs.mkdir()
        (theirs / "theirs").touch()

    monkeypatch.setattr(layouts, "render", slow)
    folder = miniature.ensure(tmp_path, limit=1)
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("setting", ["caer", "raer"])
def test_a_full_disk_leaves_no_frame_out_in_silence(setting: str, tmp_path: Path) -> None:
    shot = layouts.plan(setting, 1)[0]
    place = tmp_path / FOLDERS[setting] / shot.path / ("00003.jpg" if shot.codec == "jpg" else "")
    place.parent.mkdir(parents=True)
    place.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        shoot(shot, tmp_path)


# ---------------------------------------------------------------- the tiny model


def test_the_tiny_model_is_small_and_open_clip_loads_all_of_it() -> None:
    open_clip = pytest.importorskip("open_clip")
    torch = pytest.importorskip("torch")
    assert (TINY / "model.safetensors").stat().st_size <= 8_000_000
    name = f"local-dir:{TINY}"
    model = open_clip.create_model(name)
    open_clip.load_checkpoint(model, str(TINY / "model.safetensors"), strict=True)
    features = model.encode_image(torch.zeros(1, 3, 64, 64))
    tokens = open_clip.get_tokenizer(name)(["a broad smile, at a party with balloons"])
    assert features.shape == model.encode_text(tokens).shape == (1, 64)
    assert torch.isfinite(features).all()


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
