"""What runs train on is read from the cache where it is there, and then nothing is loaded to make it."""

from __future__ import annotations

from accelerate import Accelerator

from harness import grid, plan
from harness.model import trunk
from harness.training.material import Material


def test_what_is_cached_is_read_without_the_model() -> None:
    planned = plan.plan(grid.build("made", {"datasets": ["raer"], "methods": ["lsr"], **grid.TINY}))
    model, clips = planned.grid.sections["model"], planned.grid.sections["clips"]
    loaded: list[trunk.Loaded] = []

    def clip() -> trunk.Loaded:
        loaded.append(trunk.load(model))
        return loaded[-1]

    def read() -> list[str]:
        material = Material(planned.copies, model, clips, clip, Accelerator(), lambda *what: lambda done, total: None)
        return [clip.id for split in material.stored("raer", True).values() for clip in split.clips]

    first = read()
    loaded.clear()
    assert read() == first and loaded == []
