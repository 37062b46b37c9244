"""Pool the teachers: one weight and one temperature for each of them."""

from numbers import Real

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

__all__ = ["POOLINGS", "CalibratedPool", "MeanPool"]

SMALLEST = np.finfo(np.float32).eps  # what a teacher's exact zero is read as
TEMPERATURES = 1 / 20, 20  # the lowest, the highest
STARTS = 1.0, 4.0  # teachers that predict 0 and 1 only have no gradient at 1


class MeanPool(BaseEstimator):
    """The mean of the teachers as they are, all alike or by weights of the caller's.

    Parameters
    ----------
    weight : array-like of shape (n_teachers,), default=None
        Weights of the teachers, at any scale; None: all alike. A VotingClassifier that
        is passed bare brings its own.

    Attributes
    ----------
    weight_ : ndarray of shape (n_teachers,)
        `weight`, scaled to a sum of one, or ``1 / n_teachers`` everywhere.
    temperature_ : ndarray of shape (n_teachers,)
        One everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.75, 0.25], [0.25, 0.75]]], dtype=np.float32)
    >>> MeanPool().fit(proba).predict_proba(proba)
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, weight=None):
        self.weight = weight

    def fit(self, proba, y=None, sample_weight=None):
        """Count the teachers, and scale their weights.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.
        y : object, default=None
            Not used.
        sample_weight : object, default=None
            Not used.

        Returns
        -------
        self : MeanPool
            The same object.
        """
        n_teachers = _check_proba(proba).shape[1]
        self.weight_ = np.full(n_teachers, 1 / n_teachers)
        if self.weight is not None:
            self.weight_ = _scale_weight(self.weight, n_teachers)
        self.temperature_ = np.ones(n_teachers)
        return self

    def transform(self, proba):
        """Return the teachers as they are.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            The same array, not a copy.
        """
        check_is_fitted(self)
        return _check_proba(proba, len(self.weight_))

    def predict_proba(self, proba):
        """Average the teachers that predict a row.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        pool : ndarray of shape (n_samples, n_classes), dtype float32
            Rows sum to one.
        """
        proba = self.transform(proba)
        return _mean(proba, None if self.weight is None else self.weight_)

    def share(self, weight):
        """Multiply the weights of a weighting by the pool's, each row's sum kept.

        Parameters
        ----------
        weight : ndarray of shape (n_samples, n_teachers)
            Non-negative weights; their sum weighs the row.

        Returns
        -------
        weight : ndarray of shape (n_samples, n_teachers)
            The same array, not a copy, where all teachers are alike.
        """
        check_is_fitted(self)
        return weight if self.weight is None else _share(weight, self.weight_)


class CalibratedPool(BaseEstimator):
    """The weighted mean of teachers, each with the temperature that suits it.

    The pool is ``Σ_t w_t p_t^(1/T_t)``, each power renormalised. The weights and
    temperatures minimise its log-loss on labeled rows, ::

        Σ_i -log pool_i(y_i)  +  ridge / 2 · Σ_t ((log w_t - mean log w)² + (log T_t)²)

    so that few rows stay near equal weights and temperature 1, and many do not. On a
    row that some teachers do not predict, the weights of the others are scaled to a sum
    of one; a row that none of them predicts is left out.

    Parameters
    ----------
    ridge : float, default=1.0
        Pull towards the plain mean. It is held against the sum of the rows' losses; 1
        says that weights and temperatures off by a factor of e are no surprise.

    Attributes
    ----------
    weight_ : ndarray of shape (n_teachers,)
        Non-negative, sums to one.
    temperature_ : ndarray of shape (n_teachers,)
        Between 1/20 and 20; above 1 for a teacher that is too certain.

    Notes
    -----
    The predictions must be out of fold, or come from teachers fitted on other rows.
    Extra trees are certain and right on the rows they were fitted on: there they got
    61 % of the weight, out of fold 26 % (means over 19 sets, of six teachers).

    The default `ridge` was chosen on 9 of 19 sets, with six teachers and 3 % or 10 %
    of 3,000 rows labeled (``benchmarks/pools.py``). On the other ten, the plain mean
    had a log-loss of 0.72 and 0.57 on test rows, the pool 0.63 and 0.48; without a
    ridge 0.67 and 0.49, with one of 10 0.66 and 0.49, fitted in sample 0.67 and 0.52.

    The loss has more than one valley; it is descended from temperatures of 1 and of 4,
    and the lower end is taken. An exact zero is read as the resolution of float32,
    1.2e-7: a temperature can raise it, and the log-loss is finite.

    Examples
    --------
    A teacher that is right on four rows in five and says so, and one that always
    says the same, with as much certainty:

    >>> import numpy as np
    >>> y = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0] * 100)
    >>> knows = np.repeat([[0.8, 0.2], [0.2, 0.8]], 5, axis=0)
    >>> guesses = np.repeat([[0.8, 0.2]], 10, axis=0)
    >>> proba = np.tile(np.stack([knows, guesses], axis=1), (100, 1, 1))
    >>> CalibratedPool().fit(proba, y).weight_.round(1)
    array([0.9, 0.1])

    One that is as often right, and far too certain:

    >>> CalibratedPool().fit(proba[:, :1] ** 3, y).temperature_.round(1)
    array([3.])
    """

    def __init__(self, *, ridge=1.0):
        self.ridge = ridge

    def fit(self, proba, y, sample_weight=None):
        """Fit a weight and a temperature for each teacher by log-loss.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher, for labeled rows that it has not seen.
        y : ndarray of shape (n_samples,)
            Index of the true class.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows, at any scale. Together they count as
            ``(Σ s)² / Σ s²`` rows against the ridge.

        Returns
        -------
        self : CalibratedPool
            The same object.
        """
        if not isinstance(self.ridge, Real) or not 0 <= self.ridge < np.inf:
            raise ValueError(
                f"`ridge` must be a finite number of at least 0, got {self.ridge!r}."
            )
        proba = _check_proba(proba)
        y = _check_labels(y, proba)
        if not np.isfinite(proba).all():
            raise ValueError(
                "`proba` must be finite, got NaN or infinity: fix the teacher that "
                "predicted so, or leave it out."
            )
        row_weight = _check_weight(sample_weight, len(y))
        predicted = proba.any(axis=2)  # (n, t)
        if not predicted.all():
            known = predicted.any(axis=1)
            proba, y, predicted = proba[known], y[known], predicted[known]
            y = _check_labels(y, proba)
            row_weight = _check_weight(row_weight[known], len(y))
        log_proba = [_log(p).astype(np.float32) for p in proba.swapaxes(0, 1)]
        predicted = None if predicted.all() else predicted.T  # (t, n)
        n_teachers = len(log_proba)
        free = [(None, None)] * n_teachers
        ridge = self.ridge / row_weight.sum()
        results = [
            minimize(
                _loss_and_gradient,
                np.repeat([0.0, np.log(start)], n_teachers),
                args=(log_proba, y, row_weight, ridge, predicted),
                jac=True,
                method="L-BFGS-B",
                bounds=[*free, *[tuple(np.log(TEMPERATURES))] * n_teachers],
                tol=1e-10,
            )
            for start in STARTS
        ]
        best = min(results, key=lambda result: result.fun)
        log_weight, log_temperature = np.split(best.x, 2)
        self.weight_ = softmax(log_weight)
        self.temperature_ = np.exp(log_temperature)
        return self

    def transform(self, proba):
        """Soften each teacher by its own temperature.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        softened : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
            Every row of every teacher sums to one, or is all zero, as it was.
        """
        check_is_fitted(self)
        proba = _check_proba(proba, len(self.weight_))
        softened = np.empty(proba.shape, dtype=np.float32)
        for t, temperature in enumerate(self.temperature_):
            softened[:, t] = softmax(_log(proba[:, t]) / temperature, axis=1)
        softened[~proba.any(axis=2)] = 0
        return softened

    def predict_proba(self, proba):
        """Mix the softened teachers that predict a row by their weights.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        pool : ndarray of shape (n_samples, n_classes), dtype float32
            Rows sum to one.
        """
        return _mean(self.transform(proba), self.weight_)

    def share(self, weight):
        """Multiply the weights of a weighting by the pool's, each row's sum kept.

        Parameters
        ----------
        weight : ndarray of shape (n_samples, n_teachers)
            Non-negative weights; their sum weighs the row.

        Returns
        -------
        weight : ndarray of shape (n_samples, n_teachers), dtype float64
            As they are in rows where the products are all zero.
        """
        check_is_fitted(self)
        return _share(weight, self.weight_)


def _share(weight, pool_weight):
    """Multiply weights (n, t) by those of the pool (t,), each row's sum kept."""
    total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
    shared = weight * pool_weight
    shared_total = shared.sum(axis=1, keepdims=True)
    kept = weight.astype(np.float64)
    np.divide(shared * total, shared_total, out=kept, where=shared_total > 0)
    return kept


