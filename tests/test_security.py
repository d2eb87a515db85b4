"""What comes from elsewhere (weights, lists, copies, media, names, the current folder) can't harm whoever reads it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
import tarfile
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image
from rendered import encode, numbered

import harness
from harness.data.boxes import Boxes
from harness.data.lists import parse_line, read_list
from harness.data.scan import scan, survey
from harness.data.video import Unreadable, films, images, read
from harness.datasets.daisee import DAiSEE
from harness.datasets.folder import Folder
from harness.errors import BadInput
from harness.files import write_json
from harness.leaderboard import report
from harness.model import trunk, weights
from harness.protocol import Clips, Face, Model, Train
from harness.settings import parse
from harness.store import Store

PACKAGE = Path(harness.__file__).parent
HARNESS = str(Path(sys.executable).with_name("harness"))
PICK = ("--tiny", "--datasets", "caer", "--methods", "prompt")


def note(*said: object) -> None: ...


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=cwd, env=told, capture_output=True, text=True, timeout=300, check=False)


# --- weights: data, never code ----------------------------------------------------------------------------------


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return open, (str(self.target), "w")


class Stumble:
    """Read with the guard it raises TypeError, upon which open_clip reads the file once more, without."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return torch._utils._rebuild_tensor_v2, (1,)


def zipped(path: Path, payload: Payload) -> None:
    torch.save({"state_dict": {"visual.proj": payload}}, path)


def legacy(path: Path, payload: Payload) -> None:
    torch.save({"visual.proj": payload}, path, _use_new_zipfile_serialization=False)


def bare(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps(payload))


def stumbling(path: Path, payload: Payload) -> None:
    torch.save([Stumble(), payload], path)


def tarred(path: Path, payload: Payload) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(payload)
            facts = tarfile.TarInfo(name)
            facts.size = len(data)
            archive.addfile(facts, io.BytesIO(data))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.safetensors", "w"])
