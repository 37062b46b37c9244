"""Train a skorch net on soft targets, and ask it."""

import inspect
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import BatchScoring, Callback, EarlyStopping, EpochScoring
from skorch.helper import predefined_split
from torch import nn

from .._classes import UNLABELED
from .._compat import warn
from ..losses import LossTerms, matching_loss, pack_rows
from ._epoch import as_tensor, choose_dataset, has_plain_steps, run_single_epoch
from ._inputs import FLOAT32, as_matrix

OWN = "sk_ekd_"  # callbacks of ours, which do not stay
VALID_ACC = "callbacks__valid_acc"  # skorch's own, a parameter of the net
PATIENCE = 10  # epochs without a lower loss on the validation part
PREDICT_ROWS = 2**14  # rows of one forward pass at prediction, at most
PREDICT_VALUES = 2**24  # values of them: 64 MB


class _EpochEnd(Callback):
    """Let whoever follows the epochs stop them; the last of the callbacks."""

    def __init__(self, epochs=None, student=None):
        self.epochs = epochs
        self.student = student

    def get_params(self, deep=True):  # the student holds this net
        return {}

    def __getstate__(self):  # for a Checkpoint that pickles the net
        return {}

    def on_epoch_end(self, net, **kwargs):
        if self.epochs.end(self.student):
            raise KeyboardInterrupt  # which skorch takes for the end of the training


# --- Fit ----------------------------------------------------------------------------


class StudentRows(NamedTuple):
    """What the student learns from, or is validated on."""

    X: object  # as the caller gave it
    y: np.ndarray  # (n,), index of the label, -1 unlabeled
    target: np.ndarray  # (n, c), soft targets; rows sum to one
    label_weight: np.ndarray  # (n,), of the label term
    weight: np.ndarray  # (n,), of the distillation term


def fit_student(
    student, train, valid, *, alpha, temperature, seed, epochs, n_epochs=None
):
    """Fit a clone of the student to labels and soft targets.

    Parameters
    ----------
    student : skorch classifier, or Pipeline that ends in one
        Not changed. A Pipeline gets the rows as they are, a net as float32.
    train : StudentRows
        Rows to learn from.
    valid : StudentRows or None
        Rows to stop by.
    alpha : float
        Share of the distillation term.
    temperature : float
        The temperature that the targets are softened by.
    seed : int
        Seeds torch for this fit; the global generators are left as they were.
    epochs : Epochs
        Who follows the epochs.
    n_epochs : int, default=None
        Number of epochs before `update_student` goes on. None: those of the net, and
        the state of its optimizer is dropped.

    Returns
    -------
    student : skorch classifier or Pipeline
        The fitted clone; it predicts class indices.
    history : DataFrame
        One row an epoch.
    """
    student = clone(student)
    steps, net = _split_student(student)
    with seeded(seed, net.device):
        if steps:
            # a supervised step gets the label where it is known, else the ensemble's
            # choice
            y, choice = train.y, train.target.argmax(axis=1)
            Z = _seed_params(steps, seed).fit_transform(
                train.X, np.where(y == UNLABELED, choice, y)
            )
            train = train._replace(X=Z)
            if valid is not None:
                valid = valid._replace(X=steps.transform(valid.X))
        train, valid = (part and _pack(part) for part in (train, valid))
        _train(net, train, valid, alpha, temperature, epochs, student, n_epochs)
    if n_epochs is None:
        net.optimizer_.state.clear()  # Adam's moments would triple the size of a pickle
    history = _shorten_history(net)
    if isinstance(student, Pipeline):
        # so that the fitted pipeline answers by itself, whatever its steps return
        cast = FunctionTransformer(check_array, accept_sparse=True, kw_args=FLOAT32)
        before = steps.steps if steps else []
        student.steps = [*before, ("float32", cast), student.steps[-1]]
        return student, history
    return net, history


