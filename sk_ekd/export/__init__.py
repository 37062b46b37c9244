"""Put a fitted student into production: one file, without its teachers."""

from ._onnx import to_onnx

__all__ = ["to_onnx"]
