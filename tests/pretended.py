"""Pretends to train the runs of a folder, on a device that is worth so many workers: more than these share it.

python tests/pretended.py FOLDER WORTH
"""

import sys
import threading
import time
from pathlib import Path

from harness.files import write_json, write_lines
from harness.store.leases import Leases


def train(root: Path, worth: float, ended: threading.Event) -> None:
    """Claims one run after the other; an epoch takes 50 ms, and longer once the device is full."""
    leases = Leases()
    for folder in sorted(root.glob("[0-9]*")):
        with leases.claim(folder) as lease:
            if not lease or (folder / "result.json").exists():
                continue
            rows: list[dict[str, float]] = []
            while len(rows) < 20 and not ended.is_set():
                crowd = len(list(root.glob("*/lease.json")))
                seconds = 0.05 * max(crowd / worth, 1)
                time.sleep(seconds)
                rows.append({"duration_s": seconds})
                write_lines(folder / "history.jsonl", rows)
            write_json(folder / "result.json", {})


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]), threading.Event())
