"""Whatever a user gets wrong ends in one line that names the place and the mend, and nothing is started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import miniature
from harness.cli import main

GRID = """
datasets = ["caer"]
methods = ["prompt+ldl", "prompt"]
seeds = [0, 1]
"""
PICK = ("--datasets", "caer", "--methods", "prompt+ldl")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniatures, a few clips each; tests that break something copy what they break."""
    out = tmp_path_factory.mktemp("rendered")
    miniature.render(out, limit=3)
    return out


@pytest.fixture
def caer(rendered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(rendered / "CAER", tmp_path / "CAER")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the grid file `mine.toml`."""
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(GRID)
    return tmp_path


@pytest.fixture
def refuse(here: Path, capsys: pytest.CaptureFixture[str]):
    """`refuse(*argv)` runs the command, checks that it refuses as it should, and returns its one line."""

    def command(*argv: str) -> str:
        before = sorted(path for path in here.rglob("*") if not path.is_dir())
        assert main(argv) == 2
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if not line.startswith("rendering miniatures")]
        assert len(lines) == 1 and lines[0].startswith("harness: bad input: ") and captured.out == ""
        assert " — " in lines[0], "no mend"
        assert sorted(path for path in here.rglob("*") if not path.is_dir()) == before, "something was written"
        return lines[0]

    return command


SELECTORS = [
    ((), "nothing selected — give --grid"),
    (("--datasets", "caer"), "--methods: is missing — add --methods prompt"),
    (("--methods", "prompt"), "--datasets: is missing — add --datasets caer"),
    (("--datasets", "cear", "--methods", "prompt"), "cear: no such data set — did you mean caer"),
    (("--datasets", "../caer", "--methods", "prompt"), "../caer: no such data set"),
    (("--datasets", "caer", "--methods", "promt"), "promt: no such component — did you mean prompt"),
    (("--datasets", "caer", "--methods", "prompt+"), "can't read ''"),
    (("--datasets", "caer", "--methods", "prompt+warmup"), "add ldl or drop warmup"),
    (("--datasets", "caer", "--methods", "ldl(temprature=1)"), "ldl.temprature: no such setting — did you mean temp"),
    (("--datasets", "caer", "--methods", "ldl(temperature=0)"), "ldl.temperature: 0.0 is out of range"),
    ((*PICK, "--seeds", "zero"), "--seeds: 'zero' is not a list of seeds"),
    ((*PICK, "--seeds", "-1"), "--seeds: '-1' is not a list of seeds"),
    ((*PICK, "--seeds", "²"), "--seeds: '²' is not a list of seeds"),
    ((*PICK, "--seeds", "99999999999999999999"), "is not a list of seeds"),
    ((*PICK, "--seeds", "4294967296"), "each from 0 to 4294967295"),
    ((*PICK, "--set", "train.epochs"), "write it like --set train.epochs=5"),
    ((*PICK, "--set", "trian.epochs=5"), "no such group of settings — did you mean train"),
    ((*PICK, "--set", "train.epoch=5"), "train.epoch: no such setting — did you mean epochs"),
    ((*PICK, "--set", "train.epochs=0"), "train.epochs: 0 is out of range — give a value from 1"),
    ((*PICK, "--set", "train.epochs=many"), "train.epochs: 'many' is not a whole number"),
    ((*PICK, "--set", "train.lr=inf"), "train.lr: inf is out of range"),
    ((*PICK, "--set", "train.optimizer=adam"), "did you mean adamw"),
    ((*PICK, "--set", "moco.queue=64"), "no method here has moco"),
    ((*PICK, "--set", "data.raer.root=/x"), "raer is not in this grid"),
    ((*PICK, "--set", "data.caer.rot=/x"), "did you mean root"),
    ((*PICK, "--set", "data.caer.root=none/such"), "data.caer.root: no folder none/such"),
    ((*PICK, "--set", "data.caer.root=mine.toml"), "data.caer.root: no folder mine.toml"),
    ((*PICK, "--set", "data.caer.root=~nobody-here/CAER"), "data.caer.root: no folder ~nobody-here/CAER"),
    ((*PICK, "--set", "data.caer.root=."), "neither annotation lists nor split folders"),
    (("--grid", "none.toml"), "none.toml: no such grid file"),
    (("--grid", "."), ".: no such grid file"),
    (("--grid", "mine.toml", "--datasets", "raer"), "--datasets: 'raer' is not in the grid 'mine'"),
    (("--grid", "mine.toml", "--methods", "prompt+lsr"), "--methods: 'lsr+prompt' is not in the grid 'mine'"),
    (("--grid", "mine.toml", "--seeds", "7"), "--seeds: 7 is not in the grid 'mine' — known: 0, 1"),
    ((*PICK, "--plugin", "none.py"), "none.py: no such plugin file"),
    ((*PICK, "--plugin", "mine.toml"), "mine.toml: is not a Python file"),
    ((*PICK, "--runs", "mine.toml"), "mine.toml is a file — give a folder"),
]


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(("argv", "message"), SELECTORS, ids=[" ".join(argv) or "nothing" for argv, _ in SELECTORS])
def test_selectors_that_can_not_be_used(command: str, argv: tuple[str, ...], message: str, refuse) -> None:
    assert message in refuse(command, *argv)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs = 5", "mine: epochs: no such key in a grid file"),
        ("sedes = [0]", "mine: sedes: no such key in a grid file — did you mean seeds"),
        ("[trian]\nepochs = 5", "mine: trian: no such key in a grid file — did you mean train"),
        ("[train]\nepoch = 5", "train.epoch: no such setting — did you mean epochs"),
        ("[train]\nepochs = 'five'", "train.epochs: 'five' is not a whole number"),
        ("[train]\nepochs = 0", "train.epochs: 0 is out of range"),
        ("[train]\nlr = nan", "train.lr: nan is out of range"),
        ("[train]\nepochs = 2024-01-01", "is not a whole number"),
        ("[data.cear]\nroot = '/x'", "cear: no such data set — did you mean caer"),
        ("[data]\ncaer = '/x'", "write a section [caer]"),
        ("baseline = 'prompt'", "keep one of the two"),
        ("train = 5", "write a section [train]"),
        ("[train\nepochs = 5", "mine.toml: is not TOML"),
        ("seeds = [0]", "mine.toml: is not TOML"),
    ],
)
def test_grid_files_that_can_not_be_used(change: str, message: str, here: Path, refuse) -> None:
    (here / "mine.toml").write_text(GRID + change)
    assert message in refuse("plan", "--grid", "mine.toml")


def test_a_grid_file_with_a_byte_order_mark_is_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.toml").write_bytes(b"\xef\xbb\xbf" + GRID.encode())
    assert main(["plan", "--grid", "mine.toml", "--tiny"]) == 0
    assert "ldl+prompt" in capsys.readouterr().out and (here / "runs/plans/mine-tiny.json").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "mine.py: can't be imported: SyntaxError"),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
        ("x = 1", "mine.py: holds no plugin"),
    ],
)
def test_plugin_files_that_can_not_be_used(text: str, message: str, here: Path, refuse) -> None:
    (here / "mine.py").write_text(text)
    assert message in refuse("plan", *PICK, "--plugin", "mine.py")
    assert message in refuse("list", "methods", "--plugin", "mine.py")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train/Anger/0009.avi 60 7", "labels from 0 to 7"),
        ("train/Anger/0009.avi 60 9", "label 9 of"),
        ("train/Anger/0001.avi 60 -1", "label -1"),
        ("train/Anger/0001.avi", "can't read"),
        ("train/../../../etc/passwd 60 0", "leads outside"),
        ("../elsewhere.avi 60 0", "leads outside"),
        ("train/Anger/0001.avi 60 3", "train.txt:1"),  # another label for the same clip
    ],
)
def test_annotation_lists_that_can_not_be_trusted(line: str, message: str, caer: Path, refuse) -> None:
    file = next(caer.rglob("train.txt"))
    file.write_text(file.read_text().rstrip("\n") + f"\n{line}\n")
    (caer.parent / "elsewhere.avi").write_bytes(b"video")
    said = refuse("plan", *PICK, "--set", f"data.caer.root={caer}")
    assert message in said and ("train.txt:" in said or "leads outside" in said)


def test_a_clip_that_can_not_be_read_stops_the_grid_before_any_run(
    caer: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = caer / "train" / "Fear" / "0002.avi"
    broken.write_bytes(broken.read_bytes()[:200])
    argv = [*PICK, "--tiny", "--workers", "1", "--set", f"data.caer.root={caer}", "--out", "board"]
    assert main(["run", *argv]) == 2
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("harness: bad input: "))
    assert "0002.avi" in line and "clips.unreadable=skip" in line
    assert not (here / "board").exists() and not list((here / "runs").glob("*/*/spec.json"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("show", "nothing"), "nothing: no such run in runs"),
        (("show", "nothing", "--runs", "mine.toml"), "mine.toml is a file"),
        (("report",), "--out: is missing — give a folder for the leaderboard of all runs, or --grid"),
        (("report", "--runs", ".", "--runs", "nowhere", "--out", "board"), "--runs: no store nowhere"),
        (("report", "--out", "board"), "runs: holds no runs"),
        (("report", "--out", "board", "--grid", "mine.toml"), "the grid 'mine' was never planned"),
        (("report", "--out", "mine.toml"), "mine.toml is a file"),
        (("report", "--out", "mine.toml/board"), "mine.toml is a file"),
        (("run", *PICK, "--out", "mine.toml"), "mine.toml is a file"),
        (("predict", "s0", "a.mp4", "b.mp4", "--body", "1,2,3,4"), "--body: is one box, and there are 2 videos"),
        (("data", "mini", "--out", "."), "is there already and not empty — give a new folder"),
        (("data", "mini", "--out", "mine.toml"), "mine.toml is a file"),
        (("data", "mini", "--out", "mine.toml/mini"), "mine.toml is a file"),
    ],
)
def test_other_commands_refuse_in_the_same_way(argv: tuple[str, ...], message: str, refuse) -> None:
    assert message in refuse(*argv)


@pytest.mark.parametrize(
    "argv",
    [
        [], ["trian"], ["run", "--nope"], ["run", "--workers", "0"], ["run", "--workers", "²"],
        ["run", "--placement", "all"], ["show"], ["list", "nothing"], ["data"], ["data", "mini"],
    ],
)  # fmt: skip
def test_words_that_are_no_command_are_refused_by_the_parser(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2 and "Traceback" not in capsys.readouterr().err
