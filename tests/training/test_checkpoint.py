"""Checkpoints: a run that is cut off anywhere goes on to the last bit, and damaged ones are told and passed over."""

import itertools
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext

import pytest
import torch
from accelerate import Accelerator
from conftest import Silent, make_splits, make_watch, small_learner

from harness import files, plugins, signals
from harness.protocol import Train
from harness.training import loop, retry
from harness.training.checkpoint import Keeper
from harness.training.writing import Lost, Writer

TRAIN = Train(epochs=2, batch_size=8, schedule="cosine", accumulation=2)
STEPS = 3  # of an epoch: 23 clips in batches of 8


class Killed(BaseException):
    """As SIGKILL: nothing that follows is done."""


class Until(Silent):
    """Kills the run after some steps. Says nothing, remembers what it is told."""

    def __init__(self, steps=None):
        self.left, self.notes, self.at = steps, [], None

    def step(self, epoch, live):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def note(self, line):
        self.notes.append(line)

    def resumed(self, epoch, step):
        self.at = (epoch, step)


def run(method, folder, viewer=None, settings=TRAIN, setting=None, every=0.0):
    """A run's history, weights, predictions and alarms; its checkpoints lie in `folder`."""
    accelerator, viewer = Accelerator(cpu=True), viewer or Until()
    learner, splits, history = small_learner(method), make_splits(), []
    torch.manual_seed(1)
    watch = make_watch(splits)
    keeper = Keeper(folder, accelerator, every, setting or {"processes": 1}, viewer.note) if folder else None
    outcome = loop.train(learner, splits, settings, "war", 0, accelerator, viewer, history, watch, keeper)
    accelerator.free_memory()
    rows = [{key: value for key, value in row.items() if key != "duration_s"} for row in history]
    return {
        "history": rows,
        "epoch": outcome.epoch,
        "weights": learner.state_dict(),
        "probabilities": {name: torch.from_numpy(found) for name, found in outcome.probabilities.items()},
        "alarms": watch.alarms,
    }


