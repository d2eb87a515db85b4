"""The registry: names come from folders, entry points and files, and one name is one plugin."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import pytest

from harness import plugins
from harness.cli import main
from harness.errors import BadInput
from harness.grid import grammar
from harness.methods import HOOKS, Component

COMPONENT = """
from __future__ import annotations

from dataclasses import dataclass

from harness.methods import Component
from harness.settings import knob


class Mine(Component):
    name = "{name}"

    @dataclass(frozen=True)
    class Settings:
        amount: float = knob(0.5, "how much", low=0)

    def loss(self, out, batch, ctx):
        return {{"mine": (self.settings.amount, out.logits.mean())}}
"""


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Makes entry points of components known: `install(**{"a-name": "module:attribute"})`."""

    def entries(**points: str) -> None:
        found = [metadata.EntryPoint(name, value, "harness.methods") for name, value in points.items()]
        monkeypatch.setattr(metadata, "entry_points", lambda group: [p for p in found if p.group == group])
        plugins._entry_points.cache_clear()

    yield entries
    monkeypatch.undo()
    plugins._entry_points.cache_clear()


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("kind", plugins.BASES)
def test_every_file_of_a_plugin_folder_holds_the_plugin_of_its_name(kind: str) -> None:
    names = plugins.names(kind)
    assert names == sorted(names) and names
    assert all(plugins.get(kind, name).name == name for name in names)


def test_an_unknown_name_shows_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"cear: no such data set — did you mean caer, .*--plugin FILE.py"):
        plugins.get("datasets", "cear")


@pytest.mark.parametrize("name", ["", "..", "../caer", "__init__", "caer.py", "CAER", "a\nb"])
def test_what_is_no_name_is_no_plugin(name: str) -> None:
    with pytest.raises(BadInput, match="no such data set"):
        plugins.get("datasets", name)


def test_a_file_brings_a_component_that_methods_can_use(tmp_path: Path) -> None:
    assert plugins.add_file(write(tmp_path, COMPONENT.format(name="mine"))) == ["mine"]
    assert "mine" in plugins.names("methods")
    assert str(grammar.resolve("prompt+mine(amount=2)")) == "mine(amount=2)+prompt"
    with pytest.raises(BadInput, match="out of range"):
        grammar.resolve("mine(amount=-1)")


def test_a_file_may_be_given_twice_and_two_files_may_share_a_file_name(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = write(tmp_path, COMPONENT.format(name="first"))
    second = write(tmp_path / "other", COMPONENT.format(name="second"))
    assert [plugins.add_file(file) for file in (first, second, first)] == [["first"], ["second"], ["first"]]
    assert str(grammar.resolve("second+first")) == "first+second"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "can't be imported: SyntaxError"),
        ("import nowhere_to_be_found", "can't be imported: ModuleNotFoundError"),
        ("raise ValueError('line one\\nline two')", "line one line two"),
        ("raise SystemExit(0)", "can't be imported: SystemExit"),
        ("x = 1", "holds no plugin"),
        ("from harness.methods import Component", "holds no plugin"),
        (COMPONENT.format(name="prompt"), "'prompt' is already a component"),
        (COMPONENT.format(name="../up"), "can't name a component"),
        (COMPONENT.format(name="two words"), "can't name a component"),
        (COMPONENT.replace('"{name}"', "5"), "can't name a component"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line_that_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput, match=message) as caught:
        plugins.add_file(path)
    assert caught.value.where == path and str(caught.value).splitlines() == [str(caught.value)]


def test_a_missing_file_and_one_that_is_not_python_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such plugin file"):
        plugins.add_file(str(tmp_path / "none.py"))
    with pytest.raises(BadInput, match="not a Python file"):
        plugins.add_file(write(tmp_path, "x = 1", "notes.txt"))


def test_what_a_spec_names_is_loaded_by_its_hash_and_not_where_loading_is_forbidden(tmp_path: Path) -> None:
    file = Path(write(tmp_path, COMPONENT.format(name="mine")))
    spec = {"mine": {"file": str(file), "hash": hashlib.sha256(file.read_bytes()).hexdigest()[:16]}}
    with pytest.raises(BadInput, match=r"the plugin mine: is code from outside \(mine\.py\), and is not loaded"):
        plugins.add_stored(spec, load=False)
    assert "mine" not in plugins.names("methods")
    plugins.add_stored(spec)
    plugins.add_stored(spec, load=False)
    assert "mine" in plugins.names("methods")
    with pytest.raises(BadInput, match="has changed"):
        plugins.add_stored({"mine": spec["mine"] | {"hash": "0"}}, load=False)


