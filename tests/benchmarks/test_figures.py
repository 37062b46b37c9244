import numpy as np
import pytest

from benchmarks import figures


@pytest.mark.parametrize(
    ("n_methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)]
)
def test_critical_difference_is_that_of_demsars_table(n_methods, q):
    expected = q * np.sqrt(n_methods * (n_methods + 1) / (6 * 20))
    assert figures.critical_difference(n_methods, 20) == pytest.approx(
        expected, rel=1e-3
    )


def test_cliques_are_maximal():
    assert figures.cliques([1, 2, 3, 4], 10) == [(0, 3)]
    assert figures.cliques([1, 2, 3, 4], 0.5) == []
    assert figures.cliques([1, 1.2, 1.4, 3, 3.1], 0.5) == [(0, 2), (3, 4)]
