"""What students of every kind share: the steps of a Pipeline before what is trained."""

from contextlib import suppress

import numpy as np
from sklearn.pipeline import Pipeline

from .._data import take_rows

KINDS = (
    "a skorch NeuralNetClassifier or NeuralNetBinaryClassifier, or a classifier with "
    "`predict_proba` whose `fit` takes `sample_weight`"
)


def split_student(student):
    """Return the student's preprocessing steps, None where it has none, and its end."""
    has_steps = isinstance(student, Pipeline) and len(student.steps) > 1
    return student[:-1] if has_steps else None, end_of(student)


def end_of(student):
    """Return what of a student is trained: itself, or the end of a Pipeline."""
    return student.steps[-1][1] if isinstance(student, Pipeline) else student


def refuse(model, why="", cure=None):
    """Raise for what is no student: neither a net nor a weighted classifier."""
    got = type(model).__name__
    if isinstance(model, type):
        got, why, cure = model.__name__, ", a class", "pass an instance."
    cure = cure or (
        "pass one, a Pipeline that ends in one, or None for the built-in network."
    )
    raise TypeError(f"`student` must be {KINDS}, got {got}{why}: {cure}")


def seed_params(estimator, seed):
    """Fix each `random_state` that the caller left at None, nested ones included."""
    params = estimator.get_params()
    unset = [p for p in params if f"__{p}".endswith("__random_state")]
    unset = [p for p in unset if params[p] is None]
    return estimator.set_params(**dict.fromkeys(unset, seed))


def fit_steps(steps, X, targets):
    """Fit the steps to the rows, each of them once -> what they make of the rows.

    A supervised step gets the label where it is known, else the ensemble's choice; if
    nobody predicts the unlabeled rows, it is fitted to the labeled ones.
    """
    if not targets.mix.any():
        return _fit_to_labeled(steps, X, targets)
    y = np.where(targets.labeled, targets.y, targets.mix.argmax(axis=1))
    return steps.fit_transform(X, y)


def _fit_to_labeled(steps, X, targets):
    with suppress(TypeError, ValueError):  # of a step that wants labels
        return steps.fit_transform(X)
    known = np.flatnonzero(targets.labeled)
    return steps.fit(take_rows(X, known), targets.y[known]).transform(X)


def check_kept(n_rows, targets):
    """Raise where preprocessing has dropped rows, or made some."""
    if n_rows != len(targets.y):
        raise ValueError(
            "The student's preprocessing must keep every row, got "
            f"{n_rows} rows from {len(targets.y)}."
        )
