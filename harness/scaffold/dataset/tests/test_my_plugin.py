"""my-plugin reads its layout, and keeps the contract of adapters."""

from pathlib import Path

from my_plugin import MyPlugin

from harness import conformance


def test_a_clip_has_the_label_and_split_of_its_row(tmp_path: Path) -> None:
    MyPlugin.sample(tmp_path)
    adapter = MyPlugin(MyPlugin.Settings(root=str(tmp_path), agreement=0.5), tmp_path)
    clips = {clip.id: clip for clip in adapter.clips()}
    assert (clips["clips/0001"].label, clips["clips/0001"].split) == (1, "train")
    assert "clips/0000" not in clips and {note.kind for note in adapter.notes} == {"doubtful-label"}


def test_it_keeps_the_contract() -> None:
    report = conformance.check("my-plugin")
    assert report.passed, report.text()
