"""`harness data …`: data sets on disk, checked, described and rendered."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands import Add
from harness.commands.arguments import plugin
from harness.errors import BadInput

if TYPE_CHECKING:
    from harness.data.clips import Progress


def declare(add: Add) -> None:
    parser = add("check", check, "audit a copy: counts, boxes, unreadable, duplicate and leaking clips")
    _copy_arguments(parser)
    plugin(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--report", metavar="FILE.html", help="also write a page that shows clips with their boxes")
    parser = add("manifest", write, "write down what a copy holds, to be compared with another copy")
    _copy_arguments(parser)
    plugin(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON Lines; compressed if it ends in .gz")
    parser = add("diff", diff, "how two copies differ, from their manifests")
    parser.add_argument("a", metavar="A", help="a manifest file")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser = add("mini", mini, "render the miniature data sets")
    parser.add_argument("--out", required=True, metavar="DIR", help="new folder")


def _copy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a data set: see `harness list datasets`")
    parser.add_argument("--root", required=True, metavar="DIR", help="its folder, in the set's native layout")
    parser.add_argument("--annotations", metavar="DIR", help="folder of the lists, if it is elsewhere")
    parser.add_argument("--faces", metavar="FILE", help="file of face boxes, if it is elsewhere")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="data.NAME.key, clips.frames, …"
    )


def check(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Exit code 1 where there are problems."""
    from harness.audit import audit
    from harness.audit.text import text

    report = _writable(arguments.report) if arguments.report else None
    cls, settings, sections = _opened(arguments)
    with _bar() as progress:
        found = audit(cls, settings, sections, progress)
    print(json.dumps(found.as_json(), indent=2) if arguments.json else text(found))
    if report:
        from harness.audit.page import page
        from harness.files import write_bytes

        write_bytes(report, page(found, sections).encode())
        print(f"report: {report}", file=sys.stderr)
    return 1 if found.problems else 0


def write(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Refuses what a run would refuse: a manifest speaks of a copy that can be trained on."""
    from harness import audit
    from harness.words import plural, printable, some

    out = _writable(arguments.out)
    cls, settings, _ = _opened(arguments)
    with _bar() as progress:
        manifest = audit.manifest_of(cls, settings, progress)
    manifest.write(out)
    unread = [entry.id for entry in manifest.entries if not entry.content]
    if unread:
        told = f"{plural(len(unread), 'clip')} can't be read (`harness data check` says why): {some(unread)}"
        print(printable(told), file=sys.stderr)
    print(f"manifest of {len(manifest.entries):,} clips, {manifest.hash}: {out}")
    return 0


def diff(arguments: argparse.Namespace, argv: list[str]) -> int:
    """Exit code 1 where the copies differ."""
    from harness.data.manifest import differences, read
    from harness.words import printable

    comparison = differences.compare(read(Path(arguments.a)), read(Path(arguments.b)))
    as_text = printable(differences.text(comparison))
    print(json.dumps(comparison.as_json(), indent=2) if arguments.json else as_text)
    return 1 if comparison.differences else 0


def mini(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import miniature
    from harness.files import writable

    out = writable(arguments.out)
    if out.exists() and any(out.iterdir()):
        raise BadInput(arguments.out, "is there already and not empty", "give a new folder")
    miniature.render(out)
    print(f"rendered miniatures of CAER, DAiSEE and RAER (not the real data sets): {out}")
    return 0


def _opened(arguments: argparse.Namespace) -> tuple[type, Any, dict[str, Any]]:
    """The adapter's class, its settings, and those that runs share: all as a run would take them."""
    from harness import grid, plugins
    from harness.grid import grammar

    name = arguments.name
    given = {key: getattr(arguments, key) for key in ("root", "annotations", "faces") if getattr(arguments, key)}
    made = grid.build("data", {"datasets": [name], "methods": [grammar.PLAIN], "data": {name: given}}, arguments.set)
    for option, there in (("annotations", Path.is_dir), ("faces", Path.is_file)):
        place = getattr(arguments, option)
        if place and not there(Path(place)):
            raise BadInput(f"--{option}", f"{place} is not there", "give its path")
    cls = plugins.get("datasets", name)
    return cls, made.data[name], {**made.sections, "face": cls.faced(made.sections["face"])}


def _writable(name: str) -> Path:
    """Where a file is to be written: met before the work, not after it."""
    from harness.files import writable

    path = Path(name)
    if path.is_dir():
        raise BadInput(name, "is a folder", "give the name of a file")
    writable(path.parent)
    return path


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar for clips that are looked at; silent where nobody watches."""
    from tqdm import tqdm

    with tqdm(
        unit="clip", desc="looking at clips", leave=False, disable=None, file=sys.stderr, dynamic_ncols=True
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
