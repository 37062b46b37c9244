"""Think of rows that a converter reads in another way than the student does."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._values import is_missing

MOST = 32  # of each kind


def make_probes(distiller, X):
    """Return rows of this kind that the student answers -> list of such as X.

    Each column is missing once, and texts have the words that are no plain ASCII, and
    two spaces.
    """
    if isinstance(X, pd.DataFrame):
        candidates = _without_a_column(X)
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
        candidates = _without_a_number(X)
    elif not issparse(X) and np.ndim(X) == 1 and isinstance(X[0], str):
        candidates = _with_rare_words(distiller.student_, X)
    else:
        return []
    return [rows for rows in candidates if _is_answered(distiller, rows)]


def _without_a_column(X):
    for i in range(min(X.shape[1], MOST)):
        row = X.iloc[[i % len(X)]].copy()
        column = X.iloc[:, i]
        known = column[[is_missing(value) for value in column]].tolist()
        is_float = isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"
        mark = known[0] if known else np.nan if is_float else None
        dtype = None if is_float else object
        row.isetitem(i, pd.Series([mark], row.index, dtype=dtype))
        yield row


def _without_a_number(X):
    for i in range(min(X.shape[1], MOST)):
        row = X[[i % len(X)]].copy()
        row[0, i] = np.nan
        yield row


def _with_rare_words(student, X):
    """Yield texts of words that the student knows and a converter may cut apart."""
    yield [text.replace(" ", "  ") for text in X[:MOST]]
    for _, step in getattr(student, "steps", ()):
        known = getattr(step, "vocabulary_", ())
        rare = [word for word in known if not word.isascii()][:MOST]
        if rare:
            yield [f"{X[i % len(X)]} {word}" for i, word in enumerate(rare)]


def _is_answered(distiller, rows):
    try:
        distiller.predict_proba(rows)
    except Exception:  # of whatever refuses them: then nobody asks the file either
        return False
    return True