def update_student(student, train, *, alpha, temperature, seed, epochs):
    """Train a fitted student for one more epoch, in place.

    Parameters
    ----------
    student : skorch classifier or Pipeline
        What `fit_student` returned; the steps of a Pipeline stay as they are.
    train : StudentRows
        Rows to learn from.
    alpha : float
        Share of the distillation term.
    temperature : float
        The temperature that the targets are softened by.
    seed : int
        Seeds torch for this epoch; the global generators are left as they were.
    epochs : Epochs
        Who follows the epoch.

    Returns
    -------
    history : DataFrame
        One row an epoch, those before included.
    """
    steps, net = _split_student(student)
    with seeded(seed, net.device):
        if steps:
            train = train._replace(X=steps.transform(train.X))
        _train(net, _pack(train), None, alpha, temperature, epochs, student, 1)
    return _shorten_history(net)


def _pack(part):
    """Return inputs and packed rows of a part -> (n, ...), (n, 4 + c)."""
    Z = as_matrix(part.X)
    if len(part.y) != Z.shape[0]:
        raise ValueError(
            "The student's preprocessing must keep every row, got "
            f"{Z.shape[0]} rows from {len(part.y)}."
        )
    return Z, pack_rows(part.y, part.label_weight, part.weight, part.target)


def check_student(student):
    """Raise unless the student is one that `fit_student` can train.

    Parameters
    ----------
    student : object
        What the caller passed.
    """
    _, net = _split_student(student)
    if not isinstance(net, (NeuralNetClassifier, NeuralNetBinaryClassifier)):
        cure = (
            "wrap the module: NeuralNetClassifier(module, "
            "criterion=torch.nn.CrossEntropyLoss)."
            if isinstance(net, nn.Module)
            else "pass one, a Pipeline that ends in one, or None for the built-in "
            "network."
        )
        got = type(net).__name__
        if isinstance(net, type):
            got, cure = f"{net.__name__}, a class", "pass an instance."
        raise TypeError(
            "`student` must be a skorch NeuralNetClassifier or "
            f"NeuralNetBinaryClassifier, got {got}: {cure}"
        )
    matching_loss(net)


def _split_student(student):
    """Return the student's preprocessing steps (None where it has none) and its net."""
    if not isinstance(student, Pipeline):
        return None, student
    return student[:-1] if len(student.steps) > 1 else None, student.steps[-1][1]


def _seed_params(steps, seed):
    """Fix each nested `random_state` that the caller left at None."""
    params = steps.get_params()
    unset = [p for p in params if p.endswith("__random_state") and params[p] is None]
    return steps.set_params(**dict.fromkeys(unset, seed))


def _train(net, train, valid, alpha, temperature, epochs, student, n_epochs):
    """Train the net in place, and leave it as the user configured it."""
    X, rows = train
    n_classes = rows.shape[1] - 4
    if valid is not None and net.callbacks == "disable":
        raise ValueError(
            "`validation_fraction` stops the training by a callback, but the student "
            "has callbacks='disable': set either to None."
        )
    stopping = _stopping(net, valid)
    if not net.initialized_:
        _initialize(net, X, n_classes)
    changed = (
        "criterion_",
        "callbacks_",
        "train_split",
        "iterator_train",
        "iterator_valid",
    )
    own = {name: getattr(net, name) for name in changed}
    n_before = len(net.history)
    loss, kwargs = matching_loss(net)
    criterion = loss(alpha=alpha, temperature=temperature, **kwargs)
    net.criterion_ = criterion.to(net.device or "cpu")
    if net.callbacks != "disable":
        net.callbacks_ = [
            # first, since EarlyStopping ends an epoch for the callbacks after it
            (OWN + "terms", LossTerms(epochs)),
            *net.callbacks_,
            *stopping,
            (OWN + "end", _EpochEnd(epochs, student)),
        ]
    try:
        make_dataset = choose_dataset(net)
        # soft targets cannot be stratified
        net.train_split = valid and predefined_split(make_dataset(*valid))
        if has_plain_steps(net):
            net.run_single_epoch = partial(run_single_epoch, net)
        epochs.start(n_epochs or net.max_epochs)
        _run_epochs(net, make_dataset(X, rows), n_epochs)
        epochs.finish()
    except BaseException:
        del net.history[n_before:]  # an epoch that is not whole
        raise
    finally:
        for name in ("classes_inferred_", "run_single_epoch"):
            vars(net).pop(name, None)
        for name, value in own.items():
            setattr(net, name, value)


