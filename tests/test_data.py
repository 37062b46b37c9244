"""Rows are read as they come, whatever holds them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from sk_ekd._rows import as_rows, count_rows, read_weight, take_rows

TABLE = np.arange(12.0).reshape(4, 3)
KINDS = {
    "array": TABLE,
    "frame": pd.DataFrame(TABLE, index=[7, 7, 3, 1]),
    "series of texts": pd.Series(["a", "b", "c", "d"], index=[7, 7, 3, 1]),
    "texts": ["a", "b", "c", "d"],
    "tuple": ("a", "b", "c", "d"),
    "images": np.arange(48).reshape(4, 2, 2, 3),
    "csr": sparse.csr_matrix(TABLE),
    "coo": sparse.coo_array(TABLE),
    "dia": sparse.dia_matrix(TABLE),
}


@pytest.mark.parametrize("X", KINDS.values(), ids=KINDS)
def test_rows_are_taken_by_position(X):
    rows = as_rows(X)
    assert count_rows(rows) == 4
    taken = take_rows(rows, np.array([1, 3]))
    assert count_rows(taken) == 2
    if sparse.issparse(X):
        assert_array_equal(taken.toarray(), TABLE[[1, 3]])
    else:
        assert_array_equal(np.asarray(taken), np.asarray(X)[[1, 3]])


@pytest.mark.parametrize("name", ["array", "frame", "texts", "csr"])
def test_all_rows_are_the_very_object(name):
    assert as_rows(KINDS[name]) is KINDS[name]
    assert take_rows(KINDS[name], np.arange(4)) is KINDS[name]


def test_weights_of_zero_are_left_out():
    weight, index = read_weight(np.array([0, 2, 0, 1]), 4)
    assert_array_equal(weight, [2, 1])
    assert_array_equal(index, [1, 3])
    assert weight.dtype == np.float64


def test_no_weights_are_weights_of_one():
    weight, index = read_weight(None, 3)
    assert_array_equal(weight, 1)
    assert_array_equal(index, [0, 1, 2])
