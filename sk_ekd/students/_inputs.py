"""Read X as the numbers that a net takes, or say why it cannot take them."""

from math import prod

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import check_array, gen_batches

from .._data import fill_masked

BLOCK_VALUES = 2**24  # looked at at once: 64 MB
FLOAT32 = {
    "dtype": np.float32,
    "accept_sparse": "csr",
    "allow_nd": True,
    "ensure_all_finite": False,
}


def as_matrix(X):
    """Return X as the float32 array or CSR matrix that a net can take."""
    if isinstance(X, np.memmap) and X.ndim > 1 and X.size and X.dtype.kind in "fiub":
        for block in gen_batches(len(X), max(1, BLOCK_VALUES // prod(X.shape[1:]))):
            with np.errstate(over="ignore"):
                _check_finite(X[block].astype(np.float32))
        return X
    if type(X) is np.ndarray and X.ndim > 1 and X.size and X.dtype == np.float32:
        with np.errstate(over="ignore"):
            is_clean = np.isfinite(X.sum())  # scikit-learn's own first look
        if is_clean:  # which saves 100 µs, more than a small net takes
            return np.require(X, requirements=["C", "W"])
    if isinstance(X, np.ma.MaskedArray):
        X = fill_masked(X)
    if isinstance(X, pd.DataFrame):
        text = [c for c in X if not pd.api.types.is_numeric_dtype(X[c].dtype)]
        if text:
            raise ValueError(
                "The student's net takes numbers only, but these columns are not: "
                f"{text}. Put an encoder before the net, "
                "student=make_pipeline(preprocessing, net), or use student=None, "
                "which encodes them by itself."
            )
    texts = X.tolist() if isinstance(X, (np.ndarray, pd.Series)) and X.ndim == 1 else X
    if isinstance(texts, (list, tuple)) and len(texts) and isinstance(texts[0], str):
        raise ValueError(
            "The student's net takes numbers only, but X is a list of strings. Put a "
            "vectorizer before the net: "
            "student=make_pipeline(TfidfVectorizer(), net)."
        )
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        try:
            X = X.astype(np.float32)
        except ValueError as error:
            raise ValueError(
                f"The student's net takes numbers only, but X has text: {error}. Put "
                "an encoder before the net, student=make_pipeline(preprocessing, "
                "net), or use student=None, which encodes it by itself."
            ) from error
    with np.errstate(over="ignore"):  # what overflows is refused below, by name
        X = check_array(X, **FLOAT32, input_name="X")
    _check_finite(X.data if issparse(X) else X)
    return X if issparse(X) else np.require(X, requirements=["C", "W"])


def _check_finite(values):
    if not np.isfinite(values).all():
        if not np.isnan(values).any():
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32'), "
                "which the student's net cannot take. Clip or scale the column."
            )
        raise ValueError(
            "Input X contains NaN for dtype('float32'), which the student's net "
            "cannot take. Put an imputer before the net, "
            "student=make_pipeline(SimpleImputer(), net). student=None imputes by "
            "itself."
        )
