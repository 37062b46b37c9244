"""Train a skorch net on soft targets, and ask it: the only file to do so."""

import inspect
import warnings
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from scipy.special import entr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import BatchScoring, Callback, EarlyStopping, EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from skorch.utils import to_numpy
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

UNLABELED = -1
OWN = "sk_ekd_"  # callbacks of ours, which do not stay
VALID_ACC = "callbacks__valid_acc"  # skorch's own, a parameter of the net
PATIENCE = 10  # epochs without a lower loss on the validation part
PREDICT_ROWS = 16384  # rows of one forward pass at prediction

# --- The loss -----------------------------------------------------------------------


class _DistillationLoss:
    """The loss of the method, averaged over the rows of a batch.

    ``(1 - α) · label_weight · CE(y, s) + α · T² · weight · KL(target ‖ s^(T))``

    A mixin over the torch loss that the net was built for, so that skorch goes on to
    choose the right nonlinearity at prediction.
    """

    def __init__(self, *, alpha, temperature, **kwargs):
        super().__init__(**{**kwargs, "reduction": "none"})
        self.ignore_index = UNLABELED
        self.alpha = alpha
        self.temperature = temperature
        self.terms = []  # of each batch of the epoch: rows, label and distillation loss
        self.valid_terms = []  # the same, labeled rows, and how many of them are right

    def forward(self, output, rows):
        """Return the mean loss of a batch of packed rows, see `pack_rows`."""
        output = output[0] if isinstance(output, tuple) else output
        label, label_weight, weight, negentropy, target = _unpack_rows(rows)
        label_loss = distillation_loss = output.new_zeros(())
        if self.alpha < 1:
            each = self.label_loss(output, label)  # (b,), 0 where unlabeled
            scale = (1 - self.alpha) / len(rows)
            label_loss = scale * torch.dot(label_weight, each)
        if self.alpha > 0:
            logits = self.logits(output)
            if self.temperature != 1:
                logits = logits / self.temperature
            log_student = F.log_softmax(logits, dim=1)
            kl = negentropy - torch.linalg.vecdot(target, log_student)  # (b,)
            scale = self.alpha * self.temperature**2 / len(rows)
            distillation_loss = scale * torch.dot(weight, kl)
        terms = len(rows), label_loss.detach(), distillation_loss.detach()
        if self.training:
            self.terms.append(terms)
        else:
            hit = self.logits(output).argmax(dim=1) == label  # never, where unlabeled
            self.valid_terms.append((*terms, (label != UNLABELED).sum(), hit.sum()))
        return label_loss + distillation_loss

    def label_loss(self, output, label):
        """Return the torch loss of each row -> (b,)."""
        return super().forward(output, label)

    def logits(self, output):
        """Return logits of all classes -> (b, c)."""
        return output


class _LogitsLoss(_DistillationLoss, nn.CrossEntropyLoss):
    """For modules that end in one logit for each class."""


class _ProbaLoss(_DistillationLoss, nn.NLLLoss):
    """For modules that end in a softmax: skorch takes the log, and logs are logits."""


class _BinaryLoss(_DistillationLoss, nn.BCEWithLogitsLoss):
    """For modules that end in the one logit of the second class."""

    def label_loss(self, output, label):
        known = (label != UNLABELED).to(output.dtype)
        positive = label.clamp(min=0).to(output.dtype)
        return known * super().label_loss(output, positive)

    def logits(self, output):
        return torch.stack([torch.zeros_like(output), output], dim=1)


_LOSSES = {
    nn.CrossEntropyLoss: _LogitsLoss,
    nn.NLLLoss: _ProbaLoss,
    nn.BCEWithLogitsLoss: _BinaryLoss,
}


