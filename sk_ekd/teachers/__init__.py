"""The teachers: who they are, how they are fitted, and what they predict."""

__all__ = []
