"""A data set of one's own: one file, loaded by `--plugin`.

The clips lie in class folders, `ROOT/train/Happy/0001.avi` and so on; that is all an adapter needs to say. Lists
(`train.txt` with lines `path frames label`) and box files (`*face*.json`) are used where they exist.

    harness run --plugin examples/two_moods.py --datasets two-moods --methods prompt --set data.two-moods.root=ROOT
"""

from harness.datasets import Adapter


class TwoMoods(Adapter):
    """Happy and sad clips in class folders."""

    name = "two-moods"
    title = "Two moods, an example"
    paper = "none"
    folder = "TwoMoods"
    classes = ("Happy", "Sad")
    api = 1

    def descriptions(self) -> tuple[str, ...]:
        return (
            "a person with a broad smile and raised cheeks at a party",
            "a person with a drooping mouth and lowered eyes in the rain",
        )
