"""Measure what a student kept of its teachers: quality, time and size."""

import pickle
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ._answers import as_proba, check_teacher_proba
from ._classes import as_column, check_one_kind, encode_labels, read_labels
from ._rows import as_rows, count_rows, take_rows
from .pooling import MeanPool
from .teachers._ask import ask_teachers

OTHERS = ("ensemble", "pool", "student", "baseline")  # rows that are not teachers
BATCH_ROWS = 1000  # rows of one timed call
BATCH_CALLS = 7
SINGLE_CALLS = 20  # a teacher may be a remote model
TIMING_SECONDS = 0.5  # after which no further call is timed


def distillation_report(distiller, X, y, *, baseline=None, teacher_proba=None):
    """Compare the student with its teachers, on rows that none of them saw.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows, of the kind that `fit` saw.
    y : array-like of shape (n_samples,)
        Labels; rows with an unknown label are left out.
    baseline : classifier, default=None
        A fitted classifier with `predict_proba` to compare with, best the same student
        trained on labels alone: another `EnsembleDistiller`, with ``alpha=0``.
    teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), default=None
        The teachers' answers to `X`, for teachers that cannot be called here; their
        times and sizes are then unknown.

    Returns
    -------
    report : DataFrame
        One row for each teacher, for the "ensemble" (their plain mean), the "pool"
        where it is calibrated, the "student", and the "baseline" where there is one.
        The columns:

        - accuracy, balanced_accuracy, log_loss;
        - roc_auc: of the second class, or with more classes the mean of each against
          the rest; NaN where `y` lacks a class;
        - ece: :func:`expected_calibration_error`;
        - us_per_row: microseconds a row in batches of up to 1,000 rows; the ensemble
          takes the sum of its teachers' times, or its own where `teachers` is one;
        - us_single: microseconds for a call with a single row;
        - bytes: length of the pickle, of the `student_` alone for a distiller;
          missing where there is none;
        - retention: the accuracy as a share of the ensemble's;
        - recovered: how much of the step from the baseline's accuracy to the
          ensemble's is made; only with a baseline, NaN where there is no step, and
          of little meaning where it is a small one;
        - pool_weight, pool_temperature: of each teacher; only with a calibrated pool,
          whose times and size are those of the ensemble.

    Notes
    -----
    Times are medians over calls of `predict_proba` (else `decision_function` or
    `predict`) in this process, and hold for this machine. They take about a second a
    model. A teacher named like one of the other rows is shown as "student (teacher)".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.inspection import distillation_report
    >>> X, y = load_iris(return_X_y=True)
    >>> teachers = [GaussianNB(), LogisticRegression(max_iter=500)]
    >>> distiller = EnsembleDistiller(teachers, cv=5, random_state=0)
    >>> distiller = distiller.fit(X[::2], y[::2])
    >>> report = distillation_report(distiller, X[1::2], y[1::2])
    >>> report["retention"].round(1)
    gaussiannb            1.0
    logisticregression    1.0
    ensemble              1.0
    pool                  1.0
    student               1.0
    Name: retention, dtype: float64
    """
    y = read_codes(distiller, X, y)  # (n,)
    known = np.flatnonzero(y >= 0)
    if not len(known):
        raise ValueError("y has no labeled row to measure on: every label is unknown.")
    if teacher_proba is not None:
        teacher_proba = read_teacher_proba(distiller, X, teacher_proba)[known]
    X, y = take_rows(as_rows(X), known), y[known]
    proba = teachers_proba(distiller, X, teacher_proba)  # (n, t, c)
    others = {"student": distiller.predict_proba(X)}  # (n, c) each
    if baseline is not None:
        others["baseline"] = _ask_baseline(baseline, X, distiller.classes_)
    names = _row_names(distiller)
    answers = {
        **dict(zip(names, proba.swapaxes(0, 1), strict=True)),
        "ensemble": proba.mean(axis=1, dtype=np.float64),
    }
    pool = distiller.pool_
    if not isinstance(pool, MeanPool):
        answers["pool"] = pool.predict_proba(proba)
    answers |= others
    quality = {name: _quality(answer, y) for name, answer in answers.items()}
    teachers = {}
    if teacher_proba is None:
        teachers = dict(zip(names, distiller.teachers_, strict=True))
    costs = _costs(distiller, teachers, baseline, X)
    report = pd.DataFrame(quality).T.join(pd.DataFrame(costs).T)
    report = _compare(report.astype({"bytes": "Int64"}))
    if "pool" in answers:
        report.loc[names, "pool_weight"] = pool.weight_
        report.loc[names, "pool_temperature"] = pool.temperature_
    return report


