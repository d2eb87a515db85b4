"""What a run predicted for each clip: read as stored, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import predicted
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from harness.errors import BadInput
from harness.leaderboard.predictions import Clips, read
from harness.store import predictions

ROW = {"run_id": "a", "dataset": "caer", "levels": {}}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    predicted.write(tmp_path, *predicted.of(ROW))
    return tmp_path


def test_only_the_test_clips_are_read(stored: Path) -> None:
    labels, probabilities = predicted.of(ROW)
    found = read(stored)
    assert found is not None and found.clips.to_pylist() == [f"test/{clip:03}" for clip in range(predicted.CLIPS)]
    assert (found.labels == labels).all()
    assert np.allclose(found.probabilities, probabilities)


def change(folder: Path, **columns: Any) -> None:
    path = folder / "predictions.parquet"
    table = parquet.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.schema.names.index(name), name, pyarrow.array(values))
    parquet.write_table(table, path)


ROWS = predicted.CLIPS + 1


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"clip_id": ["same"] * ROWS}, "has a clip of test twice"),
        ({"label": [9] * ROWS}, "has a label that is none of its 3 classes"),
        ({"label": [-1] * ROWS}, "has a label that is none of its 3 classes"),
        ({"label": ["Anger"] * ROWS}, "has a label that is none of its 3 classes"),
        ({"prediction": [3] * ROWS}, "has a prediction that is none of its 3 classes"),
        ({"probabilities": [[float("nan")] * 3] * ROWS}, "has a probability that is no number"),
        ({"probabilities": [[1.0]] * predicted.CLIPS + [[0.5, 0.2, 0.3]]}, "can't be read"),
        ({"probabilities": [1.0] * ROWS}, "can't be read"),
    ],
)
def test_predictions_of_no_sense_are_bad_input_and_none_to_a_leaderboard(
    stored: Path, columns: dict[str, Any], why: str
) -> None:
    change(stored, **columns)
    with pytest.raises(BadInput, match=rf"predictions\.parquet: {why}"):
        predictions.read(stored)
    assert read(stored) is None


def test_predictions_without_test_clips_are_none(stored: Path) -> None:
    change(stored, split=["val"] * ROWS)
    assert len(predictions.read(stored).clips) == ROWS and read(stored) is None


def test_a_file_that_is_missing_cut_off_or_something_else_is_none(stored: Path) -> None:
    path = stored / "predictions.parquet"
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[:300],
        whole[:-20],
        b"no parquet at all",
        whole[:4] + bytes(len(whole) - 8) + whole[-4:],
    ):
        path.write_bytes(damaged)
        assert read(stored) is None
    path.unlink()
    assert read(stored) is None
    parquet.write_table(pyarrow.table({"clip_id": ["a"]}), path)
    assert read(stored) is None


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), min_size=1))
def test_every_clip_has_one_place_whatever_the_order_and_the_list_that_it_is_met_in(lists: list[list[str]]) -> None:
    clips = Clips()
    found = [clips.places(pyarrow.array(ids)) for ids in lists]
    named = {
        (clip, int(place))
        for ids, places in zip(lists, found, strict=True)
        for clip, place in zip(ids, places, strict=True)
    }
    assert len(named) == len({clip for clip, _ in named}) == len({place for _, place in named}) == len(clips)