class _LossTerms(Callback):
    """Write the terms of the loss into the history, read once an epoch."""

    def __init__(self, epochs=None):
        self.epochs = epochs
        self.best_accuracy = -1.0

    def get_params(self, deep=True):  # of the net's, these are none
        return {}

    def __getstate__(self):  # for a Checkpoint that pickles the net
        return {}

    def on_epoch_begin(self, net, **kwargs):
        net.criterion_.terms.clear()
        net.criterion_.valid_terms.clear()
        self.epochs.begin()

    def on_epoch_end(self, net, **kwargs):
        if not net.criterion_.terms:
            raise ValueError(
                "The student trained on no batch: its batch size with drop_last is "
                "larger than the number of rows, or its get_loss does not call its "
                "criterion, which the distillation loss takes the place of."
            )
        self._record(net.history, "", *zip(*net.criterion_.terms, strict=True))
        if net.criterion_.valid_terms:
            *terms, labeled, hits = zip(*net.criterion_.valid_terms, strict=True)
            self._record(net.history, "valid_", *terms)
            accuracy = float(sum(hits).double() / sum(labeled))  # NaN of no labels
            net.history.record("valid_acc", accuracy)
            net.history.record("valid_acc_best", accuracy > self.best_accuracy)
            self.best_accuracy = max(accuracy, self.best_accuracy)

    @staticmethod
    def _record(history, prefix, rows, *terms):
        for name, term in zip(("label", "distillation"), terms, strict=True):
            batches = torch.stack(term).double().cpu().numpy()
            mean = float(np.average(batches, weights=rows))
            history.record(f"{prefix}{name}_loss", mean)


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


# --- Rows in memory -----------------------------------------------------------------


def pack_rows(y, label_weight, weight, target):
    """Pack all that the loss needs to know of a row into one tensor.

    One tensor is one look-up a batch, and passes through any Dataset or loader.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Index of the label, -1 where it is unknown.
    label_weight, weight : ndarray of shape (n_samples,)
        Weights of the label term and of the distillation term.
    target : ndarray of shape (n_samples, n_classes)
        Soft targets.

    Returns
    -------
    rows : Tensor of shape (n_samples, 4 + n_classes), dtype float32
    """
    negentropy = -entr(target.astype(np.float64)).sum(axis=1)  # the constant of the KL
    return torch.from_numpy(
        np.column_stack([y, label_weight, weight, negentropy, target]).astype(
            np.float32
        )
    )


def _unpack_rows(rows):
    """Undo `pack_rows` on a batch -> (b,), (b,), (b,), (b,), (b, c)."""
    label, label_weight, weight, negentropy = rows[:, :4].unbind(dim=1)
    return label.long(), label_weight, weight, negentropy, rows[:, 4:]


class _MemoryRows(torch.utils.data.Dataset):
    """X and packed rows as tensors on the device; sparse X stays sparse."""

    def __init__(self, X, rows, *, device):
        self.X = X if issparse(X) else torch.from_numpy(X).to(device)
        self.rows = rows.to(device)
        self.device = device

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if issparse(self.X):
            dense = self.X[to_numpy(index)].toarray()
            return torch.from_numpy(dense).to(self.device), self.rows[index]
        return self.X[index], self.rows[index]


