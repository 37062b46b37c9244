"""Ask a fitted net, alone or behind the steps of its Pipeline."""

from collections.abc import Mapping
from functools import partial
from math import prod

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from skorch.utils import to_device

from .._data import count_rows
from ._epoch import as_tensor, has_own, in_memory, reads_plainly
from ._inputs import (
    AS_GIVEN,
    FLOAT32,
    as_matrix,
    check_vocabulary,
    read_inputs,
    settle,
)
from ._output import first_of, has_logits, logits_of, proba_of
from ._steps import end_of, split_student

CAST = {**FLOAT32, "force_writeable": True}  # as torch wants it
PREDICT_ROWS = 2**14  # rows of one forward pass at prediction, at most
PREDICT_VALUES = 2**24  # values of them: 64 MB
NO_LOGITS = (
    "its probabilities come from no logits: measure how unsure it is by their entropy, "
    "as kind='entropy' of sk_ekd.inspection.uncertainty does."
)


def student_proba(student, X):
    """Ask the fitted student alone -> (n, c), rows sum to one."""
    net = end_of(student)
    Z = _feed(student, net, X)
    if has_own(net, "predict_proba"):
        parts = [proba_of(net, output).numpy() for output in outputs(net, Z)]
        proba = np.concatenate(parts)
    else:
        proba = np.asarray(net.predict_proba(Z), dtype=np.float64)
    if len(proba) != count_rows(Z):
        raise ValueError(
            f"The student predicts {len(proba)} of {count_rows(Z)} rows: its loader "
            "leaves some out. Leave `iterator_valid__drop_last` and the like unset."
        )
    if not np.isfinite(proba.sum()):
        is_finite = np.isfinite(proba).all(axis=1)
        raise ValueError(
            f"The student predicts NaN for {np.count_nonzero(~is_finite)} of "
            f"{len(proba)} rows, first for row {is_finite.argmin()}: its training "
            "diverged (see `history_`), or what it computes for these rows is too "
            "large for its dtype. Lower its lr, or scale or clip its inputs."
        )
    return proba


def student_logits(student, X):
    """Ask a fitted student for the logits behind its probabilities.

    Probabilities forget how large the logits were, since a softmax takes only their
    differences. Liu et al. (2020) tell strange rows by it.

    Parameters
    ----------
    student : net or Pipeline
        The `student_` of a fitted distiller: a net whose criterion is CrossEntropyLoss
        or BCEWithLogitsLoss, or a Pipeline that ends in one.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Rows, of the kind that `fit` saw.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Their softmax is what the student predicts. A net of one logit has half of it
        for the second class, and minus that half for the first.

    Examples
    --------
    >>> from scipy.special import softmax
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.students import student_logits
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EnsembleDistiller([GaussianNB()], cv=5, random_state=0).fit(X, y)
    >>> logits = student_logits(distiller.student_, X)
    >>> bool(abs(softmax(logits, axis=1) - distiller.predict_proba(X)).max() < 1e-6)
    True
    """
    net = end_of(student)
    if not isinstance(net, NeuralNet):
        raise TypeError(f"The student, a {_name(net)}, is no net, and {NO_LOGITS}")
    check_is_fitted(net, "inputs_")  # by a distiller
    if not has_own(net, "predict_proba"):
        raise TypeError(
            f"The student, a {_name(net)}, has a `predict_proba` of its own, and "
            f"{NO_LOGITS}"
        )
    if not has_logits(net):
        raise TypeError(
            f"The module of the student, a {_name(net)} with NLLLoss, returns "
            "probabilities: let it return what it has before its softmax, and train it "
            "with criterion=torch.nn.CrossEntropyLoss. Or measure how unsure it is by "
            "kind='entropy' of sk_ekd.inspection.uncertainty."
        )
    Z = _feed(student, net, X)
    parts = [logits_of(net, output).numpy() for output in outputs(net, Z)]
    return np.concatenate(parts)


def _name(model):
    return type(model).__name__


def _feed(student, net, X):
    """Return rows as the net takes them, after the steps before it."""
    X = _transform(student, X)
    if net.inputs_ == "float32" and isinstance(X, np.ndarray):  # no detour for one row
        return as_matrix(X)
    return settle(read_inputs(X, by_user=not reads_plainly(net)), net.inputs_)


def _transform(student, X):
    """Return what the steps of a fitted student make of rows.

    A Pipeline's own checks, and a cast of what is float32, take longer than a small
    net.
    """
    if type(student) is not Pipeline:  # or one of the user's own
        steps, _ = split_student(student)
        return steps.transform(X) if steps else X
    for _, step in student.steps[:-1]:
        is_none = step is None or isinstance(step, str)  # "passthrough"
        if not is_none and not _has_been_cast(X, step):
            X = step.transform(X)
    return X


def _has_been_cast(X, step):
    """Return whether a step is the one that `fit_student` adds, and changes nothing."""
    is_cast = getattr(step, "func", None) is check_array and step.kw_args == CAST
    return is_cast and type(X) is np.ndarray and X.dtype == np.float32


def outputs(net, Z, without_grad=torch.inference_mode, infer=None):
    """Yield the module's outputs for blocks of rows, on the CPU.

    By the net itself where something of the user's reads rows or asks the module: what
    trains, predicts. `infer` may stand in for skorch's own.
    """
    if net.inputs_ == AS_GIVEN or not reads_plainly(net):
        yield from net.forward_iter(in_memory(Z, net.inputs_))
        return
    if net.module_.training:
        net.module_.eval()  # unlike in skorch, once, and not for every batch
    infer = partial(infer, net) if infer and has_own(net, "infer") else net.infer
    parts = Z.values() if isinstance(Z, Mapping) else [Z]
    width = sum(prod(part.shape[1:]) for part in parts)
    size = max(1, min(PREDICT_ROWS, PREDICT_VALUES // max(1, width)))
    for start in range(0, count_rows(Z), size):
        with without_grad():
            # a copy: a module may work in place
            rows = as_tensor(Z[start : start + size], net.inputs_)
            try:
                output = infer(rows)
            except (IndexError, RuntimeError) as error:
                check_vocabulary(error, Z)
                raise
        is_known = isinstance(output, (torch.Tensor, Mapping))  # to `to_device`
        yield to_device(output if is_known else first_of(output), "cpu")
