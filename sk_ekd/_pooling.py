"""What the pools compute and check: the loss of the calibrated one, means, input."""

from numbers import Real

import numpy as np
from scipy.special import softmax

SMALLEST = np.finfo(np.float32).eps  # what a teacher's exact zero is read as


def loss_and_gradient(params, log_proba, y, row_weight, ridge, predicted=None):
    """Return the mean log-loss of the pool plus the ridge, and its gradient -> (2t,).

    `params` are the logits of the weights, and the logs of the temperatures;
    `log_proba` holds one array (n, c) for each teacher. `predicted` (t, n) says which
    rows each teacher predicts; None: all of them.
    """
    log_weight, log_temperature = np.split(params, 2)
    weight, power = softmax(log_weight), np.exp(-log_temperature)  # (t,), (t,)
    rows = np.arange(len(y))
    correct = np.empty((len(weight), len(y)))  # (t, n), what the label gets
    slope = np.empty((len(weight), len(y)))  # (t, n), of its log, by -log T
    for t, log_p in enumerate(log_proba):
        softened = softmax(np.multiply(log_p, power[t], dtype=np.float64), axis=1)
        correct[t] = softened[rows, y]
        expected = np.einsum("nc,nc->n", softened, log_p)
        slope[t] = power[t] * (log_p[rows, y] - expected)
    row_weight = row_weight / row_weight.sum()
    present = weight  # (t,), the mean share of each teacher in the pool
    if predicted is not None:
        correct *= predicted
        heard = weight @ predicted  # (n,), the sum of the weights of a row's teachers
        present = weight * (predicted @ (row_weight / heard))
    pool = weight @ correct  # (n,)
    share = row_weight * weight[:, np.newaxis] * correct / pool  # (t, n)
    loss = -row_weight @ np.log(pool) + ridge / 2 * params @ params
    if predicted is not None:
        loss += row_weight @ np.log(heard)
    by_weight = present - share.sum(axis=1)
    by_temperature = (share * slope).sum(axis=1)
    return loss, np.concatenate([by_weight, by_temperature]) + ridge * params


def log(proba):
    """Take the log; an exact zero counts as the resolution of float32."""
    return np.log(np.maximum(proba, SMALLEST, dtype=np.float64))


def share_weight(weight, pool_weight):
    """Multiply weights (n, t) by those of the pool (t,), each row's sum kept."""
    total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
    shared = weight * pool_weight
    shared_total = shared.sum(axis=1, keepdims=True)
    kept = weight.astype(np.float64)
    np.divide(shared * total, shared_total, out=kept, where=shared_total > 0)
    return kept


def mean_of_predicted(proba, weight=None):
    """Average the teachers that predict a row, by their weights (t,) -> (n, c).

    Even over the classes where nobody predicts.
    """
    predicted = proba.any(axis=2)  # (n, t)
    if weight is None:
        mix, total = proba.sum(axis=1, dtype=np.float64), predicted.sum(axis=1)
    else:
        mix = np.einsum("ntc,t->nc", proba, weight)
        total = np.where(predicted.all(axis=1), 1.0, predicted @ weight)
    total = total[:, np.newaxis]
    even = np.full(mix.shape, 1 / mix.shape[1])
    return np.divide(mix, total, out=even, where=total > 0).astype(np.float32)


def check_ridge(name, ridge):
    """Raise unless a ridge is a number that a loss can have."""
    if not isinstance(ridge, Real) or not 0 <= ridge < np.inf:
        raise ValueError(
            f"`{name}` must be a finite number of at least 0, got {ridge!r}."
        )


def read_labeled(proba, y, sample_weight=None):
    """Check labeled rows, and leave out those that no teacher predicts.

    Returns the rows' predictions, labels and weights; these sum to the number of rows
    that they are worth.
    """
    proba = check_proba(proba)
    y = _check_labels(y, proba)
    if not np.isfinite(proba).all():
        raise ValueError(
            "`proba` must be finite, got NaN or infinity: fix the teacher that "
            "predicted so, or leave it out."
        )
    row_weight = scale_weight(sample_weight, len(y))
    known = proba.any(axis=(1, 2))
    if not known.all():
        proba, y = proba[known], y[known]
        y = _check_labels(y, proba)
        row_weight = scale_weight(row_weight[known], len(y))
    return proba, y, row_weight


