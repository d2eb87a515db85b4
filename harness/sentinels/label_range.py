"""Labels that mean another class than they say: shifted by one, numbered otherwise, or out of range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.data.sentences import MEND, faults
from harness.datasets import our_sentences
from harness.sentinels import Finding, Reading, Sentinel, Setup
from harness.sentinels._shares import exceeds
from harness.words import some


class LabelRange(Sentinel):
    """A label that is off by one trains as well as a right one, on other classes than the table's."""

    name = "label-range"
    watches = "labels against class folders, against the lists and against their range; class sentences against classes"
    reason = (
        "exact, but for one bound: a few labels that contradict their folder are slips of the annotators, more than "
        "1 % of all labels beyond chance (binomial, one in 1000) are another numbering"
    )
    failures = (11, 27)
    descriptions: tuple[str, ...] = ()  # as read

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self.descriptions = reading.descriptions
        for note in reading.scan.notes:
            if note.kind == "label-contradicts-folder":
                many = exceeds(note.count, len(reading.scan.present) + len(reading.scan.absent), 0.01)
                evidence = {"where": note.where, "clips": note.count}
                yield Finding(note.message, note.mend, evidence, "folders", "error" if many else "warning")
        yield from self._trained_on(reading)
        yield from self._ends(reading)
        wrong = [*faults(reading.classes, reading.descriptions), *_known_elsewhere(reading)]
        if wrong:
            message = f"class sentences do not stand where their classes do: {some(wrong)}"
            yield Finding(message, MEND, {"wrong": wrong}, "sentences")

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        """The prompts that the network got are the sentences that were read, in their order."""
        here = setup.learner.model.descriptions
        if self.descriptions and here != self.descriptions:
            at = next((i for i, (a, b) in enumerate(zip(here, self.descriptions, strict=False)) if a != b), None)
            if at is None:
                seen = f"there are {len(here)} of them for {len(self.descriptions)} sentences"
                evidence: dict[str, Any] = {"prompts": len(here), "sentences": len(self.descriptions)}
            else:
                seen = f"class {at} got {here[at]!r}"
                evidence = {"class": at, "prompt": here[at], "sentence": self.descriptions[at]}
            message = f"the network's prompts are not the sentences in label order: {seen}"
            yield Finding(message, MEND, evidence, "prompts")

    def _trained_on(self, reading: Reading) -> Iterator[Finding]:
        """What arrives at the loop is what was read, split by split."""
        classes, unread = len(reading.classes), set(reading.unreadable)
        for split, labels in reading.labels.items():
            read = np.array([c.label for c in reading.scan.clips if c.split == split and c.id not in unread], dtype=int)
            outside = labels[(labels < 0) | (labels >= classes)]
            if len(outside):
                message = f"{len(outside)} labels of {split} are outside 0 to {classes - 1}, such as {outside[0]}"
                mend = "labels are 0-based positions among the classes: look at where the adapter makes them"
                yield Finding(message, mend, {"split": split, "labels": sorted(set(outside.tolist()))}, split)
            elif len(labels) != len(read) or (labels != read).any():
                differ = int((labels != read).sum()) if len(labels) == len(read) else abs(len(labels) - len(read))
                message = f"of {len(read)} labels of {split}, {differ} are not in the loop what was read"
                mend = "look at whatever stands between the lists and the loop: another split, another order"
                yield Finding(message, mend, {"split": split, "differ": differ, "clips": len(read)}, split)

    def _ends(self, reading: Reading) -> Iterator[Finding]:
        """An empty class at one end, beside none elsewhere, is how labels from 1 look when they are read as from 0."""
        counts = Counter(clip.label for clip in [*reading.scan.present, *reading.scan.absent])
        empty = [label for label in range(len(reading.classes)) if not counts[label]]
        if empty in ([0], [len(reading.classes) - 1]):
            name = reading.classes[empty[0]]
            first = next((note.message for note in reading.scan.notes if note.kind == "first-label"), "")
            message = f"no clip in any split is {name}, the {'last' if empty[0] else 'first'} class"
            message += f" ({first})" if first else ""
            mend = f"labels may be shifted by one: check where they start (data.{reading.dataset}.first_label)"
            yield Finding(message, mend, {"class": name, "clips": dict(sorted(counts.items()))}, "ends")


def _known_elsewhere(reading: Reading) -> Iterator[str]:
    """Our own sentence for one class, given to another."""
    owner = dict(_sentences(our_sentences().get(reading.dataset, {})))
    for name, sentence in zip(reading.classes, reading.descriptions, strict=False):
        if owner.get(sentence, name) != name:
            yield f"{name} has the sentence of {owner[sentence]}"


def _sentences(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield value, name
        else:
            yield from _sentences(value)
