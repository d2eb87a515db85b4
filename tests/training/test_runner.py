"""One run from spec to result: what can't work together is met before anybody trains and leaves nothing behind."""

from pathlib import Path

import pytest

from harness.cli import main


@pytest.mark.parametrize(
    ("setting", "method", "words"),
    [
        ("model.heads=7", "prompt", "7 heads do not divide the feature width 64"),
        ("prompt.tokens=70", "prompt", "does not fit the 77"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_bad_input(setting, method, words, tmp_path, capsys):
    places = ["--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out"]
    assert main(["run", "--datasets", "raer", "--methods", method, "--tiny", "--set", setting, *places]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("harness: bad input:")
    assert words in said
    assert not [path for path in Path(tmp_path).rglob("*") if path.is_file()]


def test_pixels_are_mixed_when_asked_for_and_cost_the_trunk(tmp_path):
    words = ["run", "--datasets", "raer", "--methods", "prompt+mixup(level=input),prompt+mixup", "--tiny"]
    assert main([*words, "--runs", f"{tmp_path}/runs", "--out", f"{tmp_path}/out", "--workers", "1"]) == 0
    histories = [path.read_text() for path in Path(tmp_path).glob("runs/raer/*/history.jsonl")]
    assert len(histories) == len(set(histories)) == 2
