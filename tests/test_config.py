"""The user file: places of this machine under a grid's own, and nothing that could change numbers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import config, grid, plugins, protocol
from harness.cli import main
from harness.errors import BadInput
from harness.plan import address
from harness.settings import given as other_than_default

RAW: dict[str, Any] = {"datasets": ["caer", "raer"], "methods": ["prompt"]}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user file of this test, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "harness" / "config.toml"


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_it_lies_in_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/mine")
    assert config.path() == Path("/etc/mine/harness/config.toml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert config.path() == Path("/home/somebody/.config/harness/config.toml")


def test_without_one_nothing_is_set(file: Path) -> None:
    assert config.load() == config.Config(file)
    assert config.runs() == "runs" and grid.build("g", RAW).origins == {"caer": "", "raer": ""}


# ── under a grid ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_root_is_the_users_unless_the_grid_or_the_command_line_names_one(file: Path) -> None:
    written(file, '[data.caer]\nroot = "/mine/CAER"\nfaces = "/mine/faces.json"\n')
    alone = grid.build("g", RAW)
    assert (alone.data["caer"].root, alone.data["caer"].faces) == ("/mine/CAER", "/mine/faces.json")
    assert alone.origins == {"caer": str(file), "raer": ""}
    told = grid.build("g", {**RAW, "data": {"caer": {"root": "/theirs/CAER"}}})
    assert told.data["caer"].root == "/theirs/CAER" and told.origins["caer"] == config.GRID_FILE
    asked = grid.build("g", {**RAW, "data": {"caer": {"root": "/theirs/CAER"}}}, ["data.caer.root=/now/CAER"])
    assert asked.data["caer"].root == "/now/CAER" and asked.origins["caer"] == config.OVERRIDE


def test_the_boxes_of_one_copy_are_never_taken_for_anothers(file: Path) -> None:
    written(file, '[data.caer]\nroot = "/mine/CAER"\nfaces = "/mine/faces.json"\n')
    assert grid.build("g", {**RAW, "data": {"caer": {"root": "/theirs/CAER"}}}).data["caer"].faces == ""


def test_a_grid_can_complete_the_users_root_with_lists_of_its_own(file: Path) -> None:
    written(file, '[data.caer]\nroot = "/mine/CAER"\nannotations = "/mine/lists"\n')
    found = grid.build("g", {**RAW, "data": {"caer": {"annotations": "lists/small", "first_label": "1"}}}).data["caer"]
    assert (found.root, found.annotations, found.first_label) == ("/mine/CAER", "lists/small", "1")


def test_places_of_a_set_without_a_root_belong_to_no_copy_and_are_shown_as_without_effect(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(file, '[data.caer]\nannotations = "/mine/lists"\nfaces = "/mine/faces.json"\n')
    found = grid.build("g", RAW)
    assert (found.data["caer"].annotations, found.data["caer"].faces, found.origins["caer"]) == ("", "", "")
    assert main(["config", "--json"]) == 0
    rows = {row["setting"]: row["from"] for row in json.loads(capsys.readouterr().out)["in_effect"]}
    assert rows["data.caer.faces"] == f"{file}, without effect: data.caer.root is not set"


def test_an_empty_root_asks_for_the_miniature_whatever_the_user_file_says(file: Path) -> None:
    written(file, '[data.caer]\nroot = "/mine/CAER"\n')
    assert grid.build("g", RAW, ["data.caer.root="]).data["caer"].root == ""


def test_sets_that_a_grid_does_not_use_leave_no_trace_in_it(file: Path) -> None:
    written(file, '[data.daisee]\nroot = "/mine/DAiSEE"\n[data.a-plugin-of-mine]\nroot = "/mine/other"\n')
    assert set(grid.build("g", RAW).data) == {"caer", "raer"}


def test_no_place_is_part_of_a_runs_address(file: Path) -> None:
    """What the file may say is what a run's id does not depend on: a root moves, the runs stay."""
    places = {name: f"/somewhere/{name}" for name in config.PLACES}
    specs = [
        {"data": data, "model": {"pretrained": ""}, "plugins": {}, "sentinels": {}, "method": "plain"}
        for data in ({"fold": "1"}, {"fold": "1", **places})
    ]
    assert address.decisive(specs[0]) == address.decisive(specs[1])
    others = {
        name
        for dataset in plugins.names("datasets")
        for name in plugins.get("datasets", dataset).Settings.__dataclass_fields__
    } - {*config.PLACES}
    for name in others:
        changed = [address.decisive({**specs[0], "data": {name: value}}) for value in (1, 2)]
        assert changed[0] != changed[1], name


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        "[train]\nlr = 0.1",
        "[ldl]\ntemperature = 0.1",
        "[sentinels.overflow]\nseverity = 'off'",
        "[data.dfew]\nfold = '2'",
        "[data.caer]\ndescriptions = {}",
        "[factors]\nldl = 'ldl'",
    ],
)
def test_a_setting_that_could_change_numbers_is_refused_with_the_place_where_it_belongs(file: Path, line: str) -> None:
    written(file, line)
    with pytest.raises(BadInput, match="write it in the grid file, or give --set") as refused:
        grid.build("g", RAW)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs = 3", "3 is not a path"),
        ("[data.caer]\nroot = ['/a']", "is not a path"),
        ("data = 'here'", "is not a table"),
        ("[data]\ncaer = '/a'", "is not a table"),
        ("runs = /a", "is not TOML"),
        ("\x00", "is not TOML"),
        ("rums = '/a'", "no such setting of a machine"),
        ("runs = 'rel'", "another place in each folder .* write the whole path"),
        ("[data.caer]\nroot = 'CAER'", "another place in each folder"),
        ("[data.hf]\nroot = 'a/b'\nannotations = 'lists'", "data.hf.annotations: 'lists' would be another place"),
    ],
)
def test_what_can_not_be_read_is_named_with_the_file(file: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        config.load() if written(file, text) else None
    assert str(file) in str(refused.value)


def test_every_group_of_settings_that_changes_numbers_is_known_as_such(file: Path) -> None:
    for group in (*protocol.GROUPS, *plugins.names("methods")):
        with pytest.raises(BadInput, match="could change numbers"):
            config.checked(file, f"[{group}]\nx = 1")


# ── changing it ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_place_is_written_as_an_absolute_path_and_read_back(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "CAER").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["config", "set", "data.caer.root", "CAER"]) == 0
    assert main(["config", "set", "runs", "elsewhere/runs"]) == 0
    assert config.load().data == {"caer": {"root": str(tmp_path / "CAER")}}
    assert config.runs() == str(tmp_path / "elsewhere/runs")
    assert grid.build("g", RAW).data["caer"].root == str(tmp_path / "CAER")
    capsys.readouterr()
    assert main(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    rows = {row["setting"]: row for row in shown["in_effect"]}
    assert shown["file"] == str(file) and shown["there"]
    assert rows["data.caer.root"] == {
        "setting": "data.caer.root",
        "value": str(tmp_path / "CAER"),
        "from": str(file),
    }
    assert rows["cache"]["from"] == "HARNESS_CACHE"
    assert main(["config", "unset", "data.caer.root"]) == 0
    assert config.load().data == {}


def test_a_place_without_the_root_to_which_it_belongs_is_said_to_have_no_effect(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "set", "data.raer.faces", "/"]) == 0
    assert "without effect until data.raer.root is set" in capsys.readouterr().out
    for key in ("data.raer.root", "data.raer.faces", "runs"):
        assert main(["config", "set", key, "/"]) == 0
    assert "without effect" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data.cear.root", "/", "did you mean caer"),
        ("data.caer.rot", "/", "did you mean root"),
        ("data.caer.root", "/no/such/folder", "is not there"),
        ("data.caer.root", "", "is no place"),
        ("runs", "a\nb", "is no place"),
        ("data.dfew.fold", "1", "could change numbers"),
        ("data.hf.bodies", "/", "has no such setting"),
        ("train.lr", "1", "could change numbers"),
        ("root", "/", "no such setting of a machine"),
    ],
)
def test_what_can_not_be_set_is_refused_and_nothing_is_written(file: Path, key: str, value: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        config.put(key, value)
    assert not file.exists()


def test_a_home_folder_is_a_whole_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    written(file, 'runs = "~/runs"\n[data.caer]\nroot = "~/CAER"\n')
    assert config.runs() == "/home/somebody/runs" and config.load().data["caer"]["root"] == "~/CAER"


def test_a_set_of_the_hub_keeps_its_name(file: Path) -> None:
    assert config.put("data.hf.root", "somebody/some-set") == "somebody/some-set"


def test_what_is_not_set_can_not_be_taken_out(file: Path) -> None:
    config.put("runs", "/a")
    with pytest.raises(BadInput, match="is not set in .* — known: runs"):
        config.drop("data.caer.root")
    config.drop("runs")
    with pytest.raises(BadInput, match="nothing is; `harness config set runs PLACE` does so"):
        config.drop("runs")


def test_a_file_that_is_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles.toml"
    dotfiles.write_text("# mine\n")
    file.parent.mkdir(parents=True)
    file.symlink_to(dotfiles)
    config.put("runs", "/a")
    assert file.is_symlink() and 'runs = "/a"' in dotfiles.read_text()


def test_an_adapter_that_is_called_as_the_base_is_may_have_names_of_its_own(file: Path, tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "from harness import datasets\n"
        "class Adapter(datasets.Adapter):\n    name, classes = 'mine', ('a', 'b')\n"
        "    @classmethod\n    def locate(cls, settings): return None\n"
        "class Plain(datasets.Adapter):\n    name, classes = 'plain-one', ('a', 'b')\n"
    )
    plugins.add_file(str(source))
    assert config.put("data.mine.root", "somebody/some-set") == "somebody/some-set"
    with pytest.raises(BadInput, match="is not there"):
        config.put("data.plain-one.root", "somebody/some-set")


def test_only_sets_that_have_a_miniature_are_said_to_have_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    told = capsys.readouterr().out
    assert "else rendered as a miniature: caer, daisee, raer\n" in told
    assert "there is no miniature: caer-s, dfew, ferv39k, folder, hf, mafw" in told


def test_comments_and_the_order_of_lines_stay(file: Path) -> None:
    before = '# where things are\nruns = "/old"  # big disk\n\n[data.caer]  # licensed\nroot = "/a"\n'
    written(file, before)
    config.put("runs", "/new")
    assert file.read_text() == before.replace("/old", "/new")
    config.put("data.raer.root", "/")
    assert file.read_text() == before.replace("/old", "/new") + '\n[data.raer]\nroot = "/"\n'
    config.drop("data.raer.root")
    config.drop("data.caer.root")
    assert file.read_text() == '# where things are\nruns = "/new"  # big disk\n'


@pytest.mark.parametrize("text", ['data.caer.root = "/a"\n', 'data = {caer = {root = "/a"}}\n'])
def test_a_file_written_in_another_way_is_left_alone(file: Path, text: str) -> None:
    written(file, text)
    with pytest.raises(BadInput, match="by hand"):
        config.put("data.caer.root", "/")
    with pytest.raises(BadInput, match="by hand"):
        config.drop("data.caer.root")
    assert file.read_text() == text


KEYS = st.sampled_from(["runs", "data.caer.root", "data.caer.faces", "data.caer-s.root", "data.raer.root"])
PLACED = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])).map("/".__add__)


@given(st.lists(st.tuples(KEYS, PLACED | st.none()), max_size=8))
def test_a_file_says_what_was_written_into_it(changes: list[tuple[str, str | None]]) -> None:
    text, expected = "# mine\n", {}
    for key, value in changes:
        if value is None and key not in expected:
            continue
        text = config.edited(text, key, value)
        expected.pop(key, None) if value is None else expected.update({key: value})
        known = config.checked(Path("config.toml"), text)
        said = {f"data.{name}.{place}": root for name, places in known.data.items() for place, root in places.items()}
        raw = tomllib.loads(text)
        assert {**said, **({"runs": raw["runs"]} if "runs" in raw else {})} == expected
    assert "# mine" in text


def test_what_differs_from_the_defaults_is_only_what_the_user_said(file: Path) -> None:
    written(file, '[data.caer]\nroot = "/mine/CAER"\n')
    assert other_than_default(grid.build("g", RAW).data["caer"]) == {"root": "/mine/CAER"}
