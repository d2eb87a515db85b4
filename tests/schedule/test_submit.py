"""A grid as jobs of a cluster, as far as that can be seen without one: SLURM's commands here only note what they get.

What a real SLURM does with it is tested in `tests/slurm`.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from submitit.core.utils import DelayedSubmission, JobPaths

from harness import shipped, slurm
from harness.cli import main
from harness.errors import BadInput
from harness.files import Damaged
from harness.settings import parse
from harness.slurm import Slurm

GRID = """\
datasets = ["caer"]
seeds = [0, 1, 2]
methods = ["prompt", "prompt+lsr"]
"""
SECTION = """\
[slurm]
partition = "gpu"
account = "emotion"
constraint = "a100|h100"
time = 90
warning = 60
cpus = 6
memory = 48
max_jobs = 4
at_once = 2
setup = ["module load cuda", "export ACCELERATE_MIXED_PRECISION=bf16"]
options = { "mail-type" = "END" }
"""
GRID_OF_ONE = ("--datasets", "caer", "--methods", "prompt", "--tiny")
SBATCH = """\
#!/bin/sh
number=$(($(ls "{folder}"/*.sh 2>/dev/null | wc -l) + 101))
[ "$number" != "{refused}" ] || {{ echo "sbatch: error: invalid partition specified: {refused}" >&2; exit 1; }}
cp "$1" "{folder}/$number.sh"
echo "Submitted batch job $number"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to stand in, without SLURM."""
    (tmp_path / "bin").mkdir()
    for name in ("sh", "cp", "ls", "wc"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(place: Path, name: str, text: str) -> None:
    (place / "bin" / name).write_text(text)
    (place / "bin" / name).chmod(0o755)


@pytest.fixture
def pretended(place):
    """Gives the folder a SLURM that notes the scripts it gets and refuses the job of a number."""

    def pretend(refused: int = 0) -> Path:
        (place / "got").mkdir()
        command(place, "sbatch", SBATCH.format(folder=place / "got", refused=refused))
        command(place, "scancel", f'#!/bin/sh\necho "$@" >> "{place / "got" / "cancelled"}"\n')
        command(place, "srun", "#!/bin/sh\n")
        return place / "got"

    return pretend


def submit(section: str, *words: str) -> int:
    Path("mine.toml").write_text(GRID + section)
    return main(["submit", "--grid", "mine.toml", "--tiny", *words])


def told(job: int, store: str = "runs") -> list[str]:
    """The command of `harness` that a job was given."""
    file = next(Path(store, "slurm").glob(f"{job}*_submitted.pkl"))
    return DelayedSubmission.load(file).function.words


def taken_back(got: Path) -> list[str]:
    """The jobs that were cancelled by their names."""
    return re.findall(r"--name=harness mine-tiny (\w+) [0-9a-f]{6}\n", (got / "cancelled").read_text())


def options(script: Path) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def test_without_slurm_a_clear_word_and_nothing_is_written(place, capsys):
    assert submit("") == 2
    assert "sbatch: there is no SLURM on this machine — go to a login node" in capsys.readouterr().err
    assert main(["cancel"]) == 2
    assert "scancel: there is no SLURM on this machine — go to a login node" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_section_of_the_grid_file_says_what_the_jobs_ask_for(pretended, capsys):
    got = pretended()
    assert submit(SECTION) == 0
    caches, training, board = (options(got / f"{number}.sh") for number in (101, 102, 103))
    wanted = {"partition": "gpu", "account": "emotion", "constraint": "a100|h100", "mail-type": "END", "mem": "48GB"}
    wanted |= {"signal": "USR1@60", "cpus-per-task": "6", "nodes": "1", "ntasks-per-node": "1"}
    for job in (caches, training, board):
        assert wanted.items() <= job.items()
    assert (caches["time"], training["time"], board["time"]) == ("90", "90", "30")
    assert (caches["gpus-per-node"], training["gpus-per-node"]) == ("1", "1")
    assert training["array"] == "0-1%2" and training["dependency"] == "afterok:101"  # two runs, tiny as they are
    assert board["dependency"] == "afterok:101,afterany:102" and "gpus-per-node" not in board
    script = (got / "102.sh").read_text()
    assert script.index("module load cuda") < script.index("MIXED_PRECISION=bf16") < script.index("srun ")
    said = capsys.readouterr().out
    assert "2 runs of grid mine-tiny" in said and "harness watch --grid mine-tiny --runs runs" in said
    planned = json.loads(Path("runs/plans/mine-tiny.json").read_text())
    assert planned["command"] == "harness run --grid mine.toml --tiny"


def test_the_command_line_has_the_last_word(pretended):
    got = pretended()
    words = ("--partition", "cpu", "--gpus-per-run", "0", "--max-jobs", "1", "--set", "slurm.time=7")
    assert submit(SECTION, *words) == 0
    training = options(got / "102.sh")
    assert (training["partition"], training["time"], options(got / "103.sh")["time"]) == ("cpu", "7", "7")
    assert not {"array", "gpus-per-node"} & set(training)


def test_gpus_of_a_run_are_spread_over_nodes_a_process_each(pretended):
    got = pretended()
    assert submit("", "--gpus-per-run", "16", "--set", "slurm.nodes=2") == 0
    training, caches = options(got / "102.sh"), options(got / "101.sh")
    assert (training["nodes"], training["ntasks-per-node"], training["gpus-per-node"]) == ("2", "8", "8")
    assert (caches["nodes"], caches["ntasks-per-node"], caches["gpus-per-node"]) == ("1", "1", "1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--gpus-per-run", "3", "--set", "slurm.nodes=2"), "slurm.gpus_per_run: 3 GPUs can't be spread evenly over 2"),
        (("--gpus-per-run", "many"), "slurm.gpus_per_run: 'many' is not a whole number"),
        (("--max-jobs", "0"), "slurm.max_jobs: 0 is out of range"),
        (("--set", "slurm.time=2"), "give less, or a slurm.time from 4 min: SLURM may warn 60 s too early"),
        (("--until", "seeds=5"), "--until: jobs of a cluster can't add seeds — write more seeds into the grid file"),
        (("--set", "slurm.partitions=gpu"), "slurm.partitions: no such setting — did you mean partition"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_before_anything_is_submitted(pretended, capsys, words, told):
    got = pretended()
    assert submit("", *words) == 2
    assert told in capsys.readouterr().err
    assert not list(got.iterdir())


def test_a_job_that_is_refused_takes_those_before_it_out_of_the_queue(pretended, capsys):
    got = pretended(refused=102)
    assert submit("") == 2
    assert "sbatch: refuses the job: invalid partition specified: 102" in capsys.readouterr().err
    assert taken_back(got) == ["caches", "training", "leaderboard"]
    assert not slurm.submissions(Path("runs"))


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "can't be written (No space left on device) — make room"),
        (KeyboardInterrupt(), 3, "harness: interrupted"),
    ],
)
def test_whatever_ends_a_submission_takes_its_jobs_out_of_the_queue(pretended, monkeypatch, capsys, error, code, told):
    got, move = pretended(), JobPaths.move_temporary_file

    def fails(paths: JobPaths, *place: object, **options: object) -> None:
        if paths.job_id == "102":  # which is in the queue by then, and nobody knows its id
            raise error
        move(paths, *place, **options)

    monkeypatch.setattr(JobPaths, "move_temporary_file", fails)
    assert submit("") == code
    assert told in capsys.readouterr().err
    assert taken_back(got) == ["caches", "training", "leaderboard"]


def test_a_queue_that_can_not_be_asked_leaves_the_reason_and_what_may_be_in_it(pretended, place, capsys):
    pretended(refused=102)
    command(place, "scancel", "#!/bin/sh\necho 'unable to contact' >&2\nexit 1\n")
    assert submit("") == 2
    said = capsys.readouterr().err
    assert "may still be in the queue: job 'harness mine-tiny caches " in said and "unable to contact" in said
    assert "sbatch: refuses the job: invalid partition specified: 102" in said


def test_an_array_that_is_too_large_is_refused_by_the_setting_that_says_how_large(pretended, place, capsys):
    pretended()
    command(place, "sbatch", "#!/bin/sh\necho 'sbatch: error: Invalid job array specification' >&2\nexit 1\n")
    assert submit("") == 2
    assert "specification — give slurm.max_jobs less than" in capsys.readouterr().err


def test_a_folder_for_logs_that_can_not_be_made_is_refused(pretended, capsys):
    got = pretended()
    Path("runs").mkdir()
    Path("runs/slurm").write_text("")
    assert submit("") == 2
    assert "a file is where a folder should be: move it away" in capsys.readouterr().err
    assert not list(got.glob("*.sh"))


def test_jobs_of_an_earlier_submission_are_told(pretended, place, capsys):
    pretended()
    assert submit("") == 0
    assert "earlier" not in capsys.readouterr().err
    command(place, "squeue", '#!/bin/sh\necho "101|COMPLETED|None"; echo "102|RUNNING|None"\n')
    assert submit("") == 0
    assert "note: 1 job of an earlier submission still in the queue (102)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("module load cuda", 127, "harness: slurm.setup: module load cuda: exit code 127"),
        ("false || true", 0, ""),
        ("test -e nowhere && echo there; true", 0, ""),
        (". ./profile", 0, ""),
    ],
)
def test_a_line_of_the_setup_that_fails_ends_the_job_there(pretended, place, line, code, said):
    got = pretended()
    Path("profile").write_text("false  # of somebody else's\ntrue\n")
    assert submit(f"[slurm]\nsetup = ['{line}']\n") == 0
    done = subprocess.run(
        ["/bin/bash", got / "102.sh"], env={"PATH": "bin:/bin:/usr/bin"}, capture_output=True, text=True
    )
    assert done.returncode == code and said in done.stderr
    assert said or not done.stderr


def test_how_a_grid_is_submitted_is_no_part_of_its_runs(place, capsys):
    def planned(section: str, *words: str) -> dict:
        Path("mine.toml").write_text(GRID + section)
        assert main(["plan", "--grid", "mine.toml", "--tiny", "--json", *words]) == 0
        found = json.loads(capsys.readouterr().out)
        return {"grid": found["grid"], "runs": [row["run_id"] for row in found["runs"]]}

    assert planned("") == planned(SECTION) == planned("", "--set", "slurm.time=5")


def test_where_all_is_done_nothing_is_submitted(pretended, capsys):
    got = pretended()
    assert main(["run", *GRID_OF_ONE, "--workers", "1"]) == 0
    assert main(["submit", *GRID_OF_ONE]) == 0
    assert "all runs are done; their leaderboard: harness report --runs runs --grid " in capsys.readouterr().out
    assert not list(got.iterdir())


def test_weights_of_runs_that_were_done_without_are_refused_with_the_command_that_trains_for_them(pretended, capsys):
    got = pretended()
    assert main(["run", *GRID_OF_ONE, "--workers", "1"]) == 0
    assert main(["submit", *GRID_OF_ONE, "--save-model"]) == 2
    said = capsys.readouterr().err
    assert "--save-model: 1 run done before without weights" in said
    assert f"`harness run {' '.join(GRID_OF_ONE)} --save-model` does" in said
    assert not list(got.iterdir())


def test_jobs_train_what_the_grid_file_said_when_it_was_submitted(pretended, place):
    pretended()
    assert submit(SECTION, "--seeds", "0") == 0
    words = told(102)
    frozen = Path(words[words.index("--grid") + 1])
    Path("mine.toml").write_text("datasets = []\n")
    assert words.count("--grid") == 1 and frozen.is_relative_to(place / "runs" / "slurm") and frozen.name == "mine.toml"
    assert frozen.read_text() == GRID + SECTION
    assert words[1:4] == ["--tiny", "--seeds", "0"] and "mine.toml" not in words


def test_jobs_use_the_store_of_the_submission_whatever_the_user_file_says_when_they_start(pretended, place):
    pretended()
    assert submit("") == submit("", "--runs", "other") == 0
    for job, store in ((102, "runs"), (105, "other")):
        words = told(job, store)
        assert words[words.index("--runs") + 1] == str(place / store) and words.count("--runs") == 1


def test_what_is_told_to_stop_a_submission_stops_that_grid_alone(pretended, place, capsys):
    pretended()
    assert submit("", "--set", "train.lr=0.1") == 0
    assert submit("") == 0
    said = capsys.readouterr().out
    stop = [line.removeprefix("stop:").split() for line in said.splitlines() if line.startswith("stop:")]
    queued = "".join(f'echo "{number}|RUNNING|None"; ' for number in range(101, 107))
    command(place, "squeue", f"#!/bin/sh\n{queued}\n")
    assert main(stop[0][1:]) == 0
    assert set((place / "got" / "cancelled").read_text().split()) == {"101", "102", "103"}


def test_the_default_grid_is_submitted_outside_a_checkout_too(pretended):
    pretended()
    assert main(["submit", "--grid", "--tiny", "--datasets", "caer", "--methods", "prompt+lsr"]) == 0
    words = told(102)
    frozen = Path(words[words.index("--grid") + 1])
    assert frozen.name == "default.toml" and frozen.read_text() == Path(shipped.found(shipped.GRID)).read_text()


def test_what_until_did_is_not_undone_without_a_word(pretended, capsys):
    pretended()
    assert submit("") == 0
    plan = json.loads(Path("runs/plans/mine-tiny.json").read_text())
    rows = [row | {"seed": seed} for row in plan["runs"] for seed in (0, 1)]
    told = {"runs": rows, "added": 1, "until": {"width": 0.01, "pilot": 1}, "command": "harness run --until 'ci<1'"}
    Path("runs/plans/mine-tiny.json").write_text(json.dumps(plan | told))
    capsys.readouterr()
    assert submit("") == 0
    said = capsys.readouterr().err
    assert "mine-tiny is planned anew without the added seed 1 and the rule by which its intervals were judged" in said


# ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_queue_is_told_by_job_and_state(place):
    lines = ["7|RUNNING|None", "8|PENDING|Dependency", "8|PENDING|Dependency", "8|RUNNING|None", "9|RUNNING|None"]
    command(place, "squeue", "#!/bin/sh\n" + "".join(f'echo "{line}"\n' for line in lines))
    found = slurm.queue(["7", "8"])
    assert found == {"7": {"RUNNING": 1}, "8": {"PENDING (Dependency)": 2, "RUNNING": 1}}
    assert slurm.waiting(found["8"]) and not slurm.waiting({"COMPLETED": 3, "FAILED": 1, "PREEMPTED": 1, "REVOKED": 1})


def test_where_there_is_no_queue_nothing_is_known_of_jobs(place):
    assert slurm.queue(["7"]) == {}


def test_a_controller_that_does_not_answer_is_told(place):
    command(place, "squeue", "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact' >&2\nexit 1\n")
    with pytest.raises(BadInput, match="squeue: failed: slurm_load_jobs error: Unable to contact — see whether"):
        slurm.queue(["7"])


def test_only_the_jobs_of_the_grid_are_cancelled(place):
    command(place, "squeue", '#!/bin/sh\nfor job in 1 2 3 4 5 6; do echo "$job|RUNNING|None"; done\n')
    command(place, "scancel", f'#!/bin/sh\necho "$@" >> "{place}/cancelled"\n')
    command(place, "sbatch", "")
    for grid, jobs in (("one", "123"), ("two", "456")):
        names = dict(zip(("caches", "training", "leaderboard"), jobs, strict=True))
        slurm.keep(Path("runs"), slurm.Submission(grid, names))
    assert main(["cancel", "--grid", "grids/two.toml"]) == 0
    assert set((place / "cancelled").read_text().split()) == {"4", "5", "6"}


@pytest.mark.parametrize("given", ["v1.2", "v1.2.toml", "grids/v1.2.toml"])
def test_a_grid_may_have_dots_in_its_name(place, given):
    command(place, "squeue", '#!/bin/sh\necho "2|RUNNING|None"\n')
    command(place, "scancel", f'#!/bin/sh\necho "$@" >> "{place}/cancelled"\n')
    command(place, "sbatch", "")
    slurm.keep(Path("runs"), slurm.Submission("v1.2", {"training": "2"}))
    assert main(["cancel", "--grid", given]) == 0
    assert (place / "cancelled").read_text().split() == ["2"]


def test_files_beside_the_submissions_are_left_alone_and_damage_is_named(place):
    kept = slurm.Submission("one", {"training": "10"})
    slurm.keep(Path("runs"), slurm.Submission("one", {"training": "9"}))
    slurm.keep(Path("runs"), kept)
    Path("runs/slurm/notes.json").write_text('{"mine": 1}')
    assert slurm.submissions(Path("runs"))[1] == kept
    for odd in ({"mine": 1}, {"grid": "one", "jobs": ["9"]}, {"grid": "one", "jobs": {"training": 9}}):
        Path("runs/slurm/9.json").write_text(json.dumps(odd))
        with pytest.raises(Damaged, match="9.json: is no submission of ours"):
            slurm.submissions(Path("runs"))


def test_a_grid_that_was_never_submitted_is_no_grid_to_cancel(place, capsys):
    command(place, "scancel", "")
    slurm.keep(Path("runs"), slurm.Submission("mine", {"training": "2"}))
    assert main(["cancel", "--grid", "mien.toml"]) == 2
    said = capsys.readouterr().err
    assert "mien.toml: no grid of this name was submitted for runs — did you mean mine?" in said


def test_settings_say_what_they_mean():
    assert parse(Slurm, {"gpus_per_run": 0, "nodes": 2}, "slurm").processes == 2
    assert parse(Slurm, {}, "slurm").processes == 1
