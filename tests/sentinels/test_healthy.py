"""No false alarms: healthy runs raise no error, and no warning that is not explained."""

import pytest

from sentinels import healthy
from sentinels.copies import QUICK


def test_the_healthy_runs_are_of_every_component_and_every_preset():
    assert not healthy.uncovered(tuple(method for _, method, _ in healthy.FEW))
    assert not healthy.uncovered((*healthy.METHODS, *healthy.presets.names()))


@pytest.mark.parametrize(("dataset", "method", "epochs"), healthy.FEW)
def test_a_healthy_run_raises_no_error(dataset, method, epochs, tmp_path):
    found = healthy.train(dataset, method, 0, epochs, tmp_path, QUICK)
    assert not found.errors
    assert set(found.warnings) <= set(healthy.EXPLAINED)


@pytest.mark.parametrize("dataset", healthy.DATASETS)
def test_a_smoke_test_has_too_few_clips_to_accuse_anybody(dataset, tmp_path):
    sets = ("train.limit=4", "clips.frames=4", "clips.views=1")
    found = healthy.train(dataset, "prompt+balanced", 0, 1, tmp_path, sets)
    assert not found.errors
    assert set(found.warnings) <= {"missing-boxes"}


@pytest.mark.slow
def test_no_healthy_run_of_the_whole_sweep_raises_an_error(tmp_path):
    for found in healthy.sweep(tmp_path):
        assert not found.errors, (found.dataset, found.method, found.seed)
        assert set(found.warnings) <= set(healthy.EXPLAINED), (found.dataset, found.method, found.seed)
