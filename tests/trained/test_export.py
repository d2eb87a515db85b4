"""An exported run is loaded by open_clip and by *harness*, and predicts as the run does."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import open_clip
import pytest
import safetensors.torch
import torch
from keeping import Kept, kept

from harness import files, plugins
from harness.cli import main
from harness.errors import BadInput
from harness.model import trunk, weights
from harness.protocol import Model
from harness.trained.export import load

RUNS = {
    "frozen": ("caer", "prompt(prompts=2)+adapter"),
    "trainable": ("caer", "lsr", "model.trunk=trainable", "model.trunk_lr=0.001"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, tuple[Kept, Path]]:
    """Runs, and the folders that they were exported to."""
    found = {}
    for name, told in RUNS.items():
        run = kept(tmp_path_factory.mktemp("kept"), *told)
        out = Path(run.runs).parent / "exported"
        assert main(["export", run.record.run_id, "--runs", run.runs, "--out", str(out)]) == 0
        found[name] = run, out
    return found


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return shutil.copytree(trained["frozen"][1], tmp_path / "copy")


@pytest.mark.parametrize("name", RUNS)
def test_an_export_predicts_as_its_run_does_also_from_elsewhere(name, trained, tmp_path):
    run, out = trained[name]
    moved = load(shutil.copytree(out, tmp_path / "moved"), tmp_path / "no store")
    original = load(run.record.run_id, run.runs)
    for clip in run.clips[:5]:
        found = [each.predict(run.root / clip.media, clip.face) for each in (moved, original)]
        assert found[0] == found[1]


@pytest.mark.parametrize("name", RUNS)
def test_open_clip_loads_the_trunk_as_the_run_left_it(name, trained):
    run, out = trained[name]
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{out}")
    again = open_clip.create_model(f"local-dir:{weights.TINY}", load_weights=False)
    open_clip.load_checkpoint(again, str(out / "open_clip_model.safetensors"))
    network = load(run.record.run_id, run.runs).network
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    told = torch.stack([preprocess(picture) for picture in map(_as_image, pixels)])
    with torch.no_grad():
        ours = network.trunk(pixels)
        assert torch.allclose(model.eval().encode_image(told), ours, atol=1e-4)
        assert torch.allclose(again.eval().encode_image(told), ours, atol=1e-4)
        untrained = trunk.load(Model()).trunk(pixels)
    assert torch.allclose(untrained, ours) is (name == "frozen")


def _as_image(pixels):
    from PIL import Image

    return Image.fromarray(pixels.numpy())


def test_the_text_side_is_one_vector_a_class_and_prompt(trained):
    tensors = safetensors.torch.load_file(trained["frozen"][1] / "head.safetensors")
    assert tensors["text.encoded"].shape == (7, 2, 64)
    assert not any(name.startswith("trunk.") for name in tensors)


def test_the_code_of_the_readme_runs(trained, monkeypatch):
    run, out = trained["frozen"]
    monkeypatch.chdir(out.parent)
    page = (out / "README.md").read_text()
    assert page.startswith("---\n"), "it begins as a model card"
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    given = {"x1": 10, "y1": 10, "x2": 30, "y2": 30, "pixels": torch.zeros(4, 3, 64, 64)}
    shutil.copy(run.root / run.clips[0].media, out.parent / "video.mp4")
    for block in blocks:
        exec(block, given)
    assert len(blocks) == 2 and given["prediction"].label in given["classifier"].classes
    assert given["features"].shape == (4, 64) and given["tensors"]["text.encoded"].shape == (7, 2, 64)


def test_nothing_in_an_export_names_a_place_of_this_machine(trained):
    for run, out in trained.values():
        for file in out.iterdir():
            content = file.read_bytes()
            assert run.runs.encode() not in content and str(Path.home()).encode() + b"/" not in content, file


def test_a_component_from_outside_is_asked_for_by_its_file_and_known_by_its_code(tmp_path, monkeypatch):
    def forget():
        monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})

    forget()
    file = shutil.copy(Path(__file__).parents[2] / "examples" / "confidence_penalty.py", tmp_path)
    run = kept(tmp_path, "caer", "prompt+confidence-penalty", flags=("--save-model", "--plugin", file))
    assert main(["export", run.record.run_id, "--runs", run.runs, "--out", str(tmp_path / "out")]) == 0
    forget()
    with pytest.raises(
        BadInput, match=r"code from outside \(confidence_penalty\.py\), .* — if you trust it, give --plugin"
    ):
        load(tmp_path / "out")
    words = ["predict", str(tmp_path / "out"), str(run.root / run.clips[0].media)]
    assert main([*words, "--plugin", file]) == 0


def test_parts_that_do_not_belong_together_are_refused(copy, trained):
    other = trained["trainable"][1]
    shutil.copy(other / "head.safetensors", copy)
    with pytest.raises(BadInput, match="is of the run .*, and config.json of"):
        load(copy)
    shutil.copy(trained["frozen"][1] / "head.safetensors", copy)
    (copy / "open_clip_model.safetensors").write_bytes(b"cut off")
    with pytest.raises(BadInput, match=r"open_clip_model.safetensors: can't be read as the weights of a run"):
        load(copy)
    shutil.copy(other / "open_clip_model.safetensors", copy)
    with pytest.raises(BadInput, match="open_clip_model.safetensors: is of the run .*, and config.json of"):
        load(copy)


def test_code_that_an_export_brings_is_not_run(copy, monkeypatch):
    file, ran = copy / "evil.py", copy / "ran"
    file.write_text(f"open({str(ran)!r}, 'w')\n")
    monkeypatch.chdir(copy)
    told = json.loads((copy / "config.json").read_text())
    told["components"]["evil"] = {}
    found = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    (copy / "config.json").write_text(json.dumps(told | {"plugins": {"evil": {"file": "evil.py", "hash": found}}}))
    with pytest.raises(BadInput, match=r"the plugin evil: is code from outside \(evil\.py\)"):
        load(copy)
    assert not ran.exists()


def test_pictures_are_prepared_as_the_export_says(copy):
    file = copy / "open_clip_config.json"
    told = json.loads(file.read_text())
    told["preprocess_cfg"] |= {"mean": [0.5, 0.4, 0.6], "std": [0.5, 0.25, 0.2]}
    file.write_text(json.dumps(told))
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{copy}")
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        theirs = model.eval().encode_image(torch.stack([preprocess(picture) for picture in map(_as_image, pixels)]))
        assert torch.allclose(load(copy).network.trunk(pixels), theirs, atol=1e-4)
    for damaged in ({}, {"mean": [0.5], "std": "x"}):
        file.write_text(json.dumps(told | {"preprocess_cfg": damaged}))
        with pytest.raises(BadInput, match="does not say how pictures are prepared"):
            load(copy)


@pytest.mark.parametrize("written", range(1, 5))
def test_an_export_over_another_that_is_cut_off_is_nobodys(written, copy, trained, monkeypatch):
    from harness.trained import export

    left = written

    def cut_off(path, data, write=files.write_bytes):
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        write(path, data)

    monkeypatch.setattr(export, "write_bytes", cut_off)
    monkeypatch.setattr(files, "write_bytes", cut_off)
    with pytest.raises(KeyboardInterrupt):
        export.export(trained["trainable"][0].record, copy)
    with pytest.raises(BadInput, match=r"has no .*\.json: the export was cut off — export the run again"):
        load(copy)


def test_an_export_into_the_folder_of_the_shell_is_named_by_it(trained, tmp_path, monkeypatch):
    from harness.trained import export

    monkeypatch.chdir(tmp_path)
    export.export(trained["frozen"][0].record, ".")
    page = Path("README.md").read_text()
    assert f'harness.load("{tmp_path.name}")' in page and f"local-dir:{tmp_path.name}" in page


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 99}, "has schema 99, this version knows 1"),
        ({"mood": "odd"}, "is no export's"),
        ({"classes": ["a", "b"]}, "does not hold what"),
        ({"clips": {"frames": "many"}}, "frames"),
    ],
)
def test_a_configuration_that_is_not_ours_is_refused(change, told, copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(BadInput, match=told):
        load(copy)


def test_a_run_without_weights_is_not_exported(trained, tmp_path, capsys):
    run, _ = trained["frozen"]
    shutil.copytree(run.runs, tmp_path / "runs")
    (file,) = tmp_path.glob("runs/*/*/model.safetensors")
    file.unlink()
    words = ["export", run.record.run_id, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(words) == 2 and "--save-model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
