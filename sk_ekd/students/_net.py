"""Train a skorch net on targets."""

import copy
import inspect
from collections.abc import Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
)
from skorch.helper import predefined_split
from skorch.utils import to_device
from torch import nn

from .._compat import warn
from .._data import count_rows, take_rows
from .._torch_state import seeded
from ._criterion import Criterion, LossTerms, MakeCriterion
from ._epoch import (
    MemoryBatches,
    as_tensor,
    check_dataset,
    choose_dataset,
    forward,
    has_own,
    has_plain_steps,
    reads_plainly,
    run_single_epoch,
)
from ._hint import as_features, listening
from ._inputs import check_vocabulary, read_inputs, settle
from ._interrupts import noticed_interrupts
from ._output import (
    ProbaOfLogits,
    check_criterion,
    check_output,
    first_of,
    is_binary,
    make_form,
    own_criterion,
    uncompiled,
)
from ._packed import pack
from ._predict import CAST, outputs
from ._steps import (
    check_kept,
    fit_steps,
    refuse,
    seed_params,
    split_student,
)
from ._tried import try_inputs

OWN = "sk_ekd_"  # callbacks of ours, which do not stay
VALID_ACC = "callbacks__valid_acc"  # skorch's own, a parameter of the net
PATIENCE = 10  # epochs without a lower loss on the validation part
BORROWED = (  # attributes of the net that a training sets
    "predict_nonlinearity", "train_split", "iterator_train", "iterator_valid",
    "run_single_epoch", "get_dataset", "classes_inferred_", "infer",
)  # fmt: skip
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


# --- Fit ----------------------------------------------------------------------------


def fit_student(
    student, train, valid, *, loss, seed, epochs, n_epochs=None, arrange=None
):
    """Fit a clone of the student -> the clone, which predicts indices, and its history.

    `train` and `valid`, which may be None, are pairs of rows and their Targets; a
    Pipeline gets the rows as they are, a net as float32. `loss` is a module as
    ``sk_ekd.losses`` describes it, `seed` seeds torch for this fit, `epochs` follows
    it. With `n_epochs`, `update_student` is to go on; else the optimizer's state is
    dropped. `arrange` may change a net and its criterion before they train.
    """
    student = clone(student)
    steps, net = split_student(student)
    with seeded(seed, net.device):
        if steps:
            X, targets = train
            train = fit_steps(seed_params(steps, seed), X, targets), targets
            if valid is not None:
                valid = steps.transform(valid[0]), valid[1]
        train, valid = (part and _as_inputs(net, *part) for part in (train, valid))
        _train(net, train, valid, loss, epochs, student, n_epochs, arrange)
    if n_epochs is None:
        net.optimizer_.state.clear()  # Adam's moments would triple the size of a pickle
    history = _shorten_history(net)
    if isinstance(student, Pipeline):
        _add_cast(student, net.inputs_)
    return student, history


def _add_cast(student, inputs):
    """Let a fitted Pipeline predict by itself, whatever array its steps return."""
    if inputs == "float32":
        cast = FunctionTransformer(check_array, accept_sparse=True, kw_args=CAST)
    elif inputs == "int64":  # to cast would cut off a fraction
        cast = FunctionTransformer(np.asarray)
    else:
        return
    cast.set_output(transform="default")  # a net takes no DataFrame
    student.steps.insert(-1, (inputs, cast))


def update_student(student, train, *, loss, seed, epochs):
    """Train a fitted student for one more epoch, in place -> its history.

    The steps of a Pipeline stay as they are. A loss with parameters of its own is to be
    the one that the student was fitted with.
    """
    steps, net = split_student(student)
    (X, targets), n_before = train, len(net.history)
    try:
        with seeded(seed, net.device):
            train = _as_inputs(net, steps.transform(X) if steps else X, targets)
            _train(net, train, None, loss, epochs, student, 1)
        return _shorten_history(net)
    except BaseException:
        del net.history[n_before:]  # not whole, or the caller will not hear of it
        raise


