"""How a process that was told to stop leaves. How a run is saved before is tested in `training/test_checkpoint`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from harness import signals

IMPATIENT = """
import os, signal, sys, time
from harness import signals

number = signal.Signals[sys.argv[1]]
signals.install()
try:
    with signals.bounded():
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), number)  # while it cleans up
except KeyboardInterrupt:
    os.kill(os.getpid(), number)
    print("interrupted")
signals.uninstall()
os.kill(os.getpid(), number)  # while Python does
sys.exit(signals.INTERRUPTED)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_process_that_leaves_is_not_interrupted_again_and_keeps_its_exit_code(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPATIENT, name], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (signals.INTERRUPTED, "interrupted\n", "")


def test_a_process_that_was_told_nothing_is_ended_by_a_signal_once_it_does_not_listen() -> None:
    code = (
        "import os, signal, time\n"
        "from harness import signals\n"
        "signals.install()\n"
        "with signals.bounded():\n"
        "    pass\n"
        "signals.uninstall()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=50).returncode == -signal.SIGTERM
