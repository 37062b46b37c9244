"""Arrays that may be too large for memory: beyond a budget, a temporary file."""

import tempfile
from math import prod

import numpy as np

BUDGET = 2**31  # bytes of one array in memory


def empty(shape):
    """Return a float32 array, a memmap where it would be larger than the budget.

    Its file has no name any more, and goes with the array.
    """
    if 4 * prod(shape) <= BUDGET:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def take(values, index):
    """Return the rows at positions, or in a slice; a memmap as another one."""
    if not isinstance(values, np.memmap) or isinstance(index, slice):
        return values[index]
    taken = empty((len(index), *values.shape[1:]))
    for start in range(0, len(index), 2**16):
        block = slice(start, start + 2**16)
        taken[block] = values[index[block]]
    return taken