def check_student(student):
    """Raise unless the student is one that `fit_student` can train."""
    _, net = split_student(student)
    if not isinstance(net, (NeuralNetClassifier, NeuralNetBinaryClassifier)):
        cure = None
        if isinstance(net, nn.Module):
            cure = (
                "wrap the module: NeuralNetClassifier(module, "
                "criterion=torch.nn.CrossEntropyLoss)."
            )
        refuse(net, cure=cure)
    check_criterion(net)


def _as_inputs(net, X, targets):
    """Return the inputs and the Targets of a part -> (n, ...), (n,)."""
    Z = read_inputs(X, by_user=not reads_plainly(net))
    check_kept(count_rows(Z), targets)
    return Z, targets


# --- Train ---------------------------------------------------------------------------


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


def _train(net, train, valid, loss, epochs, student, n_epochs, arrange=None):
    """Train the net in place, and leave it as the user configured it."""
    X, targets = train
    check_dataset(net)
    if valid and net.callbacks == "disable":
        raise ValueError(
            "`validation_fraction` stops the training by a callback, but the student "
            "has callbacks='disable': set either to None."
        )
    criterion = Criterion(make_form(net), loss, *targets.widths)
    with _borrowed(net, criterion) as own:
        if not net.initialized_:
            _initialize(net, X, criterion, own)
        if arrange is not None:
            arrange(net, criterion)
        X = settle(X, net.inputs_)
        valid = valid and (settle(valid[0], net.inputs_), valid[1])
        if criterion not in net.criterion_.modules():  # of a net that trained before
            net.criterion_ = criterion.to(net.device or "cpu")
        net.criterion_ = uncompiled(net.criterion_)  # what it remembers is in no graph
        _check_callbacks(net, valid)
        if net.callbacks != "disable":
            net.callbacks_ = [
                # first, since EarlyStopping ends an epoch for the callbacks after it
                (OWN + "terms", LossTerms(criterion, epochs)),
                *net.callbacks_,
                *_stopping(net, valid),
                (OWN + "end", _EpochEnd(epochs, student)),
            ]
        make_dataset = choose_dataset(net)
        is_plain = has_plain_steps(net)
        if is_plain:
            net.run_single_epoch = partial(run_single_epoch, net)
        # a Dataset, a loader or a hook of the user's may mix rows
        mixable = not is_plain or net.iterator_train is not MemoryBatches
        if not mixable:
            _check_batch_norm(net, X)
        if valid:  # soft targets cannot be stratified
            held = make_dataset(valid[0], pack(valid[1], mixable=mixable))
            net.train_split = predefined_split(held)
        rows = make_dataset(X, pack(targets, mixable=mixable))
        # no bar where the net prints lines of its own
        epochs.start(n_epochs or net.max_epochs, with_bar=not net.verbose)
        with (
            closing(epochs),
            noticed_interrupts() as interrupts,
            _checked_vocabulary(X, valid),
            _hinted(net, criterion, X),
        ):
            net.partial_fit(rows, None, epochs=n_epochs)
        is_whole = not len(net.history) or "train_batch_count" in net.history[-1]
        if interrupts or not is_whole:
            raise KeyboardInterrupt  # which skorch swallowed: half a student
        epochs.finish()


@contextmanager
def _checked_vocabulary(X, valid):
    """Say which integers a module cannot look up, where it is trained on some."""
    try:
        yield
    except (IndexError, RuntimeError) as error:
        check_vocabulary(error, X, *(valid or ())[:1])
        raise


