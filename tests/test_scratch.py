"""Arrays beyond a budget are in a file, and are the same otherwise."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sk_ekd import _scratch


@pytest.mark.parametrize("budget", [2**31, 8])
def test_array_is_in_memory_or_in_a_file(monkeypatch, budget):
    monkeypatch.setattr(_scratch, "BUDGET", budget)
    values = _scratch.empty((5, 2))
    assert isinstance(values, np.memmap) == (budget == 8)
    values[:] = np.arange(10).reshape(5, 2)
    assert values.dtype == np.float32
    taken = _scratch.take(values, np.array([3, 0, 3]))
    assert_array_equal(taken, [[6, 7], [0, 1], [6, 7]])
    assert isinstance(taken, np.memmap) == (budget == 8)
    assert_array_equal(_scratch.take(values, slice(1, 2)), [[2, 3]])