@pytest.mark.parametrize("form", [zipped, legacy, bare, stumbling, tarred])
def test_weights_that_would_run_code_are_refused_and_nothing_runs(
    form: Callable[[Path, Payload], None], name: str, forced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forced:  # what some people's shells set for other programs
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    form(tmp_path / name, Payload(tmp_path / "ran"))
    with pytest.raises(BadInput, match=r"model\.pretrained: .*(which could run code|can't load)") as refused:
        trunk.load(Model(pretrained=str(tmp_path / name)))
    assert str(tmp_path / name) in str(refused.value) and "weights_only" not in str(refused.value)
    assert not (tmp_path / "ran").exists()
    if not name.endswith(".safetensors"):  # the payload is a real one
        pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
        assert (tmp_path / "ran").exists()


def test_the_same_tensors_are_welcome_in_every_format(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(weights.TINY / "model.safetensors")
    torch.save(state, tmp_path / "w.pt")
    torch.save({"state_dict": state}, tmp_path / "w.bin", _use_new_zipfile_serialization=False)
    for name in ("w.pt", "w.bin"):
        found = trunk.load(Model(pretrained=str(tmp_path / name))).model.state_dict()
        assert all(torch.equal(found[key], value) for key, value in state.items())


def test_a_file_never_passes_for_a_tag_nor_a_tag_for_the_embedded_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").write_bytes(b"weights of somebody")
    with pytest.raises(BadInput, match=r"openai is a file in this folder, or a tag\? — write \./openai"):
        trunk.load(Model(name="ViT-B-32", pretrained="openai"))
    with pytest.raises(BadInput, match="the embedded tiny model has no 'laion2b'"):
        trunk.load(Model(pretrained="laion2b"))


FORBIDDEN = (
    r"\b(c?pickle|joblib|dill|marshal|shelve)\.(?!UnpicklingError)|from (c?pickle|joblib|dill|marshal|shelve)\b",
    r"\bimport yaml|\byaml\.\w*load",
    r"(?<![.\w])(eval|exec|__import__)\(",
    r"shell\s*=\s*True",
    r"os\.(system|popen|exec|spawn)",
    r"allow_pickle\s*=\s*True",
    r"trust_remote_code",
    r"\b(zipfile|tarfile|unpack_archive|extractall)\b",  # no archive is ever opened: people unpack their data
    r"torch\.load\((?!.*weights_only=True)",
    r"weights_only\s*=\s*False",
)


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_code_of_ours_runs_text_unpickles_or_unpacks(pattern: str) -> None:
    code = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    found = [f"{path}: {hit[0]}" for path, text in code.items() for hit in re.finditer(pattern, text)]
    assert not found


# --- paths stay below the data root -----------------------------------------------------------------------------

OPENED: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if OPENED is not None and event in ("open", "os.listdir", "os.scandir"):
        OPENED.append(os.path.realpath(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes) else "")


sys.addaudithook(_watch)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Every file and folder that Python opens from here on, by its real path."""
    global OPENED
    OPENED = []
    yield OPENED
    OPENED = None


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder of one's own, and beside it what is nobody's business."""
    for split in ("train", "test"):
        for mood in ("calm", "cross"):
            for n in range(4):
                file = tmp_path / "copy" / split / mood / f"{n}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (n, n, n)).save(file)
    (tmp_path / "private/cross/deep").mkdir(parents=True)
    for place in ("private/9.jpg", "private/cross/deep/9.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / place)
    return tmp_path / "copy"


def folder(root: Path, **told: Any) -> Folder:
    return Folder(parse(Folder.Settings, {"root": str(root), **told}, "data.folder"), root)


def read_all(root: Path, **told: Any) -> None:
    for clip in scan(folder(root, **told), Train(), Face(), Clips(max_absent=1)).clips:
        read(root / clip.media, np.arange)


def listed(copy: Path, path: str) -> None:
    """Lists of the copy, and a line about another path."""
    for split in ("train", "test"):
        lines = [f"{split}/{mood}/{n}.jpg 1 {i}" for i, mood in enumerate(("calm", "cross")) for n in range(4)]
        (copy / f"{split}.txt").write_text("\n".join(lines + [f"{path} 1 1"] * (split == "train")))


OUTSIDE = [
    "../private/9.jpg",
    "train/../../private/9.jpg",
    "train/calm/../../../private/cross/deep/9.jpg",
    r"..\private\9.jpg",
    r"train\..\..\private\9.jpg",
    "link/9.jpg",
    "link.jpg",
    "train/link/cross/deep/9.jpg",
    "frames",
    "round",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_list_that_leads_outside_is_refused_and_nothing_there_is_read(
    path: str, copy: Path, opened: list[str]
) -> None:
    private = copy.parent / "private"
    (copy / "link").symlink_to(private)
    (copy / "train/link").symlink_to("../../private")
    (copy / "link.jpg").symlink_to(private / "9.jpg")
    (copy / "frames").mkdir()
    (copy / "frames/1.jpg").symlink_to(private / "9.jpg")
    (copy / "round").symlink_to(copy / "again")
    (copy / "again").symlink_to(private)
    listed(copy, path)
    with pytest.raises(BadInput, match=r"leads outside .*copy.* — (give paths that stay below|give the place)"):
        read_all(copy, classes=["calm", "cross"])
    assert opened and not [file for file in opened if file.startswith(str(private))]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", r"C:\windows\win.ini", "C:/windows/win.ini", "//host/share/1.jpg", "a\0b.jpg", "loop", "."]
)
def test_paths_of_other_systems_are_read_below_the_root_or_absent(path: str, copy: Path, opened: list[str]) -> None:
    (copy / "loop").symlink_to(copy / "pool")
    (copy / "pool").symlink_to(copy / "loop")
    listed(copy, path)
    try:
        found = survey(folder(copy, classes=["calm", "cross"]))
    except BadInput as error:
        assert "leads outside" in str(error)
    else:
        assert [clip.label for clip in found.absent] == [1]
    assert not [file for file in opened if file.startswith(("/etc/passwd", "/windows", "/host"))]


def linked_class(copy: Path, private: Path) -> None:
    (copy / "train/cross").rename(copy / "was")
    (copy / "train/cross").symlink_to(private / "cross")


def linked_split(copy: Path, private: Path) -> None:
    (copy / "train").rename(private / "train")
    (copy / "train").symlink_to(private / "train")


def linked_clips(copy: Path, private: Path) -> None:
    for n in range(2):
        (copy / f"train/cross/link{n}.jpg").symlink_to(private / "9.jpg")


def linked_folder(copy: Path, private: Path) -> None:
    for n in range(4):
        for mood in ("calm", "cross"):
            (copy / f"train/{mood}/{n}.jpg").unlink()
            (copy / f"train/{mood}/{n}").mkdir()
            Image.new("RGB", (8, 8)).save(copy / f"train/{mood}/{n}/1.jpg")
    (copy / "train/cross/far").symlink_to(private / "cross")


@pytest.mark.parametrize(
    ("lay_out", "others"), [(linked_class, 0), (linked_split, 7), (linked_clips, 1), (linked_folder, 0)]
)
def test_links_in_a_tree_that_lead_outside_are_refused_counted_and_not_followed(
    lay_out: Callable[[Path, Path], None], others: int, copy: Path, opened: list[str]
) -> None:
    private = copy.parent / "private"
    lay_out(copy, private)
    with pytest.raises(BadInput, match=r"leads outside .*copy, to .*private") as refused:
        read_all(copy)
    assert (f"(and {others} other clip" in str(refused.value)) is bool(others)
    assert "give the place that the link leads to as the root" in refused.value.mend and "cp -rlL" in refused.value.mend
    assert not [file for file in opened if file.endswith("9.jpg") or file.startswith(str(private / "cross/deep"))]


def test_a_root_that_is_a_link_and_links_within_it_are_fine(copy: Path) -> None:
    (copy / "train/cross").rename(copy / "all")
    (copy / "train/cross").symlink_to("../all")
    (copy / "train/calm/9.jpg").symlink_to("0.jpg")
    (copy.parent / "lab").symlink_to(copy)
    read_all(copy.parent / "lab")
    assert len(survey(folder(copy.parent / "lab")).clips) == 17


def test_what_the_mend_says_mends(copy: Path, tmp_path: Path) -> None:
    linked_class(copy, tmp_path / "private")
    subprocess.run(["cp", "-rlL", copy, tmp_path / "mended"], check=True)
    read_all(tmp_path / "mended")


def test_folders_that_link_each_other_are_walked_once_and_not_in_every_order(copy: Path) -> None:
    for a in range(14):
        (copy / f"train/calm/{a}").mkdir()
        for b in range(14):
            if a != b:
                (copy / f"train/calm/{a}/to{b}").symlink_to(f"../{b}")
    for n in range(4):
        (copy / f"train/calm/{n}.jpg").unlink()
    Image.new("RGB", (8, 8)).save(copy / "train/calm/3/1.jpg")
    assert len(survey(folder(copy)).clips) < 30


def test_a_link_to_nothing_among_the_frames_of_a_clip_is_named_when_it_is_read(copy: Path) -> None:
    (copy / "frames").mkdir()
    for target in ("gone.jpg", "1.jpg"):
        (copy / "frames/1.jpg").unlink(missing_ok=True)
        (copy / "frames/1.jpg").symlink_to(target)
        linked_folder(copy, copy / "frames") if target == "gone.jpg" else None
        with pytest.raises(Unreadable, match=r"1\.jpg: (No such file|Too many levels)"):
            read(copy / "frames", np.arange)
    assert survey(folder(copy)).clips


def test_pipes_are_not_waited_for(copy: Path) -> None:
    os.mkfifo(copy / "train/calm/7.jpg")
    os.mkfifo(copy / "x_faces.json")
    found = survey(folder(copy))
    assert [clip.media for clip in found.absent] == ["train/calm/7.jpg"]
    os.mkfifo(copy / "TrainLabels.csv")
    with pytest.raises(BadInput, match="no label tables"):
        survey(DAiSEE(parse(DAiSEE.Settings, {}, "data.daisee"), copy))
    (copy / "film").mkdir()
    os.mkfifo(copy / "film/1.jpg")
    with pytest.raises(Unreadable, match=r"1\.jpg: is no file"):
        read(copy / "film", np.arange)


def test_rows_of_a_hugging_face_set_can_not_name_other_files_of_this_machine(copy: Path, opened: list[str]) -> None:
    import datasets as hf

    from harness.datasets.hf import HF

    private = copy.parent / "private"
    types = hf.Features({"image": hf.Image(), "mood": hf.ClassLabel(names=["calm", "cross"])})
    rows = {"image": [{"path": str(private / "9.jpg"), "bytes": None}], "mood": [0]}
    hf.Dataset.from_dict(rows, features=types).to_parquet(copy.parent / "rows/train.parquet")
    (copy / "train/cross/3.jpg").unlink()
    (copy / "train/cross/3.jpg").symlink_to(private / "9.jpg")
    for root in (copy.parent / "rows", copy):
        with pytest.raises(BadInput, match=r"names '.*', outside the set's folder — save the set with its media"):
            HF.locate(parse(HF.Settings, {"root": str(root)}, "data.hf"))
    assert not [file for file in opened if file.startswith(str(private))]


@pytest.mark.parametrize(("name", "form"), [("README.md", "---\n{}---\n# A set\n"), (".huggingface.yaml", "{}")])
def test_a_folder_can_not_send_the_library_to_the_network(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.datasets.hf import HF

    tried: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *address, **_: tried.append(address))
    text = (
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: https://example.com/a.parquet\n"
    )
    (tmp_path / name).write_text(form.format(text))
    with pytest.raises(BadInput, match=f"{name}: names files elsewhere as the set's data"):
        HF.locate(parse(HF.Settings, {"root": str(tmp_path)}, "data.hf"))
    assert not tried


# --- media and texts of any size --------------------------------------------------------------------------------


def png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * side + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def small(kind: str, **options: Any) -> bytearray:
    data = io.BytesIO()
    Image.new("RGB", (64, 48)).save(data, kind, **options)
    return bytearray(data.getvalue())


def jpeg(side: int) -> bytes:
    data = small("JPEG")
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def bmp(side: int) -> bytes:
    data = small("BMP")
    data[18:26] = struct.pack("<ii", side, side)
    return bytes(data)


def webp(side: int) -> bytes:
    data = small("WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    rest = struct.unpack("<I", data[at : at + 4])[0] & ~0xFFFFFFF
    data[at : at + 4] = struct.pack("<I", rest | (side - 1) | (side - 1) << 14)
    return bytes(data)


def in_container(path: Path, codec: str, picture: bytes) -> None:
    """A video whose container says 64 x 48 and whose frames say otherwise."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "rgb24"
        for at in range(3):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, at, at, True
            packet.time_base = stream.time_base or 1
            container.mux(packet)


CHILD = """
import json, resource, sys
from pathlib import Path
import numpy as np
from harness.data.video import Unreadable, read
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # a picture of 30,000 x 30,000 has 2.7 GB
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, said = peak(), {}
for path in map(Path, sys.argv[1:]):
    try:
        read(path, lambda count: np.array([0]))
        said[path.name] = "read"
    except Unreadable as error:
        said[path.name] = str(error)
print(json.dumps([said, (peak() - before) / 1024]))
"""


def test_media_too_large_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    makers = {"png": png, "jpg": jpeg, "bmp": bmp}
    bombs = {f"{side}.{kind}": make(side) for kind, make in makers.items() for side in (9_000, 30_000)}
    bombs["16384.webp"] = webp(16_383)
    for name, data in bombs.items():
        (tmp_path / name).write_bytes(data)
        assert len(data) < 100_000
    films_ = ("mjpeg.avi", "mjpeg.mkv", "png.avi")
    for name in films_:
        in_container(tmp_path / name, name.split(".")[0], jpeg(30_000) if "mjpeg" in name else png(30_000))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.png").write_bytes(png(30_000))
    answer = run(sys.executable, "-c", CHILD, *map(str, sorted(tmp_path.iterdir())), cwd=tmp_path)
    said, grown = json.loads(answer.stdout)
    assert len(said) == len(bombs) + len(films_) + 1
    for name, words in said.items():
        assert "pixels that are decoded" in words or (name in films_ and "breaks at frame 0" in words)
    assert grown < 64  # MiB


def test_the_largest_sensible_picture_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (7680, 4320)).save(tmp_path / "8k.png")
    assert read(tmp_path / "8k.png", np.arange).pictures[0].shape == (4320, 7680, 3)


def test_a_video_that_claims_a_billion_frames_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", numbered(10))
    data = bytearray(path.read_bytes())
    for box, fields in (("stsz", (1, 10**9)), ("stsc", (1, 1, 10**9, 1)), ("stts", (1, 10**9))):
        at = data.index(box.encode()) + 8
        data[at : at + 4 * len(fields)] = struct.pack(f">{len(fields)}I", *fields)
    path.write_bytes(data)
    answer = run(sys.executable, "-c", CHILD, str(path), cwd=tmp_path)
    said, grown = json.loads(answer.stdout)
    assert re.search(r"a\.mp4: (has no frames|has over|breaks|can't be opened)", said["a.mp4"]) and grown < 64


def test_folders_and_files_beyond_all_measure_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "huge.jpg").touch()
    os.truncate(tmp_path / "huge.jpg", images.MOST_BYTES + 1)  # sparse: it takes no space
    with pytest.raises(Unreadable, match=r"huge\.jpg: has 536,870,913 bytes"):
        read(tmp_path / "huge.jpg", np.arange)
    (tmp_path / "many").mkdir()
    monkeypatch.setattr("harness.data.video.frames.MOST_FRAMES", 10)
    for n in range(11):
        (tmp_path / f"many/{n}.jpg").touch()
    with pytest.raises(Unreadable, match="holds over 10 images: no clip"):
        read(tmp_path / "many", np.arange)
    monkeypatch.setattr(films, "MOST_FRAMES", 5)
    with pytest.raises(Unreadable, match="has over 5 frames"):
        read(encode(tmp_path / "long.avi", numbered(9)), np.arange)


def test_texts_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    for name in ("train.txt", "faces.json"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 4 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=r"train\.txt: has 4,294,967,296 bytes"):
        read_list(tmp_path / "train.txt", note)
    with pytest.raises(BadInput, match=r"faces\.json: has 4,294,967,296 bytes.* — write it as several files"):
        Boxes([tmp_path / "faces.json"], [], "", (), note)
    (tmp_path / "train.txt").write_text("a" * 100_000_000 + " 1 0\n")
    with pytest.raises(BadInput, match=r"train\.txt:1: a line of 100,000,004 characters"):
        read_list(tmp_path / "train.txt", note)
    for deep in ('{"a":' * 200_000 + "1" + "}" * 200_000, "[" * 200_000 + "]" * 200_000):
        (tmp_path / "faces.json").write_text(deep)
        with pytest.raises(BadInput, match=r"faces\.json: can't be read as JSON"):
            Boxes([tmp_path / "faces.json"], [], "", (), note)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 * 1024  # KiB


@pytest.mark.parametrize("tail", [" " * 9_900 + "é x!", " " * 5_000 + "1" * 4_900 + " é", " ," * 4_900 + "-"])
def test_no_line_is_read_in_time_by_its_length_squared(tail: str) -> None:
    began = os.times().user
    for _ in range(200):
        with pytest.raises(BadInput):
            parse_line("a" + tail, "list:1")
    assert os.times().user - began < 2  # a pattern for the whole line took some 3 s for each


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile 'private.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nprivate.mp4\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_a_video_file_that_is_a_playlist_is_refused(text: str, tmp_path: Path) -> None:
    encode(tmp_path / "private.mp4", numbered(3))
    (tmp_path / "a.avi").write_text(text)
    with pytest.raises(Unreadable, match=r"a\.avi: (is none of the containers|can't be opened)"):
        read(tmp_path / "a.avi", np.arange)


def test_a_folder_that_is_called_like_an_address_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "http:/127.0.0.1:9.mp4", numbered(3))
    assert read(Path("http:/127.0.0.1:9.mp4"), np.arange).count == 3


# --- names reach no shell, no markup, no formula ----------------------------------------------------------------

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a|b|c",
    "[click](javascript:alert(1))",
    "```",
    "```\n<script>alert(1)</script>",
    "*bold* _it_ `code`",
    "line\nbreak\r\n# heading",
    "\x1b[2J\x1b]0;title\x07",
    "&lt;b&gt; &#60;",
    "\u202egnp.exe",
    "\ud800",
]
FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "=1\n2"]


def stored(root: Path, name: str, status: str = "done", **spec: Any) -> None:
    """A run, done or failed, all of whose names and messages are this one."""
    scores = {split: {"war": 0.5, "uar": -0.25, "f1": 0.5, "ece": 0.1} for split in ("val", "test")}
    counts = {"faces": {name: {"found": 1, "missing": 1}}, "boxes": {name: 2}, "notes": [{"message": name}]}
    alarm = {
        "sentinel": name,
        "severity": "error",
        "message": name,
        "mend": name,
        "evidence": {},
        "epoch": 0,
        "step": 0,
    }
    for n in range(4):
        facts = {"dataset": name, "method": name, "seed": 0, "run_id": name, "primary": "war", "selection": name}
        folder = root / "set" / f"run{n}{status}"
        data = {"fold": f"{name}{n // 2}", "fingerprint": name}
        write_json(folder / "spec.json", {**facts, "data": data, "train": {"limit": name}})
        result = {"status": status, "metrics": scores, "alarms": 1, "errors": 1, "counts": counts, "epoch": 0}
        write_json(folder / "result.json", {**facts, **result, "error": {"type": name, "message": name}})
        (folder / "alarms.jsonl").write_text(json.dumps(alarm) + "\n")


def planned(root: Path, name: str) -> None:
    """A plan of these runs, whose factors, reasons, title and command are this name as well."""
    place = {"dataset": "set", "method": name}
    rows = [
        {**place, "run_id": f"run{n}{status}", "seed": 0, "fold": f"{name}{n // 2}", "levels": {name: n % 2}}
        for n in range(4)
        for status in ("done", "failed")
    ]
    plan = {"grid": "demo", "runs": rows, "factors": [{"name": name, "levels": ["", name]}], "command": name}
    dropped = [{"method": name, "why": name}]
    write_json(root / "plans/demo.json", {**plan, "dropped": dropped, "baseline": name, "title": name})


@pytest.mark.parametrize("name", HOSTILE + FORMULAS)
def test_no_name_in_a_run_store_becomes_markup_or_breaks_a_table(name: str, tmp_path: Path) -> None:
    for status in ("done", "failed"):
        stored(tmp_path / "runs", name, status)
    planned(tmp_path / "runs", name)
    page = report([Store(tmp_path / "runs")], "demo", tmp_path / "out").read_text(encoding="utf-8")
    prose = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", page)
    assert "```" not in prose and len(page) - len(prose) > 20
    assert not re.search(r"(?<!\\)<|(?<!\\)&(?!nbsp)|(?<![\\!])\[(?!results|ablation|index|[+−0-9])", prose)
    assert all(sign.isprintable() or sign == "\n" for sign in page)
    assert not re.search(r"(?m)^# heading|^ *<", prose)
    lines = [re.sub(r"\\.", "", line).count("|") if line.startswith("|") else 0 for line in prose.splitlines()]
    for before, after in itertools.pairwise(lines):
        assert before == after or 0 in (before, after)


@pytest.mark.parametrize("name", HOSTILE + FORMULAS)
def test_no_cell_of_a_table_file_is_a_formula_or_breaks_its_row(name: str, tmp_path: Path) -> None:
    stored(tmp_path / "runs", name)
    planned(tmp_path / "runs", name)
    report([Store(tmp_path / "runs")], "demo", tmp_path / "out")
    for file in ("results.csv", "ablation.csv"):
        text = (tmp_path / "out" / file).read_bytes().decode()
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert rows and all(len(row) == len(header) for row in rows) and len(text.splitlines()) == len(rows) + 1
        cells = [cell for row in (header, *rows) for cell in row]
        assert not [cell for cell in cells if cell.strip()[:1] in tuple("=+@") or re.match(r"\s*-(?![0-9.]+$)", cell)]
    scores = [row["value"] for row in csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text()))]
    assert {float(score) for score in scores} == {0.5, -0.25, 0.1}  # a number keeps its sign


# --- code comes from where it was asked for ---------------------------------------------------------------------

SHADOWS = ("torch", "datasets", "json", "random", "open_clip", "accelerate", "evaluate", "av", "yaml", "accuracy")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with files called like modules, and one called `plugins`, each of which leaves a trace when run."""
    here = tmp_path / "here"
    (here / "plugins").mkdir(parents=True)
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + ' ')\n"
    for place in (*(f"{name}.py" for name in SHADOWS), "plugins/mine.py", "mine.py", "sitecustom.py", "conftest.py"):
        (here / place).write_text(code)
    return here


def test_nothing_in_the_current_folder_is_imported(trap: Path, tmp_path: Path) -> None:
    for command in (("list", "methods"), ("run", *PICK, "--seeds", "0", "--workers", "1")):
        answer = run(HARNESS, *command, cwd=trap)
        assert answer.returncode in (0, 1), answer.stderr
    assert not (tmp_path / "ran").exists()
    assert run(HARNESS, "list", "methods", "--plugin", "mine.py", cwd=trap).returncode == 2  # it holds no plugin
    assert (tmp_path / "ran").read_text() == "harness_plugin" + re.sub(
        r"\W", "_", str((trap / "mine.py").resolve())
    ) + " "


def test_python_runs_the_module_safely_when_told_to(trap: Path, tmp_path: Path) -> None:
    assert run(sys.executable, "-P", "-m", "harness", "list", "methods", cwd=trap).returncode == 0
    assert run(sys.executable, str(PACKAGE), "list", "methods", cwd=trap).returncode == 0  # as `accelerate launch` does
    assert not (tmp_path / "ran").exists()


def test_nothing_in_the_current_folder_is_imported_by_a_worker(trap: Path, tmp_path: Path) -> None:
    answer = run(HARNESS, "run", *PICK, "--seeds", "0,1", "--workers", "2", cwd=trap)
    assert answer.returncode in (0, 1) and not (tmp_path / "ran").exists()


def test_python_runs_the_module_without_modules_of_the_current_folder(trap: Path, tmp_path: Path) -> None:
    assert run(sys.executable, "-m", "harness", "list", "methods", cwd=trap).returncode == 0
    assert not (tmp_path / "ran").exists()


# --- no network unless a name on the hub was given --------------------------------------------------------------

CUT_OFF = """
import os, socket, traceback

def refuse(*address, **_):
    with open(os.environ["TRIED"], "a") as file:
        file.write(f"{address} {traceback.format_stack(limit=12)}\\n")
    raise OSError("no network here")

connect = socket.socket.connect
def inside(self, address):
    return connect(self, address) if self.family == socket.AF_UNIX else refuse(address)

socket.socket.connect = socket.socket.connect_ex = inside
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
"""


def test_no_command_tries_the_network(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/sitecustomize.py").write_text(CUT_OFF)
    told = {"PYTHONPATH": str(tmp_path / "lib"), "TRIED": str(tmp_path / "tried"), "HARNESS_CACHE": str(cache)}
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        told[name] = "0"
    probe = run(
        sys.executable, "-c", "import socket; socket.create_connection(('example.com', 80))", cwd=tmp_path, **told
    )
    assert probe.returncode == 1 and (tmp_path / "tried").exists()  # the trap works
    (tmp_path / "tried").unlink()
    assert run(HARNESS, "run", *PICK, "--seeds", "0,1", "--workers", "2", cwd=tmp_path, **told).returncode in (0, 1)
    root = next(cache.glob("miniatures/*/CAER"))
    for command in (
        ("plan", *PICK, "--seeds", "0"),
        ("report", "--out", "out"),
        ("show", next((tmp_path / "runs").glob("caer/[!.]*")).name),
        ("list", "models"),
        ("data", "check", "caer", "--root", str(root), "--report", "page.html"),
        ("data", "manifest", "caer", "--root", str(root), "--out", "caer.json"),
    ):
        answer = run(HARNESS, *command, cwd=tmp_path, **told)
        assert answer.returncode in (0, 1) and "Traceback" not in answer.stderr, answer.stderr
    assert not (tmp_path / "tried").exists(), (tmp_path / "tried").read_text()


# --- dependencies -----------------------------------------------------------------------------------------------


def test_every_dependency_is_locked_at_a_version_that_is_allowed() -> None:
    house = PACKAGE.parent
    lines = (house / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if re.search(r"[@/]|://", line)]
    locked = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    project = tomllib.loads((house / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in project["dependencies"] + extras["docs"] + [each for each in extras["dev"] if each != "harness[docs]"]:
        needed = Requirement(text)
        assert needed.specifier.contains(locked[canonicalize_name(needed.name)]), text


def test_frames_that_are_small_enough_one_by_one_and_too_many_together_are_refused(tmp_path, monkeypatch) -> None:
    from harness.data.video import Unreadable, images, read

    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), np.zeros((30, 40, 3), np.uint8))
    monkeypatch.setattr(images, "MOST_PICKED", 3 * 30 * 40)
    assert read(tmp_path, lambda count: np.arange(3)).count == 4
    with pytest.raises(Unreadable, match=r"4,800 pixels together.*clips.views"):
        read(tmp_path, np.arange)
