"""Read what the caller passed, once: rows of any kind, their labels and weights."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, check_consistent_length

from ._classes import as_column, read_labels
from ._compat import safe_indexing
from ._torch_rows import as_sliceable

# as torch names those of numbers that are not float32
TYPES = re.compile(
    r"\b(double|float64|half|long|int|short|char|byte)(tensor)?\b", re.IGNORECASE
)


class Data(NamedTuple):
    """The rows that train: those of the caller without the ones of weight zero."""

    X: object  # as the caller gave it
    y: np.ndarray | None  # (n,), index of the label; None until the classes are known
    labeled: np.ndarray  # (n,), bool
    weight: np.ndarray  # (n,)
    index: np.ndarray  # (n,), positions in the caller's X; -1 of a synthetic row
    n_samples: int  # of the caller's X
    parents: np.ndarray | None = (
        None  # (n_synthetic, 2), of the synthetic rows at the end
    )


def read_data(X, y, sample_weight, unlabeled_label):
    """Check the input -> labels (n_labeled,), Data without the index of each label."""
    X = as_rows(X)
    n_samples = count_rows(X)
    y = np.full(n_samples, np.nan) if y is None else as_column(y)
    check_consistent_length(X, y)
    if not n_samples:
        raise ValueError("Found X and y with 0 samples: at least 1 is required.")
    weight, index = read_weight(sample_weight, n_samples)
    labels, labeled = read_labels(y[index], unlabeled_label)
    return labels, Data(take_rows(X, index), None, labeled, weight, index, n_samples)


def as_rows(X):
    """Return X itself, unless its rows could not be taken by position."""
    X = as_sliceable(X)
    if issparse(X):
        return X.tocsr()  # scikit-learn cannot take rows of COO, BSR and DIA
    if isinstance(X, np.ma.MaskedArray):
        return fill_masked(X)
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


def fill_masked(X):
    """Write what is masked as missing: scikit-learn takes the values under a mask.

    Examples
    --------
    >>> fill_masked(np.ma.array([[1, 2]], mask=[[False, True]]))
    array([[ 1., nan]])
    """
    if not np.ma.is_masked(X):
        return np.asarray(X.data)
    dtype = np.result_type(X.dtype, np.float32) if X.dtype.kind in "biuf" else object
    return X.astype(dtype).filled(np.nan)


def count_rows(X):
    """Return the number of rows."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_rows(X, index):
    """Return the rows at sorted, unique positions; all of them as they are."""
    return X if len(index) == count_rows(X) else safe_indexing(X, index)


def as_given(X):
    """Leave rows to who gets them: some take texts, or choose columns by name."""
    return X


def as_float32(X):
    """Cast rows for a net of float32, where they are an array of other numbers.

    In a Mapping, integers become int64, which is what an embedding takes.
    """
    if isinstance(X, Mapping):
        return type(X)(**{key: _as_torchs(part) for key, part in X.items()})
    return X.astype(np.float32) if _is_castable(X) else X


def _as_torchs(part):
    kind = getattr(getattr(part, "dtype", None), "kind", "")  # a tensor has none
    dtypes = {"f": np.float32, "i": np.int64, "u": np.int64}
    return part.astype(dtypes[kind]) if kind in dtypes else part


def refuses_type(error, X):
    """Return whether X failed for its type: a torch net takes that of its weights."""
    is_of_type = isinstance(error, RuntimeError) and TYPES.search(str(error))
    return bool(is_of_type) and (_is_castable(X) or isinstance(X, Mapping))


def _is_castable(X):
    return isinstance(X, np.ndarray) and X.dtype.kind in "iuf" and X.dtype != np.float32


def take_labeled(data, classes):
    """Return the labeled rows and their labels, None where there are none."""
    known = np.flatnonzero(data.labeled)
    if not len(known):
        return None, None
    return take_rows(data.X, known), classes[data.y[known]]


def read_weight(sample_weight, n_samples):
    """Drop the rows of weight zero -> weights (n_kept,), their positions (n_kept,).

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
