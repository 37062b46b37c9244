"""Pool, weigh and mix the teachers' answers, block by block."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ._targets import soft_targets
from .pooling import POOLINGS, MeanPool
from .weighting import WEIGHTINGS, Rows, UnifiedWeighting


class Mix(NamedTuple):
    """What the answers become: targets for the student, weights to look at."""

    target: np.ndarray  # (n, c)
    row_weight: np.ndarray  # (n,)
    teacher_weight: np.ndarray  # (n_labeled, t)
    teacher_accuracy: np.ndarray  # (t,), on the labeled rows


def open_pool(pooling, *, honest):
    """Return the pool to fit, a copy of its own.

    Parameters
    ----------
    pooling : {"auto", "mean", "calibrated"} or CalibratedPool
        What the caller passed.
    honest : bool
        Whether the answers to labeled rows are those of teachers that never saw them,
        which "auto" wants to calibrate.

    Returns
    -------
    pool : MeanPool or CalibratedPool
        Not fitted.
    """
    _check_instance("pooling", pooling)
    if isinstance(pooling, str) and pooling == "auto":
        pooling = "calibrated" if honest else "mean"
    return clone(POOLINGS[pooling] if isinstance(pooling, str) else pooling)


def find_unseen(answers, rows):
    """Return the classes whose labels no teacher gives any probability.

    Their rows were answered by clones that saw no row of the class. A pool takes that
    for certainty, and softens teachers that know the class once they are refitted.

    Parameters
    ----------
    answers : ndarray of shape (n_labeled, n_teachers, n_classes)
        Answers to the labeled rows.
    rows : TrainingRows
        Labeled and unlabeled rows.

    Returns
    -------
    classes : ndarray of shape (n_unseen,)
        Indices of classes.
    share : float
        Share of the labeled rows that are of these classes.
    """
    y = rows.y[rows.labeled]
    known = answers[np.arange(len(y)), :, y].any(axis=1)  # (n_labeled,)
    unseen = np.setdiff1d(y, y[known])
    return unseen, float(np.isin(y, unseen).mean()) if len(y) else 0.0


def fit_pool(pool, answers, rows, shape):
    """Fit the pool to the labeled rows; the mean has nothing to learn from them.

    Parameters
    ----------
    pool : MeanPool or CalibratedPool
        Fitted in place.
    answers : ndarray of shape (n_labeled, n_teachers, n_classes) or None
        Answers to the labeled rows; the mean needs none.
    rows : TrainingRows
        Labeled and unlabeled rows.
    shape : tuple of int
        Number of teachers and of classes.
    """
    if isinstance(pool, MeanPool):
        pool.fit(np.empty((0, *shape)))
        return
    known = rows.labeled
    pool.fit(answers, rows.y[known], rows.sample_weight[known])


def open_weighting(weighting):
    """Return the weighting that the caller named.

    Parameters
    ----------
    weighting : {"correctness", "unified", "uniform"} or callable
        What the caller passed.

    Returns
    -------
    weighting : callable
        Maps a block of rows to weights.
    """
    if isinstance(weighting, str):
        return WEIGHTINGS[weighting]
    _check_instance("weighting", weighting)
    return weighting


def ignores_correctness(weighting):
    """Return whether the weighting is one that labels do not change.

    Parameters
    ----------
    weighting : {"correctness", "unified", "uniform"} or callable
        What the caller passed.

    Returns
    -------
    ignores : bool
    """
    if isinstance(weighting, UnifiedWeighting):
        return weighting.teacher == weighting.labeled == "uniform"
    return weighting in ("uniform", WEIGHTINGS["uniform"])


def mix_blocks(blocks, ask, rows, pool, weighting, temperature, shape):
    """Pool, weigh and mix the teachers' answers, block by block.

    Parameters
    ----------
    blocks : iterable of ndarray
        Positions in `rows`, each once.
    ask : callable
        Maps positions (b,) to X of length b and probabilities (b, t, c).
    rows : TrainingRows
        Labeled and unlabeled rows.
    pool : MeanPool or CalibratedPool
        Fitted.
    weighting : callable
        Maps a block of rows to weights (b, t).
    temperature : float
        Softens the teachers.
    shape : tuple of int
        Number of teachers and of classes.

    Returns
    -------
    mix : Mix
        The targets, and the weights.
    """
    n_teachers, n_classes = shape
    known = rows.labeled
    order = known.cumsum() - 1  # of a labeled row among the labeled rows
    target = np.empty((len(rows.y), n_classes), dtype=np.float32)
    row_weight = np.empty(len(rows.y))
    teacher_weight = np.empty((known.sum(), n_teachers), dtype=np.float32)
    hits = np.zeros(n_teachers)
    for index in blocks:
        X, proba = ask(index)
        y, labeled = rows.y[index], known[index]
        proba = pool.transform(proba)
        proba.flags.writeable = False  # a weighting looks, and changes nothing
        weight = _check_weight(weighting(Rows(X, y, proba)), proba.shape[:2])  # (b, t)
        weight = pool.share(weight)
        target[index], row_weight[index] = soft_targets(
            proba, weight, temperature, even=pool.weight_
        )
        teacher_weight[order[index[labeled]]] = weight[labeled]
        hits += (proba[labeled].argmax(axis=2) == y[labeled, np.newaxis]).sum(axis=0)
    if hasattr(weighting, "scale_rows"):
        row_weight = weighting.scale_rows(row_weight, rows.y, rows.sample_weight)
    with np.errstate(invalid="ignore"):  # NaN where no row is labeled
        return Mix(target, row_weight, teacher_weight, hits / known.sum())


def _check_instance(parameter, value):
    if isinstance(value, type):
        raise TypeError(
            f"`{parameter}` must be an instance, got the class {value.__name__}: "
            f"write {value.__name__}()."
        )


def _check_weight(weight, shape):
    weight = np.asarray(weight)
    if weight.shape != shape:
        raise ValueError(
            f"The weighting must return an array of shape (n_samples, n_teachers), "
            f"{shape} here, got {weight.shape}."
        )
    is_number = weight.dtype.kind in "biuf"
    largest = np.finfo(np.float32).max  # the loss is computed in float32
    if not is_number or not ((weight >= 0) & (weight <= largest)).all():
        values = f" from {weight.min()} to {weight.max()}" if is_number else ""
        raise ValueError(
            "The weighting must return finite, non-negative numbers, got "
            f"{weight.dtype}{values}."
        )
    return weight