class _MemoryBatches:
    """Whole batches by index, instead of a loader that collects row by row."""

    options = frozenset({"batch_size", "shuffle", "drop_last"})

    def __init__(self, dataset, *, batch_size, shuffle=True, drop_last=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __iter__(self):
        n_samples = len(self.dataset)
        order = torch.randperm(n_samples) if self.shuffle else torch.arange(n_samples)
        order = order.to(self.dataset.device)
        for index in order.split(self.batch_size):
            if not (self.drop_last and len(index) < self.batch_size):
                yield self.dataset[index]


def _valid_batches(dataset, **options):
    """Iterate over the validation part in memory, and over other rows as skorch does.

    Callbacks may ask the net about rows of their own.
    """
    if not isinstance(dataset, _MemoryRows):
        return DataLoader(dataset, **options)
    return _MemoryBatches(dataset, batch_size=options["batch_size"], shuffle=False)


# --- Fit ----------------------------------------------------------------------------


_FLOAT32 = {
    "dtype": np.float32,
    "accept_sparse": "csr",
    "allow_nd": True,
    "ensure_all_finite": False,
}


class StudentRows(NamedTuple):
    """What the student learns from, or is validated on."""

    X: object  # as the caller gave it
    y: np.ndarray  # (n,), index of the label, -1 unlabeled
    target: np.ndarray  # (n, c), soft targets; rows sum to one
    label_weight: np.ndarray  # (n,), of the label term
    weight: np.ndarray  # (n,), of the distillation term


def fit_student(student, train, valid, *, alpha, temperature, seed, epochs):
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
        _train(net, train, valid, alpha, temperature, epochs, student)
    history = _tidy(net.history)
    last = history["train_loss"].iloc[-1] if "train_loss" in history else 0.0
    if not np.isfinite(last):
        warnings.warn(
            f"The student's training diverged: its last train_loss is {last}. "
            f"Lower its lr (now {net.lr}) or scale its inputs.",
            ConvergenceWarning,
            stacklevel=5,  # the caller of EnsembleDistiller.fit
        )
    if isinstance(student, Pipeline):
        # so that the fitted pipeline answers by itself, whatever its steps return
        cast = FunctionTransformer(check_array, accept_sparse=True, kw_args=_FLOAT32)
        before = steps.steps if steps else []
        student.steps = [*before, ("float32", cast), student.steps[-1]]
        return student, history
    return net, history


def _pack(part):
    """Return inputs and packed rows of a part -> (n, ...), (n, 4 + c)."""
    Z = _as_matrix(part.X)
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
    _matching_loss(net)


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


def _train(net, train, valid, alpha, temperature, epochs, student):
    """Train the net in place, and leave it as the user configured it."""
    changed = (
        "criterion",
        "train_split",
        "callbacks",
        "iterator_train",
        "iterator_valid",
    )
    own = {name: getattr(net, name) for name in changed}
    accuracy = vars(net).get(VALID_ACC, "default")
    X, rows = train
    n_classes = rows.shape[1] - 4
    if valid is not None and net.callbacks == "disable":
        raise ValueError(
            "`validation_fraction` stops the training by a callback, but the student "
            "has callbacks='disable': set either to None."
        )
    loss, kwargs = _matching_loss(net)
    net.criterion = partial(loss, alpha=alpha, temperature=temperature, **kwargs)
    if net.callbacks != "disable":
        net.callbacks = [
            # first, since EarlyStopping ends an epoch for the callbacks after it
            (OWN + "terms", _LossTerms(epochs)),
            *(net.callbacks or []),
            *_stopping(net, valid),
            (OWN + "end", _EpochEnd(epochs, student)),
        ]
    if "classes" in net.get_params(deep=False):
        net.classes = np.arange(n_classes)  # else skorch infers them from packed rows
    _set_width(net, X.shape[1:], n_classes)
    # of a validation part: its y are packed rows, which this would take for labels
    setattr(net, VALID_ACC, None)
    net.initialize()
    for name in ("criterion", "callbacks"):  # what callbacks see of the net, and clone
        setattr(net, name, own.pop(name))
    _check_output(net, X, n_classes)
    make_dataset = _choose_dataset(net)
    net.train_split = None  # soft targets cannot be stratified
    if valid is not None:
        net.train_split = predefined_split(make_dataset(*valid))
    if _has_plain_steps(net):
        net.run_single_epoch = partial(_run_single_epoch, net)
    epochs.start(net.max_epochs)
    _run_epochs(net, make_dataset(X, rows))
    epochs.finish()

    for name in ("classes_inferred_", "run_single_epoch"):
        vars(net).pop(name, None)
    for name, value in own.items():
        setattr(net, name, value)
    if accuracy == "default":
        vars(net).pop(VALID_ACC, None)
    if net.callbacks != "disable":
        net.callbacks_ = [cb for cb in net.callbacks_ if not cb[0].startswith(OWN)]
    net.initialize_criterion()  # the user's own, so that the net stands by itself
    # Adam's moments would triple the size of a pickle; partial_fit starts them afresh
    net.optimizer_.state.clear()


def _has_plain_steps(net):
    """Return whether nothing of the user's runs between or within the steps."""
    steps = (
        "run_single_epoch", "train_step", "train_step_single", "validation_step",
        "initialize_module", "initialize_optimizer", "get_train_step_accumulator",
        "on_batch_begin", "on_batch_end", "on_grad_computed", "notify",
        "_step_optimizer", "_zero_grad_optimizer",  # private, meant to be overridden
    )  # fmt: skip
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return (
        type(net.optimizer_).__module__.startswith("torch.optim.")
        and not isinstance(net.optimizer_, torch.optim.LBFGS)  # steps several times
        and all(_has_own(net, step) for step in steps)
        and all(
            getattr(type(callback), hook) is getattr(Callback, hook)
            for _, callback in net.callbacks_
            for hook in hooks
        )
    )


def _run_single_epoch(net, iterator, training, prefix, step_fn, **fit_params):
    """Run an epoch as skorch does, but for what nobody listens to between the steps.

    The losses stay on the device, and are read once.
    """
    if iterator is None:
        return
    net.module_.train(training)
    net.criterion_.train(training)
    ask_loss = _choose_loss(net, iterator, training)
    losses, sizes = [], []
    for X, rows in iterator:
        with torch.set_grad_enabled(training):
            loss = ask_loss(X, rows)
        if training:
            net.optimizer_.zero_grad()
            loss.backward()
            net.optimizer_.step()
        losses.append(loss.detach())
        sizes.append(len(rows))
    read = torch.stack(losses).tolist() if losses else []
    for loss, size in zip(read, sizes, strict=True):
        net.history.new_batch()
        net.history.record_batch(f"{prefix}_loss", loss)
        net.history.record_batch(f"{prefix}_batch_size", size)
    net.history.record(f"{prefix}_batch_count", len(losses))


def _choose_loss(net, iterator, training):
    """Return the loss of a batch, without a detour where skorch's would be one."""
    if (
        isinstance(iterator, _MemoryBatches)  # tensors, and on the device
        and isinstance(net.criterion_, _LogitsLoss)
        and type(net).infer is NeuralNet.infer
        and _has_own(net, "get_loss")
    ):
        return lambda X, rows: net.criterion_(net.module_(X), rows)
    return lambda X, rows: net.get_loss(net.infer(X), rows, X=X, training=training)


def _has_own(net, method):
    """Return whether a method of the net is one of skorch's."""
    kinds = (NeuralNet, NeuralNetClassifier, NeuralNetBinaryClassifier)
    return getattr(type(net), method) in {getattr(kind, method) for kind in kinds}


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
    return [(OWN + "stop", EarlyStopping(patience=PATIENCE, load_best=True))]


def _run_epochs(net, dataset):
    """Let skorch train, but neither hide an interrupt nor a missing validation part."""
    try:
        net.partial_fit(dataset, None)
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


def _matching_loss(net):
    """Return the distillation form of the net's criterion, and its arguments."""
    own = net.initialized_instance(net.criterion, net.get_params_for("criterion"))
    allowed = (
        (nn.BCEWithLogitsLoss,)
        if _is_binary(net)
        else (nn.CrossEntropyLoss, nn.NLLLoss)
    )
    if type(own) not in allowed:
        names = " or ".join(f"torch.nn.{c.__name__}" for c in allowed)
        raise TypeError(
            f"The criterion of the student, a {type(net).__name__}, must be {names}, "
            f"got {type(own).__name__}: the distillation loss takes its place during "
            "the fit and must know what the module returns."
        )
    names = ("weight", "pos_weight", "label_smoothing")
    kwargs = {name: getattr(own, name) for name in names if hasattr(own, name)}
    return _LOSSES[type(own)], kwargs


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
    few = X[:8].toarray() if issparse(X) else X[:8]
    try:
        net.module_.eval()  # not to count these rows in a BatchNorm
        with torch.no_grad():
            # of the base class: the binary net's own checks the output by itself
            output = NeuralNet.infer(net, torch.tensor(few))
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
    _check_nonlinearity(net, output.float())


def _check_nonlinearity(net, output):
    total = output.sum(dim=1)
    is_proba = bool(
        (output >= 0).all() and torch.allclose(total, torch.ones_like(total))
    )
    if isinstance(net.criterion_, nn.NLLLoss) and not is_proba:
        raise ValueError(
            "With NLLLoss, skorch expects a module that returns probabilities, got "
            f"values from {output.min():.3g} to {output.max():.3g}. End it in a "
            "softmax, or return logits and set criterion=torch.nn.CrossEntropyLoss."
        )
    if isinstance(net.criterion_, nn.CrossEntropyLoss) and is_proba:
        warnings.warn(
            "The student's module seems to end in a softmax, but CrossEntropyLoss "
            "expects logits and applies its own: the student will be far too unsure. "
            "Drop the softmax, or set criterion=torch.nn.NLLLoss.",
            UserWarning,
            stacklevel=8,  # the caller of EnsembleDistiller.fit
        )


def _choose_dataset(net):
    """Return rows in memory, or the Dataset that the user set on the net."""
    options = net.get_params_for("iterator_train")
    if (
        net.dataset is Dataset
        and net.iterator_train is DataLoader
        and not net.get_params_for("dataset")
        and options.keys() <= _MemoryBatches.options
    ):
        net.iterator_train = _MemoryBatches
        if net.iterator_valid is DataLoader:
            net.iterator_valid = _valid_batches
        return partial(_MemoryRows, device=net.device or "cpu")
    if not callable(net.dataset):
        raise ValueError(
            "The student's `dataset` is an initialized Dataset, which cannot carry "
            "the soft targets: pass its class."
        )
    return net.get_dataset


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


def _tidy(history):
    """Return skorch's history as a DataFrame of the epochs' scalars."""
    return pd.DataFrame(
        [{k: v for k, v in row.items() if np.isscalar(v)} for row in history]
    )


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
    Z = _as_matrix(steps.transform(X) if steps else X)
    blocks = []
    for start in range(0, Z.shape[0], PREDICT_ROWS):
        block = Z[start : start + PREDICT_ROWS]
        dense = block.toarray() if issparse(Z) else block
        output = _infer(net, torch.tensor(dense))  # a copy: a module may work in place
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
    if isinstance(net.criterion_, nn.CrossEntropyLoss):
        return lambda logits: logits.softmax(dim=1)
    return lambda proba: proba / proba.sum(dim=1, keepdim=True)


def _is_binary(net):
    return isinstance(net, NeuralNetBinaryClassifier)


def _as_matrix(X):
    """Return X as the float32 array or CSR matrix that a net can take."""
    if type(X) is np.ndarray and X.ndim > 1 and X.size and X.dtype == np.float32:
        with np.errstate(over="ignore"):
            is_clean = np.isfinite(X.sum())  # scikit-learn's own first look
        if is_clean:  # which saves 100 µs, more than a small net takes
            return np.require(X, requirements=["C", "W"])
    if isinstance(X, pd.DataFrame):
        text = [c for c in X if not pd.api.types.is_numeric_dtype(X[c].dtype)]
        if text:
            raise ValueError(
                "The student's net takes numbers only, but these columns are not: "
                f"{text}. Put an encoder before the net, "
                "student=make_pipeline(preprocessing, net), or use student=None, "
                "which encodes them by itself."
            )
    texts = X.tolist() if isinstance(X, (np.ndarray, pd.Series)) and X.ndim == 1 else X
    if isinstance(texts, (list, tuple)) and len(texts) and isinstance(texts[0], str):
        raise ValueError(
            "The student's net takes numbers only, but X is a list of strings. Put a "
            "vectorizer before the net: "
            "student=make_pipeline(TfidfVectorizer(), net)."
        )
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS":
        try:
            X = X.astype(np.float32)
        except ValueError as error:
            raise ValueError(
                f"The student's net takes numbers only, but X has text: {error}. Put "
                "an encoder before the net, student=make_pipeline(preprocessing, "
                "net), or use student=None, which encodes it by itself."
            ) from error
    with np.errstate(over="ignore"):  # what overflows is refused below, by name
        X = check_array(X, **_FLOAT32, input_name="X")
    values = X.data if issparse(X) else X
    if not np.isfinite(values).all():
        if not np.isnan(values).any():
            raise ValueError(
                "Input X contains infinity or a value too large for dtype('float32'), "
                "which the student's net cannot take. Clip or scale the column."
            )
        raise ValueError(
            "Input X contains NaN for dtype('float32'), which the student's net "
            "cannot take. Put an imputer before the net, "
            "student=make_pipeline(SimpleImputer(), net). student=None imputes by "
            "itself."
        )
    return X if issparse(X) else np.require(X, requirements=["C", "W"])
