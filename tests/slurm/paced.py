"""A component for `--plugin` that takes its time and notes each step, so that a test can come in between and count."""

from __future__ import annotations

import os
import time
from typing import Any

from harness.methods import Component


class Paced(Component):
    """Adds a line to the file that PACED_STEPS names after each step, and takes PACED_SECONDS for it.

    Told by the environment, since a setting would make another run.
    """

    name = "paced"
    paper = "none"

    def after_step(self, ctx: Any) -> None:
        with open(os.environ["PACED_STEPS"], "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(float(os.environ.get("PACED_SECONDS", "0")))
