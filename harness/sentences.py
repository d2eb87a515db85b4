"""Whether the sentences that stand for the classes can be theirs: prompts in another order than the labels train
as well, on other classes than the table's."""

from __future__ import annotations

import re
from collections.abc import Sequence

MEND = "give one sentence for each class, in the order of the labels"


def faults(classes: Sequence[str], sentences: Sequence[str]) -> list[str]:
    """What can't be right: too few or too many, the same for two classes, one that names other classes only."""
    if len(sentences) != len(classes):
        return [f"{len(sentences)} sentences for {len(classes)} classes"]
    found = []
    for name, sentence in zip(classes, sentences, strict=True):
        same = [other for other, text in zip(classes, sentences, strict=True) if text == sentence]
        if len(same) > 1 and same[0] == name:
            found.append(f"{', '.join(same)} have the same sentence")
        strangers = [other for other in classes if other != name and _names(sentence, other)]
        if strangers and not _names(sentence, name):
            found.append(f"the sentence for {name} speaks of {', '.join(strangers)}: {sentence!r}")
    return found


def _names(sentence: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", sentence, re.IGNORECASE) is not None
