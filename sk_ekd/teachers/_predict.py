"""Ask the teachers: one aligned, checked array, whatever their interface."""

import numpy as np
from scipy.special import expit, softmax
from sklearn.frozen import FrozenEstimator

from .._classes import align, find_silent
from .._data import as_float32, count_rows, refuses_type
from .._torch_rows import is_of_torch
from ._jobs import share_cores
from ._members import read_once
from ._open import RESPONSES, read_classes


def stack_proba(teachers, X, classes, *, n_jobs=None):
    """Ask every teacher about every row once -> (n, t, c), float32.

    Every row of every teacher sums to one, or is all zero: no prediction. A class that
    a teacher does not know gets probability 0 from it. Several teachers are asked at
    the same time in threads.
    """
    X = read_once(teachers, X)
    calls = [
        (predict_aligned, name, teacher, X, classes)
        for name, teacher in teachers.items()
    ]
    return np.stack(share_cores(calls, n_jobs, prefer="threads"), axis=1)


def predict_aligned(name, teacher, X, classes):
    """Return a teacher's probabilities over all `classes` -> (n, c), float32."""
    response, predicted = _respond(name, teacher, X)
    known, n_samples = read_classes(name, teacher), count_rows(X)
    if predicted.shape[:1] != (n_samples,):
        raise ValueError(
            f"{response} of teacher {name!r} must predict all {n_samples} rows, got an "
            f"array of shape {predicted.shape}."
        )
    proba = _TO_PROBA[response](name, predicted, known)
    total = proba.sum(axis=1, keepdims=True)
    proba = np.divide(proba, total, out=np.zeros_like(proba), where=total > 0)
    return align(proba.astype(np.float32), known, classes)


def _respond(name, teacher, X):
    """Return the name of the method that responded, and what it returned."""
    for response in RESPONSES:
        if hasattr(teacher, response):
            if response == "decision_function":
                _check_one_against_rest(name, teacher)
            with Named(name, "predict", X):
                return response, np.asarray(_ask(getattr(teacher, response), X))
    raise TypeError(
        f"Teacher {name!r} has no predict_proba, decision_function or predict."
    )


def _ask(method, X):
    """Call a teacher's method on X, as float32 if it is a net that takes no other."""
    try:
        return method(X)
    except RuntimeError as error:
        if not refuses_type(error, X):
            raise
    return method(as_float32(X))


class Named:
    """A context in which a teacher's error says whose it is; interrupts pass."""

    def __init__(self, name, task, X):
        self.name = name
        self.task = task
        self.X = X

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        said = f"Teacher {self.name!r} could not {self.task}"
        if isinstance(error, (SystemExit, StopIteration)):  # would end more than that
            raise RuntimeError(f"{said}: it raised {error!r}.") from error
        if isinstance(error, Exception):
            error.add_note(f"{said}.{self._cure(error)}")

    def _cure(self, error):
        """Return what to do where a teacher cannot read the rows."""
        if is_of_torch(self.X):
            return _cure_of_torch(self.X)
        if self.task == "be fitted" and isinstance(error, ValueError):
            return (
                " If it cannot read `X`, which teachers get as it is, put an encoder "
                "or an imputer into a Pipeline with it."
            )
        return ""


def _cure_of_torch(X):
    """Return what to do where a teacher cannot read rows as PyTorch has them."""
    return (
        f" It was asked about X as a {type(X).__name__} of skorch: put what reads that "
        "before it, make_pipeline(FunctionTransformer(read), teacher), or pass its "
        "predictions as `teacher_proba`."
    )


def _check_one_against_rest(name, teacher):
    """Raise for margins of class pairs: three pairs look like three classes."""
    while isinstance(teacher, FrozenEstimator):  # which hides the parameters
        teacher = teacher.estimator
    params = teacher.get_params() if hasattr(teacher, "get_params") else {}
    ovo = any(
        p.split("__")[-1] == "decision_function_shape" and v == "ovo"
        for p, v in params.items()
        if isinstance(v, str)
    )
    if ovo and len(read_classes(name, teacher)) > 2:
        raise ValueError(
            f"decision_function of teacher {name!r} must have one column for each "
            "class, not one for each pair: set decision_function_shape='ovr'."
        )


def _from_proba(name, predicted, known):
    predicted = _as_numbers(name, predicted, "predict_proba")
    if predicted.shape[1:] != known.shape:
        raise ValueError(
            f"predict_proba of teacher {name!r} must have one column for each of its "
            f"{len(known)} classes, got an array of shape {predicted.shape}."
        )
    silent = find_silent(predicted)
    predicted[silent] = 0
    _check_finite(name, predicted, "predict_proba")
    total = predicted.sum(axis=1)[~silent]
    if len(total) and (predicted.min() < -1e-6 or np.abs(total - 1).max() > 1e-3):
        raise ValueError(
            f"predict_proba of teacher {name!r} must return probabilities, got values "
            f"from {predicted.min():.3g} to {predicted.max():.3g} in rows that sum to "
            f"{total.min():.3g} to {total.max():.3g}. If the teacher is a network that "
            "returns logits, let its predict_proba end in a softmax."
        )
    return predicted.clip(min=0)


def _from_decision(name, predicted, known):
    """Read margins as logits: a sigmoid for two classes, a softmax for more."""
    predicted = _as_numbers(name, predicted, "decision_function")
    _check_finite(name, predicted, "decision_function")
    if len(known) == 2 and predicted.size == len(predicted):
        positive = expit(predicted.reshape(-1, 1))
        return np.hstack([1 - positive, positive])
    if predicted.shape[1:] != known.shape:
        raise ValueError(
            f"decision_function of teacher {name!r} must have one column for each of "
            f"its {len(known)} classes, got an array of shape {predicted.shape}."
        )
    return softmax(predicted, axis=1)


def _from_votes(name, predicted, known):
    votes = np.ravel(predicted)[:, np.newaxis] == known
    if not votes.any(axis=1).all():
        stranger = np.ravel(predicted)[~votes.any(axis=1)][0]
        raise ValueError(
            f"predict of teacher {name!r} returned {stranger!r}, which is not among "
            f"its classes_ {known.tolist()}."
        )
    return votes.astype(np.float64)


_TO_PROBA = {
    "predict_proba": _from_proba,
    "decision_function": _from_decision,
    "predict": _from_votes,
}


def _as_numbers(name, predicted, method):
    if predicted.dtype.kind not in "biuf" or predicted.ndim not in (1, 2):
        raise ValueError(
            f"{method} of teacher {name!r} must return one array of numbers, got an "
            f"array of shape {predicted.shape} and dtype {predicted.dtype}."
        )
    return predicted.astype(np.float64)


def _check_finite(name, predicted, method):
    bad = ~np.isfinite(predicted.reshape(len(predicted), -1)).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{method} of teacher {name!r} is NaN or infinite in {bad.sum()} of "
            f"{len(predicted)} rows, first in row {np.flatnonzero(bad)[0]} of those "
            "asked. Fix the teacher or leave it out."
        )