def test_an_entry_point_brings_a_component(install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, COMPONENT.format(name="installed"), "installed_plugin.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    install(installed="installed_plugin:Mine")
    assert "installed" in plugins.names("methods")
    assert str(grammar.resolve("installed+prompt")) == "installed+prompt"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gone", "nowhere_to_be_found:Mine", "can't be imported: ModuleNotFoundError.* — mend or uninstall nowhere"),
        ("other", "harness.methods.ldl:LabelDistribution", "is not a component named 'other'"),
        ("path", "pathlib:Path", "is not a component named 'path'"),
        ("value", "math:pi", "is not a component named 'value'"),
        ("prompt", "elsewhere:Prompt", "more than one component has this name.*elsewhere"),
    ],
)
def test_a_broken_entry_point_is_bad_input_once_it_is_used(install, name: str, value: str, message: str) -> None:
    install(**{name: value})
    assert name in plugins.names("methods")
    with pytest.raises(BadInput, match=message):
        plugins.get("methods", name)


def test_an_edited_plugin_is_another_run_and_show_loads_it_again(tmp_path, monkeypatch, capsys):
    import json
    import shlex

    file = tmp_path / "mine.py"
    code = (Path(__file__).parents[1] / "examples" / "confidence_penalty.py").read_text()
    words = ["run", "--plugin", str(file), "--datasets", "raer", "--methods", "prompt+confidence-penalty", "--tiny"]
    words += ["--workers", "1", "--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out"]
    for text in (code, code, code.replace("(log_p.exp() * log_p)", "(2 * log_p.exp() * log_p)")):
        monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
        file.write_text(text)
        assert main(words) == 0
    runs = sorted((tmp_path / "runs" / "raer").glob("*-s0-*"), key=lambda path: path.stat().st_mtime)
    assert len(runs) == 2
    capsys.readouterr()
    assert main(["show", runs[-1].name, "--runs", f"{tmp_path}/runs", "--json"]) == 0
    command = shlex.split(json.loads(capsys.readouterr().out)["command"])
    assert command[:4] == ["harness", "run", "--plugin", str(file)]


TWO = (
    COMPONENT
    + """
    def kernels(self, targets, ctx):
        return targets
"""
)


def test_a_misspelt_hook_beside_a_right_one_is_told_by_plan_and_run(tmp_path, capfd):
    file = write(tmp_path, TWO.format(name="two"))
    words = ["--datasets", "raer", "--methods", "two", "--seeds", "0", "--plugin", str(file), "--tiny"]
    words += ["--runs", str(tmp_path / "runs")]
    assert main(["plan", *words]) == 0
    assert "two: kernels is no hook, and nobody calls it: did you mean kernel?" in capfd.readouterr().out
    main(["run", *words, "--out", str(tmp_path / "out"), "--workers", "1"])
    assert "two: kernels is no hook" in capfd.readouterr().err


TYPO = COMPONENT.replace("def loss(", "def los(")


def test_a_component_without_any_hook_is_refused_with_the_nearest_though_it_has_settings(tmp_path):
    with pytest.raises(BadInput, match="typo defines no hook, and nobody calls los: did you mean .*loss"):
        plugins.add_file(write(tmp_path, TYPO.format(name="typo")))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("typo", TYPO, "typo defines no hook, and nobody calls los: did you mean .*loss"),
        ("two words", COMPONENT, "'two words' can't name a component"),
    ],
)
def test_what_an_installed_package_brings_is_held_to_the_same_as_a_file(
    install, name: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"brings_{name.replace(' ', '_')}"
    write(tmp_path, text.format(name=name), f"{module}.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    install(**{name: f"{module}:Mine"})
    with pytest.raises(BadInput, match=f"{module}:Mine: {message}"):
        plugins.get("methods", name)


def test_every_hook_that_is_listed_is_one_of_the_base_in_the_order_of_its_calls() -> None:
    public = [name for name, value in vars(Component).items() if callable(value) and name[0] != "_"]
    assert [name for name in public if name in HOOKS] == list(HOOKS)
    assert {*public} - {*HOOKS} == {"Settings", "waits"}


# ── plugins that a stored spec names ────────────────────────────────────────────────────────────────────────


def test_a_component_that_is_named_as_a_built_in_data_set_is_loaded_again(tmp_path: Path) -> None:
    plugins.add_file(write(tmp_path, COMPONENT.format(name="folder")))
    stored = {"folder": plugins.source("methods", "folder")}
    assert stored["folder"]["kind"] == "methods" and plugins.source("datasets", "folder") is None
    plugins.add_stored(stored, load=False)
    plugins._from_files["methods"].clear()
    plugins.add_stored(stored)
    assert "folder" in plugins.names("methods")


def test_specs_of_before_name_no_kind(tmp_path: Path) -> None:
    plugins.add_file(write(tmp_path, COMPONENT.format(name="mine")))
    stored = {key: value for key, value in plugins.source("methods", "mine").items() if key != "kind"}
    plugins.add_stored({"mine": stored}, load=False)
    with pytest.raises(BadInput, match="has changed"):
        plugins.add_stored({"prompt": stored}, load=False)  # by now a built-in component has this name
