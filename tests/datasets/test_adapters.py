"""What every adapter declares, the sentences of its classes, and how a new one is written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import open_clip
import pytest
from layouts import NUMBERS, build, video, write
from reading import adapter, read

from harness import plugins
from harness.datasets import Adapter, Listed
from harness.errors import BadInput
from harness.settings import parse

AFFECTS = ("boredom", "engagement", "confusion", "frustration")
SPOKEN = [(name, {}) for name in NUMBERS] + [("daisee", {"affect": affect}) for affect in AFFECTS]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_adapter_declares_itself(name: str) -> None:
    cls = plugins.get("datasets", name)
    assert cls.title == cls.folder
    assert cls.paper.startswith("arXiv:")
    assert cls.metric in ("war", "uar")
    assert cls.official if not cls.folds else len(cls.official_folds) == cls.folds


@pytest.mark.parametrize(("name", "settings"), SPOKEN)
def test_every_class_has_a_sentence_that_leaves_room_for_learnt_tokens(
    name: str, settings: dict[str, str], tmp_path: Path
) -> None:
    made = adapter(name, tmp_path, **settings)
    sentences = made.descriptions()
    assert len(sentences) == len(made.classes) == len(set(sentences))
    encode = open_clip.tokenizer.SimpleTokenizer().encode
    assert max(len(encode(sentence)) for sentence in sentences) < 30


def test_the_users_own_sentences_come_first_and_are_for_every_class(tmp_path: Path) -> None:
    names = ("Very low", "Low", "High", "Very high")
    own = {name: f"somebody who is {name.lower()}" for name in names}
    assert adapter("daisee", tmp_path, descriptions=own).descriptions() == tuple(own[name] for name in names)
    where = r"data\.daisee\.descriptions"
    with pytest.raises(BadInput, match=rf"{where}: no sentence for High, Very high"):
        adapter("daisee", tmp_path, descriptions={name: own[name] for name in names[:2]}).descriptions()
    with pytest.raises(BadInput, match=rf"{where}: 'Very hgih' is no class of daisee .*Very high"):
        adapter("daisee", tmp_path, descriptions=own | {"Very hgih": "x"}).descriptions()


NEW_SET = '''
from harness.datasets import Adapter

class Stage(Adapter):
    """Actors."""
    name, title, folder = "stage", "Stage", "Stage"
    classes = ("calm", "cross")

    def descriptions(self):
        return ("a calm face", "a cross face")
'''


def test_a_new_data_set_is_one_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.BASES})
    assert plugins.add_file(str(write(tmp_path / "stage.py", NEW_SET))) == ["stage"]
    stage = plugins.get("datasets", "stage")
    for split in ("train", "test"):
        for name in stage.classes:
            for i in range(4):
                video(tmp_path / "Stage", f"{split}/{name}/{i}.mp4", 1)
    found = read("stage", tmp_path / "Stage")
    assert Counter(clip.split for clip in found.clips) == {"train": 6, "val": 2, "test": 8}
    assert issubclass(stage.Settings, Listed)


def test_a_set_without_sentences_is_told_where_they_go(tmp_path: Path) -> None:
    class Bare(Adapter):
        name, classes = "bare", ("calm",)

    with pytest.raises(BadInput, match=r"\[bare\]: no sentence for calm"):
        Bare(Listed(), tmp_path).descriptions()


def test_a_root_or_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    cls = plugins.get("datasets", "dfew")
    with pytest.raises(BadInput, match=r"data\.dfew\.root: no folder .*called 'DFEW'"):
        cls.locate(parse(cls.Settings, {"root": str(tmp_path / "none")}, "data.dfew"))
    for setting in ("annotations", "faces", "bodies"):
        with pytest.raises(BadInput, match=rf"data\.caer\.{setting}: no f\w+ ~nobody-here"):
            list(adapter("caer", build("caer", tmp_path), **{setting: "~nobody-here/x"}).clips())
    assert cls.locate(parse(cls.Settings, {"root": str(tmp_path)}, "data.dfew")) == tmp_path
