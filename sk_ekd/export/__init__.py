"""Put a fitted student into production: one file, without its teachers."""

from ._compact import compact
from ._onnx import to_onnx
from ._save import save

__all__ = ["compact", "save", "to_onnx"]
