"""Whether the sentences that stand for the classes can be theirs: prompts in another order than the labels train
as well, on other classes than the table's."""

from __future__ import annotations

import re
from collections.abc import Sequence

MEND = "give one sentence for each class, in the order of the labels"


def faults(classes: Sequence[str], sentences: Sequence[str]) -> list[str]:
    """What can't be right: too few or too many, the same for two classes, or classes that have exchanged theirs.

    A sentence may well name another class (`neither happy nor sad`); it is another's only where it names one class
    alone, not its own, and that class's sentence does the same with a third, or with the first.
    """
    if len(sentences) != len(classes):
        return [f"{len(sentences)} sentences for {len(classes)} classes"]
    found = []
    for name, sentence in zip(classes, sentences, strict=True):
        same = [other for other, text in zip(classes, sentences, strict=True) if text == sentence]
        if len(same) > 1 and same[0] == name:
            found.append(f"{', '.join(same)} have the same sentence")
        other = _meant(classes, sentence)
        if other not in ("", name) and _meant(classes, sentences[list(classes).index(other)]) not in ("", other):
            found.append(f"the sentence for {name} speaks of {other}: {sentence!r}")
    return found


def _meant(classes: Sequence[str], sentence: str) -> str:
    """The only class that a sentence names; empty where it names none or several."""
    named = [name for name in classes if _names(sentence, name)]
    whole = [name for name in named if not any(name != other and _names(other, name) for other in named)]  # "very low"
    return whole[0] if len(whole) == 1 else ""


def _names(sentence: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", sentence, re.IGNORECASE) is not None
