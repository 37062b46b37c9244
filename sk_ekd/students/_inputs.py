"""Read X as what a net takes, or say why it cannot take it.

What that is gets decided once, before the net trains, and stays with it as `inputs_`:
"float32" or "int64" for an array, one of these or "bool" for each array of a Mapping,
and "as given" for rows that a Dataset or loader of the user's reads.
"""

import re
from collections.abc import Mapping
from math import prod

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.utils import check_array
from skorch.helper import SliceDataset, SliceDict

from .._data import fill_masked
from .._torch_rows import as_sliceable

BLOCK_VALUES = 2**24  # looked at at once: 64 MB
DTYPES = {"i": "int64", "u": "int64", "b": "bool", "f": "float32"}  # by a dtype's kind
AS_GIVEN = "as given"
# as nn.Embedding and nn.EmbeddingBag say of an id that they do not have
OUT_OF_RANGE = re.compile(
    "index out of range in self|not in the valid range|idx < num_embeddings"
)
MOST_EXACT = 2**24  # up to which float32 has all integers
FLOAT32 = {
    "dtype": np.float32,
    "accept_sparse": "csr",
    "allow_nd": True,
    "ensure_all_finite": False,
}


def read_inputs(X, *, by_user=False):
    """Return X as an array, a CSR matrix, a SliceDict, or as it is.

    Integers keep their type: whether a net takes them is to be tried. Whatever is no
    array of numbers is left alone where the user reads the rows `by_user`.
    """
    X = as_sliceable(X)
    if isinstance(X, Mapping):
        return SliceDict(**{key: _read_part(key, part) for key, part in X.items()})
    if isinstance(X, SliceDataset):
        return X
    if isinstance(X, torch.Tensor):
        X = X.numpy(force=True)
    if isinstance(X, pd.DataFrame):
        is_integer = all(map(pd.api.types.is_integer_dtype, X.dtypes))
        X = X.to_numpy(np.int64) if is_integer and not X.isna().any(axis=None) else X
    elif isinstance(X, (list, tuple)):
        X = _read_list(X)
    if by_user and not _is_numeric(X):
        return X.tolist() if isinstance(X, pd.Series) else X  # taken by position
    if is_array_of(X, "iu") and X.ndim > 1 and X.size:
        return X
    return as_matrix(X)


def choices(Z):
    """Return what may be fed of rows that were read, the first to be tried first."""
    if isinstance(Z, Mapping):
        return [{key: DTYPES[part.dtype.kind] for key, part in Z.items()}]
    if not is_array_of(Z, "biuf") and not issparse(Z):
        return [AS_GIVEN]
    if not is_array_of(Z, "iu"):
        return ["float32"]
    # a module that takes both, as of images in bytes, computes with numbers
    is_exact = not Z.size or max(-int(Z.min()), int(Z.max())) <= MOST_EXACT
    return ["float32", "int64"] if is_exact else ["int64", "float32"]


def settle(Z, inputs):
    """Return rows that were read as those that a net was first fed, or raise."""
    if isinstance(inputs, Mapping) != isinstance(Z, Mapping):
        raise ValueError(
            f"The student was fitted on {_describe(inputs)}, got {type(Z).__name__}: "
            "pass rows of the same form."
        )
    if isinstance(Z, Mapping):
        return _settle_parts(Z, inputs)
    if inputs == AS_GIVEN:
        return Z
    if isinstance(Z, SliceDataset):
        raise ValueError(
            f"The student was fitted on {_describe(inputs)}, got a Dataset: pass its "
            "rows as an array."
        )
    if inputs == "float32":
        return as_matrix(Z)
    if not is_array_of(Z, "biu"):
        raise ValueError(
            "The student was fitted on integers, such as token ids, got values of type "
            f"{getattr(Z, 'dtype', type(Z).__name__)}: pass X.astype(np.int64)."
        )
    return Z if isinstance(Z, np.memmap) else np.ascontiguousarray(Z, dtype=np.int64)


