"""Find the scale of numbers, and limit what is far out of it: arrays in, arrays out."""

import numpy as np

FAR = 100  # times the range of the inner 98 %: too far to have a part in the scale
ROUNDING = 8 * np.finfo(np.float64).eps  # a relative spread that is none


def bend(Z, bound):
    """Limit values smoothly, in place: those that are not far out hardly change.

    Examples
    --------
    >>> Z = np.array([0.0, 1.0, -5.0, np.inf])
    >>> bend(Z, 10.0)
    >>> Z.round(3)
    array([ 0.   ,  0.995, -4.472, 10.   ])
    """
    if bound is None:
        return
    np.clip(Z, -1e9, 1e9, out=Z)  # the square of more is infinite in float32
    root = np.square(Z / bound)
    root += 1
    np.sqrt(root, out=root)
    Z /= root


def summarize(columns):
    """Return median, center, scale and share of missing values of columns (d, n).

    The scale is the standard deviation, without values that are very far out; of two
    values, half their difference, so that the rarer is not far out; of one, 0.

    Examples
    --------
    >>> columns = np.array([[0.0, 0, 0, 1], [7, 7, np.nan, 7], [1, 3, 3, 5]])
    >>> [values.round(2).tolist() for values in summarize(columns)]
    [[0.0, 7.0, 3.0], [0.25, 7.0, 3.0], [0.5, 0.0, 1.41], [0.0, 0.25, 0.0]]
    """
    n, each = columns.shape[1], np.arange(len(columns))
    n_known = n - np.isnan(columns).sum(axis=1)
    columns.sort(axis=1)  # NaN is last
    columns[n_known == 0] = 0
    last = np.where(n_known, n_known, n) - 1
    outer = -(-last // 100)
    low, high = columns[:, 0], columns[each, last]
    check_finite([low, high])
    # halves: a sum may overflow
    median = columns[each, last // 2] / 2 + columns[each, (last + 1) // 2] / 2
    is_two = ((columns == low[:, None]) | (columns == high[:, None])).sum(axis=1)
    is_two = is_two == last + 1
    with np.errstate(over="ignore", invalid="ignore"):
        inner = columns[each, last - outer] - columns[each, outer]
        has_spread = high - low > ROUNDING * np.maximum(abs(low), abs(high))
        limit = np.where(inner > 0, FAR * inner, np.inf)
        distance = columns - median[:, None]
        is_near = abs(distance) <= limit[:, None]
        n_near = is_near.sum(axis=1)
        mean = np.where(is_near, distance, 0).sum(axis=1) / n_near
        distance -= mean[:, None]
        std = np.sqrt((np.where(is_near, distance, 0) ** 2).sum(axis=1) / n_near)
        scale = np.where(is_two, (high - low) / 2, std)
    scale[~has_spread | ~np.isfinite(scale)] = 0
    return median, median + mean, scale, 1 - n_known / n


def summarize_sparse(X):
    """Return the same of a sparse matrix: its zeros stay, so the center is 0."""
    check_stored(X)
    ends = X.min(axis=0), X.max(axis=0)
    low, high = (end.toarray().ravel().astype(np.float64) for end in ends)
    scale = np.where(low == high, 0, np.maximum(abs(low), abs(high)))
    zero = np.zeros(len(scale))
    return zero, zero, scale, zero


def check_finite(values):
    """Raise for infinite values."""
    if np.isinf(values).any():
        raise ValueError(
            "Input X contains infinity or a value too large for its type, which "
            "student=None cannot read. Clip the column, or make it a missing value."
        )


def check_stored(X):
    """Raise for a sparse matrix with values that are not finite."""
    check_finite(X.data)
    if np.isnan(X.data).any():
        raise ValueError(
            "Input X is sparse and contains NaN, which student=None imputes in dense "
            "tables only: pass X.toarray(), or write another value for NaN."
        )
