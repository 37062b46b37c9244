"""Decide what the inputs of a student of the user's own are, by a few rows."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._columns import is_number, is_plain
from ._graph import check_names

TYPES = {"float32": 1, "int64": 7, "text": 8, "float64": 11}  # as ONNX numbers them


class Rows(NamedTuple):
    """Rows, or some of their columns, in a graph."""

    name: str
    tensor: str
    dtype: str  # one of TYPES
    shape: tuple  # of a row


def add_inputs(graph, X, *, as_float32=False):
    """Add the columns of a DataFrame as inputs, or one for any other X."""
    if not isinstance(X, pd.DataFrame):
        dtype, shape = _read_array(X)
        dtype = "float32" if as_float32 and dtype != "text" else dtype
        given = dtype if dtype in ("text", "float32") else "float64"
        return [Rows("X", graph.add_input("X", TYPES[given], *shape), dtype, shape)]
    check_names([str(name) for name in X.columns])
    inputs = []
    for i, name in enumerate(map(str, X.columns)):
        dtype = _dtype_of(X.iloc[:, i])
        given = "text" if dtype == "text" else "float64"
        inputs.append(Rows(name, graph.add_input(name, TYPES[given], 1), dtype, (1,)))
    return inputs


def describe_inputs(X, inputs):
    """Return name and kind of each column; the name is None of an array's."""
    kinds = ["category" if rows.dtype == "text" else "number" for rows in inputs]
    if isinstance(X, pd.DataFrame):
        return [*zip([rows.name for rows in inputs], kinds, strict=True)]
    return [(None, kinds[0])] * int(np.prod(inputs[0].shape))


def join(graph, inputs, precision):
    """Join columns into one matrix: of texts or integers, or else of floats."""
    dtypes = {rows.dtype for rows in inputs}
    if "text" in dtypes and len(dtypes) > 1:
        names = [rows.name for rows in inputs if rows.dtype == "text"]
        raise ValueError(
            f"The student takes all columns as numbers, but these are text: {names}. "
            "Put a ColumnTransformer before the model."
        )
    dtype = dtypes.pop() if dtypes in ({"text"}, {"int64"}) else precision
    tensor = inputs[0].tensor
    if len(inputs) > 1:
        tensor = graph.add("Concat", *[rows.tensor for rows in inputs], axis=1)
    width = sum(rows.shape[0] for rows in inputs)
    shape = (width, *inputs[0].shape[1:])
    return Rows("X", cast(graph, tensor, dtype), dtype, shape)


def cast(graph, tensor, dtype):
    """Add a cast of numbers; text stays what it is."""
    if dtype == "text":
        return tensor
    return graph.add("Cast", tensor, to=TYPES[dtype])


def _read_array(X):
    """Return type and shape of the rows of an array, a list or a sparse matrix."""
    array = X if issparse(X) else np.asarray(X)
    shape = array.shape[1:] or (1,)  # of texts
    if array.dtype.kind in "OUST":
        return "text", shape
    return _dtype_of_plain(array.dtype), shape


def _dtype_of(column):
    """Return how the steps of a student see a column of a DataFrame."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _dtype_of(dtype.categories.to_series())
    if not is_number(column) or isinstance(dtype, pd.StringDtype):
        return "text"
    if is_plain(dtype):
        kind = _dtype_of_plain(dtype)
        return "float64" if kind == "float32" else kind
    is_whole = pd.api.types.is_integer_dtype(dtype) and not column.isna().any()
    return "int64" if is_whole else "float64"


def _dtype_of_plain(dtype):
    if dtype.kind in "biu":
        return "int64"
    return "float32" if dtype == np.float32 else "float64"
