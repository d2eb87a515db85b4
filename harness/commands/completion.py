"""`harness completion`: a script for the user's shell."""

from __future__ import annotations

import argparse

from harness.commands import Add

SHELLS = ("bash", "zsh", "fish")


def declare(add: Add) -> None:
    parser = add("completion", completion, "commands and names behind TAB in your shell")
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to learn it")


def completion(arguments: argparse.Namespace, argv: list[str]) -> int:
    from harness.completion import script

    print(script(arguments.shell))
    return 0
