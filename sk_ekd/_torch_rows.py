"""Make rows sliceable that come as PyTorch has them: a Mapping of arrays, a Dataset.

skorch is imported only where such rows come: its nets are what takes them.
"""

import sys
from collections.abc import Mapping

import numpy as np
from scipy.sparse import issparse


def as_sliceable(X):
    """Return a Mapping as a SliceDict, a torch Dataset as a SliceDataset.

    All other X is returned as it is. Both are taken apart by row, by scikit-learn, too.
    """
    if issparse(X):  # of which one kind is a dict
        return X
    if isinstance(X, Mapping):
        return _read_mapping(X)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.utils.data.Dataset):
        return _read_dataset(X, torch)
    return X


def is_of_torch(X):
    """Return whether rows are what `as_sliceable` returns for those of PyTorch."""
    return type(X).__module__ == "skorch.helper"


def _read_mapping(X):
    from skorch.helper import SliceDict

    if isinstance(X, SliceDict):
        return X
    if not len(X) or not all(isinstance(key, str) for key in X):
        raise ValueError(
            "A Mapping as X must have arrays by the names of the arguments that the "
            f"student's module takes, got the keys {list(X)}."
        )
    parts = {key: _read_part(key, X[key]) for key in X}
    lengths = {key: part.shape[0] for key, part in parts.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "The arrays of a Mapping as X must all have one entry for each row, got "
            f"{lengths} entries."
        )
    return SliceDict(**parts)


def _read_part(key, part):
    """Return what a Mapping has under a key as an array or tensor of rows."""
    if not hasattr(part, "shape") or hasattr(part, "iloc"):  # pandas slices by label
        try:
            part = np.asarray(part)
        except ValueError as error:
            raise ValueError(
                f"X[{key!r}] has rows of unequal length: pad them to one, as a "
                "tokenizer does with padding=True."
            ) from error
    if not len(part.shape):
        raise ValueError(f"X[{key!r}] must be an array of rows, got {part!r}.")
    return part


def _read_dataset(X, torch):
    from skorch.helper import SliceDataset

    if isinstance(X, torch.utils.data.IterableDataset) or not hasattr(X, "__len__"):
        raise ValueError(
            "A Dataset as X must have a length and rows by position, to go with labels "
            f"and teachers' predictions in their order, got {type(X).__name__}. Train "
            "on a stream by `partial_fit`, a chunk a call."
        )
    is_pair = len(X) and isinstance(X[0], (tuple, list))
    return SliceDataset(X if is_pair else _Tuples(X))


class _Tuples:
    """Rows of a Dataset that has nothing but inputs, as tuples of one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return (self.dataset[index],)
