"""The door: `harness`, `python -m harness`, `accelerate launch harness` and `torchrun -m harness` all enter here."""

import os
import sys

# Run as a folder (`accelerate launch harness`), Python puts the folder itself first on the path: there `import harness`
# fails and our `datasets` and `statistics` hide those of everybody else. Run with `-m` it puts the current folder
# there, whose files would be imported in place of anybody's.
here = os.path.dirname(os.path.realpath(__file__))
if not sys.flags.safe_path and os.path.realpath(sys.path[0]) in {here, os.getcwd()}:
    del sys.path[0]
if os.path.dirname(here) not in map(os.path.realpath, sys.path):
    sys.path.insert(0, os.path.dirname(here))

from harness import signals  # noqa: E402
from harness.cli import main  # noqa: E402

if __name__ == "__main__":
    code = main()
    signals.uninstall()
    sys.exit(code)
