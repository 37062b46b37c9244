"""Weight teachers and rows: a weighting maps `Rows` to an (n, t) array."""

from typing import NamedTuple

import numpy as np
from scipy.special import entr
from sklearn.base import BaseEstimator

from ._classes import UNLABELED

__all__ = [
    "WEIGHTINGS",
    "Rows",
    "UnifiedWeighting",
    "disagreement",
    "ensemble_correctness",
    "teacher_correctness",
    "uniform",
]


class Rows(NamedTuple):
    """What a weighting may look at, for a block of rows.

    Parameters
    ----------
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        The rows as the caller gave them.
    y : ndarray of shape (n_samples,), dtype int64
        Index of the label in the distiller's ``classes_``, -1 where it is unknown.
    proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
        Probabilities of each teacher; they sum to one over the classes, or are all zero
        where the teacher does not predict.
    """

    X: object
    y: np.ndarray
    proba: np.ndarray

    @property
    def labeled(self):
        """Whether each row has a label, (n_samples,)."""
        return self.y != UNLABELED

    @property
    def predicted(self):
        """Whether each teacher predicts each row, (n_samples, n_teachers)."""
        return self.proba.any(axis=2)


def uniform(rows):
    """Weight all teachers evenly and all rows alike.

    Parameters
    ----------
    rows : Rows
        A block of n_samples rows.

    Returns
    -------
    weight : ndarray of shape (n_samples, n_teachers)
        ``1 / n_teachers`` everywhere; of the teachers that predict the row, where some
        do not.

    Examples
    --------
    >>> import numpy as np
    >>> uniform(Rows(X=None, y=np.array([0]), proba=np.ones((1, 4, 2)) / 2))
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    return _even(rows.predicted)


def teacher_correctness(proba, y):
    """Share each labeled row among the teachers by their correctness.

    ``w_t ∝ exp(-CE(y, p_t)) = p_t(y)``: our reading of "we weight the predictions of
    different teachers according to their correctness" [1]_.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
        Probabilities of each teacher.
    y : ndarray of shape (n_samples,)
        Index of the true class.

    Returns
    -------
    share : ndarray of shape (n_samples, n_teachers)
        Rows sum to one; even where no teacher gives the label any probability. Zero for
        a teacher that does not predict the row.

    References
    ----------
    .. [1] C. Wu, F. Wu, T. Qi, Y. Huang, "Unified and Effective Ensemble Knowledge
       Distillation", arXiv:2204.00548, 2022 (abstract).

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.3, 0.7]]])
    >>> teacher_correctness(proba, np.array([0]))
    array([[0.75, 0.25]])
    """
    correct = proba[np.arange(len(y)), :, y]  # (n, t)
    total = correct.sum(axis=1, keepdims=True)
    even = _even(proba.any(axis=2)).astype(correct.dtype)
    return np.divide(correct, total, out=even, where=total > 0)


def ensemble_correctness(proba, y):
    """Weight each labeled row by the correctness of the whole ensemble.

    ``1 / (1 + CE(y, p̄))`` with ``p̄`` the plain mean of the teachers that predict the
    row: our reading of
    "we weight the distillation loss based on the overall prediction correctness of the
    teacher ensemble" [1]_.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
        Probabilities of each teacher.
    y : ndarray of shape (n_samples,)
        Index of the true class.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        Between 0, where no teacher gives the label any probability, and 1, where all
        are certain of it.

    References
    ----------
    .. [1] C. Wu, F. Wu, T. Qi, Y. Huang, "Unified and Effective Ensemble Knowledge
       Distillation", arXiv:2204.00548, 2022 (abstract).

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    >>> ensemble_correctness(proba, np.array([0, 0]))
    array([1., 0.])
    """
    total = proba[np.arange(len(y)), :, y].sum(axis=1)  # (n,)
    correct = total / _count_predicted(proba)
    with np.errstate(divide="ignore"):
        return 1 / (1 - np.log(correct))


def disagreement(proba):
    """Weight each unlabeled row by the disagreement of the teachers.

    The Jensen-Shannon divergence ``H(p̄) - mean_t H(p_t)`` of the teachers that predict
    the row: our reading of "we weight
    the distillation loss based on teachers' disagreement" [1]_.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
        Probabilities of each teacher.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        In nats, between 0, where all teachers agree, and ``log(n_teachers)``.

    References
    ----------
    .. [1] C. Wu, F. Wu, T. Qi, Y. Huang, "Unified and Effective Ensemble Knowledge
       Distillation", arXiv:2204.00548, 2022 (abstract).

    Examples
    --------
    >>> import numpy as np
    >>> agree = [[1.0, 0.0], [1.0, 0.0]]
    >>> oppose = [[1.0, 0.0], [0.0, 1.0]]
    >>> disagreement(np.array([agree, oppose])).round(4)
    array([0.    , 0.6931])
    """
    count = _count_predicted(proba)  # (n,)
    mean = proba.sum(axis=1) / count[:, np.newaxis]  # (n, c)
    entropy = entr(proba).sum(axis=2).sum(axis=1) / count
    divergence = entr(mean).sum(axis=1) - entropy
    # probabilities arrive as float32: what is below its resolution is rounding
    return np.where(divergence > np.finfo(np.float32).eps, divergence, 0.0)


def _count_predicted(proba):
    """Count the teachers that predict each row, at least one -> (n,)."""
    return proba.any(axis=2).sum(axis=1).clip(min=1).astype(proba.dtype)


def _even(predicted):
    """Share each row evenly among the teachers that predict it -> (n, t)."""
    count = predicted.sum(axis=1, keepdims=True).clip(min=1)
    return np.where(predicted, 1 / count, 0.0)


class UnifiedWeighting(BaseEstimator):
    """The three weights of unified ensemble distillation, each of them switchable.

    On labeled rows, `teacher` shares the row among the teachers and `labeled` weights
    the row; on unlabeled rows, the teachers are mixed evenly and `unlabeled` weights
    the row, scaled to a mean of one over all unlabeled rows. A teacher that does not
    predict a row has no part in it.

    Parameters
    ----------
    teacher : {"correctness", "uniform"} or callable, default="correctness"
        Weight a: ``teacher(proba, y)`` returns (n_samples, n_teachers).
        See :func:`teacher_correctness`.
    labeled : {"correctness", "uniform"} or callable, default="correctness"
        Weight b: ``labeled(proba, y)`` returns (n_samples,).
        See :func:`ensemble_correctness`.
    unlabeled : {"disagreement", "uniform"} or callable, default="disagreement"
        Weight c: ``unlabeled(proba)`` returns (n_samples,), scaled to a mean of one;
        all zeros become ones. See :func:`disagreement`.

    Notes
    -----
    Only the abstract of [1]_ was available to us. The three formulas are our reading
    of it.

    References
    ----------
    .. [1] C. Wu, F. Wu, T. Qi, Y. Huang, "Unified and Effective Ensemble Knowledge
       Distillation", arXiv:2204.00548, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.3, 0.7]]] * 2)
    >>> rows = Rows(X=None, y=np.array([0, -1]), proba=proba)
    >>> UnifiedWeighting(labeled="uniform", unlabeled="uniform")(rows)
    array([[0.75, 0.25],
           [0.5 , 0.5 ]])
    """

    def __init__(
        self, *, teacher="correctness", labeled="correctness", unlabeled="disagreement"
    ):
        self.teacher = teacher
        self.labeled = labeled
        self.unlabeled = unlabeled

    def __call__(self, rows):
        """Weight the teachers on every row.

        Parameters
        ----------
        rows : Rows
            A block of n_samples rows.

        Returns
        -------
        weight : ndarray of shape (n_samples, n_teachers)
            Non-negative; its shape within a row mixes the teachers, its sum weighs
            the row.
        """
        proba = rows.proba.astype(np.float64)
        labeled = rows.labeled
        known, y = proba[labeled], rows.y[labeled]
        share = _even(rows.predicted)  # (n, t)
        weight = np.ones(len(proba))  # (n,)
        share[labeled] = self._weigh("teacher", (len(y), proba.shape[1]), known, y)
        weight[labeled] = self._weigh("labeled", (len(y),), known, y)
        others = proba[~labeled]
        weight[~labeled] = self._weigh("unlabeled", (len(others),), others)
        return share * weight[:, np.newaxis]

    def scale_rows(self, weight, y, sample_weight):
        """Scale the unlabeled rows' weights to a mean of one.

        A weighting sees one block of rows at a time; this optional last pass sees
        all of them.

        Parameters
        ----------
        weight : ndarray of shape (n_samples,)
            The rows' weights: the sums of what ``__call__`` returned.
        y : ndarray of shape (n_samples,)
            Index of the label, -1 where it is unknown.
        sample_weight : ndarray of shape (n_samples,)
            How often each row counts in the mean.

        Returns
        -------
        weight : ndarray of shape (n_samples,)
            Where all unlabeled weights are zero (a single teacher, or teachers who
            agree everywhere) they become one: nothing tells the rows apart.
        """
        unlabeled = y == UNLABELED
        if not unlabeled.any():
            return weight
        mean = np.average(weight[unlabeled], weights=sample_weight[unlabeled])
        scaled = weight.copy()
        scaled[unlabeled] = weight[unlabeled] / mean if mean > 0 else 1.0
        return scaled

    def _weigh(self, parameter, shape, *args):
        weight = self._strategy(parameter)(*args)
        if np.shape(weight) not in (shape, ()):
            axes = "(n_samples, n_teachers)" if len(shape) == 2 else "(n_samples,)"
            raise ValueError(
                f"`{parameter}` of UnifiedWeighting must return an array of shape "
                f"{axes}, {shape} here, got {np.shape(weight)}."
            )
        return weight

    def _strategy(self, parameter):
        value = getattr(self, parameter)
        if callable(value):
            return value
        if not isinstance(value, str) or value not in _STRATEGIES[parameter]:
            raise ValueError(
                f"`{parameter}` of UnifiedWeighting must be a callable or one of "
                f"{sorted(_STRATEGIES[parameter])}, got {value!r}."
            )
        return _STRATEGIES[parameter][value]


_STRATEGIES = {
    "teacher": {
        "correctness": teacher_correctness,
        "uniform": lambda proba, y: _even(proba.any(axis=2)),
    },
    "labeled": {
        "correctness": ensemble_correctness,
        "uniform": lambda proba, y: 1.0,
    },
    "unlabeled": {
        "disagreement": disagreement,
        "uniform": lambda proba: 1.0,
    },
}

WEIGHTINGS = {
    "correctness": UnifiedWeighting(unlabeled="uniform"),
    "unified": UnifiedWeighting(),
    "uniform": uniform,
}
