"""Read rows, whatever holds them: arrays, sparse matrices, DataFrames, lists."""

import numpy as np
from scipy.sparse import issparse

# _safe_indexing is documented but private in scikit-learn: the one function that takes
# rows of arrays, sparse matrices, DataFrames and lists alike
from sklearn.utils import _safe_indexing, check_array


def as_rows(X):
    """Return X itself, unless its rows could not be taken by position.

    Parameters
    ----------
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        What the caller passed.

    Returns
    -------
    X : ndarray, CSR matrix, DataFrame or list of length n_samples
    """
    if issparse(X):
        return X.tocsr()  # scikit-learn cannot take rows of COO, BSR and DIA
    if not hasattr(X, "shape") and not isinstance(X, (list, tuple)):
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and not X.ndim:
        raise ValueError(f"Expected a 2D array of rows, got {X.item()!r}.")
    if isinstance(X, np.ndarray) and X.ndim < 2 and X.dtype.kind in "biuf":
        raise ValueError(
            f"Expected a 2D array of rows, got an array of shape {X.shape}. Reshape "
            "your data with X.reshape(-1, 1) if it has a single feature, or "
            "X.reshape(1, -1) if it is a single row."
        )
    return X


def count_rows(X):
    """Return the number of rows.

    Parameters
    ----------
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows.

    Returns
    -------
    n_samples : int
    """
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_rows(X, index):
    """Return the rows at sorted, unique positions; all of them as they are.

    Parameters
    ----------
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows.
    index : ndarray of shape (n_taken,)
        Positions.

    Returns
    -------
    X : array-like, sparse matrix, DataFrame or list of length n_taken
    """
    return X if len(index) == count_rows(X) else _safe_indexing(X, index)


def read_weight(sample_weight, n_samples):
    """Separate the rows that have a weight from those that count as removed.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        What the caller passed.
    n_samples : int
        Number of rows.

    Returns
    -------
    weight : ndarray of shape (n_kept,)
        The weights that are not zero.
    index : ndarray of shape (n_kept,)
        The positions of their rows.

    Examples
    --------
    >>> read_weight([0.5, 0, 2], 3)
    (array([0.5, 2. ]), array([0, 2]))
    """
    if sample_weight is None:
        return np.ones(n_samples), np.arange(n_samples)
    weight = np.asarray(sample_weight)
    if weight.shape != (n_samples,):
        raise ValueError(
            "`sample_weight` must be a 1D array of one weight a row, shape "
            f"{(n_samples,)}, got an array of shape {weight.shape}."
        )
    weight = check_array(
        weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if (weight < 0).any() or not weight.any():
        raise ValueError(
            "Sample weights must be non-negative and must not all be zero, got values "
            f"from {weight.min()} to {weight.max()}."
        )
    kept = np.flatnonzero(weight)
    return weight[kept], kept


def read_positions(part, n_samples):
    """Return the positions in one part of a split, which may be a mask.

    Parameters
    ----------
    part : array-like of shape (n_taken,) or (n_samples,)
        Positions, or a mask.
    n_samples : int
        Number of rows that they count.

    Returns
    -------
    positions : ndarray of shape (n_taken,)
        In their order, with repetitions.

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
