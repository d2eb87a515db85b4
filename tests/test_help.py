"""The help teaches by examples: every command has some, they are commands that work, and a terminal of 80 columns is
wide enough."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from harness.cli import _parser
from harness.commands.examples import EXAMPLES
from harness.completion import commands

HOME = Path(__file__).parents[1]
ENDS = [each for each in commands(_parser()) if each.get_default("command")]


def test_every_command_has_examples_and_every_example_has_a_command() -> None:
    assert {each.prog.partition(" ")[2] for each in ENDS} == {*EXAMPLES} - {""}
    for name in {*EXAMPLES} - {""}:
        assert 2 <= len(EXAMPLES[name]) <= 4, name


@pytest.mark.parametrize("parser", ENDS, ids=lambda parser: parser.prog)
def test_help_ends_with_them_and_is_80_columns_wide(
    parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = parser.format_help()
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    shown = lines[lines.index("examples:") + 1 :]
    for line, does in EXAMPLES[parser.prog.partition(" ")[2]]:
        assert any(line in each for each in shown) and any(does in each for each in shown)


LINES = [(name, line) for name, examples in EXAMPLES.items() for line, _ in examples if "COMMAND" not in line]


@pytest.mark.parametrize(("name", "line"), LINES, ids=[line for _, line in LINES])
def test_an_example_is_a_command_line_that_is_understood(name: str, line: str) -> None:
    inner = re.search(r"\$\((harness .*)\)", line)
    words = shlex.split(re.split(r" ([|>]|&&) ", inner[1] if inner else line)[0])
    words = words[words.index("harness") + 1 :]
    arguments = _parser().parse_args(words)
    assert " ".join(words).startswith(name) and callable(arguments.command)


def test_the_help_of_the_whole_is_80_columns_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = _parser().format_help()
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("examples:") < text.index("exit codes:")
