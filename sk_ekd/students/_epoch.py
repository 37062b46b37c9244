"""Run an epoch of a skorch net over rows in memory."""

from collections.abc import Mapping
from functools import lru_cache, partial

import numpy as np
import torch
from scipy.sparse import issparse
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from skorch.helper import SliceDict
from skorch.utils import to_device, to_numpy
from torch.utils.data import DataLoader, IterableDataset

from .._scratch import BUDGET
from . import _by_hand, _stacked_by_hand
from ._criterion import Criterion
from ._inputs import AS_GIVEN

READING = ("dataset__", "iterator_valid__collate", "iterator_valid__sampler")
ORDERS = {"shuffle", "sampler", "batch_sampler"}  # options of a loader


class MemoryRows(torch.utils.data.Dataset):
    """X and packed targets as tensors on the device; sparse X and memmaps by batch."""

    def __init__(self, X, rows, *, inputs, device):
        parts = X.values() if isinstance(X, Mapping) else [X]
        self.by_batch = any(issparse(X) or isinstance(X, np.memmap) for X in parts)
        self.X = X if self.by_batch else _move(X, device)
        # as large as what is in a file: stays where it is, and is moved batch by batch
        self.is_large = rows.nbytes > BUDGET
        self.rows = rows if self.is_large else rows.to(device)
        self.inputs = inputs
        self.device = device

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if self.is_large and isinstance(index, torch.Tensor):
            rows = self.rows[index.cpu()].to(self.device)
        else:
            rows = self.rows[index]
        if self.by_batch:
            X = as_tensor(self.X[to_numpy(index)], self.inputs)
            return to_device(X, self.device), rows
        return self.X[index], rows


def _move(X, device):
    """Return rows in memory as tensors on the device, without a copy on a CPU."""
    if isinstance(X, Mapping):
        return SliceDict(**{key: _move(part, device) for key, part in X.items()})
    return torch.from_numpy(X).to(device)


def as_tensor(X, inputs):
    """Copy a few rows into dense tensors of the type that the net is fed."""
    if isinstance(X, Mapping):
        return {key: as_tensor(part, inputs[key]) for key, part in X.items()}
    return torch.from_numpy(X.toarray() if issparse(X) else np.array(X, dtype=inputs))


def forward(module, X):
    """Ask a module about a batch; a Mapping has its arguments by name."""
    return module(**X) if isinstance(X, Mapping) else module(X)


class MemoryBatches:
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


def valid_batches(dataset, **options):
    """Iterate over the validation part in memory, and over other rows as skorch does.

    Callbacks may ask the net about rows of their own.
    """
    if not isinstance(dataset, MemoryRows):
        return DataLoader(dataset, **options)
    return MemoryBatches(dataset, batch_size=options["batch_size"], shuffle=False)


def check_dataset(net):
    """Raise for a Dataset that holds rows already."""
    if not callable(net.dataset):
        raise ValueError(
            "The student's `dataset` is an initialized Dataset, which cannot carry "
            "the soft targets: pass its class."
        )


def choose_dataset(net):
    """Choose rows in memory, or the Dataset that the user set on the net."""
    options = net.get_params_for("iterator_train")
    if (
        net.inputs_ != AS_GIVEN
        and net.dataset is Dataset
        and net.iterator_train is DataLoader
        and has_own(net, "get_dataset")
        and not net.get_params_for("dataset")
        and options.keys() <= MemoryBatches.options
    ):
        net.iterator_train = MemoryBatches
        if net.iterator_valid is DataLoader:
            net.iterator_valid = valid_batches
        where = {"inputs": net.inputs_, "device": net.device or "cpu"}
        return partial(MemoryRows, **where)
    if net.iterator_train is DataLoader and not _orders_rows(net, options):
        net.iterator_train = partial(DataLoader, shuffle=True)

    get_dataset = net.get_dataset
    net.get_dataset = partial(_get_dataset_once, get_dataset)

    def make_dataset(X, rows):
        return get_dataset(in_memory(X, net.inputs_), rows)

    return make_dataset


def in_memory(X, inputs):
    """Return a memmap in memory, in the type that a net is fed.

    A Dataset of the user's casts nothing.
    """
    if isinstance(X, Mapping):
        return SliceDict(**{key: in_memory(X[key], inputs[key]) for key in X})
    return np.asarray(X, dtype=inputs) if isinstance(X, np.memmap) else X