def check_vocabulary(error, *rows):
    """Raise a better error where an index among rows was out of a module's range."""
    if not OUT_OF_RANGE.search(str(error)):
        return
    ranges = {}
    for Z in rows:
        for key, part in (Z if isinstance(Z, Mapping) else {"X": Z}).items():
            if is_array_of(part, "iu") and part.size:
                low, high = ranges.get(key, (part.min(), part.max()))
                ranges[key] = min(low, part.min()), max(high, part.max())
    found = [f"{k} has integers from {a} to {b}" for k, (a, b) in ranges.items()]
    if found:
        raise ValueError(
            f"The student's module looks up what it does not have ({error}): "
            f"{' and '.join(found)}. Give its nn.Embedding a `num_embeddings` that is "
            "larger than the largest of them, or map ids that it does not know to one "
            "that stands for unknown ones."
        ) from error


def is_array_of(X, kinds):
    """Return whether X is an array of one of these kinds of dtype."""
    return isinstance(X, np.ndarray) and X.dtype.kind in kinds


def _is_numeric(X):
    """Return whether rows are an array or a table of numbers."""
    if isinstance(X, pd.DataFrame):
        return all(map(pd.api.types.is_numeric_dtype, X.dtypes))
    if is_array_of(X, "O") and X.ndim > 1:
        try:
            X.astype(np.float32)
        except (TypeError, ValueError):
            return False
        return True
    return issparse(X) or is_array_of(X, "biuf")


def _read_list(X):
    """Return a list of rows as an array, one of texts or of other objects as it is."""
    if len(X) and isinstance(X[0], torch.Tensor):
        X = [row.numpy(force=True) for row in X]
    if not len(X) or not isinstance(X[0], (list, tuple, np.ndarray)):
        return X
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"X has rows of unequal length, {len(X[0])} values in the first: pad token "
            "ids to one length, or put what does it before the net, "
            "student=make_pipeline(tokenizer, net)."
        ) from error


def _read_part(key, part):
    """Return one array of a Mapping in a type that a net may be fed."""
    if isinstance(part, torch.Tensor):
        is_float = part.is_floating_point()  # NumPy has no bfloat16
        part = (part.float() if is_float else part).numpy(force=True)
    if isinstance(part, np.ma.MaskedArray):
        part = fill_masked(part)
    if not is_array_of(part, "biuf"):
        raise ValueError(
            f"X[{key!r}] must be an array of numbers, got a {type(part).__name__} of "
            f"{getattr(part, 'dtype', 'no dtype')}: a net takes dense numbers only."
        )
    if not isinstance(part, np.memmap):
        with np.errstate(over="ignore"):  # refused below
            part = np.ascontiguousarray(part, dtype=DTYPES[part.dtype.kind])
    if part.dtype.kind == "f" and not all(map(_is_finite, _blocks(part))):
        raise ValueError(
            f"X[{key!r}] has NaN, infinity, or a value too large for float32, which "
            "the student's net cannot take: impute, clip or scale it."
        )
    return part


def _blocks(X):
    """Yield rows of an array as float32, few enough to hold a copy of them."""
    size = max(1, BLOCK_VALUES // max(1, prod(X.shape[1:])))
    for start in range(0, len(X), size):
        with np.errstate(over="ignore"):
            yield X[start : start + size].astype(np.float32)


def _is_finite(values):
    return np.isfinite(values).all()


def _settle_parts(Z, inputs):
    if Z.keys() != inputs.keys():
        raise ValueError(
            f"The student was fitted on X with the keys {list(inputs)}, got {list(Z)}."
        )
    if not len(Z):
        raise ValueError("X has 0 rows: at least 1 is required.")
    parts = {}
    for key, dtype in inputs.items():
        part = Z[key]
        if dtype != "float32" and part.dtype.kind == "f":
            raise ValueError(
                f"X[{key!r}] had {dtype} values when the student was fitted, got "
                f"{part.dtype}: pass {key}.astype(np.{dtype})."
            )
        is_mapped = isinstance(part, np.memmap)
        parts[key] = part if is_mapped else np.ascontiguousarray(part, dtype=dtype)
    return SliceDict(**parts)


def _describe(inputs):
    if isinstance(inputs, Mapping):
        return f"a Mapping with the keys {list(inputs)}"
    return "rows" if inputs == AS_GIVEN else "an array"


def as_matrix(X):
    """Return X as the float32 array or CSR matrix that a net can take."""
    if isinstance(X, np.memmap) and X.ndim > 1 and X.size and X.dtype.kind in "fiub":
        for block in _blocks(X):
            _check_finite(block)
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
    if not _is_finite(values):
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
