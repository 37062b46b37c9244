"""Write a file whole, or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path, write):
    """Let `write` fill a file, and give it its name only then."""
    path = Path(path).resolve()  # of a link, what it leads to
    if path.is_dir() or not path.parent.is_dir():
        raise FileNotFoundError(
            f"`path` must name a file in a folder that exists, got {str(path)!r}."
        )
    folder = tempfile.mkdtemp(prefix=".", suffix=".draft", dir=path.parent)
    draft = Path(folder, "draft")
    try:
        with open(draft, "wb") as file:  # with the rights of any new file
            write(file)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
        os.rmdir(folder)
