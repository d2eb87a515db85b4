"""Trains every method on synthetic features in this process, or in as many as torchrun started; writes the record.

torchrun --nproc_per_node 2 tests/processes.py OUT.json METHOD …
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from conftest import Silent, make_splits, make_watch, small_learner

from harness.protocol import Train
from harness.schedule import launch
from harness.training import loop

SETTINGS = Train(epochs=3, batch_size=8, optimizer="sgd", lr=0.05)


def records(methods, accelerator, **train) -> dict:
    """History and final weights of each method's run: dropout off, since processes draw their own masks."""
    found = {}
    for method in methods:
        torch.manual_seed(0)
        learner, splits, history = small_learner(method, dropout=0.0), make_splits(), []
        for module in learner.modules():  # components have their own dropout
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        outcome = loop.train(
            learner,
            splits,
            dataclasses.replace(SETTINGS, **train),
            "war",
            0,
            accelerator,
            Silent(),
            history,
            make_watch(splits),
        )
        state = {name: value.double().sum().item() for name, value in learner.state_dict().items()}
        rows = [{key: row[key] for key in ("losses", "weights", "train", "val", "target")} for row in history]
        found[method] = {"rows": rows, "state": state, "test": outcome.probabilities["test"].tolist()}
        accelerator.free_memory()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    accelerator = launch.accelerator(launch.here(), "data")
    found = records(sys.argv[2:], accelerator)
    if accelerator.is_main_process:
        Path(sys.argv[1]).write_text(json.dumps(found))
