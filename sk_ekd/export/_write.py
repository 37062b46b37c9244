"""Write a file whole, or not at all."""

import os
from pathlib import Path


def write_whole(path, write):
    """Let `write` fill a file, and give it its name only then."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with open(draft, "wb") as file:  # with the rights of any new file
            write(file)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