@contextmanager
def _hinted(net, criterion, X):
    """Let the criterion hear the layer that its loss gives a hint, if it gives one."""
    hint, n_features = getattr(criterion.loss, "hint", None), criterion.widths[-1]
    if hint is None:
        yield
        return
    with listening(net, hint.layer) as criterion.heard:
        if hint.linear is None:
            next(outputs(net, take_rows(X, np.arange(1))))
            width = as_features(criterion.heard, hint.layer).shape[1]
            hint.build(width, n_features).to(net.device or "cpu")
            _own_parameters(net, criterion.loss)
        if hint.linear.out_features != n_features:
            raise ValueError(
                f"`teacher_features` must have {hint.linear.out_features} columns in "
                f"every call, got {n_features}."
            )
        yield


@contextmanager
def _borrowed(net, criterion):
    """Lend the net to a training with this criterion, and get it back as it was."""
    before = {name: vars(net)[name] for name in BORROWED if name in vars(net)}
    own = {"criterion_": net.criterion_ if net.initialized_ else own_criterion(net)}
    if not callable(net.predict_nonlinearity):
        # for callbacks that predict
        net.predict_nonlinearity = ProbaOfLogits(criterion.form)
    net.train_split = None
    try:
        if net.initialized_:
            _own_parameters(net, criterion.loss)
        yield own
    finally:
        for name in BORROWED:
            vars(net).pop(name, None)
        vars(net).update(before)
        if "nonlinearity" in own:
            net.predict_nonlinearity = own["nonlinearity"]
        if net.initialized_:
            net.criterion_ = own["criterion_"].to(net.device or "cpu")
            _disown_parameters(net, criterion.loss)
        if net.initialized_ and net.callbacks != "disable":
            net.callbacks_ = [
                (name, callback)
                for name, callback in net.callbacks_
                if not name.startswith(OWN)
            ]


def _own_parameters(net, loss):
    """Let the optimizer of a net that trained before train what a loss owns, too."""
    known = {id(p) for group in net.optimizer_.param_groups for p in group["params"]}
    missing = [p for p in loss.parameters() if id(p) not in known]
    net.optimizer_.param_groups[-1]["params"].extend(missing)


def _disown_parameters(net, loss):
    """Take what a loss owns out of the optimizer: it is no part of the student."""
    gone = {id(p) for p in loss.parameters()}
    for group in net.optimizer_.param_groups:
        group["params"] = [p for p in group["params"] if id(p) not in gone]
    for parameter in loss.parameters():
        net.optimizer_.state.pop(parameter, None)


def _initialize(net, X, criterion, own):
    """Let skorch make the module, of the right width, and all that goes with it."""
    n_classes = criterion.n_classes
    if "classes" in net.get_params(deep=False):
        net.classes = np.arange(n_classes)  # else inferred from packed targets
    _set_width(net, getattr(X, "shape", (0,))[1:], n_classes)
    own_class, own_accuracy = net.criterion, vars(net).get(VALID_ACC, "default")
    if has_own(net, "initialize_criterion"):
        # now, so that what the loss owns is in the optimizer
        net.criterion = MakeCriterion(criterion)
    # which would take the packed targets of a validation part for labels
    setattr(net, VALID_ACC, None)
    net.initialize()
    net.criterion = own_class
    vars(net).pop(VALID_ACC)
    if own_accuracy != "default":
        setattr(net, VALID_ACC, own_accuracy)
    if criterion not in net.criterion_.modules():  # the user's own way of making it
        own["criterion_"] = net.criterion_
        _own_parameters(net, criterion.loss)
    few, outputs = try_inputs(net, X)
    if outputs:  # a loader of the user's may leave out a batch that is too small
        output = torch.cat([first_of(output) for output in outputs])
        if is_binary(net) and isinstance(outputs[0], Mapping):
            raise ValueError(
                "NeuralNetBinaryClassifier reads no output that is an object: use "
                "NeuralNetClassifier with CrossEntropyLoss, and one logit a class."
            )
        is_ours = isinstance(net.predict_nonlinearity, ProbaOfLogits)
        if is_ours and isinstance(outputs[0], Mapping):  # of which skorch takes none
            own["nonlinearity"] = net.predict_nonlinearity
        n_samples = count_rows(few) if reads_plainly(net) else len(output)
        check_output(criterion.form, output, n_samples, n_classes)


