"""Distill an ensemble of classifiers into one small, fast neural network.

What is here is imported when it is first used: a service that asks a saved student
needs neither torch nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._distiller import EnsembleDistiller
    from ._online import OnlineDistiller
    from ._seeds import SeedEnsemble
    from .teachers import ask_teachers
    from .weighting import UnifiedWeighting

__version__ = "0.1.0"
__all__ = [
    "EnsembleDistiller",
    "OnlineDistiller",
    "SeedEnsemble",
    "UnifiedWeighting",
    "ask_teachers",
]

ORIGIN = {
    "EnsembleDistiller": "._distiller",
    "OnlineDistiller": "._online",
    "SeedEnsemble": "._seeds",
    "ask_teachers": ".teachers",
    "UnifiedWeighting": ".weighting",
}
MODULES = {
    "dynamic", "export", "inspection", "losses", "model_selection", "pooling",
    "serving", "students", "teachers", "weighting",
}  # fmt: skip


def __getattr__(name):
    if name in ORIGIN:
        return getattr(import_module(ORIGIN[name], __name__), name)
    if name in MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *MODULES})
