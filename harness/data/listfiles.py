"""Which files are a set's annotation lists: by split, by fold, and whose where several sets share a folder.

A list says its split (and fold) in its name, or in its folder's: `train.txt`, `DFEW_set_1_train.txt`,
`train(single-labeled)/set_1.csv`, `set_1/train.txt`, `train_All.csv`. What can't be told apart is never chosen
between.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.data.clips import SPLITS
from harness.data.paths import Noting
from harness.errors import BadInput
from harness.words import some

_FOLD = ("set", "fold", "split")
_NEUTRAL = {"all", "list", "lists", "label", "labels", "annotation", "annotations"}  # says nothing of another subset


@dataclass(frozen=True)
class Names:
    """What decides whose a list is and what it holds."""

    own: tuple[str, ...]  # this set's names
    others: tuple[str, ...]  # other sets' names
    splits: Mapping[str, str]  # word -> split
    folds: int = 0
    setting: str = ""  # what names the folder of the lists


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file that by its name is a list of this set, or of a set that it does not name."""

    file: Path
    split: str
    fold: str  # "" where it names none
    own: bool  # names this set
    exact: bool  # names nothing else
    part: bool  # names a part of the split: `train_small`


def find(places: Iterable[Path], root: Path, names: Names, fold: str, note: Noting) -> dict[str, Path]:
    """The list of each split in the first of these places that holds any; empty where none does.

    Lists in later places below the root are told of, and where they hide the only `train` they are refused.
    """
    home, lists = Path(), dict[str, Path]()
    for folder in places:
        if not lists:
            home, lists = folder, choose(folder, names, fold, note)
        elif others := _hidden(folder, root, names, fold):
            both = f"{_named(lists)} in {home} and {_named(others)} in {folder}"
            if "train" in others and "train" not in lists:
                mend = f"put all lists in one folder, or name theirs in {names.setting}"
                raise BadInput(str(root), f"there are {both}", mend)
            note("lists-elsewhere", str(folder), f"there are {both}: those in {home} are read", "", len(others))
    return lists


def choose(folder: Path, names: Names, fold: str, note: Noting) -> dict[str, Path]:
    """The list of each split (and of this fold) in `folder`; empty where there is none.

    Raises `BadInput` where two are as good as each other, or where there are other folds only.
    """
    found = [each for file in _files(folder, names) if (each := _classify(file, folder, names))]
    whole = [each for each in found if not each.part]
    if any(each.own for each in whole):
        whole = [each for each in whole if each.own]
    if names.folds:
        whole = _of_fold(whole, fold, folder)
    chosen: dict[str, Path] = {}
    for split in SPLITS:
        of = [each for each in whole if each.split == split]
        best = [each for each in of if each.exact] or of
        if len(best) > 1:
            what = "several lists for one split: " + ", ".join(str(each.file.relative_to(folder)) for each in best)
            raise BadInput(str(folder), what, f"put one set of lists in a folder for {names.setting}")
        if best:
            chosen[split] = best[0].file
    unused = [each.file.name for each in found if each.fold in ("", fold) and each.file not in chosen.values()]
    if unused:
        note("lists-unused", str(folder), f"not read: {some(unused)}", "", len(unused))
    return chosen


def own_files(files: Iterable[Path], own: Iterable[str], others: Iterable[str]) -> list[Path]:
    """Of files in a folder that several sets share: those that name this set, else those that name none."""
    owners = {file: _owner(_words(file.stem), own, others)[0] for file in files}
    for owner in ("own", ""):
        if found := [file for file in owners if owners[file] == owner]:
            return found
    return []


def _hidden(folder: Path, root: Path, names: Names, fold: str) -> dict[str, Path]:
    """The lists of a place that is not read; beside the root there may be another set's."""
    if root not in (folder, *folder.parents):
        return {}
    try:
        return choose(folder, names, fold, lambda *note: None)
    except BadInput:  # what is not read may be of any kind
        return {}


def _named(lists: Mapping[str, Path]) -> str:
    return ", ".join(file.name for file in lists.values())


def _of_fold(lists: list[ListFile], fold: str, folder: Path) -> list[ListFile]:
    of = [each for each in lists if each.fold == fold]
    if lists and not of:
        there = sorted({each.fold for each in lists if each.fold}, key=int)
        what = f"has no lists of fold {fold}; there are folds {', '.join(there)}"
        if not there:
            what = f"has lists that name no fold: {', '.join(sorted(each.file.name for each in lists))}"
        raise BadInput(str(folder), what, f"call them set_{fold}_train.txt and set_{fold}_test.txt, or complete them")
    return of


def _files(folder: Path, names: Names) -> Iterator[Path]:
    """The files that may be lists; with folds also those in folders that are named after a fold or a split."""
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in (".txt", ".csv") and entry.is_file() and entry.name[0] != ".":
            yield entry
        elif names.folds and entry.is_dir() and (_fold(_words(entry.name)) or _split(_words(entry.name), names.splits)):
            yield from _files(entry, names)


def _classify(file: Path, folder: Path, names: Names) -> ListFile | None:
    words = _words(file.stem)
    owner, length = _owner(words, names.own, names.others)
    if owner == "other":
        return None
    words = words[length:]
    outer = [_words(part) for part in reversed(file.relative_to(folder).parts[:-1])]
    split = next((found for each in (words, *outer) if (found := _split(each, names.splits))), "")
    if not split:
        return None
    fold = next((found for each in (words, *outer) if (found := _fold(each))), "")
    rest = _without_fold(words) if names.folds else words
    at = next((i for i, word in enumerate(rest) if word in names.splits), -1)
    strange = [i for i, word in enumerate(rest) if i != at and word not in _NEUTRAL]
    part = at >= 0 and any(i > at for i in strange)
    return ListFile(file, split, fold if names.folds else "", owner == "own", not strange, part)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", name.casefold())


def _owner(words: list[str], own: Iterable[str], others: Iterable[str]) -> tuple[str, int]:
    """Whose name the words begin with ("own", "other" or ""), and with how many words; the longest name wins."""
    known = [(len(_words(name)), owner, _words(name)) for owner, of in (("other", others), ("own", own)) for name in of]
    length, owner = max(((n, owner) for n, owner, name in known if words[:n] == name), default=(0, ""))
    return owner, length


def _split(words: Iterable[str], splits: Mapping[str, str]) -> str:
    found = {splits[word] for word in words if word in splits}
    return found.pop() if len(found) == 1 else ""


def _fold(words: list[str]) -> str:
    pairs = itertools.pairwise(words)
    return next((str(int(number)) for word, number in pairs if word in _FOLD and number.isdigit()), "")


def _without_fold(words: list[str]) -> list[str]:
    at = next((i for i, word in enumerate(words[:-1]) if word in _FOLD and words[i + 1].isdigit()), None)
    return words if at is None else words[:at] + words[at + 2 :]
