"""README and docs/: what they tell to type is understood, runs where it can and answers as they say; links lead on."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pages
import pytest

from harness import cli, plugins
from harness.store import Store

WEBSITE = pages.HOME / "docs/website"
OF_THEIR_OWN = {  # pages that need more than a folder: these tests give it to them
    "docs/your-method.md": "test_new.py::test_a_page_leads_from_nothing_to_a_table",
    "docs/your-data.md": "test_new.py::test_a_page_leads_from_nothing_to_a_table",
    "docs/python.md": "test_api.py::test_the_code_of_the_page_runs",
}
RUNNING = [page for page in pages.PAGES if any(block.runs for block in pages.blocks(page))]
TARGETS = re.findall(r"^([\w-]+):", (pages.HOME / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


# ── what is to be typed ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", pages.PAGES)
def test_every_command_of_a_page_is_understood(page, capsys):
    for command in pages.told(page):
        for words in pages.arguments(command.words):
            try:
                cli._parser().parse_args(words)
            except SystemExit as ended:
                why = capsys.readouterr().err
                incomplete = command.mentioned and "arguments are required" in why
                assert not ended.code or incomplete, f"{page}: {command.line}\n{why}"
        if command.words[0] == "make":
            assert set(command.words[1:2]) <= {*TARGETS}, f"{page}: no such target: {command.line}"
        if command.words[0] == "python" and command.words[1].endswith(".py"):
            assert (pages.HOME / command.words[1]).is_file(), f"{page}: no such script: {command.line}"


def test_commands_are_found_where_readers_find_them():
    lines = {page: [command.line for command in pages.told(page)] for page in ("README.md", "docs/data.md")}
    assert (
        "make grid      # set up, render the miniatures, train 108 runs, write leaderboards/default/"
        in lines["README.md"]
    )
    assert "harness verify leaderboards/default" in lines["README.md"]
    assert any(line.startswith("harness data check caer --root /data/CAER") for line in lines["docs/data.md"])
    assert pages.arguments(("torchrun", "-m", "harness", "plan", "|", "harness", "show", "R")) == [
        ("plan",),
        ("show", "R"),
    ]


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder to type in, with what the repository has; plugins that are loaded there are forgotten afterwards."""
    for name in ("grids", "examples", "leaderboards"):
        shutil.copytree(pages.HOME / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    return tmp_path


@pytest.mark.parametrize("page", [page for page in RUNNING if page not in OF_THEIR_OWN])
def test_a_page_runs_from_top_to_bottom_and_answers_what_it_says(page, desk, capfd):
    names: dict = {"__name__": "page"}
    said = ""
    for block in pages.blocks(page):
        if block.answers:
            assert_said(block.text, said)
        elif block.runs:
            if block.language == "python":
                exec(compile(block.text, page, "exec"), names)
            for command in pages.commands(block.text) if block.language == "sh" else ():
                code = typed(command.words, desk)
                assert code == command.code, f"{page}: {command.line}: {code}\n{''.join(capfd.readouterr())}"
            said = "".join(capfd.readouterr())


@pytest.mark.parametrize(("page", "test"), OF_THEIR_OWN.items())
def test_a_page_that_is_not_run_here_is_run_there(page, test):
    file, _, name = test.partition("::")
    assert page in RUNNING and f"def {name}(" in (pages.HOME / "tests" / file).read_text(encoding="utf-8")


def typed(words: tuple[str, ...], desk: Path) -> int:
    """Types a command; short where pages leave the time to the reader, and RUN is a run that there is."""
    if words[0] != "harness":
        return subprocess.run(shlex.join(words), shell=True, check=False).returncode
    given = [one_of(desk) if word == "RUN" else word for word in words[1:]]
    if given[0] == "run":
        given += [word for word in ("--tiny", "--workers=1") if word not in given]
    return cli.main(given)


def one_of(desk: Path) -> str:
    return min(record.run_id for record in Store(desk / "runs").records())


def assert_said(text: str, said: str) -> None:
    for line in text.splitlines():
        pattern = ".*".join(re.escape(part) for part in line.split(pages.GAP))
        assert re.search(pattern, said), f"{line!r} is not in\n{said}"


def test_what_is_said_is_compared_line_by_line():
    assert_said("bad input: … — mend it\ndone", "x bad input: that — mend it\ny\nall done\n")
    with pytest.raises(AssertionError):
        assert_said("bad input: … — mend it", "bad input: that\n — mend it")


def test_the_quick_start_shows_the_grid_that_it_runs():
    (shown,) = re.findall(r"```toml\n(.*?)```", pages.PAGES["docs/quick-start.md"], re.DOTALL)
    file = (pages.HOME / "grids/temperature.toml").read_text(encoding="utf-8")
    assert tomllib.loads(shown) == tomllib.loads(file)


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────


def test_messages_in_tables_of_errors_are_those_of_the_source():
    rows = re.findall(r"^\| `([^`]+)` \|", pages.PAGES["docs/errors.md"], re.MULTILINE)
    assert len(rows) >= 15
    for message in rows:
        parts = [part.strip() for part in message.split(pages.GAP) if len(part.strip()) > 4]
        assert parts and any(all(part in text for part in parts) for text in pages.sentences()), message


def test_readme_fits_a_screen_and_its_figures_stand_on_the_pages_that_it_names():
    assert len(pages.PAGES["README.md"].splitlines()) <= 60
    points = re.findall(r"^- (.*?)(?=^- |^$)", pages.PAGES["README.md"], re.MULTILINE | re.DOTALL)
    figures = 0
    for point in points:
        named = [pages.PAGES[link] for link in re.findall(r"\]\((docs/[\w-]+\.md)\)", point)]
        for figure in re.findall(r"\*\*([^*]*\d[^*]*)\*\*", point):
            figures += 1
            plain = [re.sub(r"\s+", " ", text.replace("*", "")) for text in named]
            assert any(re.sub(r"\s+", " ", figure) in text for text in plain), figure
    assert figures >= 5


# ── the site ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the site's tools are not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(WEBSITE / "build.py"), str(out)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


def test_the_site_is_built_and_every_link_leads_somewhere(site):
    shown = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "quick-start.html", "sentinels/flat-target.html", "reference/methods.html"} <= shown
    assert "leaderboards/default/index.html" in shown


