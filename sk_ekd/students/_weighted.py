"""Fit a classifier that is no network: on each row once for each class of its target.

The loss of a row is linear in the logarithms of the student's probabilities, so that
its target is a weight for each class. A classifier that takes sample weights minimizes
the same loss on the row once for each class, under that weight.
"""

import inspect
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .._compat import safe_indexing, warn
from .._data import count_rows
from .._torch_state import seeded
from ._steps import (
    check_kept,
    end_of,
    fit_steps,
    refuse,
    seed_params,
    split_student,
)

# of a row's weight: a class below it is left out, so that a row has 100 copies at most
SMALLEST_SHARE = 0.01
BLOCK_VALUES = 2**20  # of the shares in memory at a time: 8 MB
HISTORY = ["epoch", "train_loss", "label_loss", "distillation_loss"]


# --- Check ---------------------------------------------------------------------------


def check_student(student):
    """Raise unless the student is a classifier that can be fitted to weighted rows."""
    _, model = split_student(student)
    if isinstance(model, type) or not hasattr(model, "fit"):
        refuse(model)
    if _is_regressor(model):
        refuse(model, ", a regressor")
    if not has_fit_parameter(model, "sample_weight"):
        refuse(model, ", whose `fit` takes none")
    if not hasattr(model, "predict_proba"):
        refuse(model, ", which has no `predict_proba` as it is set")


def check_training(student, loss, validation_fraction):
    """Raise for what only an epoch of a net could do."""
    name = type(split_student(student)[1]).__name__
    if validation_fraction is not None:
        raise ValueError(
            "`validation_fraction` stops a net by its epochs, which a student that is "
            f"no network does not have, got {validation_fraction} with {name}: set it "
            "to None, and use the student's own early stopping, or choose its size by "
            "a grid search."
        )
    if hasattr(loss, "weighting"):
        raise TypeError(
            f"The weighting {loss.weighting!r} watches a network in training, which a "
            f"student that is none, got {name}, does not have: pass a skorch net, or a "
            "weighting such as 'correctness'."
        )
    if getattr(loss, "hint", None):
        raise TypeError(
            f"`hint` names a hidden layer of a network, which a {name} does not have: "
            "pass a skorch net, or set hint=None."
        )
    if not _has_shares(loss):
        raise TypeError(
            f"The loss {type(loss).__name__} trains networks only, since its `forward` "
            f"is not what a `class_shares` of it says: {name} learns from the weight "
            "of each class in a row. Pass a skorch net, or use the loss of the method."
        )
    if loss.alpha > 0 and loss.temperature != 1:
        raise ValueError(
            "`temperature` softens the student's own probabilities in the loss, which "
            f"only a network can, got {loss.temperature} with {name}: set it to 1."
        )


def check_chunkwise(student):
    """Raise for a classifier that cannot go on from where it was."""
    _, model = split_student(student)
    method = getattr(model, "partial_fit", None)
    options = inspect.signature(method).parameters if method else {}
    if not {"classes", "sample_weight"} <= set(options):
        raise AttributeError(
            f"partial_fit needs a student that goes on from where it was, but the "
            f"{type(model).__name__} has no `partial_fit` that takes `classes` and "
            "`sample_weight`: call fit on all rows, or pass a net, or a classifier "
            "that has, such as SGDClassifier(loss='log_loss')."
        )


def _is_regressor(model):
    with suppress(Exception):  # models of other libraries have no tags
        return is_regressor(model)
    return False


def _has_shares(loss):
    """Return whether `class_shares` is by who wrote `forward`, or by a child of it."""
    for kind in type(loss).__mro__:
        if "class_shares" in vars(kind):
            return True
        if "forward" in vars(kind):
            return False
    return False


# --- Fit -----------------------------------------------------------------------------


def fit_student(student, train, valid, *, loss, seed, epochs, n_epochs=None):
    """Fit a clone of the student -> the clone, which predicts indices, and no history.

    As ``_net.fit_student``; there is no `valid`. The steps of a Pipeline see each row
    once. With `n_epochs`, it is the first `partial_fit` of the student.
    """
    student = seed_params(clone(student), seed)
    steps, model = split_student(student)
    X, targets = train
    with seeded(seed):
        _begin(epochs)
        if steps:
            X = fit_steps(steps, X, targets)
        if n_epochs is None:
            model = _fit(model, X, targets, loss)
        else:
            classes = np.arange(targets.mix.shape[1])
            _partial_fit(model, X, targets, loss, classes)
        if isinstance(student, Pipeline):  # whose `memory` makes other steps
            end = student.steps[-1][0], model
            student.steps = [*(steps.steps if steps else []), end]
        else:
            student = model
        _end(epochs, student)
    return student, _no_history()


def update_student(student, train, *, loss, seed, epochs):
    """Let a fitted student see a chunk of rows, in place -> no history."""
    steps, model = split_student(student)
    X, targets = train
    with seeded(seed):
        _begin(epochs)
        _partial_fit(model, steps.transform(X) if steps else X, targets, loss)
        _end(epochs, student)
    return _no_history()


def _no_history():
    """Return the history of a student that has no epochs."""
    return pd.DataFrame(columns=HISTORY)


def _begin(epochs):
    """Let whoever follows the epochs take the fit for one of them."""
    epochs.start(1)
    epochs.begin()


def _end(epochs, student):
    epochs.end(student)
    epochs.finish(type(end_of(student)).__name__)


