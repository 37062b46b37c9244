"""Decide what the inputs of a student of the user's own are, by a few rows."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from .._columns import is_number
from .._values import is_missing
from ._graph import check_names
from ._imputer import MISSING_TEXTS

# as ONNX numbers them
TYPES = {"float32": 1, "int64": 7, "text": 8, "bool": 9, "float64": 11}


class Rows(NamedTuple):
    """Rows, or some of their columns, in a graph."""

    name: str
    tensor: str
    dtype: str  # one of TYPES
    shape: tuple  # of a row


def add_inputs(graph, X):
    """Add the columns of a DataFrame as inputs, or one for any other X."""
    if not isinstance(X, pd.DataFrame):
        array = X if issparse(X) else np.asarray(X)
        shape = array.shape[1:] or (1,)  # of a list of texts
        dtype = "text" if array.dtype.kind in "OUST" else "float64"
        return [Rows("X", graph.add_input("X", TYPES[dtype], *shape), dtype, shape)]
    names = [str(name) for name in X.columns]
    check_names(names)
    dtypes = [_dtype_of(X.iloc[:, i]) for i in range(len(names))]
    inputs = []
    for i, (name, dtype) in enumerate(zip(names, dtypes, strict=True)):
        tensor = graph.add_input(name, TYPES[dtype], 1)
        missing = [value for value in X.iloc[:, i] if is_missing(value)]
        if dtype == "text" and missing:
            tensor = _spell_missing(graph, tensor, str(missing[0]))
        inputs.append(Rows(name, tensor, dtype, (1,)))
    return inputs


def _spell_missing(graph, tensor, text):
    """Add a change of all texts for a missing value to the one that steps know."""
    options = {"keys_strings": MISSING_TEXTS, "values_int64s": [1] * len(MISSING_TEXTS)}
    options |= {"default_int64": 0, "domain": "ai.onnx.ml"}
    found = graph.add("LabelEncoder", tensor, **options)
    is_missing = graph.add("Cast", found, to=TYPES["bool"])
    return graph.add("Where", is_missing, graph.keep([text]), tensor)


def describe_inputs(X, inputs):
    """Return name and type of each column; the name is None of an array's."""
    if isinstance(X, pd.DataFrame):
        return [(rows.name, rows.dtype) for rows in inputs]
    return [(None, rows.dtype) for rows in inputs]


def cast(graph, rows, dtype):
    """Add a cast of numbers; text stays what it is."""
    if rows.dtype in ("text", dtype):
        return rows
    tensor = graph.add("Cast", rows.tensor, to=TYPES[dtype])
    return rows._replace(tensor=tensor, dtype=dtype)


def join(graph, inputs):
    """Join columns of one type into a matrix."""
    if len(inputs) == 1:
        return inputs[0]._replace(name="X")
    tensor = graph.add("Concat", *[rows.tensor for rows in inputs], axis=1)
    return Rows("X", tensor, inputs[0].dtype, (len(inputs),))


def _dtype_of(column):
    """Return whether the student sees text in a column of a DataFrame, or numbers."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _dtype_of(dtype.categories.to_series())
    is_text = isinstance(dtype, pd.StringDtype) or not is_number(column)
    return "text" if is_text else "float64"
