"""Pool the teachers: one weight and one temperature for each of them."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._pooling import (
    check_proba,
    check_ridge,
    log,
    loss_and_gradient,
    mean_of_predicted,
    read_labeled,
    read_teacher_weight,
    scale_weight,
    share_weight,
)
from ._stacker import fit_stacker

__all__ = ["POOLINGS", "CalibratedPool", "MeanPool", "StackedPool"]

TEMPERATURES = 1 / 20, 20  # the lowest, the highest
STARTS = 1.0, 4.0  # teachers that predict 0 and 1 only have no gradient at 1
STACKER_WEIGHT = 0.5
LEAST_ROWS = 100  # for a stacker: with fewer, it is worse than what it is added to
MOST_NUMBERS = 50_000  # of the stacker's map: beyond, it takes too long


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
        n_teachers = check_proba(proba).shape[1]
        self.weight_ = np.full(n_teachers, 1 / n_teachers)
        if self.weight is not None:
            self.weight_ = read_teacher_weight(self.weight, n_teachers)
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
        return check_proba(proba, len(self.weight_))

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
        return mean_of_predicted(proba, None if self.weight is None else self.weight_)

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
        return weight if self.weight is None else share_weight(weight, self.weight_)


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
        check_ridge("ridge", self.ridge)
        proba, y, row_weight = read_labeled(proba, y, sample_weight)
        predicted = proba.any(axis=2)  # (n, t)
        log_proba = [log(p).astype(np.float32) for p in proba.swapaxes(0, 1)]
        predicted = None if predicted.all() else predicted.T  # (t, n)
        n_teachers = len(log_proba)
        free = [(None, None)] * n_teachers
        ridge = self.ridge / row_weight.sum()
        results = [
            minimize(
                loss_and_gradient,
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
        proba = check_proba(proba, len(self.weight_))
        softened = np.empty(proba.shape, dtype=np.float32)
        for t, temperature in enumerate(self.temperature_):
            softened[:, t] = softmax(log(proba[:, t]) / temperature, axis=1)
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
        return mean_of_predicted(self.transform(proba), self.weight_)

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
        return share_weight(weight, self.weight_)


class StackedPool(BaseEstimator):
    """The mean of the calibrated pool and a stacker, each fitted by log-loss.

    The :class:`CalibratedPool` has two numbers a teacher, so that it cannot know that
    one of them takes the letter O for a Q. The stacker can: it is a logarithmic pool,
    and a linear map ``W`` of what all teachers say, ::

        softmax(Σ_t (1/t + a_t) log p_t  +  b  +  X W)

    with one power for each teacher and one bias for each class; X holds the
    log-probabilities, each teacher's centered, (n, t·c), at one scale. First a and b
    are fitted without W, then W beside them, ::

        Σ_i -log stacker_i(y_i)  +  ridge / 2 · (Σ a² + Σ b²)
        Σ_i -log stacker_i(y_i)  +  map_ridge / 2 · Σ W²

    The stacker is one more teacher, the last one, and has half of the weight. It has no
    part in a row that some teacher does not predict: the calibrated pool then stands
    alone.

    Parameters
    ----------
    ridge : float, default=1.0
        Pull of the calibrated pool towards the plain mean, and of a and b towards the
        geometric mean. It is held against the sum of the rows' losses.
    map_ridge : float, default=30.0
        Pull of W towards zero.

    Attributes
    ----------
    weight_ : ndarray of shape (n_teachers + 1,)
        Of the teachers, and of the stacker, which has one half. Without a stacker, of
        shape (n_teachers,), as in the calibrated pool.
    temperature_ : ndarray of shape (n_teachers + 1,)
        Those of the teachers in the calibrated pool, and 1 of the stacker.
    calibrated_ : CalibratedPool
        The fitted half of the teachers.
    stacker_ : object or None
        The other half, with the arrays `power` ``1/t + a`` (n_teachers,), `bias`
        (n_classes,) and `map` (n_teachers * n_classes, n_classes). None where there are
        fewer than 100 rows that all teachers predict, as the weights of the rows count
        them. `map` is None where it would have more than 50,000 numbers.

    Notes
    -----
    The predictions must be out of fold, or come from teachers fitted on other rows, as
    for the calibrated pool.

    The stacker's own predictions for these rows are in sample. Students learned no less
    from them than from others, cross-fitted over five folds (two sets, one seed).

    With 50 labeled rows, the stacker made the log-loss of the pool worse on five of
    seven sets, with 130 on one of them: hence the least number of rows.

    A probability below 0.001 is read as 0.001. A class without a label keeps what the
    powers give it: no bias is fitted for it, and no column of W.

    Examples
    --------
    Two teachers of three classes. Both are certain that the first class is the second
    one, a third of the time that they say so:

    >>> import numpy as np
    >>> says = np.array([0, 1, 1, 1, 2, 2] * 100)
    >>> y = np.array([0, 1, 1, 0, 2, 2] * 100)
    >>> proba = np.repeat(0.8 * np.eye(3)[says][:, np.newaxis] + 0.2 / 3, 2, axis=1)
    >>> CalibratedPool().fit(proba, y).predict_proba(proba[1:2]).round(1)
    array([[0.1, 0.8, 0.1]], dtype=float32)
    >>> pool = StackedPool().fit(proba, y)
    >>> pool.predict_proba(proba[1:2]).round(1)
    array([[0.2, 0.7, 0. ]], dtype=float32)
    >>> pool.weight_
    array([0.25, 0.25, 0.5 ])
    """

    def __init__(self, *, ridge=1.0, map_ridge=30.0):
        self.ridge = ridge
        self.map_ridge = map_ridge

    def fit(self, proba, y, sample_weight=None):
        """Fit the calibrated pool and the stacker.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher, for labeled rows that it has not seen.
        y : ndarray of shape (n_samples,)
            Index of the true class.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows, at any scale. Together they count as
            ``(Σ s)² / Σ s²`` rows against the ridges.

        Returns
        -------
        self : StackedPool
            The same object.
        """
        check_ridge("ridge", self.ridge)
        check_ridge("map_ridge", self.map_ridge)
        self.calibrated_ = CalibratedPool(ridge=self.ridge).fit(proba, y, sample_weight)
        self.weight_ = self.calibrated_.weight_
        self.temperature_ = self.calibrated_.temperature_
        self.stacker_ = self._fit_stacker(*read_labeled(proba, y, sample_weight))
        if self.stacker_ is not None:
            of_teachers = (1 - STACKER_WEIGHT) * self.weight_
            self.weight_ = np.append(of_teachers, STACKER_WEIGHT)
            self.temperature_ = np.append(self.temperature_, 1.0)
        return self

    def _fit_stacker(self, proba, y, row_weight):
        """Fit the stacker to the rows that all teachers predict, None for few."""
        by_all = proba.any(axis=2).all(axis=1)  # (n,)
        if not row_weight[by_all].any():
            return None
        row_weight = scale_weight(row_weight[by_all], by_all.sum())
        if row_weight.sum() < LEAST_ROWS:
            return None
        _, n_teachers, n_classes = proba.shape
        return fit_stacker(
            proba[by_all],
            y[by_all],
            row_weight,
            ridge=self.ridge,
            map_ridge=self.map_ridge,
            with_map=n_teachers * n_classes**2 <= MOST_NUMBERS,
        )

    def transform(self, proba):
        """Soften each teacher by its own temperature, and add the stacker.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        softened : ndarray of shape (n_samples, n_teachers + 1, n_classes), \