def _set_width(net, shape, n_classes):
    """Set the width where the module's __init__ takes it and the user left it unset."""
    if isinstance(net.module, nn.Module):
        return
    accepted = inspect.signature(net.module).parameters
    n_outputs = 1 if is_binary(net) else n_classes
    width = {"out_features": n_outputs, "num_labels": n_outputs}
    if len(shape) == 1:
        width["in_features"] = shape[0]
    config = getattr(net, "module__config", None)
    if hasattr(config, "num_labels"):  # of a Hugging Face model
        config = copy.deepcopy(config)
        config.num_labels = n_outputs
        net.set_params(module__config=config)
    for name, value in width.items():
        if name in accepted and not hasattr(net, f"module__{name}"):
            net.set_params(**{f"module__{name}": value})


def _check_batch_norm(net, X):
    """Raise where the last batch has one row, which a BatchNorm cannot train on."""
    options, n_samples = net.get_params_for("iterator_train"), count_rows(X)
    size = options.get("batch_size", net.batch_size)
    size = n_samples if size == -1 else size
    if n_samples % size != 1 % size or options.get("drop_last"):
        return
    if not any(isinstance(module, BATCH_NORMS) for module in net.module_.modules()):
        return
    fault = None
    with suppress(Exception), torch.no_grad(), seeded(0, net.device):
        # a copy, as if nothing had been drawn or counted
        module, row = copy.deepcopy(net.module_).train(), as_tensor(X[:1], net.inputs_)
        try:
            forward(module, to_device(row, net.device or "cpu"))
        except ValueError as error:  # not where a row has several values per channel
            fault = error
    if fault:
        raise ValueError(
            "A BatchNorm of the student cannot train on a batch of one row: set "
            "`iterator_train__drop_last=True`, or another batch_size, on the net."
        ) from fault


def _check_callbacks(net, valid):
    """Raise for callbacks that want what is not there in training."""
    recorded = {getattr(callback, "name_", None) for _, callback in net.callbacks_}
    for _, callback in net.callbacks_:
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
        if not isinstance(callback, (EarlyStopping, Checkpoint)) or valid:
            continue
        monitor = str(callback.monitor).removesuffix("_best")
        if monitor in ("valid_loss", "valid_acc") and monitor not in recorded:
            raise ValueError(
                f"{type(callback).__name__} of the student monitors {monitor!r}, which "
                "is not recorded. A validation part is there only with "
                "`validation_fraction`: set it, or monitor the train_loss, as in "
                "EarlyStopping(monitor='train_loss')."
            )


def _stopping(net, valid):
    """Return the rule to stop by, unless the user has one or there is no such part."""
    stops = any(isinstance(callback, EarlyStopping) for _, callback in net.callbacks_)
    if valid is None or stops:
        return []
    rule = EarlyStopping(patience=PATIENCE, load_best=True)
    return [(OWN + "stop", rule.initialize())]


def _shorten_history(net):
    """Return the epochs' scalars as a DataFrame, and drop those of the batches.

    They would be a quarter of a pickle of the built-in student, and grow with every
    chunk.
    """
    history = pd.DataFrame(
        [{k: v for k, v in row.items() if np.isscalar(v)} for row in net.history]
    )
    last = history["train_loss"].iloc[-1] if "train_loss" in history else 0.0
    has_diverged = not all(torch.isfinite(p).all() for p in net.module_.parameters())
    if has_diverged or not np.isfinite(last):
        warn(
            f"The student's training diverged: its last train_loss is {last}"
            f"{', and its parameters are not finite' if has_diverged else ''}. "
            f"Lower its lr (now {net.lr}) or scale its inputs.",
            "A training that diverged",
            ConvergenceWarning,
        )
    for epoch in net.history:
        epoch["batches"].clear()
    return history
