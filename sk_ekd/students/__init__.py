"""The built-in student; how a student is trained and asked is private."""

from ._default import MLP, default_student
from ._onnx import export_net

__all__ = ["MLP", "default_student", "export_net"]
