"""The commands, a room each: its arguments, and text out of what the rooms below do.

Each room has `declare(add)`, which adds its parsers through `add(name, function, help)`. Nothing heavy is imported at
the top: the door declares all commands whenever it opens, and `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Add = Callable[[str, Any, str], argparse.ArgumentParser]
