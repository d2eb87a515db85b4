"""The argument that names one run store or several: of machines that shared a grid."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.store import Store


def stores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        action="append",
        dest="stores",
        metavar="DIR",
        default=[],
        help="a run store; given several times, the runs of all: of several machines that shared a grid",
    )


def stores_of(arguments: argparse.Namespace) -> list[Store]:
    """The stores that are named, each once; else the one that commands use unless told."""
    from harness import config
    from harness.store import Store

    return [Store(place) for place in dict.fromkeys(arguments.stores or [config.runs()])]
