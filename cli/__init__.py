"""The valerix command: every verb a person or a script can say to the shop."""

import os
import sys
from pathlib import Path


def _put_own_modules_first() -> None:
    """Look into PYTHONPATH and the current folder last. They come first by default, and a folder
    with a `services` or a `queue.py` of its own would stand in for ours or for Python's."""
    own = Path(__file__).resolve().parent.parent
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    foreign = {Path(each).resolve() for each in ("", *given)} - {own}
    last = [each for each in sys.path if Path(each).resolve() in foreign]
    first = [each for each in sys.path if each not in last]
    known = any(Path(each).resolve() == own for each in first)
    sys.path[:] = [*([] if known else [str(own)]), *first, *last]


# Here, because what follows imports what may be shadowed.
_put_own_modules_first()
