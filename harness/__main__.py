"""The door: `harness`, `python -m harness`, `accelerate launch harness` and `torchrun -m harness` all enter here."""

import sys
from pathlib import Path

if not __package__:
    # Run as a folder (`accelerate launch harness`), Python puts the folder itself first on the path: there
    # `import harness` fails and our `datasets` and `statistics` hide those of everybody else.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    sys.path.insert(0, str(here.parent))

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
