"""Resample rows: how far a mean may be off, since other rows could have been drawn."""

import numpy as np
from sklearn.utils import check_random_state

N_RESAMPLES = 2000
MOST_UNITS = 10_000  # of more rows, as many random groups are resampled
BLOCK_VALUES = 2**20  # counts that are held at a time: 8 MB
LEVELS = 0.025, 0.975


def bootstrap_interval(values, random_state=0):
    """Return the 95 % percentile interval of each column's mean -> (2, k).

    All columns of `values` (n, k) see the same resampled rows. NaN is no value; a
    column with fewer than two values has an interval of NaN.

    Examples
    --------
    >>> values = np.array([[0.0, 1.0, np.nan], [0.0, 1.0, np.nan], [0.0, 1.0, 5.0]])
    >>> bootstrap_interval(values)
    array([[ 0.,  1., nan],
           [ 0.,  1., nan]])
    """
    rng, n_columns = check_random_state(random_state), values.shape[1]
    sums = _sum_units(values, rng)  # (m, 2k)
    means = np.empty((N_RESAMPLES, n_columns))
    step = max(1, BLOCK_VALUES // len(sums))
    for start in range(0, N_RESAMPLES, step):
        part = slice(start, min(start + step, N_RESAMPLES))
        total = _count_draws(part.stop - part.start, len(sums), rng) @ sums
        with np.errstate(invalid="ignore"):  # no value among the rows that were drawn
            means[part] = total[:, :n_columns] / total[:, n_columns:]
    few = sums[:, n_columns:].sum(axis=0) < 2
    means[:, few] = 0  # no warning of columns that are all NaN
    interval = np.nanquantile(means, LEVELS, axis=0)
    interval[:, few] = np.nan
    return interval


def _sum_units(values, rng):
    """Add up the values of each unit, and count them -> (m, 2k).

    A unit is a row, or a random group of rows where there are many: means of groups
    vary like those of rows.
    """
    order = starts = np.arange(len(values))
    if len(values) > MOST_UNITS:
        order = rng.permutation(len(values))
        starts = np.linspace(0, len(values), MOST_UNITS, endpoint=False).astype(int)
    known = [~np.isnan(column) for column in values.T]
    columns = [np.where(k, c, 0.0) for k, c in zip(known, values.T, strict=True)]
    units = [np.add.reduceat(c[order], starts, dtype=float) for c in columns + known]
    return np.column_stack(units)


def _count_draws(n_resamples, n_units, rng):
    """Draw as many units as there are, and count each of them -> (n_resamples, m)."""
    drawn = rng.randint(n_units, size=(n_resamples, n_units))
    drawn += n_units * np.arange(n_resamples)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_units)
    return counts.reshape(n_resamples, n_units).astype(np.float64)
