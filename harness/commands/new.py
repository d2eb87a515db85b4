"""`harness new`: a package for a plugin of one's own."""

from __future__ import annotations

import argparse

from harness.commands import Add


def declare(add: Add) -> None:
    parser = add("new", new, "a small, complete package for a method or a data set of your own")
    parser.add_argument("kind", choices=("method", "dataset"))
    parser.add_argument("name", metavar="NAME", help="of the plugin and its package: small letters, digits, hyphens")
    parser.add_argument("--out", default=".", metavar="DIR", help="where the folder NAME is made (default: here)")


def new(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness import scaffold
    from harness.files import writable

    for file in scaffold.write(arguments.kind, arguments.name, writable(arguments.out)):
        print(file)
    folder = writable(arguments.out) / arguments.name
    print(f"next: pip install --editable {folder} && harness check {arguments.name}")
    return 0
