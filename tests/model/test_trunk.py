"""The CLIP model is loaded for its caller, who keeps all that is the caller's own."""

from __future__ import annotations

import logging

import pytest

from harness.model import architectures, trunk
from harness.protocol import Model


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR])
def test_loading_leaves_the_hosts_logging_as_it_was(level: int, caplog: pytest.LogCaptureFixture) -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    try:
        trunk.load(Model())
        assert root.level == level
        assert [record.message for record in caplog.records if record.name == "root"] == [], "nor is anything said"
    finally:
        root.setLevel(before)


def test_a_models_shape_is_known_before_it_is_loaded() -> None:
    loaded = trunk.load(Model())
    assert architectures.shape(Model().name) == (loaded.size, loaded.width)
