"""Read what a fitted distiller and its teachers say of the caller's rows."""

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length

from .. import ask_teachers
from .._classes import (
    align,
    as_column,
    as_proba,
    check_one_kind,
    check_teacher_proba,
    encode_labels,
    read_labels,
)
from .._data import as_rows, count_rows
from .._estimator import check_distiller, check_has_teachers
from ..pooling import MeanPool


def teacher_names(distiller):
    """Return the names of the teachers, in the order of their predictions."""
    check_has_teachers(distiller)
    return distiller.teacher_names_


def read_codes(distiller, X, y):
    """Return each label's index in `classes_`, and which rows are labeled -> (n,)."""
    check_distiller(distiller)
    y = as_column(y)
    check_consistent_length(as_rows(X), y)
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
    return encode_labels(labels, labeled, classes), labeled


def read_teacher_proba(distiller, X, teacher_proba):
    """Check the teachers' predictions that the caller passed -> (n, t, c)."""
    n_samples = count_rows(as_rows(X))
    proba = check_teacher_proba(teacher_proba, n_samples, teacher_names(distiller))
    if proba.shape[2] != len(distiller.classes_):
        raise ValueError(
            "`teacher_proba` must have one column for each of the "
            f"{len(distiller.classes_)} classes, got shape {proba.shape}."
        )
    return as_proba(proba, np.arange(n_samples))


def teachers_proba(distiller, X, teacher_proba):
    """Query the teachers, unless their predictions are given -> (n, t, c)."""
    check_has_teachers(distiller)
    if teacher_proba is not None:
        return _check_predicted(teacher_proba)
    if not getattr(distiller, "teachers_", None):
        raise ValueError(
            "The distiller has no teachers to query: pass their predictions for X as "
            "`teacher_proba`, of shape (n_samples, n_teachers, n_classes)."
        )
    proba = ask_teachers(
        list(distiller.named_teachers_.items()),
        X,
        classes=distiller.classes_,
        unlabeled_label=distiller.unlabeled_label,
    )
    return _check_predicted(proba)


def _check_predicted(proba):
    if not proba.any():
        raise ValueError(
            "No teacher predicts any of the rows: all probabilities are NaN or zero, "
            "which means no prediction. Pass rows that some teacher predicts."
        )
    return proba


def ensemble_proba(distiller, proba):
    """Average the teachers that predict each row, by their ensemble's weights."""
    pool = distiller.pool_
    if not isinstance(pool, MeanPool):
        pool = MeanPool().fit(proba)
    return pool.predict_proba(proba)


def baseline_proba(baseline, X, classes):
    """Query the baseline, and give it a column for each of `classes` -> (n, c)."""
    known = known_classes(baseline, "baseline")
    if not set(known.tolist()) <= set(classes.tolist()):
        raise ValueError(
            f"`baseline` must know no class besides the distiller's {classes.tolist()}"
            f", got {known.tolist()}."
        )
    return model_proba(baseline, X, classes, "baseline")


def known_classes(model, name):
    """Return the classes of a fitted classifier with predict_proba."""
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"`{name}` must be a fitted classifier with predict_proba, got {model!r}."
        )
    if not hasattr(model, "classes_"):
        raise NotFittedError(
            f"`{name}` has no `classes_`: fit it first, got {model!r}."
        )
    return np.asarray(model.classes_)


def model_proba(model, X, classes, name):
    """Query a classifier, and give it a column for each of `classes` -> (n, c)."""
    known = np.asarray(model.classes_)
    prediction = np.asarray(model.predict_proba(X))
    if prediction.shape[1:] != known.shape:
        raise ValueError(
            f"predict_proba of `{name}` must have one column for each of its "
            f"{len(known)} classes, got an array of shape {prediction.shape}."
        )
    return align(prediction, known, classes)
