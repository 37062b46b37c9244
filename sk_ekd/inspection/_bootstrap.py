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
    counted = ~np.isnan(values)
    sums = _group(np.hstack([np.where(counted, values, 0), counted]), rng)  # (m, 2k)
    means = np.empty((N_RESAMPLES, n_columns))
    step = max(1, BLOCK_VALUES // len(sums))
    for start in range(0, N_RESAMPLES, step):
        part = slice(start, min(start + step, N_RESAMPLES))
        total = _count_draws(part.stop - part.start, len(sums), rng) @ sums
        with np.errstate(invalid="ignore"):  # no value among the rows that were drawn
            means[part] = total[:, :n_columns] / total[:, n_columns:]
    few = counted.sum(axis=0) < 2
    means[:, few] = 0
    interval = np.nanquantile(means, LEVELS, axis=0)
    interval[:, few] = np.nan
    return interval


def _group(sums, rng):
    """Add up random groups of rows: their means vary like those of single rows."""
    if len(sums) <= MOST_UNITS:
        return sums
    starts = np.linspace(0, len(sums), MOST_UNITS, endpoint=False).astype(int)
    return np.add.reduceat(sums[rng.permutation(len(sums))], starts)


def _count_draws(n_resamples, n_units, rng):
    """Draw as many units as there are, and count each of them -> (n_resamples, m)."""
    drawn = rng.randint(n_units, size=(n_resamples, n_units))
    drawn += n_units * np.arange(n_resamples)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_units)
    return counts.reshape(n_resamples, n_units).astype(np.float64)
