"""The built-in student, and nets as ONNX; how students are trained is private."""

from ._default import MLP, default_student
from ._onnx import export_net

__all__ = ["MLP", "default_student", "export_net"]