def check_proba(proba, n_teachers=None):
    """Return an array (n, t, c), of as many teachers as expected."""
    proba = np.asarray(proba)
    if proba.ndim != 3 or n_teachers not in (None, proba.shape[1]):
        teachers = "n_teachers" if n_teachers is None else n_teachers
        raise ValueError(
            f"`proba` must have shape (n_samples, {teachers}, n_classes), got "
            f"{proba.shape}."
        )
    return proba


def _check_labels(y, proba):
    y, n_classes = np.asarray(y), proba.shape[2]
    if y.shape != proba.shape[:1]:
        raise ValueError(
            f"`y` must have one label for each of the {len(proba)} rows of `proba`, "
            f"got an array of shape {y.shape}."
        )
    if not len(y):
        raise ValueError(
            "The pool needs labeled rows that some teacher predicts, to be fitted on, "
            "got none: label some, or take the plain mean, pooling='mean'."
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= n_classes:
        raise ValueError(
            f"`y` must hold class indices from 0 to {n_classes - 1}, one for each "
            f"column of `proba`, got {y.min()!r} to {y.max()!r} of dtype {y.dtype}: "
            "pass the labeled rows only, with their labels encoded."
        )
    return y


def scale_weight(sample_weight, n_samples):
    """Return the rows' weights, which sum to the number of rows that they are worth."""
    if sample_weight is None:
        return np.ones(n_samples)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_samples,):
        raise ValueError(
            f"`sample_weight` must have shape {(n_samples,)}, got {weight.shape}."
        )
    if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
        raise ValueError(
            "`sample_weight` must be finite, non-negative and not zero everywhere, got "
            f"values from {weight.min():.3g} to {weight.max():.3g}."
        )
    weight = weight / weight.max()  # the squares of tiny ones are zero
    return weight * weight.sum() / (weight @ weight)


def read_teacher_weight(weight, n_teachers):
    """Return the caller's weights of the teachers at a sum of one -> (t,)."""
    weight = np.asarray(weight, dtype=np.float64)
    if weight.shape != (n_teachers,):
        raise ValueError(
            f"`weight` of MeanPool must have one value for each of the {n_teachers} "
            f"teachers, got an array of shape {weight.shape}."
        )
    if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
        raise ValueError(
            "The weights of the teachers must be finite, non-negative and not zero "
            f"everywhere, got {weight.tolist()}."
        )
    return weight / weight.sum()


class PoolOfSome:
    """A pool of some of the teachers; the others predict beside it and weigh nothing.

    Parameters
    ----------
    pool : pool
        Not fitted; it will see the teachers that are in it.
    is_mixed : ndarray of shape (n_teachers,), dtype bool
        Which teachers are in the pool.
    """

    def __init__(self, pool, is_mixed):
        self.pool = pool
        self.is_mixed = is_mixed

    def __repr__(self):
        return (
            f"{self.pool!r} of {self.is_mixed.sum()} of {len(self.is_mixed)} teachers"
        )

    def fit(self, proba, y, sample_weight=None):
        """Fit the pool to the teachers that are in it."""
        self.pool.fit(proba[:, self.is_mixed], y, sample_weight)
        self.weight_ = self._spread(self.pool.weight_, 0.0)
        self.temperature_ = self._spread(self.pool.temperature_, 1.0)
        return self

    def transform(self, proba):
        """Soften the teachers that are in the pool, leave the others as they are."""
        return self._spread(self.pool.transform(proba[:, self.is_mixed]), proba)

    def predict_proba(self, proba):
        """Mix the teachers that are in the pool -> (n, c)."""
        return self.pool.predict_proba(proba[:, self.is_mixed])

    def share(self, weight):
        """Multiply the weights by the pool's, each row's sum over its teachers kept."""
        return self._spread(self.pool.share(weight[:, self.is_mixed]), 0.0)

    def _spread(self, values, others):
        """Return values of the pool's teachers on the axis of all, a stacker last."""
        axis = min(values.ndim - 1, 1)
        n_mixed = self.is_mixed.sum()
        shape = list(values.shape)
        shape[axis] += len(self.is_mixed) - n_mixed
        spread = np.empty(shape, dtype=values.dtype)
        at = np.r_[np.flatnonzero(self.is_mixed), len(self.is_mixed) : shape[axis]]
        left = np.flatnonzero(~self.is_mixed)
        where = (slice(None),) * axis
        spread[(*where, at)] = values
        of_left = others[:, left] if isinstance(others, np.ndarray) else others
        spread[(*where, left)] = of_left
        return spread
