"""A grid on a real SLURM cluster: whatever happens to its jobs, its runs are those of a grid trained without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.place import EPOCHS, RUNS, STEPS, asked, ended, states, wait_for

ALL_STEPS = RUNS * EPOCHS * STEPS
TEMPLATES = Path(__file__).parents[2] / "examples" / "launch"
SLOW = 0.5  # seconds a step: time to come in between


def test_an_array_trains_each_run_once_and_the_leaderboard_is_the_one_made_without(place, undisturbed):
    here = place(0)
    jobs = here.submit()
    wait_for(lambda: ended(jobs))
    assert [set(states(job)) for job in jobs.values()] == [{"COMPLETED"}] * 3, here.log()
    assert len(here.steps()) == ALL_STEPS
    assert here.seen() == undisturbed
    watched = here.harness("plan", *here.words, "--watch")
    assert "4 of 4 runs done" in watched and all(job in watched for job in jobs.values())


def test_a_process_that_is_killed_is_started_again_and_its_run_goes_on(place, undisturbed):
    here = place(SLOW)
    jobs = here.submit("--max-jobs", "1")
    wait_for(lambda: len(here.steps()) >= STEPS)
    os.kill(here.steps()[-1], signal.SIGKILL)
    wait_for(lambda: ended(jobs))
    assert "killed by SIGKILL (start 1 of" in here.log(jobs["training"])
    assert here.seen()[0] == undisturbed[0]


def test_cancelled_jobs_save_their_runs_and_a_second_submission_goes_on(place, undisturbed):
    here = place(SLOW)
    first = here.submit()
    wait_for(lambda: len(here.steps()) >= STEPS)
    said = here.harness("cancel", "--grid", "small.toml")
    assert "cancelled, grid small: 2 jobs" in said and first["training"] in said and first["leaderboard"] in said
    wait_for(lambda: ended(first))
    assert 0 < len(here.steps()) < ALL_STEPS and list(here.runs.glob("caer/*/checkpoint"))
    assert "no job of any grid" in here.harness("cancel")
    second = here.submit()
    wait_for(lambda: ended(second))
    assert "goes on at epoch" in here.log(second["training"])
    assert len(here.steps()) == ALL_STEPS  # none was trained twice
    assert here.seen() == undisturbed


@pytest.mark.slow
def test_a_job_that_is_told_to_leave_saves_queues_again_and_goes_on(place, undisturbed):
    here = place(SLOW)
    jobs = here.submit("--max-jobs", "1")
    wait_for(lambda: len(here.steps()) >= STEPS)
    asked("scancel", "--signal=USR1", jobs["training"])
    wait_for(lambda: ended(jobs))
    assert "goes on at epoch" in here.log(jobs["training"])
    assert len(here.steps()) == ALL_STEPS
    assert here.seen() == undisturbed


@pytest.mark.slow
def test_a_job_that_reaches_its_time_limit_queues_again_until_all_is_trained(place, undisturbed):
    here = place(8.0)  # 96 s a run; of its two minutes a job has 60 to 90 s until it is told, some of them to begin
    jobs = here.submit("--set", "slurm.time=2", "--methods", "prompt+paced", "--seeds", "0")
    wait_for(lambda: ended(jobs), seconds=600)
    assert here.log(jobs["training"]).count("goes on at epoch") >= 1
    assert len(here.steps()) == EPOCHS * STEPS
    (run,) = here.seen()[0].items()
    assert run in undisturbed[0].items()


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_processes_with_a_gpu_each_train_a_run_together_on_one_node_or_two(place, nodes):
    here = place(0)
    one_run = ("--methods", "prompt+paced", "--seeds", "0")
    cpu = "slurm.setup=export ACCELERATE_USE_CPU=true|"  # the cluster's GPUs are pretended
    jobs = here.submit("--gpus-per-run", "2", "--set", f"slurm.nodes={nodes}", "--set", cpu, *one_run)
    wait_for(lambda: ended(jobs))
    assert [states(job) for job in jobs.values()] == [["COMPLETED"]] * 3, here.log()
    assert len(set(here.steps())) == 2 and len(here.steps()) == 2 * EPOCHS * STEPS
    assert {each["result"]["status"] for each in here.seen()[0].values()} == {"done"}


@pytest.mark.slow
def test_the_template_for_two_nodes_trains_a_run_together_and_goes_on_after_it_was_told_to_leave(place):
    here = place(SLOW)
    config = (TEMPLATES / "2x8_gpus.yaml").read_text().replace("num_processes: 16", "num_processes: 2")
    (here.folder / "two.yaml").write_text(config.replace("mixed_precision: bf16", "mixed_precision: 'no'"))
    here.environment |= {"LAUNCH_CONFIG": "two.yaml", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    asks = ["--parsable", "--gpus-per-node=1", "--cpus-per-task=1"]
    command = ["sbatch", *asks, TEMPLATES / "2x8_gpus.sbatch", *here.words, "--datasets", "caer", "--seeds", "0"]
    done = subprocess.run(command, cwd=here.folder, env=here.environment, capture_output=True, text=True, check=True)
    job, steps = done.stdout.strip(), 2 * 2 * EPOCHS * STEPS  # of two processes and two runs
    wait_for(lambda: len(here.steps()) >= steps // 2)
    asked("scancel", "--batch", "--signal=USR1", job)
    wait_for(lambda: states(job) == ["PENDING"])
    wait_for(lambda: ended({"training": job}))
    said = (here.folder / f"slurm-{job}.out").read_text()
    assert states(job) == ["COMPLETED"] and "2 of 2 runs done" in said and "to train" in said, said
    assert {each["result"]["status"] for each in here.seen()[0].values()} == {"done"}


def test_caches_that_can_not_be_filled_end_the_jobs_behind_them(place):
    here = place(0)
    jobs = here.submit("--set", "slurm.setup=cd nowhere|")
    wait_for(lambda: ended(jobs))
    assert states(jobs["caches"]) == ["FAILED"]
    assert {*states(jobs["training"]), *states(jobs["leaderboard"])} == {"CANCELLED"} and not here.steps()
    watched = [line.strip() for line in here.harness("watch", "--grid", "small", "--once").splitlines()]
    at = watched.index(f"{jobs['caches']} (caches): 1 FAILED")
    assert watched[at + 1 : at + 3] == [
        f"runs/slurm/{jobs['caches']}_0_log.out",
        "harness: slurm.setup: cd nowhere: exit code 1",
    ]


def test_what_slurm_refuses_is_told_in_its_own_words(place):
    here = place(0)
    said = here.harness("submit", *here.words, "--partition", "nowhere", code=2)
    assert "sbatch: refuses the job: " in said and "invalid partition specified: nowhere" in said
    assert not asked("squeue", "--me", "--noheader")


def test_a_refused_array_takes_the_job_before_it_out_of_the_queue(place):
    here = place(0)
    grid = here.folder / "small.toml"
    grid.write_text(grid.read_text().replace("seeds = [0, 1]", f"seeds = {[*range(600)]}"))
    said = here.harness("submit", *here.words, "--max-jobs", "2000", code=2)
    assert "Invalid job array specification — give slurm.max_jobs less than 1200" in said
    wait_for(lambda: not asked("squeue", "--me", "--noheader"), seconds=30)
