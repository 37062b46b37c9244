"""Distill an ensemble of classifiers into one small, fast neural network."""

from ._distiller import EnsembleDistiller
from .teachers import ask_teachers
from .weighting import UnifiedWeighting

__version__ = "0.1.0"
__all__ = ["EnsembleDistiller", "UnifiedWeighting", "ask_teachers"]
