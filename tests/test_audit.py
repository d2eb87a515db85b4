"""An audit says what a copy holds and names every way in which it is spoilt; of a healthy copy it says nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import NUMBERS, build, lines, lists, media, video

from harness import plugins
from harness.cli import main
from harness.words import printable

Check = Callable[..., tuple[int, dict[str, Any]]]
FRAMES = ("--set", "clips.frames=3")  # the copies' clips are this short


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """`check(name, root, *arguments)`: exit code and JSON of `harness data check`."""

    def command(name: str, root: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main(["data", "check", name, "--root", str(root), "--json", *FRAMES, *arguments])
        return code, json.loads(capsys.readouterr().out)

    return command


@pytest.fixture
def no_official(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies as small as ours never have the official sizes; without those they are healthy."""
    for name in NUMBERS:
        cls = plugins.get("datasets", name)
        monkeypatch.setattr(cls, "official", {})
        monkeypatch.setattr(cls, "official_folds", ())


def problems(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {problem["kind"]: problem for problem in found["problems"]}


# --- healthy copies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NUMBERS)
def test_a_healthy_copy_has_no_problems(name: str, tmp_path: Path, check: Check, no_official: None) -> None:
    code, found = check(name, build(name, tmp_path / "copy"))
    assert (code, found["problems"]) == (0, [])
    assert sum(split["clips"] for split in found["splits"].values()) == NUMBERS[name]


def test_the_json_has_the_agreed_form(tmp_path: Path, check: Check) -> None:
    _, found = check("caer", build("caer", tmp_path / "CAER"))
    assert found["dataset"] == "caer" and found["root"] == str(tmp_path / "CAER")
    train = found["splits"]["train"]
    assert list(train["classes"]) == list(plugins.get("datasets", "caer").classes)
    assert train | {"classes": 0} == {
        "clips": 21,
        "official": 9222,
        "classes": 0,
        "absent": 0,
        "short": 0,
        "faces_found": 21,
        "faces_missing": 0,
        "unreadable": 0,
        "duplicates": 0,
    }
    for finding in found["problems"] + found["remarks"]:
        assert set(finding) == {"kind", "where", "message", "mend", "count", "clips", "gravity"}
    assert all(problem["mend"] for problem in found["problems"]) and not any(r["mend"] for r in found["remarks"])


def test_other_sizes_than_the_official_are_told_with_both_numbers(tmp_path: Path, check: Check) -> None:
    code, found = check("caer-s", build("caer-s", tmp_path / "CAER-S"))
    told = problems(found)["official-count"]
    assert code == 1 and "train has 21 labelled clips, officially 44,996" in told["message"]
    assert "from memory" in told["mend"]


def test_lists_are_counted_even_where_no_media_lie(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    for path in media(root):
        path.unlink()
    code, found = check("caer", root)
    assert code == 1 and found["manifest"] == ""
    sizes = {name: (split["clips"], split["absent"]) for name, split in found["splits"].items()}
    assert sizes == {"train": (21, 21), "val": (7, 7), "test": (14, 14)}
    assert problems(found)["label-without-video"]["count"] == 42


def test_a_val_that_a_run_would_make_is_told_by_class(tmp_path: Path, check: Check) -> None:
    _, raer = check("raer", build("raer", tmp_path / "RAER"))
    assert set(raer["splits"]) == {"train", "test"}
    assert set(raer["holdout"]) == set(plugins.get("datasets", "raer").classes) and min(raer["holdout"].values()) > 0
    _, caer = check("caer", build("caer", tmp_path / "CAER"))
    assert caer["holdout"] == {}


# --- spoilt copies ----------------------------------------------------------------------------------------------

SPOILT = [
    ("caer", "missing-media", "refused"),
    ("daisee", "unreadable-media", "unreadable-clip"),
    ("dfew", "same-media-twice", "split-leak"),
    ("raer", "half-the-boxes", "refused"),
    ("caer", "other-keys", "refused"),
    ("caer", "shifted", "label-contradicts-folder"),
    ("caer", "contradiction", "refused"),
]


@pytest.mark.parametrize(("name", "quirk", "kinds"), SPOILT)
def test_a_spoilt_copy_has_just_its_own_problems(
    name: str, quirk: str, kinds: str, tmp_path: Path, check: Check, no_official: None
) -> None:
    code, found = check(name, build(name, tmp_path / "copy", quirk))
    assert code == 1
    assert [kind for kind, problem in problems(found).items() if problem["gravity"] != "note"] == kinds.split()


@pytest.mark.parametrize(
    ("quirk", "kind"),
    [
        ("unlabelled-media", "video-without-label"),
        ("frames-instead", "frame-count"),
        ("half-the-boxes", "face-missing"),
    ],
)
def test_what_a_run_takes_within_its_limits_is_told_and_is_no_failure(
    quirk: str, kind: str, tmp_path: Path, check: Check, no_official: None
) -> None:
    code, found = check("caer", build("caer", tmp_path / "copy", quirk), "--set", "face.max_missing=1")
    assert (code, [problem["kind"] for problem in found["problems"]]) == (0, [kind])
    told = problems(found)[kind]
    assert told["gravity"] == "note" and told["mend"] and len(told["clips"]) == told["count"]


def test_a_copy_of_nearly_the_official_size_is_no_failure(
    tmp_path: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = build("caer", tmp_path / "CAER")
    for train, code in ((22, 0), (23, 1)):
        monkeypatch.setattr(plugins.get("datasets", "caer"), "official", {"train": train, "val": 7, "test": 14})
        assert check("caer", root)[0] == code
        assert "official-count" in problems(check("caer", root)[1])


def test_refusals_stand_before_problems_and_problems_before_notes(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER", "half-the-boxes")
    shutil.copy(root / "train/Anger/0001.avi", root / "train/Anger/0002.avi")
    order = [problem["gravity"] for problem in check("caer", root)[1]["problems"]]
    assert order == sorted(order, key=["refused", "problem", "note"].index) and len(set(order)) == 3


def test_a_copy_without_its_box_file_is_refused_unless_that_is_meant(
    tmp_path: Path, check: Check, no_official: None
) -> None:
    root = build("caer", tmp_path / "CAER")
    next(root.rglob("*faces*.json")).unlink()
    code, found = check("caer", root)
    assert code == 1 and "face.max_missing=1 goes on without boxes" in problems(found)["refused"]["mend"]
    code, found = check("caer", root, "--set", "face.max_missing=1")
    assert code == 0 and "no-boxes" in {remark["kind"] for remark in found["remarks"]}


def test_boxes_that_one_class_lacks_are_told_so(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    file = next(root.rglob("*faces*.json"))
    file.write_text(json.dumps({k: box for k, box in json.loads(file.read_text()).items() if "/Fear/" not in k}))
    assert "; most of them are Fear, 6 of its 6" in problems(check("caer", root)[1])["face-missing"]["message"]


def test_missing_boxes_show_some_keys_that_are_not_there(tmp_path: Path, check: Check) -> None:
    _, found = check("caer", build("caer", tmp_path / "CAER", "half-the-boxes"))
    message = problems(found)["face-missing"]["message"]
    assert message.startswith("21 of 42 labelled clips have no face box: train/Anger/0002, ")
    assert message.count("is not there") == 3
    assert sum(split["faces_missing"] for split in found["splits"].values()) == 21


def test_a_copy_without_any_boxes_is_a_remark(tmp_path: Path, check: Check) -> None:
    _, found = check("daisee", build("daisee", tmp_path / "DAiSEE"))
    assert "no-boxes" in {remark["kind"] for remark in found["remarks"]}


Change = Callable[[int, list[float]], list[float]]
CONVENTIONS: dict[str, tuple[Change, str]] = {  # in pictures of 64 × 48
    "normalised": (lambda n, box: [box[0] / 64, box[1] / 48, box[2] / 64, box[3] / 48], "are they normalised?"),
    "sizes": (lambda n, box: [40, 6, 20, 32], "are they x, y, width, height?"),
    "swapped": (lambda n, box: [6, 30, 38, 60], "x and y swapped?"),
    "scaled": (
        lambda n, box: [3 * each for each in box],
        "another scale? These are 64 × 48, the boxes need at least 120 × 114",
    ),
    "of smaller pictures": (lambda n, box: [each / 5 for each in box], "less than 8 pixels wide or high"),
}


def rewrite_boxes(root: Path, change: Change) -> None:
    file = next(root.rglob("*faces*.json"))
    boxes = json.loads(file.read_text())
    file.write_text(json.dumps({key: change(n, box) for n, (key, box) in enumerate(boxes.items())}))


@pytest.mark.parametrize(("change", "told"), CONVENTIONS.values(), ids=list(CONVENTIONS))
def test_boxes_of_another_convention_are_told(
    change: Change, told: str, tmp_path: Path, check: Check, no_official: None
) -> None:
    root = build("caer", tmp_path / "CAER")
    rewrite_boxes(root, change)
    code, found = check("caer", root)
    geometry = [problem for problem in found["problems"] if problem["kind"] == "box-geometry"]
    assert code == 1 and len(geometry) == 1 and told in geometry[0]["message"]


@pytest.mark.parametrize(
    "change",
    [
        lambda n, box: [box[0], box[1], 67, 51],  # every box a few pixels too long
        lambda n, box: [box[0], box[1], 80, 60] if n == 5 else box,  # one of 42 much too long
        lambda n, box: [-9, -9, 73, 57] if n % 3 == 0 else box,  # close-ups, past all edges
        lambda n, box: [10, 10, 14, 14] if n == 5 else box,
    ],
    ids=["a little", "one", "on all sides", "one small"],
)
def test_boxes_that_overhang_as_published_ones_do_are_no_problem(
    change: Change, tmp_path: Path, check: Check, no_official: None
) -> None:
    root = build("caer", tmp_path / "CAER")
    rewrite_boxes(root, change)
    assert check("caer", root)[1]["problems"] == []


def test_a_missing_official_val_is_told_and_what_stands_in(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    next(file for file in lists(root) if file.stem == "validation").unlink()
    _, found = check("caer", root)
    told = {problem["where"]: problem for problem in found["problems"] if problem["kind"] == "official-count"}
    assert told["val"]["message"] == "officially val has 1,316 clips, here none: a hold-out of train stands in"


def test_what_a_run_refuses_follows_the_settings_that_a_run_would_have(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER", "half-the-boxes")
    (root / "test/Fear/0001.avi").unlink()
    refusals = [p["message"] for p in check("caer", root)[1]["problems"] if p["kind"] == "refused"]
    assert [message.split(",")[0] for message in refusals] == [
        "a run refuses this: 1 of 14 clips of test are not in this copy",
        "a run refuses this: 10 of 21 clips of train have no box",
    ]
    lax = ("--set", "face.max_missing=1", "--set", "clips.max_absent=0.1")
    assert "refused" not in problems(check("caer", root, *lax)[1])


def test_a_class_whose_clips_all_are_gone_from_disk_is_missing(tmp_path: Path, check: Check, no_official: None) -> None:
    root = build("caer", tmp_path / "CAER")
    shutil.rmtree(root / "test/Happy")
    _, found = check("caer", root)
    told = problems(found)["class-missing"]
    assert (told["where"], told["message"]) == ("test", "test has no Happy clip on disk")
    assert told["clips"] == ["test/Happy/0001", "test/Happy/0002"]


def test_a_problem_names_all_its_clips_to_programs_and_on_the_page(tmp_path: Path, check: Check) -> None:
    root, page = build("caer", tmp_path / "CAER", "half-the-boxes"), tmp_path / "page.html"
    for path in media(root)[:6]:
        path.unlink()
    _, found = check("caer", root, "--report", str(page))
    gone, bare = problems(found)["label-without-video"], problems(found)["face-missing"]
    assert len(gone["clips"]) == gone["count"] == 6 and len(bare["clips"]) == bare["count"] == 21
    assert f"<code>{', '.join(gone['clips'])}</code>" in page.read_text()


def test_boxes_outside_the_picture_are_named(tmp_path: Path, check: Check, no_official: None) -> None:
    root = build("caer", tmp_path / "CAER")
    file = next(root.rglob("*faces*.json"))
    boxes = json.loads(file.read_text())
    first = next(iter(boxes))
    file.write_text(json.dumps(boxes | {first: [500, 500, 600, 600]}))
    _, found = check("caer", root)
    assert set(problems(found)) == {"face-outside"}
    assert first.removeprefix("CAER/") in problems(found)["face-outside"]["message"]


def test_each_unreadable_clip_is_named_and_the_rest_of_many_counted(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    for path in media(root)[:23]:
        path.write_bytes(b"nothing")
    _, found = check("caer", root)
    broken = [problem for problem in found["problems"] if problem["kind"] == "unreadable-clip"]
    assert len(broken) == 21
    assert broken[0]["where"] == str(media(root)[0].relative_to(root))
    assert "can't be opened as a video" in broken[0]["message"] and str(root) not in broken[0]["message"]
    assert broken[-1]["message"].startswith("3 clips: ") and broken[-1]["gravity"] == "refused"
    skipped = problems(check("caer", root, "--set", "clips.unreadable=skip")[1])["unreadable-clip"]
    assert (skipped["gravity"], skipped["mend"]) == ("note", "copy the file again")
    assert sum(split["unreadable"] for split in found["splits"].values()) == 23


def test_the_same_pictures_twice_in_a_split_tell_of_other_labels(
    tmp_path: Path, check: Check, no_official: None
) -> None:
    root = build("caer", tmp_path / "CAER")
    shutil.copy(root / "train/Anger/0001.avi", root / "train/Anger/0002.avi")
    shutil.copy(root / "train/Anger/0001.avi", root / "train/Sad/0003.avi")
    _, found = check("caer", root)
    problem = problems(found)["duplicate-content"]
    assert set(problems(found)) == {"duplicate-content"}
    assert problem["where"] == "train" and found["splits"]["train"]["duplicates"] == 2
    assert "2 clips" in problem["message"] and "1 of them with another label" in problem["message"]


def test_a_clip_listed_in_two_splits_is_refused_and_all_such_clips_are_counted(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    train, test = (next(file for file in lists(root) if file.stem == name) for name in ("train", "test"))
    lines(test, [*test.read_text().splitlines(), *train.read_text().splitlines()[:4]])
    code, found = check("caer", root)
    assert code == 1 and "refused" in problems(found)
    assert problems(found)["split-leak"]["message"].startswith("4 clips: listed in two splits")
    assert found["splits"]["train"]["clips"] == 21 and found["splits"]["train"]["absent"] is None


def test_a_class_or_a_split_that_is_missing_is_named(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    for file in lists(root):
        if file.stem == "test":
            file.unlink()
        else:
            lines(file, [row for row in file.read_text().splitlines() if "/Fear/" not in row])
    _, found = check("caer", root)
    named = {(problem["kind"], problem["where"]) for problem in found["problems"]}
    assert {("split-missing", "test"), ("class-missing", "train"), ("class-missing", "val")} <= named
    assert found["splits"]["train"]["classes"]["Fear"] == 0


def test_short_clips_are_told_of_videos_but_not_of_images(tmp_path: Path, check: Check) -> None:
    _, found = check("caer", build("caer", tmp_path / "CAER"), "--set", "clips.frames=16")
    assert "fewer than 16 frames (the shortest has 4)" in problems(found)["short-clip"]["message"]
    assert found["splits"]["test"]["short"] == 14
    _, found = check("caer-s", build("caer-s", tmp_path / "CAER-S"), "--set", "clips.frames=16")
    assert "short-clip" not in problems(found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {0: "a wrinkled nose, Disgust", 1: "brows pulled down, the look of Anger"},
            "the sentence for Disgust speaks of Anger",
        ),
        ({1: "the same", 4: "the same"}, "Disgust, Neutral have the same sentence"),
        ({7: "one too many"}, "8 sentences for 7 classes"),
    ],
)
def test_sentences_that_belong_to_other_classes_are_told(
    change: dict[int, str], told: str, tmp_path: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = {**dict(enumerate(f"sentence {i}" for i in range(7))), **change}
    cls = plugins.get("datasets", "caer")
    monkeypatch.setattr(cls, "descriptions", lambda self: tuple(sentences[i] for i in sorted(sentences)))
    _, found = check("caer", build("caer", tmp_path / "CAER"))
    assert told in problems(found)["class-order"]["message"]


# --- folds ------------------------------------------------------------------------------------------------------


def test_every_fold_is_counted_and_a_missing_one_is_a_problem(tmp_path: Path, check: Check, no_official: None) -> None:
    root = build("dfew", tmp_path / "DFEW")
    for file in lists(root):
        if "set_3" in file.name:
            file.unlink()
    code, found = check("dfew", root)
    assert code == 1 and found["fold"] == "1"
    assert list(found["folds"]) == ["1", "2", "4", "5"]
    assert found["folds"]["1"]["manifest"] == found["manifest"] != found["folds"]["2"]["manifest"]
    assert set(problems(found)) == {"fold-missing"}
    assert problems(found)["fold-missing"]["where"].endswith("fold 3")


def test_the_fold_that_is_set_is_the_one_audited(tmp_path: Path, check: Check, no_official: None) -> None:
    code, found = check("dfew", build("dfew", tmp_path / "DFEW"), "--set", "data.dfew.fold=2")
    assert code == 0 and found["fold"] == "2" and list(found["folds"]) == ["2"]


# --- the door ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("coer", "--root", "."),
        ("caer", "--root", "nowhere"),
        ("caer", "--root", ".", "--faces", "nothing.json"),
        ("caer", "--root", ".", "--annotations", "nothing"),
        ("caer", "--root", ".", "--set", "data.caer.fold=1"),
        ("caer", "--root", ".", "--report", "."),
    ],
)
def test_what_can_not_be_looked_at_is_bad_input(
    argv: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("harness: bad input: ") and " — " in captured.err


def test_the_words_for_people_hold_the_table_the_problems_and_the_remarks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = build("caer", tmp_path / "CAER", "half-the-boxes")
    assert main(["data", "check", "caer", "--root", str(root), *FRAMES]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^Anger +3 +1 +2$", out, re.M) and re.search(r"^officially +9,222 +1,316 +2,637$", out, re.M)
    assert "2 problems:" in out and "→ " in out and "remarks:" in out
    assert re.search(r"^  1\. refused\b", out, re.M) and re.search(r"^  - face-missing\b", out, re.M)


@given(st.text())
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    assert all(sign.isprintable() or sign == "\n" for sign in shown)
    shown.encode()


# --- the page ---------------------------------------------------------------------------------------------------


def test_the_page_stands_alone_and_shows_problem_clips_first(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER", "half-the-boxes")
    (root / "train/Anger/0003.avi").write_bytes(b"nothing")
    page = tmp_path / "page.html"
    check("caer", root, "--report", str(page))
    text = page.read_text()
    assert not re.search(r"https?:|<script|<link", text)
    assert text.count("data:image/jpeg;base64,") > 100
    first = text.index("Clips with problems")
    assert first < text.index("Clips of train") < text.index("Clips of test")
    assert "can't be read: train/Anger/0003.avi" in text[first:]
    assert text.count("<rect class=face") == text.count("<rect class=area") > 0
    assert "no box: the centre" in text and "prefers-color-scheme:dark" in text


def test_names_on_the_page_are_escaped(tmp_path: Path, check: Check) -> None:
    root = build("caer", tmp_path / "CAER")
    train = next(file for file in lists(root) if file.stem == "train")
    name = "train/Anger/<img src=x onerror='a'>.avi"
    video(root, name)
    lines(train, [*train.read_text().splitlines(), f"{name} 9 0", "train/Anger/<b>gone<b>.avi 4 0"])
    page = tmp_path / "page.html"
    check("caer", root, "--report", str(page))
    text = page.read_text()
    assert "<b>gone" not in text and "<img src=x" not in text
    assert "&lt;b&gt;gone" in text and "&lt;img src=x" in text


def test_an_image_set_has_a_page_too(tmp_path: Path, check: Check, no_official: None) -> None:
    page = tmp_path / "page.html"
    check("caer-s", build("caer-s", tmp_path / "CAER-S"), "--report", str(page))
    text = page.read_text()
    assert "No problems" in text and text.count("<figure>") == 35  # two of each class and split, where there are two
