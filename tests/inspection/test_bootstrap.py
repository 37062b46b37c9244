"""The interval of the bootstrap is that of the theory, and covers the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd.inspection import _bootstrap
from sk_ekd.inspection._bootstrap import bootstrap_interval


def test_covers_the_truth_in_about_95_percent_of_the_samples():
    rng = np.random.RandomState(0)
    values = rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1], size=(200, 400))  # mean 0
    low, high = bootstrap_interval(values)
    assert 0.9 <= np.mean((low <= 0) & (high >= 0)) <= 0.98


def test_is_that_of_the_normal_distribution_where_rows_are_many():
    values = np.random.RandomState(0).standard_normal((5000, 1))
    low, high = bootstrap_interval(values)
    error = values.std() / np.sqrt(5000)
    assert_allclose(low, values.mean() - 1.96 * error, atol=0.2 * error)
    assert_allclose(high, values.mean() + 1.96 * error, atol=0.2 * error)


def test_groups_of_rows_vary_like_rows(monkeypatch):
    values = np.random.RandomState(0).standard_normal((4000, 1))
    by_row = bootstrap_interval(values)
    monkeypatch.setattr(_bootstrap, "MOST_UNITS", 1500)  # of two or three rows
    by_group = bootstrap_interval(values)
    assert_allclose(by_group, by_row, atol=0.1 * np.ptp(by_row))


def test_memory_is_bounded_in_the_number_of_rows(monkeypatch):
    drawn = []
    count = _bootstrap._count_draws
    monkeypatch.setattr(
        _bootstrap,
        "_count_draws",
        lambda n, m, rng: drawn.append((n, m)) or count(n, m, rng),
    )
    monkeypatch.setattr(_bootstrap, "MOST_UNITS", 100)
    monkeypatch.setattr(_bootstrap, "BLOCK_VALUES", 30_000)
    bootstrap_interval(np.ones((1000, 1)))
    assert drawn == [(300, 100)] * 6 + [(200, 100)]  # 2,000 in all


def test_columns_do_not_see_each_other():
    values = np.random.RandomState(0).standard_normal((50, 3))
    together = bootstrap_interval(values)
    for column in range(3):
        alone = bootstrap_interval(values[:, [column]])
        assert_allclose(together[:, [column]], alone)


def test_missing_values_are_left_out():
    values = np.random.RandomState(0).standard_normal((300, 1))
    with_gaps = np.insert(values, range(0, 300, 3), np.nan, axis=0)
    expected = bootstrap_interval(values)
    found = bootstrap_interval(with_gaps)
    assert_allclose(found, expected, atol=0.15 * np.ptp(expected))


@pytest.mark.parametrize("n_values", [0, 1])
def test_one_value_has_no_interval(n_values):
    values = np.full((20, 2), np.nan)
    values[:n_values, 0] = 1
    values[:, 1] = 1
    assert_array_equal(bootstrap_interval(values), [[np.nan, 1], [np.nan, 1]])


def test_few_values_among_many_rows_are_no_error():
    values = np.full((500, 1), np.nan)
    values[:2] = [[0], [1]]  # some resamples have neither
    assert_array_equal(bootstrap_interval(values), [[0], [1]])


def test_is_seeded():
    values = np.random.RandomState(0).standard_normal((50, 1))
    assert_array_equal(bootstrap_interval(values), bootstrap_interval(values, 0))
    assert (bootstrap_interval(values, 1) != bootstrap_interval(values)).any()
