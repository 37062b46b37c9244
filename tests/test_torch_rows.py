"""Mappings and Datasets become sliceable, and are refused where they cannot be."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.helper import SliceDataset, SliceDict
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from sk_ekd._data import as_rows, count_rows, take_rows
from sk_ekd._torch_rows import as_sliceable, is_of_torch


class Squares(Dataset):
    """Rows that are no tuples."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return torch.tensor([index, index**2])


class Stream(IterableDataset):
    def __iter__(self):
        yield from range(5)


@pytest.mark.parametrize(
    "part",
    [
        np.arange(8).reshape(4, 2),
        torch.arange(8).reshape(4, 2),
        [[0, 1], [2, 3], [4, 5], [6, 7]],
        pd.DataFrame({"a": [0, 2, 4, 6], "b": [1, 3, 5, 7]}, index=[3, 2, 1, 0]),
    ],
    ids=["array", "tensor", "list", "DataFrame"],
)
def test_mapping_is_taken_apart_by_position(part):
    X = as_rows({"a": part, "b": np.arange(4)})
    taken = take_rows(X, np.array([1, 3]))
    assert (count_rows(X), count_rows(taken), is_of_torch(taken)) == (4, 2, True)
    assert_array_equal(np.asarray(taken["a"]), [[2, 3], [6, 7]])
    assert_array_equal(taken["b"], [1, 3])


def test_rows_of_any_dataset_are_its_inputs():
    pairs = as_rows(TensorDataset(torch.arange(6).reshape(3, 2), torch.zeros(3)))
    single = as_rows(Squares())
    for X, n_rows in ((pairs, 3), (single, 5)):
        assert isinstance(X, SliceDataset)
        assert count_rows(X) == n_rows
    assert_array_equal(take_rows(pairs, np.array([2]))[0], [4, 5])
    assert_array_equal(take_rows(single, np.array([1, 3]))[1], [3, 9])
    again = pickle.loads(pickle.dumps(single))
    assert_array_equal(again[4], [4, 16])


@pytest.mark.parametrize("X", [np.eye(2), [[1]], pd.DataFrame({"a": [1]}), ["text"]])
def test_all_else_is_left_alone(X):
    assert as_sliceable(X) is X
    assert not is_of_torch(X)


def test_what_is_sliceable_already_is_left_alone():
    for X in (SliceDict(a=np.arange(3)), SliceDataset(Squares())):
        assert as_sliceable(X) is X
        assert is_of_torch(X)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ({}, "got the keys []"),
        ({1: np.arange(3)}, "names of the arguments"),
        ({"a": np.arange(3), "b": np.arange(2)}, "{'a': 3, 'b': 2}"),
        ({"a": [[1, 2], [3]]}, "X['a'] has rows of unequal length: pad them"),
        ({"a": 3}, "X['a'] must be an array of rows"),
        (Stream(), "got Stream. Train on a stream by `partial_fit`"),
    ],
)
def test_what_has_no_rows_is_an_error(X, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        as_sliceable(X)