def same(one, two):
    """Equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(value, two[key]) for key, value in one.items())
    return one == two


def assert_same(one, two):
    for name in one:
        assert same(one[name], two[name]), name


def with_its_needs(name):
    return "+".join([*plugins.get("methods", name).requires, name])


EVERY = [*map(with_its_needs, plugins.names("methods")), "prompt+ldl+mixup+moco(queue=16)"]


@pytest.mark.parametrize("method", EVERY)
def test_a_run_killed_at_any_step_and_started_again_is_the_run_that_was_not(method, tmp_path):
    whole = run(method, None)
    for steps in (1, 3, 4):  # in the middle and at the end of an epoch
        folder = tmp_path / str(steps)
        with pytest.raises(Killed):
            run(method, folder, Until(steps))
        again = Until()
        assert_same(run(method, folder, again), whole)
        assert again.at == (steps // STEPS, steps % STEPS)


@pytest.mark.parametrize(
    "settings", [{"optimizer": "sgd"}, {"schedule": "steps", "milestones": (1,)}, {"selection": "last"}]
)
def test_so_it_is_with_every_optimiser_schedule_and_selection(settings, tmp_path):
    chosen = Train(**{"epochs": 3, "batch_size": 8, **settings})
    whole = run("prompt+ldl", None, settings=chosen)
    for steps in range(0, 3 * STEPS, 2):
        with pytest.raises(Killed):
            run("prompt+ldl", tmp_path / str(steps), Until(steps), settings=chosen)
        assert_same(run("prompt+ldl", tmp_path / str(steps), settings=chosen), whole)


def test_a_run_may_be_cut_off_as_often_as_it_likes(tmp_path):
    whole = run("prompt+moco(queue=16)", None)
    for _ in range(2 * STEPS - 1):
        with pytest.raises(Killed):
            run("prompt+moco(queue=16)", tmp_path, Until(1))
    assert_same(run("prompt+moco(queue=16)", tmp_path), whole)


@contextmanager
def listening():
    """This process hears signals as the command does."""
    before = {each: signal.getsignal(each) for each in (*signals.SIGNALS, signal.SIGALRM)}
    signals.install()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_saves_at_the_next_step_and_interrupts(number, tmp_path):
    class Told(Until):
        def step(self, epoch, live):
            super().step(epoch, live)
            if self.left == 1:
                os.kill(os.getpid(), number)

    whole = run("prompt+mixup", None)
    with listening(), pytest.raises(KeyboardInterrupt), signals.patiently():
        run("prompt+mixup", tmp_path, Told(5), every=1e9)
    assert not signals.asked()
    again = Until()
    assert_same(run("prompt+mixup", tmp_path, again), whole)
    assert again.at == (1, 1), "the step after which it was told"


def tell(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
    time.sleep(30)


def test_a_step_that_takes_too_long_is_interrupted_and_so_is_one_that_is_told_twice(monkeypatch):
    monkeypatch.setattr(signals, "GRACE", 0.1)
    began = time.monotonic()
    with listening():
        with pytest.raises(KeyboardInterrupt), signals.patiently():
            tell(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), signals.patiently():
            tell(signal.SIGINT, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            tell(signal.SIGUSR1)  # nothing trains: at once
    assert time.monotonic() - began < 10


def killed_at(folder, steps, method="prompt"):
    with pytest.raises(Killed):
        run(method, folder, Until(steps))
    return sorted(place for place in folder.iterdir() if place.is_dir())


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(damage, tmp_path):
    whole, places = run("prompt", None), killed_at(tmp_path, 5)
    assert [place.name for place in places] == ["00001-0000001", "00001-0000002"], "two are kept"
    file = places[-1] / "0-of-1"
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        half = len(data) // 2
        flipped = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
        file.write_bytes({"cut": data[:half], "flipped": flipped, "empty": b""}[damage])
    again = Until()
    assert_same(run("prompt", tmp_path, again), whole)
    assert again.at == (1, 1)
    assert again.notes and places[-1].name in again.notes[0]


def test_with_all_of_them_damaged_the_run_starts_again(tmp_path):
    whole, places = run("prompt", None), killed_at(tmp_path, 5)
    for place in places:
        (place / "0-of-1").write_bytes(b"x" * 100)
    again = Until()
    assert_same(run("prompt", tmp_path, again), whole)
    assert again.at is None
    assert len(again.notes) == 2


def test_a_checkpoint_made_otherwise_is_not_gone_on_with(tmp_path):
    killed_at(tmp_path, 4)
    again = Until()
    run("prompt", tmp_path, again, setting={"processes": 1, "precision": "bf16"})
    assert again.at is None
    assert "precision None, now bf16" in again.notes[0]


def test_a_file_that_runs_code_when_it_is_unpickled_is_refused(tmp_path):
    import hashlib
    import io

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    places = killed_at(tmp_path / "run", 4)
    buffer = io.BytesIO()
    torch.save({"setting": {"processes": 1}, "facts": {}, "loop": Evil()}, buffer)
    for place in places:
        (place / "0-of-1").write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    again = Until()
    run("prompt", tmp_path / "run", again)
    assert again.at is None
    assert "no checkpoint of ours" in again.notes[0]
    assert not (tmp_path / "owned").exists()


def test_a_full_disk_costs_checkpoints_and_not_the_run(tmp_path, monkeypatch):
    whole, viewer = run("prompt", None), Until()

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "write_chunks", full)
    assert_same(run("prompt", tmp_path, viewer), whole)
    assert len(viewer.notes) == 1, "told once"
    assert "No space left on device" in viewer.notes[0]


def test_a_save_that_fails_when_told_to_stop_is_said_however_many_failed_before(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    class Told(Until):
        def step(self, epoch, live):
            super().step(epoch, live)
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(files, "write_chunks", full)
    viewer = Told(3)
    with listening(), pytest.raises(KeyboardInterrupt), signals.patiently():
        run("prompt", tmp_path, viewer)
    assert len(viewer.notes) == 2
    assert "training goes on" in viewer.notes[0] and "since the last one is lost" in viewer.notes[1]


def test_saving_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    keeper = Keeper(tmp_path, Accelerator(cpu=True), 0.01, {}, print)
    clock = itertools.count(step=0.004)
    monkeypatch.setattr("harness.training.checkpoint.time.monotonic", lambda: next(clock))
    keeper.saved, saves = 0.0, []
    for step in range(400):
        keeper.step(0, step, lambda step=step: saves.append(step) or {})
    gaps = {after - before for before, after in itertools.pairwise(saves)}
    assert len(saves) > 3
    assert min(gaps) >= 15, "a save of one tick at a time of 5 %"


def test_checkpoints_that_none_can_use_do_not_push_out_those_of_the_run_begun_anew(tmp_path):
    whole = run("prompt", None)
    for place in killed_at(tmp_path, 5):
        (place / "0-of-1").write_bytes(b"x" * 100)
    names = [place.name for place in killed_at(tmp_path, 2)]
    assert names == ["00000-0000001", "00000-0000002"]
    again = Until()
    assert_same(run("prompt", tmp_path, again), whole)
    assert again.at == (0, 2)


def test_who_has_lost_the_run_writes_no_checkpoint(tmp_path):
    def gone():
        raise Lost("taken over")

    keeper = Keeper(tmp_path, Accelerator(cpu=True), 0.0, {}, print, gone)
    with pytest.raises(Lost):
        keeper.step(0, 1, dict)
    assert not list(tmp_path.iterdir())


def second_try(folder):
    """Notes one, with smaller micro-batches, as the process that holds the run does."""
    told, smaller = retry.of(MemoryError(), TRAIN)
    Writer(folder, lambda: nullcontext(True), writes=True).retry(retry.note(told, smaller))
    assert smaller.accumulation == 4
    return told, smaller


def test_a_second_try_that_is_cut_off_goes_on_as_such(tmp_path):
    assert retry.begun(tmp_path, TRAIN, print) == (None, TRAIN)
    noted, said = second_try(tmp_path), list[str]()
    assert retry.begun(tmp_path, TRAIN, said.append) == noted and not said
    keeper = Keeper(tmp_path / "checkpoint", Accelerator(cpu=True), 0.0, {}, print)
    assert keeper.find() is None, "it is no checkpoint"
    keeper.clear()
    assert retry.begun(tmp_path, TRAIN, print) == (None, TRAIN)


@pytest.mark.parametrize("text", ['{"retried": {"wh', "{}", '{"retried": {"why": "", "how": ""}, "accumulation": 0}'])
def test_a_damaged_note_of_a_second_try_is_told_and_the_run_begins_as_at_first(text, tmp_path):
    second_try(tmp_path)
    (tmp_path / retry.FILE).write_text(text)
    said = list[str]()
    assert retry.begun(tmp_path, TRAIN, said.append) == (None, TRAIN)
    assert len(said) == 1 and str(tmp_path / retry.FILE) in said[0]


def test_who_has_lost_the_run_notes_no_second_try(tmp_path):
    with pytest.raises(Lost):
        Writer(tmp_path, lambda: nullcontext(False), writes=True).retry({})
    assert not list(tmp_path.iterdir())


def test_a_process_that_can_not_be_interrupted_is_ended():
    code = (
        "import os, signal, threading, time\n"
        "from harness import signals\n"
        "signals.GRACE = signals.LAST = 0.2\n"
        "signals.install()\n"
        "try:\n"
        "    with signals.bounded():\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"  # and now Python waits for its thread
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], timeout=50, check=False)
    assert done.returncode == signals.INTERRUPTED
    assert time.monotonic() - began < 20


def test_a_wish_to_stop_outlives_whatever_else_goes_wrong():
    def fails():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError

    with listening(), pytest.raises(KeyboardInterrupt), signals.patiently():
        fails()