def _mean(proba, weight=None):
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


def _loss_and_gradient(params, log_proba, y, row_weight, ridge, predicted=None):
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


def _log(proba):
    return np.log(np.maximum(proba, SMALLEST, dtype=np.float64))


def _check_proba(proba, n_teachers=None):
    proba = np.asarray(proba)
    if proba.ndim != 3 or n_teachers not in (None, proba.shape[1]):
        teachers = "n_teachers" if n_teachers is None else n_teachers
        raise ValueError(
            f"`proba` must have shape (n_samples, {teachers}, n_classes), got "
            f"{proba.shape}."
        )
    return proba


def _scale_weight(weight, n_teachers):
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


def _check_labels(y, proba):
    y, n_classes = np.asarray(y), proba.shape[2]
    if y.shape != proba.shape[:1]:
        raise ValueError(
            f"`y` must have one label for each of the {len(proba)} rows of `proba`, "
            f"got an array of shape {y.shape}."
        )
    if not len(y):
        raise ValueError(
            "CalibratedPool needs labeled rows that some teacher predicts for its "
            "weights and temperatures, got none: label some, or take the plain mean, "
            "pooling='mean'."
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= n_classes:
        raise ValueError(
            f"`y` must hold class indices from 0 to {n_classes - 1}, one for each "
            f"column of `proba`, got {y.min()!r} to {y.max()!r} of dtype {y.dtype}: "
            "pass the labeled rows only, with their labels encoded."
        )
    return y


def _check_weight(sample_weight, n_samples):
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


POOLINGS = {"mean": MeanPool(), "calibrated": CalibratedPool()}