dtype float32
            The stacker is the last. Every row of every teacher sums to one, or is all
            zero, as it was; the stacker's is where one of the teachers' is.
        """
        check_is_fitted(self)
        softened = self.calibrated_.transform(proba)
        if self.stacker_ is None:
            return softened
        proba = np.asarray(proba)
        stacked = np.zeros((len(proba), 1, proba.shape[2]), dtype=np.float32)
        by_all = proba.any(axis=2).all(axis=1)
        stacked[by_all, 0] = self.stacker_.predict_proba(proba[by_all])
        return np.concatenate([softened, stacked], axis=1)

    def predict_proba(self, proba):
        """Mix the softened teachers and the stacker by their weights.

        Parameters
        ----------
        proba : ndarray of shape (n_samples, n_teachers, n_classes)
            Probabilities of each teacher.

        Returns
        -------
        pool : ndarray of shape (n_samples, n_classes), dtype float32
            Rows sum to one.
        """
        return mean_of_predicted(self.transform(proba), self.weight_)

    def share(self, weight):
        """Share the weights of a weighting with the stacker, each row's sum kept.

        Parameters
        ----------
        weight : ndarray of shape (n_samples, n_teachers)
            Non-negative weights; their sum weighs the row.

        Returns
        -------
        weight : ndarray of shape (n_samples, n_teachers + 1), dtype float64
            The teachers' are multiplied by the pool's. The stacker has its half of
            every row.
        """
        check_is_fitted(self)
        shared = self.calibrated_.share(weight)
        if self.stacker_ is None:
            return shared
        total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
        of_teachers = (1 - STACKER_WEIGHT) * shared
        return np.hstack([of_teachers, STACKER_WEIGHT * total])


POOLINGS = {
    "mean": MeanPool(),
    "calibrated": CalibratedPool(),
    "stacked": StackedPool(),
}
