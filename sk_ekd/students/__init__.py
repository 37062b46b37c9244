"""The built-in student, and what to ask of nets; how they are trained is private."""

from ._default import MLP, default_student
from ._hint import layer_output
from ._onnx import export_net
from ._predict import student_logits

__all__ = [
    "MLP",
    "default_student",
    "export_net",
    "layer_output",
    "student_logits",
]
