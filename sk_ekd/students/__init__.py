"""The built-in student, and nets as ONNX; how students are trained is private."""

from ._default import MLP, default_student
from ._hint import layer_output
from ._onnx import export_net

__all__ = ["MLP", "default_student", "export_net", "layer_output"]
