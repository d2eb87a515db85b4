"""Presets: published configurations that stay plain data, and that train."""

import pytest

from harness import grid
from harness.cli import main
from harness.errors import BadInput
from harness.grid import grammar, presets


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_a_method_string_and_settings_that_parse(name):
    preset = presets.get(name)
    found = grid.build("g", {"datasets": ["raer"], "methods": [name]})
    assert str(found.arms[0].method) == str(grammar.resolve(preset.method))
    for group, values in preset.sections.items():
        for key, value in values.items():
            stored = getattr(found.sections[group], key)
            assert (list(stored) if isinstance(stored, tuple) else stored) == value
    assert "Not matched" in preset.note


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_trains_on_the_embedded_model(name, tmp_path):
    words = ["run", "--datasets", "raer", "--methods", name, "--tiny", "--workers", "1", "--runs", f"{tmp_path}/runs"]
    words += ["--out", f"{tmp_path}/out", "--set", "model.name=tiny", "--set", "model.pretrained="]
    assert main(words) == 0


def test_the_grids_own_sections_override_a_preset():
    raw = {"datasets": ["raer"], "methods": ["clip-caer"], "train": {"lr": 0.5}}
    found = grid.build("g", raw, ["train.epochs=3"])
    assert (found.sections["train"].lr, found.sections["train"].epochs) == (0.5, 3)
    assert found.sections["train"].optimizer == "sgd"
    assert (
        found.published["train.optimizer"] == "clip-caer" and not {"train.lr", "train.epochs"} & found.published.keys()
    )
    tiny = grid.build("g", raw, tiny=True)
    assert "clips.frames" in found.published and "clips.frames" not in tiny.published


def test_a_preset_can_be_extended_and_be_a_baseline():
    assert set(grammar.resolve("clip-caer+ldl").names) == {"balanced", "ldl", "prompt"}
    found = grid.build("g", {"datasets": ["raer"], "baseline": "dfer-clip", "factors": {"ldl": "ldl"}})
    assert found.sections["train"].batch_size == 48
    assert len(found.arms) == 2


def test_presets_that_disagree_are_not_mixed_in_silence():
    with pytest.raises(BadInput, match="two grids"):
        grid.build("g", {"datasets": ["raer"], "methods": ["clip-caer", "rapt"]})


def test_a_preset_takes_no_settings_of_its_own():
    with pytest.raises(BadInput, match="takes no settings"):
        grammar.resolve("clip-caer(lr=1)")
