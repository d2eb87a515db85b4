"""Weights that were to be loaded, in part only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.sentinels import Ending, Finding, Sentinel, Setup


class PartialCheckpoint(Sentinel):
    """With `strict=False` a file whose names differ loads nothing, without a word: the tower then is random. The
    same goes for the best epoch's weights, when only some of them come back for the test."""

    name = "partial-checkpoint"
    severity = "error"
    watches = "tensors missing from the weights file, tensors of it with no place, and the selected epoch's weights"
    reason = "no threshold: one tensor at random values is enough to change every feature"
    failures = (26,)

    def on_setup(self, setup: Setup) -> Iterator[Finding]:
        model = setup.learner.model
        if model.missing or model.unexpected:
            yield Finding(
                f"the CLIP weights do not fit the model: {_some(model.missing, 'missing and left random')}; "
                f"{_some(model.unexpected, 'in the file without a place')}",
                "give a file of the same architecture (model.pretrained), with the names as open_clip spells them, "
                "and load it with strict=True",
                {"missing": len(model.missing), "unexpected": len(model.unexpected)},
                about="loading",
            )

    def on_ending(self, ending: Ending) -> Iterator[Finding]:
        if ending.missing:
            yield Finding(
                f"the selected epoch's weights came back in part: {_some(ending.missing, 'not restored')}, so test is "
                "scored with a mixture of epochs",
                "keep and restore everything that training changes, buffers included",
                {"missing": len(ending.missing), "first": ending.missing[0]},
                about="restoring",
            )


def _some(names: Sequence[str], what: str) -> str:
    return f"{len(names)} tensors {what}" + (f", such as {names[0]}" if names else "")
