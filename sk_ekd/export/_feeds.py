"""Write rows as what an ONNX file is fed: an array, or one column an input."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._columns import as_table, is_plain, read_numbers
from .._torch_rows import is_of_torch
from .._values import is_missing

DTYPES = {  # others: float32
    "tensor(string)": object,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def make_feed(X, inputs):
    """Return what the inputs of a session are fed with the rows of X."""
    dtypes = [DTYPES.get(given.type, np.float32) for given in inputs]
    names = [given.name for given in inputs]
    if is_of_torch(X):
        parts = zip(names, dtypes, strict=True)
        return {name: np.asarray(X[name], dtype=dtype) for name, dtype in parts}
    if names == ["X"]:
        return {"X": _as_texts(X) if dtypes[0] is object else _as_numbers(X, dtypes[0])}
    columns = zip(names, split_columns(X), dtypes, strict=True)
    return {name: _write(column, dtype) for name, column, dtype in columns}


def split_columns(X):
    """Return the columns of a table as Series."""
    table = X if isinstance(X, pd.DataFrame) else as_table(X)
    frame = pd.DataFrame(table.toarray() if issparse(table) else table)
    return [frame.iloc[:, i] for i in range(frame.shape[1])]


def _as_numbers(X, dtype):
    """Return rows of numbers as an array."""
    if issparse(X):
        return X.toarray().astype(dtype)
    if isinstance(X, np.ndarray) and is_plain(X.dtype):
        return X.astype(dtype)
    columns = [read_numbers(column) for column in split_columns(X)]
    return np.column_stack(columns).astype(dtype)


def _as_texts(X):
    """Return rows of text as an array; of a list of texts, (n, 1)."""
    values = np.asarray(X, dtype=object)
    texts = [str(value) for value in values.ravel()]
    return np.array(texts, dtype=object).reshape(len(values), -1)


def _write(column, dtype):
    """Write a column as (n, 1): as text what is a category, else as numbers."""
    if dtype is object:
        texts = ["" if is_missing(value) else str(value) for value in column]
        return np.array(texts, dtype=object).reshape(-1, 1)
    return read_numbers(column).astype(dtype).reshape(-1, 1)
