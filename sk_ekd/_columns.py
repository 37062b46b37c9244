"""Read a column of any type as numbers or as text, and decide which of them it is."""

from datetime import date, time, timedelta

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from ._data import fill_masked
from ._torch_rows import is_of_torch
from ._values import NUMBERS, as_text, is_number_text, means_missing, to_number

TIMES = (date, time, timedelta, np.datetime64, np.timedelta64, pd.Period)


# --- Tables ---------------------------------------------------------------------------


def as_table(X):
    """Return X as an array of numbers, a CSR matrix, or a DataFrame."""
    if issparse(X):
        return X.tocsr()
    if is_of_torch(X):
        raise ValueError(
            f"student=None takes tables, got a {type(X).__name__}: pass a net that "
            "reads it as the student."
        )
    if isinstance(X, np.ma.MaskedArray):
        X = fill_masked(X)
    if not isinstance(X, (np.ndarray, pd.DataFrame, list, tuple)):
        X = _as_pandas(X)
    if isinstance(X, pd.DataFrame):
        return _as_simple(X)
    array = _as_array(X)
    if array.ndim > 2:
        raise ValueError(
            f"student=None takes tables, got an array with dim {array.ndim}, shape "
            f"{array.shape}: pass a student that reads it."
        )
    if array.dtype.kind in "mM":
        raise ValueError(
            "student=None cannot read dates or durations, got an array of "
            f"{array.dtype}: turn them into numbers first."
        )
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported, got an array of {array.dtype}.")
    if array.dtype != object:
        return array
    return pd.DataFrame(array, dtype=object)  # else old pandas looks for dates in it


def _as_pandas(X):
    """Return a table of polars, Arrow and the like as a DataFrame."""
    if not hasattr(X, "to_pandas"):
        return X
    try:
        return X.to_pandas()
    except ImportError:  # polars asks pyarrow
        return pd.DataFrame(X.to_dict(as_series=False))


def _as_array(X):
    """Return X as an array, of objects where it mixes text with anything else."""
    array = np.asarray(X)
    if array.dtype.kind in "US":
        array = np.array(X, dtype=object)
    if array.ndim == 1 and array.dtype == object:
        raise ValueError(
            "student=None takes tables: arrays, sparse matrices and DataFrames, "
            "got a list of strings or objects. Pass a student that reads it: "
            "student=make_pipeline(TfidfVectorizer(), net)."
        )
    return array


def _as_simple(frame):
    """Return a DataFrame of one type of numbers as an array, a sparse one as CSR."""
    dtypes = frame.dtypes
    if all(isinstance(dtype, pd.SparseDtype) for dtype in dtypes) and len(dtypes):
        if all(dtype.fill_value == 0 for dtype in dtypes):
            return frame.sparse.to_coo().tocsr()
        return frame.sparse.to_dense().to_numpy(dtype=np.float64)
    # of one only: next to floats, integers beyond 2**53 would lose digits
    dtype = dtypes.iloc[0] if dtypes.nunique() == 1 else None
    return frame.to_numpy() if is_plain(dtype) else frame


def is_plain(dtype):
    """Return whether a type is one of NumPy's numbers, bool being one."""
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


# --- Kinds ----------------------------------------------------------------------------


def check_no_dates(frame):
    """Raise for columns of dates or durations."""
    names = [name for name, column in frame.items() if _is_of_times(column)]
    if names:
        raise ValueError(
            f"student=None cannot read columns of dates or durations, got {names}: "
            "turn them into numbers first."
        )


def is_number(column):
    """Return whether a column holds numbers, whatever they are stored as."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(dtype):  # bool as well
        return True
    known = column.dropna()
    if isinstance(dtype, pd.StringDtype):
        return _are_numbers(set(known.unique()))
    kinds = set(map(type, known))
    if not all(issubclass(kind, (str, *NUMBERS)) for kind in kinds):
        return False
    texts = {value for value in known if isinstance(value, str)}
    has_numbers = not all(issubclass(kind, str) for kind in kinds)
    return _are_numbers(texts, has_numbers=has_numbers)


def _are_numbers(texts, *, has_numbers=False):
    """Return whether texts are numbers, or mean that one is missing beside others."""
    known = [text for text in texts if not means_missing(text)]
    if texts and not known:
        return has_numbers
    return all(map(is_number_text, known))


def _is_of_times(column):
    """Return whether there are dates in a column that nobody has called a category."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if not pd.api.types.is_object_dtype(dtype):
        return issubclass(dtype.type, TIMES)
    return any(issubclass(kind, TIMES) for kind in set(map(type, column.dropna())))


# --- Values ---------------------------------------------------------------------------


def read_numbers(column):
    """Read a column as numbers -> (n,), NaN where missing."""
    dtype = column.dtype
    if is_plain(dtype):
        return column.to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        values = read_numbers(pd.Series(dtype.categories, name=column.name))
        return np.append(values, np.nan)[column.array.codes]  # the code of missing: -1
    if isinstance(dtype, pd.SparseDtype):
        return np.asarray(column, dtype=np.float64)
    if not isinstance(dtype, np.dtype) and pd.api.types.is_numeric_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.asarray(column, dtype=object)
    numbers, known = np.full(len(values), np.nan), ~pd.isna(values)
    try:
        numbers[known] = values[known].astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # a text, or no number at all
        numbers[known] = [to_number(v, column.name) for v in values[known]]
    return numbers


def read_text(column):
    """Read a column as text -> codes (n,), -1 where missing, and the texts they mean.

    Several codes may mean the same text: 1, 1.0, "1.0" and True are all one.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = column.array.codes, _as_values(column.dtype.categories)
    else:
        values = _as_values(column)
        try:
            codes, values = pd.factorize(values)
        except TypeError:  # lists, which cannot be hashed
            codes, values = pd.factorize(np.array([*map(str, values)], dtype=object))
    return codes, [as_text(value) for value in values]


def _as_values(column):
    """Return values as an array; of float32, its own, whose 0.1 is written 0.1."""
    dtype = getattr(column.dtype, "numpy_dtype", column.dtype)  # of Float32, float32
    if is_plain(dtype) and dtype.kind == "f":
        return column.to_numpy(dtype, na_value=np.nan)
    return np.asarray(column, dtype=object)