def expected_calibration_error(proba, y, *, n_bins=15):
    """Measure how far confidence is from accuracy, over bins of confidence.

    ``Σ_b |B_b| / n · |accuracy(B_b) - confidence(B_b)|`` over bins of equal width of
    the highest probability, as in [1]_.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes)
        Probabilities; rows sum to one.
    y : array-like of shape (n_samples,)
        Index of the true class.
    n_bins : int, default=15
        Number of bins between 0 and 1.

    Returns
    -------
    error : float
        Between 0 and 1. It is 0 where, in every bin, the share of rows that are right
        is their mean confidence.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> proba = [[0.75, 0.25]] * 4
    >>> expected_calibration_error(proba, [0, 0, 0, 1])
    0.0
    >>> expected_calibration_error(proba, [0, 0, 1, 1])
    0.25
    """
    proba, y = np.asarray(proba, dtype=np.float64), np.asarray(y)
    if proba.ndim != 2 or not len(proba) or y.shape != proba.shape[:1]:
        raise ValueError(
            "`proba` must have shape (n_samples, n_classes) and `y` (n_samples,), got "
            f"{proba.shape} and {y.shape}."
        )
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == y  # (n,)
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)  # b / m is in bin b
    gap = np.bincount(bins, weights=right - confidence)  # |B| · (accuracy - confidence)
    return float(np.abs(gap).sum() / len(proba))


# --- Read -----------------------------------------------------------------------------


def read_codes(distiller, X, y):
    """Check a fitted distiller and its rows, and encode the labels.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows.
    y : array-like of shape (n_samples,)
        Labels.

    Returns
    -------
    codes : ndarray of shape (n_samples,), dtype int64
        Index of the label in the distiller's `classes_`, -1 where it is unknown.
    """
    check_distiller(distiller)
    y = as_column(y)
    check_consistent_length(X, y)
    labels, labeled = read_labels(y, distiller.unlabeled_label)
    classes = distiller.classes_
    if len(labels):
        check_one_kind(labels, classes)
    strange = sorted(set(labels.tolist()) - set(classes.tolist()))
    if strange:
        raise ValueError(
            f"y holds labels that the distiller does not know, {strange}: its "
            f"`classes_` are {classes.tolist()}. Leave these rows out."
        )
    return encode_labels(labels, labeled, classes)


def check_distiller(distiller):
    """Raise unless it is a fitted distiller.

    Parameters
    ----------
    distiller : EnsembleDistiller
        What the caller passed.
    """
    if not hasattr(distiller, "unlabeled_label"):
        raise TypeError(
            f"`distiller` must be a fitted EnsembleDistiller, got {distiller!r}. (That "
            "of a search is its `best_estimator_`, that of a Pipeline its last step.)"
        )
    check_is_fitted(distiller, "student_")


def read_teacher_proba(distiller, X, teacher_proba):
    """Check the teachers' answers that the caller passed.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows.
    teacher_proba : array-like of shape (n_samples, n_teachers, n_classes)
        What the caller passed.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
    """
    n_samples, names = count_rows(X), list(distiller.teacher_accuracy_.index)
    proba = check_teacher_proba(teacher_proba, n_samples, names)
    if proba.shape[2] != len(distiller.classes_):
        raise ValueError(
            "`teacher_proba` must have one column for each of the "
            f"{len(distiller.classes_)} classes, got shape {proba.shape}."
        )
    return as_proba(proba, np.arange(n_samples))


def teachers_proba(distiller, X, teacher_proba):
    """Ask the teachers, unless their answers are there.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows.
    teacher_proba : ndarray of shape (n_samples, n_teachers, n_classes) or None
        The answers, if the caller passed them.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
    """
    if teacher_proba is not None:
        return teacher_proba
    if not getattr(distiller, "teachers_", None):
        raise ValueError(
            "The distiller has no teachers to ask: pass their answers to X as "
            "`teacher_proba`, of shape (n_samples, n_teachers, n_classes)."
        )
    return ask_teachers(
        list(distiller.named_teachers_.items()),
        X,
        classes=distiller.classes_,
        unlabeled_label=distiller.unlabeled_label,
    )


def _row_names(distiller):
    """Return the teachers' names, none of them that of another row."""
    return [
        f"{name} (teacher)" if name in OTHERS else name
        for name in distiller.teacher_accuracy_.index
    ]


