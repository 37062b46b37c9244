"""The built-in student, and how a student is trained and asked."""

from ._default import MLP, default_student

__all__ = ["MLP", "default_student"]
