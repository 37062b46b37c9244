"""Predict by NumPy alone, with a student that `sk_ekd.export.save` wrote.

Importing this module imports neither torch nor scikit-learn nor pandas.
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from ._folded import from_arrays
from ._scale import bend, check_finite
from ._values import Places, read_number, read_rows

__all__ = ["Student", "load"]

BLOCK_ROWS = 2**13  # predicted at once
FEW_ROWS = 16  # of a DataFrame that are read value by value


def load(path):
    """Load a student from a file; no code in it can run.

    Parameters
    ----------
    path : str or path-like
        A file that :func:`sk_ekd.export.save` has written.

    Returns
    -------
    student : Student
        It predicts as the distiller did that was saved.

    Raises
    ------
    ValueError
        If the file was cut off, changed, or written in a newer format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sk_ekd import EnsembleDistiller, serving
    >>> from sk_ekd.export import save
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EnsembleDistiller([SVC()], cv=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "student.npz")
    ...     save(distiller, path)
    ...     student = serving.load(path)
    >>> student.predict([[5.1, 3.5, 1.4, 0.2]])
    array([0])
    """
    with open(path, "rb") as file:
        try:
            return Student(from_arrays(_read_arrays(file)))
        except Exception as error:  # whatever a file that was tampered with raises
            raise ValueError(
                f"{str(path)!r} is no student that can be loaded: {error}. Write it "
                "anew by sk_ekd.export.save."
            ) from error


def _read_arrays(file):
    """Read a file of NumPy arrays, none of them compressed or pickled -> dict."""
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:  # nor a bomb
                raise ValueError(f"{entry.filename} in it is compressed")
            content = io.BytesIO(archive.read(entry))
            array = np.lib.format.read_array(content, allow_pickle=False)
            arrays[entry.filename.removesuffix(".npy")] = array
    return arrays


class Student:
    """A student that predicts by NumPy alone; :func:`load` makes it.

    Parameters
    ----------
    folded : Folded
        What :func:`load` has read.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, only if `fit` saw a table with names.
    """

    def __init__(self, folded):
        self.classes_ = folded.classes
        self.n_features_in_ = folded.n_columns
        if folded.names is not None:
            self.feature_names_in_ = np.array(folded.names, dtype=object)
        self._folded = folded
        names = folded.names or range(folded.n_columns)
        self._keys = set(folded.names or ())
        self._numbers = [
            (position, names[position], None if folded.is_read[i] else folded.median[i])
            for i, position in enumerate(folded.numbers.tolist())
        ]
        k, m = len(folded.numbers), len(folded.missing)
        weight, bias = folded.layers[0]
        zero = np.zeros((1, len(bias)), dtype=np.float32)
        self._flat = np.flatnonzero(folded.scale == 0)
        self._scale = np.where(folded.scale == 0, 1.0, folded.scale)
        self._of_numbers = weight[:k]
        self._of_missing = 2 * weight[k : k + m]
        self._bias = bias - folded.share_missing.astype(np.float32) @ self._of_missing
        self._of_categories = np.concatenate([weight[k + m :], zero])  # the last: none
        self._categories, start = [], 0
        for category in folded.categories:
            places = Places(category, start, len(self._of_categories) - 1)
            self._categories.append((category.position, places))
            start += category.width

    def __repr__(self):
        return (
            f"<sk_ekd.serving.Student of {self.n_features_in_} columns and "
            f"{len(self.classes_)} classes>"
        )

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, dict or list of dict
            Rows, as in :meth:`predict_proba`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame, dict or list of dict
            Rows. A dict is one row, with a value for each column by its name, in any
            order; None, NaN, NA and "" are missing values. A DataFrame, of pandas or
            polars, has the columns of `fit` in their order.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        if isinstance(X, Mapping):
            return self._answer_rows([self._order(X)])
        if isinstance(X, (list, tuple)) and X and isinstance(X[0], Mapping):
            return self._answer_rows([self._order(row) for row in X])
        if hasattr(X, "index") and hasattr(X, "to_dict") and not hasattr(X, "columns"):
            return self._answer_rows([self._order(X.to_dict())])  # a Series of pandas
        table = _open_table(X)
        self._check_table(table)
        if table.n_rows <= FEW_ROWS and hasattr(X, "iat"):
            rows = [[X.iat[i, j] for j in range(X.shape[1])] for i in range(len(X))]
            return self._answer_rows(rows)
        starts = range(0, table.n_rows, BLOCK_ROWS)
        parts = [slice(start, start + BLOCK_ROWS) for start in starts]
        return np.concatenate([self._answer(*self._read(table, p)) for p in parts])

    # --- Read -------------------------------------------------------------------------

    def _order(self, row):
        """Return the values of a dict in the order of the columns."""
        if not isinstance(row, Mapping):
            raise TypeError(f"Each row of the list must be a dict, got {row!r}.")
        if not self._keys or row.keys() != self._keys:
            self._refuse_columns([*row])
        return [row[name] for name in self._folded.names]

    def _read(self, table, part):
        """Read some rows -> numbers (n, k), places of the categories (n, g)."""
        folded, columns = self._folded, table.read(part)
        if isinstance(columns, np.ndarray) and columns.dtype.kind in "biuf":
            numbers = columns[:, folded.numbers].astype(np.float64)
            columns = [*columns.T] if folded.categories else []
        else:
            numbers = np.empty((len(columns[0]), len(folded.numbers)))
            for j, (position, name, unread) in enumerate(self._numbers):
                if unread is None:
                    numbers[:, j] = _to_numbers(columns[position], name)
        numbers[:, ~folded.is_read] = folded.median[~folded.is_read]
        places = np.empty((len(numbers), len(folded.categories)), dtype=np.intp)
        for j, (position, look_up) in enumerate(self._categories):
            places[:, j] = [look_up.of(value) for value in columns[position]]
        return numbers, places

    def _check_table(self, table):
        """Raise for no rows, and for other columns than those of the fit."""
        if not table.n_rows:
            raise ValueError("X must have at least 1 row, got 0 rows.")
        names, known = table.names, self._folded.names
        if names is not None and known is not None and names != known:
            self._refuse_columns(names)
        if table.n_columns != self.n_features_in_:
            raise ValueError(
                f"X must have the {self.n_features_in_} columns of the fit, got "
                f"{table.n_columns}."
            )
        if (names is None) != (known is None):
            has, had = ("no ", "had some") if names is None else ("", "had none")
            warnings.warn(
                f"X has {has}column names, but the table of the fit {had}: columns are "
                "taken by their position. Pass rows of the same kind. See "
                '"Troubleshooting: Column names" in the documentation.',
                stacklevel=4,
            )

    def _refuse_columns(self, names):
        """Raise for names that are not those of the fit, and say which."""
        known = self._folded.names
        if known is None:
            raise ValueError(
                "A row by column names needs a student that was fitted on a table with "
                "names, and this one was fitted on an array: pass an array."
            )
        lacking = [name for name in known if name not in names]
        unknown = [name for name in names if name not in known]
        what = f"Lacking: {lacking}. Unknown: {unknown}."
        if not lacking and not unknown:
            moved = [
                name for name, other in zip(names, known, strict=False) if name != other
            ]
            what = f"Out of place, or there twice: {moved}."
        raise ValueError(
            "The columns must be those of the fit, in a table in the same order: "
            f"{known}. {what}"
        )

    # --- Compute ----------------------------------------------------------------------

    def _answer_rows(self, rows):
        """Read rows value by value, and ask the network -> (n, c)."""
        return self._answer(*read_rows(rows, self._numbers, self._categories))

    def _answer(self, numbers, places):
        """Ask the network, by numbers (n, k) and places (n, g) -> (n, c)."""
        hidden = np.repeat(self._bias[np.newaxis], len(numbers), axis=0)
        if numbers.shape[1]:
            self._add_numbers(numbers, hidden)
        if places.shape[1]:
            hidden += self._of_categories[places].sum(axis=1)
        for weight, bias in self._folded.layers[1:]:
            np.maximum(hidden, 0, out=hidden)
            hidden = hidden @ weight
            hidden += bias
        proba = hidden.astype(np.float64)
        proba -= proba.max(axis=1, keepdims=True)
        np.exp(proba, out=proba)
        proba /= proba.sum(axis=1, keepdims=True)
        return proba

    def _add_numbers(self, numbers, hidden):
        """Add what the first layer makes of numbers (n, k) to (n, h)."""
        folded, missing = self._folded, None
        if not np.isfinite(numbers.sum()):
            missing = np.isnan(numbers)
            check_finite(numbers[:, folded.scale > 0])  # others are ignored
            numbers = np.where(missing, folded.median, numbers)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((numbers - folded.center) / self._scale).astype(np.float32)
        bend(scaled, folded.bound)
        if len(self._flat):
            scaled[:, self._flat] = 0
        hidden += scaled @ self._of_numbers
        if missing is not None and len(folded.missing):
            hidden += missing[:, folded.missing].astype(np.float32) @ self._of_missing


class _Table(NamedTuple):
    """Rows of any kind."""

    names: list | None
    n_rows: int
    n_columns: int
    read: Callable  # rows of a slice -> an array (n, d), or a list of columns


def _open_table(X):
    """Look at rows of any kind -> _Table."""
    names = getattr(X, "column_names", getattr(X, "columns", None))  # Arrow, others
    if names is not None:
        names = [*names]
        reader = next((f for name, f in READERS.items() if hasattr(X, name)), None)
        if reader is None:
            raise TypeError(f"X must be rows, got {type(X).__name__}.")
        shown = names if all(isinstance(name, str) for name in names) else None
        return _Table(shown, X.shape[0], len(names), partial(reader, X))
    if hasattr(X, "tocsr"):
        return _Table(None, *X.shape, partial(_read_sparse, X.tocsr()))
    array = _as_array(X)
    return _Table(None, *array.shape, partial(_read_array, array))


def _read_pandas(X, part):
    columns = [np.asarray(X.iloc[part, i]) for i in range(X.shape[1])]
    return [c if c.dtype.kind in "biuf" else [*c] for c in columns]


def _read_polars(X, part):
    return [X.to_series(i)[part].to_list() for i in range(X.shape[1])]


def _read_arrow(X, part):
    rows = X.slice(part.start, part.stop - part.start)
    return [rows.column(i).to_pylist() for i in range(X.num_columns)]


READERS = {"iloc": _read_pandas, "to_series": _read_polars, "column": _read_arrow}


def _read_array(X, part):
    return X[part] if X.dtype.kind in "biuf" else [*X[part].T]


def _read_sparse(X, part):
    rows = X[part].toarray()
    if rows.dtype.kind == "f" and np.isnan(rows).any():
        raise ValueError("X is sparse and contains NaN: pass X.toarray().")
    return rows


def _as_array(X):
    """Return rows as an array (n, d), of objects where they mix text with numbers."""
    if isinstance(X, np.ma.MaskedArray):
        X = np.where(np.ma.getmaskarray(X), None, X.data.astype(object))
    array = np.asarray(X)
    if array.dtype.kind in "US":
        array = np.array(X, dtype=object)
    if not len(np.atleast_1d(array)):
        raise ValueError("X must have at least 1 row, got 0 rows.")
    if array.dtype.kind in "mMc":
        raise ValueError(
            f"X must hold numbers and text, got an array of {array.dtype}: turn dates "
            "and durations into numbers first."
        )
    if array.ndim != 2:
        raise ValueError(
            "X must be rows of columns, a dict or a list of dicts, got "
            f"{type(X).__name__} of shape {array.shape}: for a single row, pass [row]."
        )
    return array


def _to_numbers(column, name):
    """Read a column of any type -> (n,), NaN where missing."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return column
    return [read_number(value, name) for value in column]