def _ask_baseline(baseline, X, classes):
    """Return the baseline's probabilities over all `classes` -> (n, c)."""
    if not hasattr(baseline, "predict_proba"):
        raise TypeError(
            "`baseline` must be a fitted classifier with predict_proba, got "
            f"{baseline!r}."
        )
    if not hasattr(baseline, "classes_"):
        raise NotFittedError(
            f"`baseline` has no `classes_`: fit it first, got {baseline!r}."
        )
    known = np.asarray(baseline.classes_)
    columns = encode_labels(known, np.ones(len(known), dtype=bool), classes)
    if (columns == len(classes)).any():
        raise ValueError(
            f"`baseline` must know no class besides the distiller's {classes.tolist()}"
            f", got {known.tolist()}."
        )
    answer = np.asarray(baseline.predict_proba(X))
    if answer.shape[1:] != known.shape:
        raise ValueError(
            "predict_proba of `baseline` must have one column for each of its "
            f"{len(known)} classes, got an array of shape {answer.shape}."
        )
    proba = np.zeros((len(answer), len(classes)))
    proba[:, columns] = answer
    return proba


# --- Quality --------------------------------------------------------------------------


def _quality(proba, y):
    proba = proba.astype(np.float64)
    # answers are float32, and scikit-learn wants sums of one in float64
    proba /= proba.sum(axis=1, keepdims=True)
    right = proba.argmax(axis=1) == y
    present = np.unique(y)
    return {
        "accuracy": right.mean(),
        "balanced_accuracy": np.mean([right[y == code].mean() for code in present]),
        "log_loss": log_loss(y, proba, labels=np.arange(proba.shape[1])),
        "roc_auc": _roc_auc(proba, y) if len(present) == proba.shape[1] else np.nan,
        "ece": expected_calibration_error(proba, y),
    }


def _roc_auc(proba, y):
    score = proba[:, 1] if proba.shape[1] == 2 else proba
    return roc_auc_score(y, score, multi_class="ovr")


def _compare(report):
    """Add what is left of the ensemble's accuracy, and of its gain."""
    accuracy = report["accuracy"]
    report["retention"] = accuracy / accuracy["ensemble"]
    if "baseline" in report.index:
        gain = accuracy["ensemble"] - accuracy["baseline"]
        report["recovered"] = (accuracy - accuracy["baseline"]) / (gain or np.nan)
    return report


# --- Cost -----------------------------------------------------------------------------


class _TimedRows(NamedTuple):
    """Rows to time a model with."""

    batch: object  # (b, d)
    n_batch: int
    single: list  # of (1, d)


def _timed_rows(X):
    n_samples = count_rows(X)
    n_batch = min(n_samples, BATCH_ROWS)
    spread = np.linspace(0, n_samples - 1, SINGLE_CALLS).astype(int)
    single = [take_rows(X, [row]) for row in spread]
    return _TimedRows(take_rows(X, np.arange(n_batch)), n_batch, single)


def _costs(distiller, teachers, baseline, X):
    """Time and weigh the models that can be called -> dict of name to costs."""
    rows = _timed_rows(X)
    costs = {name: _cost(_response(t), t, rows) for name, t in teachers.items()}
    if teachers and hasattr(distiller.teachers, "predict"):
        # which checks the rows once, and not by each of its members
        opened = distiller.teachers
        costs["ensemble"] = _cost(_response(opened), opened, rows)
    elif teachers:
        total = pd.DataFrame(costs).sum(axis=1)
        size = _pickled_bytes(list(teachers.values()))
        costs["ensemble"] = {**total, "bytes": size}
    costs["student"] = _cost(distiller.predict_proba, distiller.student_, rows)
    if baseline is not None:
        shipped = getattr(baseline, "student_", baseline)
        costs["baseline"] = _cost(baseline.predict_proba, shipped, rows)
    return costs


def _cost(ask, shipped, rows):
    return {**_times(ask, rows), "bytes": _pickled_bytes(shipped)}


def _times(ask, rows):
    batches = [rows.batch] * BATCH_CALLS
    return {
        "us_per_row": _seconds(ask, batches) / rows.n_batch * 1e6,
        "us_single": _seconds(ask, rows.single) * 1e6,
    }


def _response(model):
    """Return the method by which the distiller asks a teacher."""
    methods = "predict_proba", "decision_function", "predict"
    return next(getattr(model, name) for name in methods if hasattr(model, name))


def _seconds(ask, calls):
    """Return the median duration of the calls, of which slow models get fewer."""
    durations = []
    for rows in calls:
        start = time.perf_counter()
        ask(rows)
        durations.append(time.perf_counter() - start)
        if sum(durations) > TIMING_SECONDS:
            break
    return np.median(durations)


class _Counter:
    """A file that counts what is written to it, and keeps nothing."""

    def __init__(self):
        self.total = 0

    def write(self, data):
        self.total += memoryview(data).nbytes


def _pickled_bytes(model):
    """Return the length of the pickle, NaN if there can be none."""
    file = _Counter()
    try:
        pickle.dump(model, file)
    except Exception:  # whatever a foreign model raises
        return np.nan
    return file.total
