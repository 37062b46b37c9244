"""The teachers: who they are, how they are fitted, and what they predict."""

from ._ask import ask_teachers

__all__ = ["ask_teachers"]
