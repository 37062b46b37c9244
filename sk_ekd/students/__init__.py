"""The built-in student; how a student is trained and asked is private."""

from ._default import MLP, default_student

__all__ = ["MLP", "default_student"]
