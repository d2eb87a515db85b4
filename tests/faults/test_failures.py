"""Runs that fail by themselves: out of memory, a loss that is no number, code that raises, reads that hang."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from faults import fault, plants
from faults.lab import harness, result_of, small, stored

QUIET = ("--set", "sentinels.inactive-component.severity=off")  # components that only fail do nothing else


@fault(
    "the device is out of memory",
    "tries the run again in micro-batches of half the size, with the same global batch, and says so",
    "the run; its result (`retried`) and `harness show` tell the micro-batches",
)
def test_a_run_that_the_device_has_no_memory_for_is_tried_in_smaller_micro_batches(undisturbed, tmp_path):
    undisturbed()
    ended = harness(*small(tmp_path, *QUIET, methods="prompt+hungry"))
    assert ended.code == 0 and "out of memory with micro-batches of 8 clips" in ended.said, ended.said
    assert "tried again with micro-batches of 4 (train.accumulation=2)" in ended.said
    result = result_of(tmp_path / "runs")
    assert result["status"] == "done" and "train.accumulation=2" in result["retried"]["how"]
    shown = harness("show", result["run_id"], "--runs", tmp_path / "runs")
    assert "out of memory with micro-batches of 8 clips" in shown.said and "; tried again" in shown.said, shown.said


@fault(
    "the device is out of memory even with smaller micro-batches",
    "records the run as failed, with the next smaller split to try, and ends with code 1",
    "all other runs, which finish",
)
def test_a_run_that_there_is_no_memory_for_at_all_fails_and_the_next_split_is_named(undisturbed, tmp_path):
    undisturbed()
    ended = harness(*small(tmp_path, *QUIET, methods="prompt+starving,prompt"))
    assert ended.code == 1 and "1 of 2 runs done, 1 failed" in ended.said, ended.said
    assert "too little memory even for micro-batches of 4 clips; set train.accumulation=4" in ended.said


@fault(
    "the machine is out of memory (here: of address space)",
    "tries the run again in micro-batches of half the size, with the same global batch",
    "the run; its result tells the micro-batches (`retried`)",
)
def test_a_run_that_the_machine_has_no_memory_for_is_tried_in_smaller_micro_batches(undisturbed, tmp_path):
    undisturbed()
    little = partial(plants.less_memory, 6 * 2**30)
    ended = harness(*small(tmp_path, *QUIET, methods="prompt+large"), plant=little)
    assert ended.code == 0, ended.said
    assert "out of memory with micro-batches of 8 clips" in result_of(tmp_path / "runs")["retried"]["why"]


@fault(
    "the loss becomes NaN",
    "ends that run, names the term of the loss, and ends with code 1",
    "all other runs; of the failed one its history and alarms",
)
def test_a_run_whose_loss_is_no_number_is_ended_and_named(undisturbed, tmp_path):
    undisturbed()
    ended = harness(*small(tmp_path, methods="prompt+no-number,prompt"))
    assert ended.code == 1 and "not-finite" in ended.said and "odd" in ended.said, ended.said
    assert sorted(result["status"] for result in results(tmp_path)) == ["done", "failed"]


@fault(
    "a component raises",
    "records the run as failed, with the traceback, and ends with code 1; the next call tries it again",
    "all other runs, which finish",
)
def test_a_component_that_raises_fails_its_run_alone(undisturbed, tmp_path):
    undisturbed()
    ended = harness(*small(tmp_path, methods="prompt+raising,prompt"))
    assert ended.code == 1 and "RuntimeError: on purpose" in ended.said, ended.said
    failed = {result["method"]: result for result in results(tmp_path) if result["status"] == "failed"}
    assert "after_step" in failed["prompt+raising"]["error"]["traceback"]
    again = harness(*small(tmp_path, methods="prompt+raising,prompt"))
    assert again.code == 1 and "1 of 2 runs to train" in again.said, again.said


@fault(
    "a plugin can't be imported",
    "refuses with code 2 and names the file and the error",
    "nothing has begun",
)
def test_a_plugin_that_can_not_be_imported_is_named(tmp_path):
    (plugin := tmp_path / "mine.py").write_text("import no_such_module\n")
    ended = harness(*small(tmp_path, "--plugin", plugin))
    assert ended.code == 2 and f"{plugin}: can't be imported: ModuleNotFoundError" in ended.said, ended.said
    assert not (tmp_path / "runs").exists()


@fault(
    "a read of cached rows hangs (a network file system)",
    "tries the run again from its last checkpoint, once, after ten minutes without an answer",
    "the run, to the last bit; its result tells (`retried`)",
)
def test_a_read_that_hangs_is_tried_again(undisturbed, tmp_path):
    ended = harness(*small(tmp_path), plant=partial(plants.reads_hang, 1))
    assert ended.code == 0 and "does not answer" in ended.said and "tried again" in ended.said, ended.said
    assert stored(tmp_path / "runs") == undisturbed()
    assert "no rows for" in result_of(tmp_path / "runs")["retried"]["why"]


@fault(
    "the clock jumps by a day, forwards and back",
    "trains on: durations and leases are measured by clocks that don't jump",
    "the run, to the last bit, and its duration",
)
def test_a_clock_that_jumps_does_not_matter(undisturbed, tmp_path):
    jumps = [partial(plants.at_step, step, partial(plants.clock_jumps, by)) for step, by in ((3, 86400), (7, -172800))]
    ended = harness(*small(tmp_path), plant=partial(plants.all_of, *jumps))
    assert ended.code == 0, ended.said
    assert stored(tmp_path / "runs") == undisturbed()
    assert 0 < result_of(tmp_path / "runs")["duration_s"] < 3600


def results(folder: Any) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("runs/*/*/result.json")]