def _initialize(net, X, n_classes):
    """Let skorch make the module, of the right width."""
    if "classes" in net.get_params(deep=False):
        net.classes = np.arange(n_classes)  # else skorch infers them from packed rows
    _set_width(net, X.shape[1:], n_classes)
    # of a validation part: its y are packed rows, which this would take for labels
    accuracy = vars(net).get(VALID_ACC, "default")
    setattr(net, VALID_ACC, None)
    net.initialize()
    vars(net).pop(VALID_ACC)
    if accuracy != "default":
        setattr(net, VALID_ACC, accuracy)
    _check_output(net, X, n_classes)


def _stopping(net, valid):
    """Return the rule to stop by, unless the user has one or there is no such part."""
    callbacks = [cb[1] if isinstance(cb, tuple) else cb for cb in net.callbacks or []]
    for callback in callbacks:
        if (
            isinstance(callback, (EpochScoring, BatchScoring))
            and (isinstance(callback.scoring, str) or callback.use_caching)
            and (callback.on_train or valid is not None)
        ):
            raise ValueError(
                f"{type(callback).__name__}({callback.scoring!r}) cannot score the "
                "student in training, where y are soft targets: monitor valid_loss or "
                "valid_acc, which `validation_fraction` brings, or give it a callable "
                "that brings its own rows, and use_caching=False."
            )
    kinds = [cb if isinstance(cb, type) else type(cb) for cb in callbacks]
    if valid is None or any(issubclass(kind, EarlyStopping) for kind in kinds):
        return []
    rule = EarlyStopping(patience=PATIENCE, load_best=True)
    return [(OWN + "stop", rule.initialize())]


def _run_epochs(net, dataset, n_epochs):
    """Let skorch train, but neither hide an interrupt nor a missing validation part."""
    try:
        net.partial_fit(dataset, None, epochs=n_epochs)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "A BatchNorm of the student cannot train on a batch of one row: set "
            "`iterator_train__drop_last=True`, or another batch_size, on the net."
        ) from error
    except KeyError as error:
        if "was not found in history" not in str(error):
            raise
        raise ValueError(
            f"A callback of the student monitors what is not recorded ({error}). A "
            "validation part is there only with `validation_fraction`: set it, or "
            "monitor the train_loss, as in EarlyStopping(monitor='train_loss')."
        ) from error
    if len(net.history) and "train_batch_count" not in net.history[-1]:
        raise KeyboardInterrupt  # skorch swallows it, and would return half a student


def _set_width(net, shape, n_classes):
    """Set the width where the module's __init__ takes it and the user left it unset."""
    if isinstance(net.module, nn.Module):
        return
    accepted = inspect.signature(net.module).parameters
    width = {"out_features": 1 if _is_binary(net) else n_classes}
    if len(shape) == 1:
        width["in_features"] = shape[0]
    for name, value in width.items():
        if name in accepted and not hasattr(net, f"module__{name}"):
            net.set_params(**{f"module__{name}": value})


def _check_output(net, X, n_classes):
    """Forward a few rows before training, and say what is wrong with the output."""
    few = as_tensor(X[:8])
    try:
        net.module_.eval()  # not to count these rows in a BatchNorm
        with torch.no_grad():
            # of the base class: the binary net's own checks the output by itself
            output = NeuralNet.infer(net, few)
    except Exception as error:
        raise ValueError(
            f"The student's module cannot take float32 rows of shape {X.shape[1:]}: "
            f"{error}. If it expects another width, give it that one, or leave "
            "`module__in_features` unset where the module's __init__ takes "
            "`in_features`."
        ) from error
    output = output[0] if isinstance(output, tuple) else output
    if _is_binary(net):
        if n_classes != 2:
            raise ValueError(
                f"NeuralNetBinaryClassifier is for 2 classes, there are {n_classes}: "
                "use NeuralNetClassifier with CrossEntropyLoss."
            )
        if output.shape not in ((len(few),), (len(few), 1)):
            raise ValueError(
                "The student's module must return one logit a row, got an output of "
                f"shape {tuple(output.shape)}. Leave `module__out_features` unset "
                "where the module's __init__ takes `out_features`."
            )
        return
    if output.shape != (len(few), n_classes):
        raise ValueError(
            f"The student's module must return one value for each of the {n_classes} "
            f"classes, shape {(len(few), n_classes)} for {len(few)} rows, got "
            f"{tuple(output.shape)}. Give it that width, or leave "
            "`module__out_features` unset where the module's __init__ takes "
            "`out_features`."
        )
    _check_nonlinearity(net, output)


