"""Choose the kind of a student by its end: a net, or a classifier of weighted rows.

A kind is a module with the functions below; both take their rows as `Targets`.
"""

from contextlib import suppress

from sklearn.utils.metaestimators import available_if
from skorch import NeuralNet
from torch import nn

from . import _net, _predict, _weighted
from ._steps import end_of

NETS = NeuralNet, nn.Module  # a bare module is refused with a cure


def check_student(student, make_loss=None, validation_fraction=None):
    """Raise unless it can be trained, before the teachers are; on this if it is set."""
    kind = _kind_of(student)
    kind.check_student(student)
    if kind is _weighted and make_loss is not None:
        kind.check_training(student, make_loss(), validation_fraction)


def fit_student(student, train, valid, **how):
    """Fit a clone of the student -> the clone, which predicts indices, and its history.

    `train` and `valid`, which may be None, are pairs of rows and their Targets. `how`
    has the `loss`, the `seed`, and the `epochs` that follow it; with `n_epochs`,
    `update_student` is to go on.
    """
    return _kind_of(student).fit_student(student, train, valid, **how)


def update_student(student, train, **how):
    """Train a fitted student a bit more on a chunk, in place -> its history."""
    return _kind_of(student).update_student(student, train, **how)


def student_proba(student, X, n_classes):
    """Ask the fitted student alone -> (n, c), rows sum to one."""
    if _kind_of(student) is _net:
        return _predict.student_proba(student, X)
    return _weighted.student_proba(student, X, n_classes)


def _learns_in_chunks(distiller):
    """Raise an AttributeError for a distiller whose student cannot go on."""
    student = getattr(distiller, "student_", distiller.student)
    with suppress(TypeError):  # which partial_fit itself is to raise
        if student is not None and _kind_of(student) is _weighted:
            _weighted.check_student(student)
            _weighted.check_chunkwise(student)
    return True


needs_chunks = available_if(_learns_in_chunks)


def _kind_of(student):
    model = end_of(student)
    is_net = issubclass if isinstance(model, type) else isinstance
    return _net if is_net(model, NETS) else _weighted
