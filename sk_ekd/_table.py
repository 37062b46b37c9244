"""Encode a table of any kind as the float32 columns that the built-in net is fed."""

from contextlib import suppress
from functools import cached_property
from numbers import Real

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import inplace_column_scale
from sklearn.utils.validation import check_is_fitted, validate_data

from ._columns import (
    as_table,
    check_no_dates,
    is_number,
    is_plain,
    read_numbers,
    read_text,
)
from ._compat import Interval, fit_context, warn
from ._scale import bend, check_finite, check_stored, summarize, summarize_sparse
from ._values import Category, Places, read_rows

MAX_CATEGORIES = 64  # of a column; the rarest share one
DISTINCT, FEW = 0.9, 20  # share of the values that makes a text no category; of rows
BLOCK_VALUES = 2**16  # scaled at once, in float64: what a cache holds
FIT_VALUES = 2**20  # looked at at once in a fit
COLUMN_TAKES = 40  # values that are read one by one while pandas takes out a column


class TableEncoder(TransformerMixin, BaseEstimator):
    """Decide at fit what each column is, and read whatever comes later as that.

    A column is a number, a category, or has nothing to learn from: one value at fit.
    Numbers are imputed, marked where they were missing, standardized and bounded.
    Categories are one-hot encoded. A sparse matrix is scaled, and stays sparse.

    Parameters
    ----------
    bound : float, default=5.0
        What no number exceeds, in standard deviations: a smooth limit. None is none.
    """

    _parameter_constraints = {
        "bound": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, bound=5.0):
        self.bound = bound

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Decide what each column is, and how numbers are scaled."""
        table = as_table(X)
        self._check_rows(table)
        validate_data(
            self, X if hasattr(X, "columns") else table, skip_check_array=True
        )
        self.is_sparse_, self.categories_ = issparse(table), []
        is_read = np.ones(table.shape[1], dtype=bool)
        if isinstance(table, pd.DataFrame):
            check_no_dates(table)
            for i, dtype in enumerate(table.dtypes):
                if not is_plain(dtype) and not is_number(_column(table, i)):
                    is_read[i] = self._fit_category(i, _column(table, i))
        positions = [category.position for category in self.categories_]
        self.numbers_ = np.delete(np.arange(table.shape[1]), positions)
        self.is_read_ = is_read[self.numbers_]
        self.is_text_ = ~self.is_read_  # of a single value
        self._fit_numbers(table)
        self.__dict__.pop("_readers", None)
        return self

    def transform(self, X):
        """Encode rows -> (n, d), float32; sparse rows stay so if `fit` saw such."""
        check_is_fitted(self)
        # where there are categories: pandas takes out all numbers at once
        few = COLUMN_TAKES * len(self.categories_)
        if isinstance(X, pd.DataFrame) and X.size <= few:
            self._check_columns(X, X)
            with suppress(TypeError, ValueError):  # the other way says what is wrong
                return self._encode_few(X)
        table = as_table(X)
        self._check_columns(X, table)
        self._check_rows(table)
        if self.is_sparse_ and issparse(table):
            return self._scale_sparse(table)
        encoded, start = self._make_blank(table.shape[0])
        table = table.toarray() if issparse(table) else table
        self._scale(self._take_numbers(table), encoded)
        for category in self.categories_:
            part = encoded[:, start : start + category.width]
            _mark(_column(table, category.position), category, part)
            start += category.width
        return encoded

    def get_feature_names_out(self, input_features=None):
        """Name the columns of `transform`: by the column, and what of it they show."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", input_features)
        if names is None:
            names = [f"x{i}" for i in range(self.n_features_in_)]
        numbers = [names[i] for i in self.numbers_]
        missing = [f"{numbers[i]}_missing" for i in self.missing_]
        ones = [
            f"{names[category.position]}_{text}"
            for category in self.categories_
            for text in [*category.texts, *["rare"] * category.has_rest]
        ]
        return np.array([*numbers, *missing, *ones], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "_readers"}

    def _make_blank(self, n_rows):
        """Return zeros to encode rows in, and where categories begin -> (n, d), int."""
        start = len(self.center_) + len(self.missing_)
        width = start + sum(category.width for category in self.categories_)
        return np.zeros((n_rows, width), dtype=np.float32), start

    @cached_property
    def _readers(self):
        """What `read_rows` wants of each column."""
        median = zip(self.is_read_, self.median_, strict=True)
        unread = [None if is_read else value for is_read, value in median]
        numbers = [*zip(self.numbers_.tolist(), self.numbers_, unread, strict=True)]
        categories, start = [], len(self.center_) + len(self.missing_)
        for category in self.categories_:
            categories.append((category.position, Places(category, start)))
            start += category.width
        return numbers, categories

    def _encode_few(self, frame):
        """Encode a few rows of a DataFrame -> (n, d), as `transform` does many."""
        n_rows, n_columns = frame.shape
        self._check_rows(frame)
        rows = [[frame.iat[i, j] for j in range(n_columns)] for i in range(n_rows)]
        numbers, places = read_rows(rows, *self._readers)
        encoded, _ = self._make_blank(n_rows)
        self._scale(numbers, encoded)
        for row, found in zip(encoded, places, strict=True):
            row[found[found >= 0]] = 1
        return encoded

    def _check_rows(self, table):
        """Raise for a table without rows, as scikit-learn does."""
        if not table.shape[0]:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={table.shape}) while a minimum "
                f"of 1 is required by {type(self).__name__}."
            )

    def _check_columns(self, X, table):
        """Raise for another number of columns, or other names."""
        names = getattr(X, "column_names", getattr(X, "columns", None))  # Arrow, others
        known = getattr(self, "feature_names_in_", None)
        renamed = names is not None and known is not None and list(names) != list(known)
        if renamed or table.shape[1] != self.n_features_in_:
            checked = X if renamed else table
            validate_data(self, checked, reset=False, skip_check_array=True)

    # --- Categories ------------------------------------------------------------------

    def _fit_category(self, position, column):
        """Choose what is one-hot encoded; return whether there is something to."""
        codes, texts = read_text(column)
        counts = np.bincount(codes + 1, minlength=len(texts) + 1)
        known = pd.Series(counts[1:]).groupby(np.array(texts, dtype=object)).sum()
        known = known[known > 0].sort_index()
        self._warn_of_distinct(column, known)
        names, counts = [*known.index], [*known]
        if counts_missing := len(codes) - sum(counts):
            names, counts = [*names, None], [*counts, counts_missing]
        if len(names) < 2:
            return False
        n_rare = len(names) - MAX_CATEGORIES + 1 if len(names) > MAX_CATEGORIES else 0
        rare = set(np.argsort(counts, kind="stable")[:n_rare])
        kept = [name for i, name in enumerate(names) if i not in rare]
        self.categories_.append(Category(position, kept, has_rest=n_rare > 0))
        return True

    def _warn_of_distinct(self, column, known):
        """Warn of text in which hardly a value comes twice."""
        n_known = int(known.sum())
        if n_known > FEW and len(known) > DISTINCT * n_known:
            warn(
                f"Column {column.name!r} is text with {len(known)} distinct values in "
                f"{n_known} rows, from which student=None learns next to nothing: drop "
                "it, or turn it into numbers or into few categories first.",
                "Text that is nearly all distinct",
            )

    # --- Numbers ---------------------------------------------------------------------

    def _take_numbers(self, table):
        """Return the columns that are numbers -> (n, d)."""
        if not isinstance(table, pd.DataFrame):
            return table[:, self.numbers_] if self.categories_ else table
        numbers = np.empty((len(table), len(self.numbers_)), order="F")
        numbers[:] = getattr(self, "median_", np.nan)  # of what is not read
        read = np.flatnonzero(self.is_read_)
        dtypes = table.dtypes.to_numpy()[self.numbers_[read]]
        plain = np.array([is_plain(dtype) for dtype in dtypes], dtype=bool)
        for part in _blocks(read[plain], dtypes[plain], len(table)):
            numbers[:, part] = table.iloc[:, self.numbers_[part]].to_numpy()
        for j in read[~plain]:
            numbers[:, j] = read_numbers(_column(table, self.numbers_[j]))
        return numbers

    def _fit_numbers(self, table):
        """Find center and scale of each number, and where some are missing."""
        if self.is_sparse_:
            parts = [summarize_sparse(table)]
        else:
            X = self._take_numbers(table)
            size = max(1, FIT_VALUES // len(X))
            starts = range(0, X.shape[1] or 1, size)
            parts = [summarize(X[:, i : i + size].T.astype(np.float64)) for i in starts]
        summary = map(np.concatenate, zip(*parts, strict=True))
        self.median_, self.center_, self.scale_, share = map(np.asarray, summary)
        self.missing_ = np.flatnonzero((share > 0) & (share < 1))
        self.share_missing_ = share[self.missing_]
        self.is_read_ &= (self.scale_ > 0) | ((share > 0) & (share < 1))

    def _scale(self, X, encoded):
        """Write numbers (n, d) and where they are missing into the first columns."""
        n_numbers, flat = len(self.center_), np.flatnonzero(self.scale_ == 0)
        if not n_numbers:
            return
        scale = np.where(self.scale_ == 0, 1, self.scale_)
        for rows in gen_batches(len(X), max(1, BLOCK_VALUES // n_numbers)):
            Z, part = X[rows].astype(np.float64), encoded[rows]
            missing = np.zeros((1, n_numbers), dtype=bool)
            with np.errstate(over="ignore", invalid="ignore"):
                if not np.isfinite(Z.sum()):
                    missing = np.isnan(Z)
                    check_finite(Z[:, self.scale_ > 0])  # others are ignored
                    np.copyto(Z, self.median_, where=missing)
                Z -= self.center_
                np.divide(Z, scale, out=part[:, :n_numbers], casting="same_kind")
            bend(part[:, :n_numbers], self.bound)
            part[:, flat] = 0
            indicator = missing[:, self.missing_] - self.share_missing_
            part[:, n_numbers : n_numbers + len(self.missing_)] = 2 * indicator

    def _scale_sparse(self, X):
        """Scale a sparse matrix, and leave it sparse."""
        X = X.astype(np.float64)  # a copy, which is scaled in place
        if (self.scale_ == 0).any():
            X.data[self.scale_[X.indices] == 0] = 0  # which may be infinite
        check_stored(X)
        inverse = np.divide(1, self.scale_, where=self.scale_ > 0, out=0 * self.scale_)
        with np.errstate(over="ignore"):
            inplace_column_scale(X, inverse)
            X = X.astype(np.float32)
        bend(X.data, self.bound)
        return X


def _column(table, position):
    """Return a column of a DataFrame or array, by position: names may come twice."""
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, position]
    return pd.Series(table[:, position], name=position)


def _blocks(columns, dtypes, n_rows):
    """Split columns into parts of one type, each small enough to be copied."""
    # for one row, a Series for each column takes longer than all else
    size = max(1, FIT_VALUES // n_rows)
    for dtype in set(dtypes):
        alike = columns[dtypes == dtype]
        yield from (alike[i : i + size] for i in range(0, len(alike), size))


def _mark(column, category, encoded):
    """Write a one into the column of each row's category."""
    codes, texts = read_text(column)
    places, missing = category.places_of(texts)
    place = np.array([*places, missing])[codes]
    rows = np.flatnonzero(place >= 0)
    encoded[rows, place[rows]] = 1
