"""Warn at the line of the user's own code, however deep the library is called."""

import sys
import warnings

INSIDE = ("sk_ekd", "sklearn", "skorch", "joblib")


def warn(message, category=UserWarning):
    """Warn where neither this library nor those that call it stand."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
