"""A run predicts videos as its stored predictions say, and tells what stood in for something."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping import Kept, kept, words_of

from harness.cli import main
from harness.commands import predict as command
from harness.errors import BadInput
from harness.store import Store
from harness.trained.export import load

RUNS = {
    "adapter and prompts": ("caer", "prompt(prompts=2)+adapter"),
    "trunk": ("caer", "lsr", "model.trunk=trainable", "clips.context=masked-face"),
    "body": ("raer", "prompt", "clips.context=body"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Kept]:
    return {name: kept(tmp_path_factory.mktemp("kept"), *told) for name, told in RUNS.items()}


@pytest.fixture(scope="module")
def run(trained) -> Kept:
    return trained["adapter and prompts"]


@pytest.fixture
def copy(run, tmp_path) -> Kept:
    """The same, in a store that a test may damage."""
    shutil.copytree(run.runs, tmp_path / "runs")
    (record,) = Store(tmp_path / "runs").records()
    return run._replace(record=record)


def video(run: Kept) -> str:
    return str(run.root / run.clips[0].media)


# ── what it predicts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", RUNS)
def test_a_test_clip_is_predicted_as_its_stored_prediction_says(name, trained):
    run = trained[name]
    classifier, stored = load(run.record.run_id, run.runs), run.stored()
    assert len(run.clips) == len(stored) > 10
    for clip in run.clips:
        found = classifier.predict(run.root / clip.media, clip.face, clip.body)
        assert np.allclose(list(found.probabilities.values()), stored[clip.id], atol=1e-5, rtol=0)
        assert tuple(found.probabilities) == classifier.classes
        assert found.label == max(found.probabilities, key=lambda name: found.probabilities[name])


def test_only_what_was_trained_is_kept_beside_the_text_side(trained):
    frozen, trunk = (Path(trained[name].record.folder / "model.safetensors") for name in ("body", "trunk"))
    from safetensors import safe_open

    def names(file):
        with safe_open(file, "pt") as opened:
            return {name.split(".")[0] for name in opened.keys()}  # noqa: SIM118

    assert names(frozen) == {"head", "text"} and names(trunk) == {"head", "text", "trunk"}


def test_keeping_the_weights_makes_no_other_run_and_changes_no_number(run, tmp_path):
    plain = kept(tmp_path, *RUNS["adapter and prompts"], flags=())
    assert plain.record.run_id == run.record.run_id and plain.stored() == run.stored()
    assert not (plain.record.folder / "model.safetensors").exists()


def test_frames_in_a_folder_and_a_picture_are_predicted_as_well(run, tmp_path):
    capture = cv2.VideoCapture(video(run))
    for number in range(8):
        _, picture = capture.read()
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    classifier = load(run.record.run_id, run.runs)
    assert classifier.predict(tmp_path).boxes == {"center-crop": 4}
    assert "it has 1 frame and 4 are sampled" in classifier.predict(tmp_path / "0.png").notes[-1]


def test_the_folder_of_the_shell_is_a_folder_of_frames(run, tmp_path, monkeypatch):
    capture, folder = cv2.VideoCapture(video(run)), tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "beside.png"), np.zeros((64, 64, 3), np.uint8))
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), capture.read()[1])
    monkeypatch.chdir(folder)
    classifier = load(run.record.run_id, run.runs)
    assert classifier.predict(".") == classifier.predict(folder)
    assert classifier.predict("../frames").path == "../frames"


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_face_that_was_not_given_is_said_and_what_stood_in_for_it(run):
    classifier, face = load(run.record.run_id, run.runs), (10.0, 10.0, 30.0, 30.0)
    (note,) = classifier.predict(video(run)).notes
    assert note == "no face box was given: the largest centred square stood in for the face in 4 of 4 frames"
    assert classifier.predict(video(run), face).notes == []
    (note,) = classifier.predict(video(run), (900.0, 900.0, 950.0, 950.0)).notes
    assert note.startswith("the face box lies outside the picture: the largest centred square stood in")


def test_a_body_and_a_mask_that_could_not_be_made_are_said(trained):
    body, masked = trained["body"], trained["trunk"]
    told = load(body.record.run_id, body.runs).predict(video(body)).notes
    assert "no body box was given: the whole frame stood in in 4 of 4 frames" in told
    told = load(masked.record.run_id, masked.runs).predict(video(masked)).notes
    assert "the face is not blacked out of the context in 4 of 4 frames" in told


def test_a_run_that_refuses_clips_without_a_face_asks_for_one(tmp_path):
    run = kept(tmp_path, "caer", "lsr", "face.missing=skip")
    classifier = load(run.record.run_id, run.runs)
    with pytest.raises(BadInput, match=r"takes no clip without one \(face.missing=skip\) — say where the face is"):
        classifier.predict(video(run))
    with pytest.raises(BadInput, match="has no face box that lies in the picture"):
        classifier.predict(video(run), (900, 900, 950, 950))
    assert classifier.predict(video(run), (10, 10, 30, 30)).boxes == {"clip": 4}


def test_other_precision_is_said(copy):
    path = copy.record.folder / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "precision": "bf16"}))
    assert "evaluated in bf16" in load(copy.record.run_id, copy.runs).predict(video(copy)).notes[-1]


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (0, 0, float("nan"), 4), (4, 4, 1, 9), (-9, -9, -1, -1)])
def test_a_box_that_is_no_area_is_refused(box, run):
    with pytest.raises(BadInput, match="is no area of a picture"):
        load(run.record.run_id, run.runs).predict(video(run), box)


def test_a_body_is_refused_where_the_run_looks_at_none(trained, capsys):
    for name, context in (("adapter and prompts", "full"), ("trunk", "masked-face")):
        run = trained[name]
        with pytest.raises(BadInput, match=f"body: is a box for runs whose .* clips.context={context} — leave it out"):
            load(run.record.run_id, run.runs).predict(video(run), body=(10, 10, 30, 30))
    words = ["predict", run.record.run_id, video(run), "--runs", run.runs, "--body", "10,10,20,20"]
    assert main(words) == 2 and "clips.context=masked-face" in capsys.readouterr().err


# ── runs that can't predict ─────────────────────────────────────────────────────────────────────────────────


def test_a_run_without_weights_names_the_command_that_brings_them_and_it_does(copy, capsys):
    (copy.record.folder / "model.safetensors").unlink()
    stored = {file.name: file.read_bytes() for file in copy.record.folder.iterdir()}
    with pytest.raises(BadInput, match="its trained weights were not kept") as told:
        load(copy.record.run_id, copy.runs)
    words = shlex.split(told.value.mend.partition(": ")[2])
    assert words[:2] == ["harness", "run"] and words[-1] == "--save-model"
    out = ["--out", str(copy.record.folder.parents[2] / "out"), "--workers", "1"]
    assert main([*words[1:], *out]) in (0, 1)
    assert "its weights are kept (exact)" in capsys.readouterr().err
    assert stored.items() <= {file.name: file.read_bytes() for file in copy.record.folder.iterdir()}.items()
    clip = copy.clips[0]
    found = load(copy.record.run_id, copy.runs).predict(video(copy), clip.face)
    assert np.allclose(list(found.probabilities.values()), copy.stored()[clip.id], atol=1e-5, rtol=0)


def test_weights_that_do_not_predict_what_is_stored_are_not_kept(copy, capsys):
    (copy.record.folder / "model.safetensors").unlink()
    path = copy.record.folder / "predictions.parquet"
    table = pyarrow.parquet.read_table(path)
    others = table["probabilities"].to_pylist()[::-1]
    table = table.set_column(table.schema.get_field_index("probabilities"), "probabilities", [others])
    pyarrow.parquet.write_table(table, path)
    words = words_of(copy.record.folder.parents[2], *RUNS["adapter and prompts"])
    assert main([*words, "--save-model"]) == 1
    told = capsys.readouterr().err
    assert f"without weights: {copy.record.run_id}: trained again it differs, so its weights are not kept" in told
    assert not (copy.record.folder / "model.safetensors").exists()


def test_a_trunk_with_other_weights_is_refused(copy):
    path = copy.record.folder / "spec.json"
    spec = json.loads(path.read_text())
    spec["model"]["weights"] = "0123456789abcdef"
    path.write_text(json.dumps(spec))
    with pytest.raises(BadInput, match="the trunk's weights are others: 0123456789abcdef when"):
        load(copy.record.run_id, copy.runs)


def test_damaged_weights_and_those_of_another_run_are_refused(copy, trained):
    file = copy.record.folder / "model.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:100], b"", whole[:-50]):
        file.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"model.safetensors: can't be read as the weights of a run"):
            load(copy.record.run_id, copy.runs)
    other = trained["body"].record
    shutil.copy(other.folder / "model.safetensors", file)
    with pytest.raises(BadInput, match=f"holds the weights of the run {other.run_id}"):
        load(copy.record.run_id, copy.runs)


def test_weights_that_lack_a_part_of_the_network_are_refused(copy):
    path = copy.record.folder / "spec.json"
    spec = json.loads(path.read_text())
    spec["components"]["adapter"]["streams"] = "both"
    path.write_text(json.dumps(spec))
    with pytest.raises(BadInput, match=r"does not hold what .* needs \(head.adapt.context"):
        load(copy.record.run_id, copy.runs)


def test_a_run_that_is_not_done_is_refused(copy):
    (copy.record.folder / "result.json").unlink()
    with pytest.raises(BadInput, match="is not done — train it: harness run .* --save-model"):
        load(copy.record.run_id, copy.runs)


def test_code_of_a_component_that_has_changed_is_not_run(tmp_path, monkeypatch):
    from harness import plugins

    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    file = shutil.copy(Path(__file__).parents[2] / "examples" / "confidence_penalty.py", tmp_path)
    run = kept(tmp_path, "caer", "prompt+confidence-penalty", flags=("--save-model", "--plugin", file))
    load(run.record.run_id, run.runs)
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    load(run.record.run_id, run.runs)
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    Path(file).write_text("raise SystemExit('was run')")
    with pytest.raises(BadInput, match="the code of the plugin confidence-penalty: has changed"):
        load(run.record.run_id, run.runs)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_tells_class_probabilities_and_notes_and_writes_what_was_seen(run, tmp_path, capsys):
    words = ["predict", run.record.run_id, video(run), video(run), "--runs", run.runs]
    assert main([*words, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    found = load(run.record.run_id, run.runs).predict(video(run))
    assert f"{video(run)}: {found.label}" in told and "note: no face box was given" in told
    assert told.count(" %") == 2 * 7 and told.rstrip().endswith("-2.png")
    sheet = cv2.imread(str(tmp_path / f"{Path(video(run)).stem}.png"))[..., ::-1]
    size = found.streams.face.shape[1]
    assert sheet.shape == (2 * (size + 4), 4 * (size + 4), 3)
    assert (sheet[:size, :size] == found.streams.face[0]).all()
    assert (sheet[size + 4 : -4, -size - 4 : -4] == found.streams.context[-1]).all()


def test_json_holds_the_same(run, capsys):
    words = ["predict", run.record.run_id, video(run), "--runs", run.runs, "--face", "10,10,20,20"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = load(run.record.run_id, run.runs).predict(video(run), (10, 10, 30, 30))
    assert told == {"run_id": run.record.run_id, "videos": [found.as_json()]}
    assert found.notes == [] and found.boxes == {"clip": 4}


@pytest.mark.parametrize(
    ("videos", "words", "told"),
    [
        (2, ["--face", "1,2,3,4"], "is one box, and there are 2 videos"),
        (1, ["--out", __file__], "is a file"),
        (0, ["nowhere.mp4"], "nowhere.mp4: is not there"),
        (0, [__file__], "can't be opened as a video"),
    ],
)
def test_what_can_not_be_predicted_is_bad_input(videos, words, told, run, capsys):
    assert main(["predict", run.record.run_id, *[video(run)] * videos, *words, "--runs", run.runs]) == 2
    assert told in capsys.readouterr().err


parser = argparse.ArgumentParser()
command.declare(lambda name, function, help: parser)
numbers = st.decimals(0, 9999, places=2)


@given(numbers, numbers, numbers.filter(bool), numbers.filter(bool))
def test_a_box_is_read_as_corner_and_size(x, y, width, height):
    face = parser.parse_args(["RUN", "VIDEO", "--face", f"{x},{y},{width},{height}"]).face
    assert face == pytest.approx([float(x), float(y), float(x + width), float(y + height)])


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0,4", "1,2,3,-4", "a,b,c,d", "1,2,3,4,5", "nan,0,1,1", "1e9,0,1,1"])
def test_what_is_no_box_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["RUN", "VIDEO", f"--face={text}"])
    assert "is no box: write x,y,width,height" in capsys.readouterr().err