@contextmanager
def _named(model):
    """Let an error from within the student say whose it is."""
    try:
        yield
    except Exception as error:
        error.add_note(
            f"The student, a {type(model).__name__}, could not be fitted to weighted "
            "rows of `X`. What it needs before it, such as an encoder or a scaler, "
            "belongs into a Pipeline with it."
        )
        raise


def _fit(model, X, targets, loss):
    """Fit the classifier at a mean weight of one a row -> it, or what stands for it."""
    check_kept(count_rows(X), targets)
    copies = _expand(loss, targets)
    known, codes = np.unique(copies.label, return_inverse=True)
    if len(known) == 1:
        warn(
            f"The target of every row is one class alone, number {known[0]}, so that "
            f"the student, a {type(model).__name__}, is replaced by a constant. Look "
            "at the labels and at what the teachers predict.",
            "A student that is a constant",
        )
        model = DummyClassifier(strategy="prior")
    n_used = len(np.unique(copies.row))
    weight = copies.weight * (n_used / copies.weight.sum())
    X = _take(X, copies.row)
    with _named(model):
        try:
            return model.fit(X, copies.label, sample_weight=weight)
        except Exception:
            if known[-1] == len(known) - 1:
                raise
        # XGBoost takes no labels with a gap, which is a class without any share
        model.fit(X, codes, sample_weight=weight)
    return Recoded(model, known)


class Recoded(ClassifierMixin, BaseEstimator):
    """A classifier that was fitted to codes of its classes, and predicts the classes.

    Parameters
    ----------
    estimator : classifier
        It predicts positions in `classes`.
    classes : ndarray of shape (n_classes,)
        The classes, sorted.
    """

    def __init__(self, estimator, classes):
        self.estimator = estimator
        self.classes = classes

    def __sklearn_is_fitted__(self):
        return True

    @property
    def classes_(self):
        """The classes, sorted."""
        return self.classes

    def predict(self, X):
        """Predict a class for each row -> (n,)."""
        return self.classes[np.asarray(self.estimator.predict(X), dtype=np.intp)]

    def predict_proba(self, X):
        """Predict the probability of each class -> (n, c)."""
        return self.estimator.predict_proba(X)


def _partial_fit(model, X, targets, loss, classes=None):
    """Let the classifier see more rows; their weights are not scaled."""
    check_kept(count_rows(X), targets)
    copies = _expand(loss, targets)
    if classes is None:
        new = np.setdiff1d(copies.label, model.classes_)
        if len(new):
            name = type(model).__name__
            raise ValueError(
                f"The student, a {name}, was fitted to rows without the classes of "
                f"numbers {new.tolist()}, and cannot learn them now: start with "
                "partial_fit, which is told all classes."
            )
    with _named(model):
        model.partial_fit(
            _take(X, copies.row),
            copies.label,
            classes=classes,
            sample_weight=copies.weight,
        )


# --- Expand --------------------------------------------------------------------------


class Copies(NamedTuple):
    """Rows, once for each class that has a share of their target."""

    row: np.ndarray  # (m,), its position, ascending
    label: np.ndarray  # (m,), index of a class
    weight: np.ndarray  # (m,), sums to the weight of the row in the loss


def _expand(loss, targets):
    """Repeat each row once for each class of its target, but for tiny shares -> Copies.

    The weight of what is left out goes to the other classes of the row.
    """
    n_samples, n_classes = targets.mix.shape
    size = max(1, BLOCK_VALUES // n_classes)
    blocks = []
    for start in range(0, n_samples, size):
        row, *rest = _expand_block(loss, targets.take(slice(start, start + size)))
        blocks.append((row + start, *rest))
    return Copies(*map(np.concatenate, zip(*blocks, strict=True)))


def _expand_block(loss, targets):
    shares = loss.class_shares(targets)  # (b, c)
    total = shares.sum(axis=1, keepdims=True)
    # with more than a hundred classes, each of them may be below it
    least = np.minimum(SMALLEST_SHARE * total, shares.max(axis=1, keepdims=True))
    kept = np.where((shares >= least) & (shares > 0), shares, 0.0)
    row, label = np.nonzero(kept)
    left = total[:, 0] / np.where(total[:, 0] > 0, kept.sum(axis=1), 1.0)
    return Copies(row, label, kept[row, label] * left[row])


def _take(X, row):
    """Return the rows at positions that may repeat; all of them, once, as they are."""
    is_whole = np.array_equal(row, np.arange(count_rows(X)))
    return X if is_whole else safe_indexing(X, row)


# --- Predict -------------------------------------------------------------------------


def student_proba(student, X, n_classes):
    """Ask the fitted student alone -> (n, c), zero for classes that it never saw."""
    _, model = split_student(student)
    known = np.asarray(model.classes_).astype(np.intp)
    proba = np.asarray(student.predict_proba(X))
    expected = count_rows(X), len(known)
    if proba.shape != expected:
        raise ValueError(
            f"predict_proba of the student, a {type(model).__name__}, must return an "
            f"array of shape {expected}, got {proba.shape}."
        )
    if not np.isfinite(proba.sum()):
        is_finite = np.isfinite(proba).all(axis=1)
        raise ValueError(
            f"The student, a {type(model).__name__}, predicts NaN for "
            f"{np.count_nonzero(~is_finite)} of {len(proba)} rows, first for row "
            f"{is_finite.argmin()}: scale or clip its inputs."
        )
    if proba.dtype != np.float64:
        # so that rows sum to one for scikit-learn's metrics
        proba = proba.astype(np.float64)
        proba /= proba.sum(axis=1, keepdims=True)
    if len(known) == n_classes:
        return proba
    full = np.zeros((len(proba), n_classes))
    full[:, known] = proba
    return full