def test_the_site_asks_nothing_of_other_machines(site):
    loads = re.compile(r"""<(?:script|img|iframe|link|source)\b[^>]*?(?:src|href)=["'](?:https?:)?//""")
    for path in [*site.glob("*.html"), *site.glob("*/*.html")]:
        assert not loads.search(path.read_text(encoding="utf-8")), path
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", path.read_text(encoding="utf-8")), path


def test_every_sentinel_has_a_page_with_what_it_says_and_what_was_measured(site):
    for name in plugins.names("sentinels"):
        page = (site / f"sentinels/{name}.html").read_text(encoding="utf-8")
        for title in ("What it says", "mend:", "When defects were planted"):
            assert title in page, f"{name}: {title}"


@pytest.mark.parametrize("lost", ["[b](b.md)", "[b](index.md#nowhere)", "![b](b.svg)", "```{toctree}\nb\n```"])
def test_what_leads_nowhere_fails_the_build(lost, tmp_path, monkeypatch, capfd):
    pytest.importorskip("sphinx", reason="the site's tools are not installed")
    monkeypatch.syspath_prepend(str(WEBSITE))
    spec = importlib.util.spec_from_file_location("website_build", WEBSITE / "build.py")
    assert spec and spec.loader
    website = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(website)
    monkeypatch.setattr(website, "pages", lambda: {"index.md": f"# A\n\n## B\n\n{lost}\n"})
    assert website.build(tmp_path) != 0
    assert "WARNING" in capfd.readouterr().err
