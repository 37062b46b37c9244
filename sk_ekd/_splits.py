"""What a `cv` is: splitters, pairs of positions, and the rows that they count."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import PredefinedSplit


def check_splitter(cv):
    """Return a splitter or an int as it is, an iterable as a list of pairs."""
    if isinstance(cv, Integral):
        if cv < 2:
            raise ValueError(
                f"`cv` must be at least 2 folds, got {cv}: for a single split, pass "
                "ShuffleSplit(1)."
            )
        return cv
    if isinstance(cv, type):
        raise TypeError(
            f"`cv` must be a splitter, got the class {cv.__name__}: write "
            f"{cv.__name__}()."
        )
    if hasattr(cv, "split") and not isinstance(cv, str):
        return cv
    try:
        splits = [(train, test) for train, test in cv]
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`cv` must be an int, a splitter (from sklearn.model_selection) or an "
            f"iterable of (train, test), got {cv!r}."
        ) from error
    if not splits:
        raise ValueError(
            f"`cv` has no split, got {cv!r}: pass a (train, test) or more."
        )
    return splits


def counted_rows(cv, labeled):
    """Return the rows of X that positions in `cv` count: all, or the labeled ones."""
    every, known = np.arange(len(labeled), dtype=np.int64), np.flatnonzero(labeled)
    if isinstance(cv, list):
        return every
    if not isinstance(cv, PredefinedSplit):
        return known
    for rows in (every, known):
        if len(rows) == len(cv.test_fold):
            return rows
    raise ValueError(
        f"The test_fold of `cv` must have an entry for each of the {len(every)} rows "
        f"of X, or for each of the {len(known)} labeled ones, got {len(cv.test_fold)}."
    )


def read_positions(part, n_samples):
    """Return the positions in one part of a split, which may be a mask, in order.

    Examples
    --------
    >>> read_positions([True, False, True], 3)
    array([0, 2])
    """
    part = np.asarray(part)
    if part.dtype == bool and part.shape == (n_samples,):
        return np.flatnonzero(part)
    if part.shape == (0,):
        return part.astype(np.int64)  # an empty list is an array of floats
    if part.ndim != 1 or part.dtype.kind not in "iu":
        raise ValueError(
            f"Parts in `cv` must be 1-D arrays of positions, or masks of length "
            f"{n_samples}, got {part.dtype} of shape {part.shape}."
        )
    if part.min() < 0 or part.max() >= n_samples:
        raise ValueError(
            f"Positions in `cv` must be from 0 to {n_samples - 1}, got {part.min()} to "
            f"{part.max()}: is `cv` made for another X?"
        )
    return part
