"""Whatever bytes a parser is given, it reads them or says what is wrong with them, soon, and never fails otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rendered import encode, numbered

from harness import grid
from harness.data import manifest
from harness.data.boxes import Boxes
from harness.data.listfiles import Names, choose
from harness.data.lists import read_list, read_table
from harness.data.scan import survey
from harness.data.video import Unreadable, read
from harness.datasets.daisee import DAiSEE
from harness.datasets.folder import Folder
from harness.errors import BadInput
from harness.files import read_json, read_lines
from harness.grid import grammar
from harness.settings import literal, parse

SOON = 2.0  # seconds of this process
fuzzed = settings(
    max_examples=200,
    deadline=None,  # the machine may be busy; `told` counts this process's own time
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def note(*said: object) -> None: ...


@contextlib.contextmanager
def told(*kinds: type[Exception]) -> Iterator[None]:
    """Either it works or it says why, in time."""
    began = time.process_time()
    with contextlib.suppress(*(kinds or (BadInput,))):
        yield
    assert time.process_time() - began < SOON


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """A valid text with pieces cut out, put in, doubled or swapped: errors that random bytes never get to."""
    piece = st.binary(max_size=6) | st.sampled_from(
        [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"1e999", b"NaN", b"{}"]
    )
    edit = st.tuples(st.integers(0, len(valid)), st.integers(0, 12), piece)

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        text = valid
        for at, gone, put in edits:
            text = text[:at] + put + text[at + gone :]
        return text

    return st.lists(edit, min_size=1, max_size=5).map(apply)


def bytes_like(valid: str) -> st.SearchStrategy[bytes]:
    shuffled = st.lists(st.sampled_from(valid.splitlines(keepends=True)), max_size=8).map(lambda lines: "".join(lines))
    return (
        st.binary(max_size=200)
        | st.text(max_size=100).map(str.encode)
        | shuffled.map(str.encode)
        | mutated(valid.encode())
    )


DEEP = [("{%s}" % ('"a":{' * n + "}" * n)).encode() for n in (2_000, 100_000)] + [b"[" * 100_000, b'{"a":' * 100_000]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)

# --- annotation lists and tables ----------------------------------------------------------------------------------

LIST = "train/calm/0001.avi 60 0\ntrain/cross/a b.avi 12 1\r\npath,frames,label\nx.avi,1,calm\n\n'q' \"r\" 3\n"


@fuzzed
@given(content=bytes_like(LIST))
def test_annotation_lists(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.txt").write_bytes(content)
    with told():
        for line in read_list(tmp_path / "train.txt", note, {"calm": 0, "cross": 1}):
            assert line.path and line.frames >= 0 and line.label >= 0 and line.where.startswith(str(tmp_path))


@fuzzed
@given(content=bytes_like("ClipID,Boredom,Engagement\n1100011002.avi,0,2\n1100011003.avi,0,2\n"))
def test_tables_of_labels(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Labels").mkdir(exist_ok=True)
    (tmp_path / "Labels/TrainLabels.csv").write_bytes(content)
    with told():
        assert all(row.keys() == {"ClipID"} for _, row in read_table(tmp_path / "Labels/TrainLabels.csv", ("ClipID",)))
    with told():
        survey(DAiSEE(parse(DAiSEE.Settings, {}, "data.daisee"), tmp_path))


@fuzzed
@given(train=bytes_like("train/calm/1.jpg 1 0\ntrain/cross/1.jpg 1 1\n"), test=bytes_like("test/calm/1.jpg 1 0\n"))
def test_whole_copies_with_lists(tmp_path: Path, train: bytes, test: bytes) -> None:
    for place in ("train/calm", "train/cross", "test/calm"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "1.jpg").touch()
    (tmp_path / "train.txt").write_bytes(train)
    (tmp_path / "test.txt").write_bytes(test)
    with told():
        survey(Folder(parse(Folder.Settings, {}, "data.folder"), tmp_path))


name_parts = st.sampled_from(["train", "test", "set", "fold", "_", "-", "1", "02", "(x)", "all", "DFEW", " ", "é", "²"])


@fuzzed
@given(names=st.lists(st.lists(name_parts, min_size=1, max_size=5).map("".join), max_size=5), folds=st.integers(0, 5))
def test_names_of_lists(tmp_path_factory: pytest.TempPathFactory, names: list[str], folds: int) -> None:
    folder = tmp_path_factory.mktemp("lists")
    for name in names:
        (folder / f"{name}.txt").touch()
    with told():
        choose(folder, Names(("dfew",), ("caer",), {"train": "train", "test": "test"}, folds, "x"), "1", note)


# --- boxes --------------------------------------------------------------------------------------------------------


@fuzzed
@given(content=bytes_like('{"train/1": [1, 2, 30.5, 40], "b": {"1.jpg": [1, 2, 3, 4], "2.jpg": null}, "c": []}'))
def test_box_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "faces.json").write_bytes(content)
    with told():
        found = Boxes(
            [tmp_path / "faces.json"], [("train/1.avi", "", "train/1"), ("b", "b", "b")], "S", ("train",), note
        )
        for box in (found.get(("b", "b", "b")) or {}).values():
            assert np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]
        found.neighbours()


# --- methods, settings, grids -------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [
        *("prompt", "ldl", "lsr", "moco", "plain", "nope", "+", "(", ")", "=", ",", "temperature", "epsilon", "queue"),
        *("0.1", "1e999", "-1", "nan", "true", '"', "'", " ", "\n", "[", "]", "{", "}", "é", "²", "\0", "9" * 400),
    ]
)


@fuzzed
@given(text=st.lists(pieces, max_size=12).map("".join) | st.text(max_size=40))
def test_method_strings(text: str) -> None:
    with told():
        method = grammar.resolve(text)
        assert grammar.resolve(str(method)) == method  # what is read has one spelling, which reads the same


@pytest.mark.parametrize("text", ["(" * 100_000, "+" * 100_000, "ldl(" + "a=1," * 20_000 + ")", "a=" + " " * 50_000])
def test_method_strings_without_measure(text: str) -> None:
    with told():
        grammar.resolve(text)


@fuzzed
@given(
    text=st.lists(pieces, max_size=12).map("".join) | st.text(max_size=40),
    key=st.sampled_from(["epochs", "milestones", "schedule", "lr"]),
)
def test_words_of_the_command_line(text: str, key: str) -> None:
    from harness.settings import Word

    with told():
        literal(text)
    with told():
        parse(grid.protocol.Train, {key: Word(text)}, "train")


GRID = """datasets = ["caer"]
seeds = [0, 1]
baseline = "prompt"
[factors]
ldl = ["lsr(epsilon=0.05)", "ldl(temperature=0.1)"]
moco = "moco(queue=64)"
[design]
kind = "full"
[train]
epochs = 2
milestones = [1, 2]
[data.caer]
root = "/x"
[sentinels.flat-target]
"""


@fuzzed
@given(content=bytes_like(GRID))
def test_grid_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    with told():
        found = grid.load(str(tmp_path / "mine.toml"))
        assert found.datasets and found.seeds and found.arms


keys = st.sampled_from(["datasets", "seeds", "baseline", "factors", "methods", "train", "data", "ldl", "design", "x"])


@fuzzed
@given(raw=st.dictionaries(keys, values, max_size=4), dataset=st.booleans())
def test_tables_of_any_kind_in_a_grid(raw: dict[str, Any], dataset: bool) -> None:
    if dataset:
        raw = {"datasets": ["caer"], "baseline": "prompt", "seeds": [0], **raw}
    with told():
        grid.build("mine", raw)


# --- files of our own ---------------------------------------------------------------------------------------------

JSON = '{"run_id": "a", "metrics": {"test": {"war": 0.5}}, "seed": 1, "list": [1, null, true, "é"]}\n'
readers = pytest.mark.parametrize("reader", [read_json, read_lines])


@readers
@fuzzed
@given(content=bytes_like(JSON) | values.map(lambda value: json.dumps(value).encode()))
def test_json_files(tmp_path: Path, reader: Callable[[Path], Any], content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with told():
        found = reader(tmp_path / "a.json")
        assert isinstance(found, dict) or reader is read_lines


@readers
@pytest.mark.parametrize("content", DEEP, ids=len)
def test_json_nested_without_measure(tmp_path: Path, reader: Callable[[Path], Any], content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with told():
        reader(tmp_path / "a.json")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small manifest, as written."""
    from harness.data.clips import Clip
    from harness.data.probe import Probe

    clips = [Clip(f"train/calm/{n}", f"train/calm/{n}.avi", n % 2, "train", face={"": (1, 2, 3, 4)}) for n in range(3)]
    probes = {clip.id: Probe(9, 64, 48, 1.0, "c" * 16, "0123456789abcdef") for clip in clips}
    found = manifest.of("folder", ("calm", "cross"), clips, probes, {})
    file = tmp_path_factory.mktemp("manifest") / "m.jsonl"
    found.write(file)
    return file.read_text(encoding="utf-8")


