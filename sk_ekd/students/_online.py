"""Train several nets together, and leave one of them."""

import copy
from functools import partial

import numpy as np
import torch
from scipy.special import softmax
from skorch import NeuralNet
from torch import nn

from .._data import take_rows
from ._epoch import has_own
from ._kinds import NETS
from ._net import check_student as check_net
from ._net import fit_student
from ._output import ProbaOfLogits, uncompiled
from ._predict import student_proba
from ._stacked import Stack, StackedForm, layers_of
from ._steps import end_of, split_student

SHARES = "trunk", "nothing"  # what students have in common
TINY = np.finfo(np.float64).tiny  # the least probability, in a logarithm
ROUNDING = 1e-4  # of probabilities that were computed in float32


def check_student(student):
    """Raise unless the student is a net, which alone can train with others."""
    end = end_of(student)
    if not isinstance(end, (type, *NETS)):  # a class is refused as ever
        raise TypeError(
            "`student` must be a skorch NeuralNetClassifier or "
            "NeuralNetBinaryClassifier, a Pipeline that ends in one, or None for the "
            f"built-in network, got {end!r}: only networks learn from each other while "
            "they train. For another classifier, use EnsembleDistiller."
        )
    check_net(student)


def fit_online(student, train, valid, **how):
    """Fit copies of the student together -> one of them, and its history.

    It is the one of the lowest log-loss on the labeled rows of the validation part, and
    without such rows the first. `how` is that of `fit_together`.
    """
    student, history = fit_together(student, train, valid, **how)
    if isinstance(end_of(student).module_, Stack):
        _choose_one(student, take_known(valid))
    return student, history


def fit_together(student, train, valid, *, n_students, share, **how):
    """Fit copies of the student -> one whose net has them all, and its history.

    `how` is that of `fit_student`. One alone is no stack.
    """
    if n_students > 1:
        how["arrange"] = partial(stack, n_students=n_students, share=share)
    return fit_student(student, train, valid, **how)


def take_all(student):
    """Return the students of a net that has them all, each by itself -> list."""
    stacked = end_of(student).module_
    if not isinstance(stacked, Stack):
        return [student]
    students = []
    for position in range(stacked.n_modules):
        unstack(end_of(student), stacked, position)
        students.append(copy.deepcopy(student))
    return students


def stack(net, criterion, *, n_students, share):
    """Put a stack in the place of an initialized net's module, before it trains."""
    first = uncompiled(net.module_)
    modules = [first, *(_make_another(net) for _ in range(n_students - 1))]
    if len(set(modules)) < n_students:
        raise ValueError(
            "The student's module is an instance, with which all students would begin "
            "alike: pass its class, and what its __init__ takes as `module__...`."
        )
    n_shared = len(layers_of(first)) // 2 if share == "trunk" else 0
    net.module_ = Stack(modules, n_shared)
    net.initialize_optimizer()  # of the parameters that train
    criterion.form = StackedForm(criterion.form)
    criterion.n_students = n_students
    if isinstance(net.predict_nonlinearity, ProbaOfLogits):  # for callbacks
        net.predict_nonlinearity = ProbaOfLogits(criterion.form)
    if has_own(net, "infer"):  # a binary net's would check the output
        net.infer = partial(NeuralNet.infer, net)


def _make_another(net):
    """Make a module as the net makes its own, with other initial weights."""
    net.initialize_module()
    return uncompiled(net.module_).to(net.device or "cpu")


def unstack(net, stacked, position):
    """Leave one module of a stack in the net, as if it had trained alone."""
    net.module_ = stacked.take(position)
    net.initialize_optimizer()


def take_known(valid):
    """Return the rows, label and weight of the labeled part, None without any."""
    if valid is None or not valid[1].labeled.any():
        return None
    X, targets = valid
    known = np.flatnonzero(targets.labeled)
    return take_rows(X, known), targets.y[known], targets.label_weight[known]


def _choose_one(student, known):
    """Leave the student of the lowest log-loss in the net of all."""
    steps, net = split_student(student)
    stacked = net.module_
    if known is None:
        unstack(net, stacked, 0)
        return
    X, y, weight = known
    X = steps.transform(X) if steps else X
    losses = []
    for position in range(stacked.n_modules):
        net.module_ = stacked.take(position)
        losses.append(_log_loss(student_proba(net, X), y, weight))
    unstack(net, stacked, int(np.argmin(losses)))


def _log_loss(proba, y, weight):
    right = proba[np.arange(len(y)), y].clip(min=TINY)
    return -np.average(np.log(right), weights=weight)


def soften(student, temperature, X):
    """Divide the logits of a fitted student by a temperature -> the one that it has.

    Its last Linear layer does it, if that changes the predictions for `X` as expected;
    else the student stays as it is, with a temperature of one.
    """
    net = end_of(student)
    layers = [m for m in net.module_.modules() if isinstance(m, nn.Linear)]
    if not layers:
        return 1.0
    log_proba = np.log(student_proba(student, X).clip(min=TINY))
    expected = softmax(log_proba / temperature, axis=1)
    before = copy.deepcopy(layers[-1].state_dict())
    with torch.no_grad():
        for parameter in layers[-1].parameters():
            parameter /= temperature
    if np.abs(student_proba(student, X) - expected).max() < ROUNDING:
        return temperature
    layers[-1].load_state_dict(before)
    return 1.0
