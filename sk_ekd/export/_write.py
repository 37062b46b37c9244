"""Write a file whole, or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_file(path, content):
    """Write bytes to exactly `path`: whoever reads it sees the old file or the new."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