def _get_dataset_once(get_dataset, X, y=None):
    """Leave a Dataset as it is, as skorch does; the user's own might wrap it again."""
    return X if isinstance(X, torch.utils.data.Dataset) else get_dataset(X, y)


def _orders_rows(net, options):
    """Return whether the user says in which order rows train."""
    is_stream = isinstance(net.dataset, type) and issubclass(
        net.dataset, IterableDataset
    )
    return is_stream or not options.keys().isdisjoint(ORDERS)


def reads_plainly(net):
    """Return whether nothing of the user's reads rows, or asks the module."""
    return (
        net.dataset is Dataset
        and (net.iterator_valid is DataLoader or net.iterator_valid is valid_batches)
        and _asks_as_skorch(type(net))
        and not any(name.startswith(READING) for name in vars(net))
    )


@lru_cache(maxsize=64)  # asked at every prediction of a single row
def _asks_as_skorch(kind):
    methods = "get_dataset", "get_iterator", "forward_iter", "evaluation_step"
    return all(_is_skorchs(kind, method) for method in methods)


def has_plain_steps(net):
    """Return whether nothing of the user's runs between or within the steps."""
    steps = (
        "run_single_epoch", "train_step", "train_step_single", "validation_step",
        "initialize_module", "initialize_optimizer", "get_train_step_accumulator",
        "on_batch_begin", "on_batch_end", "on_grad_computed", "notify",
        "_step_optimizer", "_zero_grad_optimizer",  # private, meant to be overridden
    )  # fmt: skip
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return (
        type(net.optimizer_).__module__.startswith(("torch.optim.", __package__))
        and not isinstance(net.optimizer_, torch.optim.LBFGS)  # steps several times
        and all(has_own(net, step) for step in steps)
        and all(
            getattr(type(callback), hook) is getattr(Callback, hook)
            for _, callback in net.callbacks_
            for hook in hooks
        )
    )


def run_single_epoch(net, iterator, training, prefix, step_fn, **fit_params):
    """Run an epoch as skorch does, but for what nobody listens to between the steps.

    The losses stay on the device, and are read once.
    """
    if iterator is None:
        return
    net.module_.train(training)
    net.criterion_.train(training)
    is_ours = _asks_directly(net, iterator)
    ways = [_by_hand, _stacked_by_hand] if training and is_ours else []
    way = next((way for way in ways if way.can_train(net, iterator)), None)
    if way is not None:
        losses, sizes = way.train_epoch(net, iterator)
    else:
        losses, sizes = _run_batches(net, iterator, training, is_ours)
    for loss, size in zip(losses, sizes, strict=True):
        net.history.new_batch()
        net.history.record_batch(f"{prefix}_loss", loss)
        net.history.record_batch(f"{prefix}_batch_size", size)
    net.history.record(f"{prefix}_batch_count", len(losses))


def _run_batches(net, iterator, training, is_ours):
    """Ask the net about each batch, and train it if so -> losses, sizes."""
    losses, sizes = [], []
    for X, rows in iterator:
        with torch.set_grad_enabled(training):
            if is_ours:  # without skorch's detours
                loss = net.criterion_(forward(net.module_, X), rows)
            else:
                loss = net.get_loss(net.infer(X), rows, X=X, training=training)
        if training:
            net.optimizer_.zero_grad()
            loss.backward()
            net.optimizer_.step()
        losses.append(loss.detach())
        sizes.append(len(rows))
    return torch.stack(losses).tolist() if losses else [], sizes


def _asks_directly(net, iterator):
    """Return whether nothing of the user's lies between rows, module and criterion."""
    return (
        isinstance(iterator, MemoryBatches)  # tensors, and on the device
        and isinstance(net.criterion_, Criterion)
        and type(net).infer is NeuralNet.infer
        and has_own(net, "get_loss")
    )


def has_own(net, method):
    """Return whether a method of the net is one of skorch's."""
    return _is_skorchs(type(net), method)


@lru_cache(maxsize=64)
def _is_skorchs(kind, method):
    kinds = (NeuralNet, NeuralNetClassifier, NeuralNetBinaryClassifier)
    return getattr(kind, method) in {getattr(own, method) for own in kinds}
