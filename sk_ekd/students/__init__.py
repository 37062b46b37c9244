"""The built-in student; how a student is trained and asked is private."""

from ._default import MLP, default_student
from ._onnx import export_net as export_net  # for sk_ekd.export

__all__ = ["MLP", "default_student"]
