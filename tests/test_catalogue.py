"""What there is to choose from, told in full, and the page of settings that is made of it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import catalogue, plugins, protocol, variables
from harness.cli import main
from harness.errors import BadInput
from harness.grid import presets
from harness.model import architectures, pretrained

HOME = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("settings_page", HOME / "docs/settings.py")
assert SPEC and SPEC.loader
page = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(page)


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_weights_of_each_model_are_those_that_open_clip_knows() -> None:
    """Read in its source; its own table is what it loads from."""
    from open_clip.pretrained import _PRETRAINED

    assert pretrained.offers("no such model") == []
    for model, tags in _PRETRAINED.items():
        assert [offer.tag for offer in pretrained.offers(model)] == list(tags), model
        for offer in pretrained.offers(model):
            assert tags[offer.tag]["hf_hub"].startswith(offer.repository)
            assert offer.repository.count("/") == bool(offer.repository)


def test_weights_are_looked_for_where_the_hub_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (openai,) = [offer for offer in pretrained.offers("ViT-B-32") if offer.tag == "openai"]
    assert pretrained.downloaded(openai) is False
    weights = tmp_path / "models--timm--vit_base_patch32_clip_224.openai/snapshots/0a1b/open_clip_model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert pretrained.downloaded(openai) is True
    assert pretrained.downloaded(openai._replace(repository="")) is None


@pytest.mark.parametrize(
    "environment", [{}, {"XDG_CACHE_HOME": "/x"}, {"HF_HOME": "~/h", "XDG_CACHE_HOME": "/x"}, {"HF_HUB_CACHE": "/c"}]
)
def test_the_hubs_folder_is_the_one_that_its_library_takes(environment: dict[str, str]) -> None:
    code = "from huggingface_hub import constants; from harness import variables\n"
    code += "print(constants.HF_HUB_CACHE, variables.hub_folder())"
    kept = {name: os.environ[name] for name in ("HOME", "PATH")}
    done = subprocess.run([sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True)
    theirs, ours = done.stdout.split()
    assert theirs == ours


def test_models_are_a_table_that_a_word_narrows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models", "vit-b-32-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model.name", "pictures", "features", "model.pretrained"]
    assert lines[2].startswith("ViT-B-32-quickgelu  224 px      512         openai, laion400m_e31")
    assert main(["list", "models"]) == 0
    assert "ViT-B-32-quickgelu" in (whole := capsys.readouterr().out) and "laion400m_e31" not in whole
    assert main(["list", "models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == architectures.names()
    assert rows["tiny"]["weights"] == ["embedded"] and rows["ViT-L-14"]["features"] == 768


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_is_listed_once() -> None:
    rows = catalogue.settings()
    names = [row["name"] for row in rows]
    assert len({(row["name"], tuple(row["of"])) for row in rows}) == len(rows)
    for group, cls in protocol.GROUPS.items():
        assert [name for name in names if name.startswith(f"{group}.")] == [
            f"{group}.{field.name}" for field in dataclasses.fields(cls)
        ]
    for kind, group in (("datasets", "data"), ("sentinels", "sentinels")):
        for plugin in plugins.names(kind):
            listed = [row["name"].rpartition(".")[2] for row in rows if plugin in row["of"] and group in row["name"]]
            assert sorted(listed) == sorted(plugins.get(kind, plugin).Settings.__dataclass_fields__), plugin
    for component in plugins.names("methods"):
        fields = plugins.get("methods", component).Settings.__dataclass_fields__
        assert [name for name in names if name.startswith(f"{component}.")] == [f"{component}.{key}" for key in fields]


def test_a_word_finds_settings_by_their_name_and_by_the_set_that_has_them() -> None:
    assert {row["name"] for row in catalogue.rows("settings", "ldl.temp")} == {"ldl.temperature"}
    found = {row["name"] for row in catalogue.rows("settings", "daisee")}
    assert "data.NAME.root" in found and "train.epochs" not in found


@pytest.mark.parametrize("what", ["datasets", "methods", "sentinels", "models", "settings"])
def test_a_word_that_is_in_nothing_is_bad_input(what: str) -> None:
    with pytest.raises(BadInput, match=f"is in no name of `harness list {what}`"):
        catalogue.rows(what, "zzz")


def test_a_data_set_shows_its_root_and_where_that_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "harness" / "config.toml"
    file.parent.mkdir()
    file.write_text('[data.raer]\nroot = "/data/RAER"\n')
    assert main(["list", "datasets", "raer"]) == 0
    assert f"root: /data/RAER (from {file})" in capsys.readouterr().out
    (row,) = catalogue.rows("datasets", "daisee")
    assert (row["root"], row["root_from"], row["miniature"]) == ("", "", True)
    assert main(["list", "datasets", "dfew"]) == 0
    assert "root: none is set, and it needs one" in capsys.readouterr().out


def test_a_preset_is_one_word_and_an_empty_list_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(" " not in presets.get(name).method for name in presets.names())
    assert main(["list", "datasets", "folder"]) == 0
    assert re.search(r"classes += \(empty\)", capsys.readouterr().out)


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_of_settings_says_what_the_code_says() -> None:
    written = (HOME / "docs/settings.md").read_text(encoding="utf-8")
    assert written == page.page(), "run python docs/settings.py"


def test_every_variable_that_the_code_reads_is_told_and_every_one_that_is_told_is_read() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (HOME / "harness").rglob("*.py")}
    others = "\n".join(text for path, text in sources.items() if path.name != "variables.py")
    read = set(re.findall(r"\bHARNESS_[A-Z_]+\b", others))
    told = {name for name in (*variables.USERS, *variables.OWN) if name.startswith("HARNESS_")}
    assert read == told
    for name in {*variables.USERS} - told:
        assert name in others or name in sources[HOME / "harness/variables.py"].partition("def in_effect")[2], name
