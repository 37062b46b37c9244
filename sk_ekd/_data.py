"""Read what a fit is given: rows, labels, weights, and all classes there are."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length

from ._classes import (
    as_column,
    check_one_kind,
    encode_labels,
    merge_classes,
    read_labels,
)
from ._rows import as_rows, count_rows, read_weight, take_rows
from .teachers._predict import known_classes


class TrainingRows(NamedTuple):
    """The rows that train: those of the caller without the ones of weight zero."""

    X: object  # as the caller gave it
    y: np.ndarray  # (n,), index of the label, UNLABELED without one
    labeled: np.ndarray  # (n,), bool
    sample_weight: np.ndarray  # (n,)
    index: np.ndarray  # (n,), positions in the caller's X
    n_samples: int  # of the caller's X


def is_prefit(cv):
    """Return whether the teachers are fitted already.

    Parameters
    ----------
    cv : "prefit", int, splitter or iterable
        What the caller passed.

    Returns
    -------
    prefit : bool
    """
    if isinstance(cv, str) and cv != "prefit":
        raise ValueError(
            f"`cv` must be 'prefit', an int, a splitter or an iterable, got {cv!r}."
        )
    return isinstance(cv, str)


def holds_fitted(teacher):
    """Return whether a teacher is fitted before, or has a part that is.

    Parameters
    ----------
    teacher : classifier
        What `cv` would fit a clone of.

    Returns
    -------
    fitted : bool
        Whether it is a classifier in a ``FrozenEstimator``, or has one in a Pipeline, a
        Voting and the like. A frozen transformer has learned no label.
    """
    parts = teacher.get_params().values() if hasattr(teacher, "get_params") else ()
    return any(
        isinstance(part, FrozenEstimator) and hasattr(part, "classes_")
        for part in (teacher, *parts)
    )


def read_training(
    X, y, sample_weight, teachers, *, cv, classes, unlabeled_label, n_columns=None
):
    """Check the input and encode the labels.

    Parameters
    ----------
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Labeled and unlabeled rows.
    y : array-like of shape (n_samples,) or None
        Labels.
    sample_weight : array-like of shape (n_samples,) or None
        Rows of weight zero are dropped.
    teachers : dict of str to classifier
        Named teachers; empty where their answers are given.
    cv : "prefit", int, splitter or iterable
        Whether the teachers are fitted, and so know classes.
    classes : array-like of shape (n_classes,) or None
        All classes, where the caller knows them.
    unlabeled_label : scalar or None
        The mark of an unknown label.
    n_columns : int, default=None
        Number of classes in answers that are given.

    Returns
    -------
    rows : TrainingRows
        What trains.
    classes : ndarray of shape (n_classes,)
        Sorted.
    """
    X = as_rows(X)
    n_samples = count_rows(X)
    y = np.full(n_samples, np.nan) if y is None else as_column(y)
    check_consistent_length(X, y)
    if not n_samples:
        raise ValueError("Found X and y with 0 samples: at least 1 is required.")
    weight, index = read_weight(sample_weight, n_samples)
    labels, labeled = read_labels(y[index], unlabeled_label)
    asked = n_columns is None
    if asked and teachers and not is_prefit(cv) and not len(labels):
        raise ValueError(
            f"cv={cv!r} fits the teachers on labeled rows, but y has none: label some "
            "rows, or pass fitted teachers and cv='prefit'."
        )
    known = known_classes(
        {
            name: teacher
            for name, teacher in teachers.items()
            if is_prefit(cv) or isinstance(teacher, FrozenEstimator)
        }
    )
    _check_mark(known, unlabeled_label)
    classes = _find_classes(labels, known, classes, unlabeled_label, n_columns)
    codes = encode_labels(labels, labeled, classes)
    X = take_rows(X, index)
    return TrainingRows(X, codes, labeled, weight, index, n_samples), classes


def _check_mark(known, unlabeled_label):
    for name, classes in known.items():
        if unlabeled_label is not None and unlabeled_label in classes.tolist():
            raise ValueError(
                f"Teacher {name!r} knows the class {unlabeled_label!r}, which marks "
                "unlabeled rows in y: set `unlabeled_label` to another mark, or to "
                "None if every row is labeled or unlabeled rows are NaN or None."
            )


def _find_classes(labels, known, classes, unlabeled_label, n_columns):
    """Return the caller's classes, else those of labels and teachers -> (c,)."""
    if classes is not None:
        return _check_classes(classes, [labels, *known.values()], unlabeled_label)
    found = np.empty(0, dtype=int)
    if len(labels) or known:
        found = merge_classes(labels, known)
    if not len(found) and n_columns is not None:
        return np.arange(n_columns)  # no label, no teacher: nothing else names them
    if len(found) < 2:
        raise ValueError(
            f"Expected at least 2 classes, got one class, {found.tolist()}, in y and "
            f"the teachers, besides the unlabeled mark {unlabeled_label!r}. If the "
            "mark is one of your classes, set unlabeled_label=None; if y lacks "
            "classes, name them all in `classes`."
        )
    return found


def _check_classes(classes, found, unlabeled_label):
    """Check that the caller's classes are sorted, and hold all that were found."""
    classes = np.asarray(classes)
    if classes.ndim != 1 or len(classes) < 2:
        raise ValueError(
            "`classes` must be a 1D array of at least 2 classes, got an array of shape "
            f"{classes.shape}."
        )
    values = classes.tolist()
    kinds = {isinstance(value, str) for value in values}
    if len(kinds) > 1 or pd.isna(classes).any():
        raise ValueError(f"`classes` must be all numbers or all strings, got {values}.")
    if sorted(set(values)) != values:
        raise ValueError(
            "`classes` must be sorted and unique, as scikit-learn's metrics expect of "
            f"`classes_`, got {values}: sort it, and the columns of `teacher_proba` "
            "with it."
        )
    if unlabeled_label is not None and unlabeled_label in values:
        raise ValueError(
            f"`classes` holds {unlabeled_label!r}, which marks unlabeled rows in y: "
            "leave it out, or set `unlabeled_label` to another mark or None."
        )
    found = [part for part in found if len(part)]
    for part in found:
        check_one_kind(part, classes)
    strange = sorted({v for part in found for v in part.tolist()} - set(values))
    if strange:
        raise ValueError(
            "`classes`, given or of the first call of partial_fit, must name all "
            f"classes of y and the teachers, got {values} without {strange}."
        )
    return classes