def _check_nonlinearity(net, output):
    rounding = max(1e-5, 10 * torch.finfo(output.dtype).eps)
    total = output.float().sum(dim=1)
    is_proba = bool((output >= 0).all() and ((total - 1).abs() < rounding).all())
    criterion = _uncompiled(net.criterion_)
    if isinstance(criterion, nn.NLLLoss) and not is_proba:
        raise ValueError(
            "With NLLLoss, skorch expects a module that returns probabilities, got "
            f"values from {output.min():.3g} to {output.max():.3g}. End it in a "
            "softmax, or return logits and set criterion=torch.nn.CrossEntropyLoss."
        )
    if isinstance(criterion, nn.CrossEntropyLoss) and is_proba:
        warn(
            "The student's module seems to end in a softmax, but CrossEntropyLoss "
            "expects logits and applies its own: the student will be far too unsure. "
            "Drop the softmax, or set criterion=torch.nn.NLLLoss."
        )


@contextmanager
def seeded(seed, device=None):
    """Seed torch inside, restore its generators after.

    Parameters
    ----------
    seed : int
        The seed.
    device : str, torch.device or None, default=None
        Where the seeded code computes; None stands for the CPU.
    """
    cuda = device is not None and torch.device(device).type == "cuda"
    # naming the devices keeps a CPU fit from starting CUDA
    devices = range(torch.cuda.device_count()) if cuda else ()
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed_all(seed)
        yield


def _shorten_history(net):
    """Return the epochs' scalars as a DataFrame, and drop those of the batches.

    They would be a quarter of a pickle of the built-in student, and grow with every
    chunk.
    """
    history = pd.DataFrame(
        [{k: v for k, v in row.items() if np.isscalar(v)} for row in net.history]
    )
    last = history["train_loss"].iloc[-1] if "train_loss" in history else 0.0
    if not np.isfinite(last):
        warn(
            f"The student's training diverged: its last train_loss is {last}. "
            f"Lower its lr (now {net.lr}) or scale its inputs.",
            ConvergenceWarning,
        )
    for epoch in net.history:
        epoch["batches"].clear()
    return history


@contextmanager
def limited(n_threads):
    """Limit torch's threads inside, restore their number after.

    Parameters
    ----------
    n_threads : int
        At most.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, n_threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


# --- Predict ------------------------------------------------------------------------


def student_proba(student, X):
    """Ask the fitted student alone.

    Parameters
    ----------
    student : fitted skorch classifier or Pipeline
        What `fit_student` returned.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows, as at fit.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        Rows sum to one.
    """
    steps, net = _split_student(student)
    Z = as_matrix(steps.transform(X) if steps else X)
    blocks = []
    size = max(1, min(PREDICT_ROWS, PREDICT_VALUES // max(1, prod(Z.shape[1:]))))
    for start in range(0, Z.shape[0], size):
        # a copy: a module may work in place
        output = _infer(net, as_tensor(Z[start : start + size]))
        output = output[0] if isinstance(output, tuple) else output
        # in float64, so that rows sum to one for scikit-learn's metrics
        blocks.append(_nonlinearity(net)(output.cpu().double()).numpy())
    return np.concatenate(blocks)


def _infer(net, X):
    """Ask the module; unlike in skorch, it is set to evaluate only once."""
    if type(net).evaluation_step is not NeuralNet.evaluation_step:
        return net.evaluation_step((X, None))
    if net.module_.training:
        net.module_.eval()
    with torch.inference_mode():
        return net.infer(X)


def _nonlinearity(net):
    if callable(net.predict_nonlinearity):
        return net.predict_nonlinearity
    if _is_binary(net):
        return lambda logit: torch.stack([-logit, logit], dim=1).sigmoid()
    # of a compiled one, as skorch does
    if isinstance(_uncompiled(net.criterion_), nn.CrossEntropyLoss):
        return lambda logits: logits.softmax(dim=1)
    return lambda proba: proba / proba.sum(dim=1, keepdim=True)


def _uncompiled(module):
    return getattr(module, "_orig_mod", module)


def _is_binary(net):
    return isinstance(net, NeuralNetBinaryClassifier)
