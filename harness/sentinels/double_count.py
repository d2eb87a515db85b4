"""Clips that count twice, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness import scores
from harness.methods import Component
from harness.sentinels import Ending, Epoch, Finding, Reading, Sentinel, Setup

TOLERANCE = 1e-6  # of a share


class DoubleCount(Sentinel):
    """Predictions gathered with their padding, a last batch that is dropped, a mean of batch accuracies: the
    number looks like an accuracy and is none."""

    name = "double-count"
    severity = "error"
    watches = "how often each class was trained and scored against how often it should be, and the shares from it"
    reason = "counts are whole numbers: any difference is a defect. Shares are computed here once more, to 1e-6"
    failures = (10, 15, 22)

    def __init__(self, settings: object) -> None:
        super().__init__(settings)
        self._labels: np.ndarray | None = None

    def on_reading(self, reading: Reading) -> Iterator[Finding]:
        self._labels = reading.labels["train"]
        yield from ()

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        self._sampled = any(type(part).sampler is not Component.sampler for part in setup.learner.parts)
        yield from ()

    def on_epoch(self, epoch: Epoch) -> Iterator[Finding]:
        trained = epoch.confusion.sum(axis=1)
        if not np.array_equal(trained, epoch.picked):
            yield _counts(
                trained, epoch.picked, "trained on", "planned", "share each batch out so that every clip counts once"
            )
        elif self._labels is not None and not self._sampled:
            there = np.bincount(self._labels, minlength=len(epoch.picked))
            if not np.array_equal(epoch.picked, there):
                mend = "keep the last, uneven batch, and draw each clip once"
                yield _counts(epoch.picked, there, "trained on", "in the training split", mend)
        yield from self._shares(epoch)

    def _shares(self, epoch: Epoch) -> Iterator[Finding]:
        """The accuracies of the history against those of the counts."""
        row, (split, said) = epoch.row, next((s, epoch.row[s]) for s in ("val", "test") if s in epoch.row)
        whole = {
            "train": epoch.confusion.trace() / max(epoch.confusion.sum(), 1),
            split: float((epoch.probabilities.argmax(1) == epoch.labels).mean()),
        }
        unweighted = {
            "train": scores.recalls(epoch.confusion).mean(),
            split: scores.recalls(scores.confusion(epoch.probabilities, epoch.labels)).mean(),
        }
        for name, told in (("train", row["train"]), (split, said)):
            for metric, shares in (("war", whole), ("uar", unweighted)):
                if abs(told[metric] - shares[name]) > TOLERANCE:
                    yield Finding(
                        f"{metric.upper()} on {name} is stored as {told[metric]:.4f}; counting its clips gives "
                        f"{shares[name]:.4f}. A mean over batches, whose last one is smaller, is no accuracy",
                        "count the clips that are right over all batches, and divide once",
                        {"split": name, "metric": metric, "stored": told[metric], "counted": float(shares[name])},
                        about=f"{metric} on {name}",
                    )

    def on_ending(self, ending: Ending) -> Iterator[Finding]:
        for split, clips in ending.clips.items():
            found = ending.predictions[split]
            if found != clips:
                yield Finding(
                    f"{split} has {clips} clips and {found} predictions: some clips count "
                    f"{'twice' if found > clips else 'not at all'} in its scores",
                    "drop the padding of the last batch after gathering it from all processes",
                    {"split": split, "clips": clips, "predictions": found},
                    about=split,
                )


def _counts(found: np.ndarray, wanted: np.ndarray, what: str, where: str, mend: str) -> Finding:
    off = {f"class {k}": int(n) for k, n in enumerate(found - wanted) if n}
    return Finding(
        f"{int(found.sum())} clips were {what} in the epoch and {int(wanted.sum())} are {where}; off by class: {off}",
        mend,
        {"found": int(found.sum()), "expected": int(wanted.sum()), **off},
        about="counts",
    )
