"""Examples behind the help of each command: they teach by what people type. A test parses them all."""

from __future__ import annotations

import argparse

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {  # by command: what to type, and what it does
    "run": (
        ("harness run --grid", "train grids/default.toml"),
        ("harness run --grid --tiny", "the same as a smoke test of a minute or two"),
        ('harness run --datasets caer --methods "prompt+ldl,prompt+lsr" --seeds 0,1,2', "without a grid file"),
        ("harness run --grid mine.toml --set train.epochs=5 --until 'ci<1.0'", "with as many seeds as it takes"),
    ),
    "plan": (
        ("harness plan --grid", "what would run, and what is done"),
        ("harness plan --grid mine.toml --datasets raer --json", "part of a grid, for programs"),
    ),
    "report": (
        ("harness report --grid mine.toml --out leaderboards/mine", "one grid's leaderboard"),
        ("harness report --runs runs --runs from-the-cluster --out both", "of two stores"),
    ),
    "list": (
        ("harness list methods", "components and presets with settings and papers"),
        ("harness list models vit-b", "models with these letters, and their weights"),
        ("harness list settings ldl", "what --set and a grid file can say of it"),
    ),
    "show": (
        ("harness show ldl-prompt-s0", "the run whose id begins so"),
        ("harness show ldl-prompt-s0 --card > README.md", "a model card for the hub"),
    ),
    "compare": (
        ("harness compare ldl-prompt-s0 lsr-prompt-s0", "two runs"),
        ("harness compare leaderboards/mine leaderboards/theirs --json", "two leaderboards"),
    ),
    "verify": (
        ("harness verify ldl-prompt-s0", "train this run again and compare"),
        ("harness verify leaderboards/mine --sample 5", "five runs of a table"),
    ),
    "watch": (
        ("harness watch", "the grid that was planned last, live"),
        ("harness watch --grid mine.toml --once", "one look"),
        ("harness watch --json | jq .left", "seconds left, for programs"),
    ),
    "doctor": (
        ("harness doctor", "what is wrong with this machine, and the mend"),
        ("harness doctor --grid mine.toml", "also its data roots, weights and room"),
        ("accelerate launch harness doctor", "with what the launcher asks for"),
    ),
    "config": (
        ("harness config", "the user file, and what is in effect"),
        ("harness config set data.caer.root /data/CAER", "where it lies, for all grids"),
        ("harness config unset data.caer.root", "the miniature again"),
    ),
    "config set": (
        ("harness config set data.caer.root /data/CAER", "where a data set lies"),
        ("harness config set runs /scratch/runs", "the store of all commands"),
    ),
    "config unset": (
        ("harness config unset data.caer.root", "the miniature again"),
        ("harness config unset runs", "runs/ in the current folder again"),
    ),
    "completion": (
        ('eval "$(harness completion bash)"', "in ~/.bashrc"),
        ('eval "$(harness completion zsh)"', "in ~/.zshrc, behind compinit"),
        ("harness completion fish > ~/.config/fish/completions/harness.fish", "for fish"),
    ),
    "data check": (
        ("harness data check caer --root /data/CAER", "count, look for boxes, find what is broken"),
        ("harness data check caer --root /data/CAER --report caer.html", "and show clips with boxes"),
    ),
    "data manifest": (
        ("harness data manifest caer --root /data/CAER --out caer.jsonl.gz", "write down what a copy holds"),
        ("harness data manifest mine --plugin mine.py --root /data/mine --out mine.jsonl", "a data set of your own"),
    ),
    "data diff": (
        ("harness data diff ours.jsonl.gz theirs.jsonl.gz", "what differs between two copies"),
        ("harness data diff ours.jsonl.gz theirs.jsonl.gz --json", "for programs"),
    ),
    "data mini": (
        ("harness data mini --out miniatures", "small drawn data sets in native layouts"),
        ("harness data check caer --root miniatures/CAER", "look at one of them"),
    ),
    "cache list": (
        ("harness cache list", "what is kept, and how large it is"),
        ("harness cache list --json | jq .bytes", "for programs"),
    ),
    "cache clear": (
        ("harness cache clear --keep 20GB", "the least recently used, until the rest fits"),
        ("harness cache clear --kind frames --older-than 30 --dry-run", "only say what would go"),
    ),
}
_WIDTH = 80


def teach(parser: argparse.ArgumentParser) -> None:
    """Puts the examples of a command (as its `prog` names it) behind its help."""
    known = EXAMPLES.get(parser.prog.partition(" ")[2])
    if known:
        parser.epilog, parser.formatter_class = _text(known), argparse.RawDescriptionHelpFormatter


def _text(examples: tuple[tuple[str, str], ...]) -> str:
    """Commands in a column, what each does behind it; where that is too wide, above it."""
    column = max(len(line) for line, _ in examples)
    if all(4 + column + len(does) <= _WIDTH for _, does in examples):
        lines = [f"  {line:<{column}}  {does}" for line, does in examples]
    else:
        lines = [text for line, does in examples for text in (f"  # {does}", f"  {line}")]
    return "\n".join(["examples:", *lines])