@fuzzed
@given(data=st.data())
def test_manifests(tmp_path: Path, written: str, data: st.DataObject) -> None:
    content = data.draw(bytes_like(written))
    (tmp_path / "m.jsonl").write_bytes(content)
    with told():
        assert dataclasses.is_dataclass(manifest.read(tmp_path / "m.jsonl"))


# --- media --------------------------------------------------------------------------------------------------------


def pictures() -> Iterator[tuple[str, bytes]]:
    picture = Image.fromarray(np.arange(3 * 24 * 16, dtype=np.uint8).reshape(16, 24, 3))
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        data = io.BytesIO()
        picture.save(data, kind)
        yield kind.lower(), data.getvalue()


@pytest.mark.parametrize(("kind", "valid"), [*pictures()])
@settings(fuzzed, max_examples=100)
@given(data=st.data())
def test_pictures(tmp_path: Path, kind: str, valid: bytes, data: st.DataObject) -> None:
    (tmp_path / f"a.{kind}").write_bytes(
        data.draw(mutated(valid) | st.binary(max_size=60).map(lambda end: valid[:20] + end))
    )
    with told(Unreadable):
        (picture,) = read(tmp_path / f"a.{kind}", np.arange).pictures
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv", "a.webm"])
@settings(fuzzed, max_examples=100)
@given(data=st.data())
def test_videos(tmp_path: Path, name: str, data: st.DataObject) -> None:
    if not (tmp_path / f"valid-{name}").exists():
        encode(tmp_path / f"valid-{name}", numbered(4, 16, 16), "libvpx-vp9" if "webm" in name else "mpeg4")
    (tmp_path / name).write_bytes(data.draw(mutated((tmp_path / f"valid-{name}").read_bytes())))
    with told(Unreadable):
        found = read(tmp_path / name, lambda count: np.array([0, count - 1]))
        assert len(found.pictures) == 2
