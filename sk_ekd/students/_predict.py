"""Ask a fitted net, alone or behind the steps of its Pipeline."""

from collections.abc import Mapping
from functools import partial
from math import prod

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
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
from ._output import first_of, proba_of
from ._steps import end_of, split_student

CAST = {**FLOAT32, "force_writeable": True}  # as torch wants it
PREDICT_ROWS = 2**14  # rows of one forward pass at prediction, at most
PREDICT_VALUES = 2**24  # values of them: 64 MB


def student_proba(student, X):
    """Ask the fitted student alone -> (n, c), rows sum to one."""
    net = end_of(student)
    X = _transform(student, X)
    if net.inputs_ == "float32" and isinstance(X, np.ndarray):  # no detour for one row
        Z = as_matrix(X)
    else:
        Z = settle(read_inputs(X, by_user=not reads_plainly(net)), net.inputs_)
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
