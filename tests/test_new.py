"""`harness new` writes packages that pass `harness check` at once; the pages on plugins run as they say."""

import ast
import importlib
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import scaffold
from harness.cli import main
from harness.conformance import datasets, methods
from harness.errors import BadInput

pytest_plugins = ["packages"]
ROOT = Path(__file__).parents[1]
PAGES = {kind: (ROOT / "docs" / f"your-{kind}.md").read_text() for kind in ("method", "data")}
names = st.from_regex("[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_leads_from_nothing_to_a_table(kind, tmp_path, monkeypatch, install, capsys):
    monkeypatch.chdir(tmp_path)
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", PAGES[kind], re.DOTALL):
        if language == "python":
            exec(compile(block, f"your-{kind}.md", "exec"), {"__name__": "page"})
        for line in block.splitlines() if language == "sh" else ():
            words = shlex.split(line, comments=True)
            if words[:2] == ["pip", "install"]:
                install(tmp_path / words[-1])
            else:
                assert words.pop(0) == "harness"
                more = ["--tiny", "--workers", "1"] if words[0] == "run" else []
                assert main(words + more) == 0, (line, capsys.readouterr())
    (table,) = (tmp_path / "leaderboards").glob("*/README.md")
    text, own = table.read_text(), {"method": "z-loss", "data": "stage-moods"}[kind]
    assert own in text and "raer" in text


def test_the_page_on_methods_shows_what_is_written(tmp_path):
    scaffold.write("method", "z-loss", tmp_path)
    assert (tmp_path / "z-loss/src/z_loss.py").read_text() in PAGES["method"]


@pytest.mark.parametrize(("kind", "checks"), [("method", methods.CHECKS), ("data", datasets.CHECKS)])
def test_a_page_tells_every_check_and_importable_names(kind, checks):
    page = PAGES[kind]
    table = page[page.index("| check |") :]
    assert re.findall(r"^\| `([a-z-]+)` \|", table[: table.index("## ")], re.MULTILINE) == list(checks)
    imports = re.findall(r"^\| `(harness\.[a-z]+)` \| (.*) \|$", page, re.MULTILINE)
    assert imports
    for module, listed in imports:
        for name in re.findall("`([A-Za-z_]+)`", listed):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_the_page_on_methods_tells_every_hook():
    assert set(re.findall(r"^\| `([a-z_]+)\(", PAGES["method"], re.MULTILINE)) == set(methods.HOOKS)


@given(name=names, kind=st.sampled_from(list(scaffold.KINDS)))
def test_a_package_of_any_name_is_whole(name, kind, tmp_path_factory):
    out = tmp_path_factory.mktemp("new")
    try:
        files = scaffold.write(kind, name, out)
    except BadInput as error:  # keywords, and modules that there are
        assert error.where == name and not (out / name).exists()
        return
    texts = {str(file.relative_to(out / name)): file.read_text() for file in files}
    assert not [path for path, text in texts.items() if re.search("my.?plugin", path + text, re.IGNORECASE)]
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    ((group, points),) = project["entry-points"].items()
    module, cls = points[name].split(":")
    assert project["name"] == name and group == f"harness.{scaffold.KINDS[kind]}"
    defined = [node.name for node in ast.parse(texts[f"src/{module}.py"]).body if isinstance(node, ast.ClassDef)]
    assert cls in defined
    assert ast.parse(texts[f"tests/test_{module}.py"])


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("method", "Loud", "can't name a method"),
        ("method", "two words", "can't name a method"),
        ("dataset", "../up", "can't name a dataset"),
        ("method", "my_loss", "can't name a method"),
        ("method", "ldl", "already a method of this name"),
        ("dataset", "caer", "already a dataset of this name"),
        ("method", "torch", "would hide another"),
        ("dataset", "lambda", "would hide another"),
    ],
)
def test_a_name_that_would_not_do_is_refused_before_anything_is_written(kind, name, message, tmp_path, capsys):
    assert main(["new", kind, name, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_never_written_over(tmp_path, capsys):
    words = ["new", "method", "z-loss", "--out", str(tmp_path)]
    assert main(words) == 0
    mine = tmp_path / "z-loss/src/z_loss.py"
    mine.write_text("mine")
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err and mine.read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("package", ["method", "dataset", "poly-loss", "lecture-moods"])
def test_packages_install_and_do_what_their_page_says_and_their_own_tests_pass(package, tmp_path):
    """With pip itself, into an environment that sees this one's packages."""
    if package in scaffold.KINDS:
        scaffold.write(package, name := {"method": "z-loss", "dataset": "stage-moods"}[package], tmp_path)
    else:
        shutil.copytree(ROOT / "examples" / package, tmp_path / (name := package))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    (home,) = (tmp_path / "env").glob("lib/*/site-packages")
    (home / "ours.pth").write_text("\n".join(site.getsitepackages()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--editable",
        str(tmp_path / name),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, env=environment, cwd=tmp_path)
    for command in (["-m", "pytest", "-q", str(tmp_path / name)], *_on_the_page(tmp_path / name / "README.md")):
        done = subprocess.run([python, *command], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout + done.stderr)


def _on_the_page(page: Path) -> Iterator[list[str]]:
    """What python is told for each command of a package's page, but for those on a copy that only its author has."""
    (block,) = re.findall(r"```\n(.*?)```", page.read_text(), re.DOTALL)
    for program, *words in (shlex.split(line, comments=True) for line in block.splitlines() if "/data/" not in line):
        if program == "harness":
            yield ["-m", "harness", *words, *(["--tiny", "--workers", "1"] if words[0] == "run" else [])]
        elif program == "python":
            yield words
