"""Put a fitted student into production: one file, without its teachers."""

from ._compact import compact
from ._save import save

__all__ = ["compact", "save"]
