"""Rows in memory, and their batches."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, WeightedRandomSampler

from sk_ekd.students._epoch import MemoryBatches, MemoryRows
from sk_ekd.students._predict import student_proba
from tests.students.training import NETS, C, N, as_part, fit, make_data, plain_net


def test_batches_cover_every_row_once_in_an_order_that_changes():
    positions = torch.arange(float(N))[:, None]
    rows = np.zeros((N, 2), np.float32)
    rows = MemoryRows(rows, positions, inputs="float32", device="cpu")
    batches = MemoryBatches(rows, batch_size=32)
    epochs = [torch.cat([r[:, 0] for _, r in batches]).long() for _ in range(2)]
    for epoch in epochs:
        assert_array_equal(epoch.sort().values, np.arange(N))
    assert not torch.equal(*epochs)
    assert [len(r) for _, r in batches] == [32, 32, 32, 32, 22]
    dropping = MemoryBatches(rows, batch_size=32, drop_last=True)
    assert [len(r) for _, r in dropping] == [32] * 4


@pytest.mark.parametrize("form", NETS)
def test_rows_in_memory_train_like_the_loader_of_skorch(form):
    X, y, target = make_data(n_classes=2 if form == "binary" else C)
    y[::2] = -1
    in_memory, _ = fit(NETS[form], X, y, target)
    # any option of the loader that rows in memory do not have keeps the loader
    loader, _ = fit(
        clone(NETS[form]).set_params(iterator_train__num_workers=0), X, y, target
    )
    assert_allclose(student_proba(in_memory, X), student_proba(loader, X), atol=1e-6)


class Listener(Callback):
    """Listens between the steps, so that skorch must run them."""

    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize("form", NETS)
@pytest.mark.parametrize(
    "params",
    [
        {"module__dropout": 0.5, "iterator_train__shuffle": True},
        {"optimizer": torch.optim.Adam, "lr": 0.01},
        {"optimizer": torch.optim.LBFGS},  # calls its closure several times a step
        {"validation": True},
    ],
    ids=["sgd", "adam", "lbfgs", "validation"],
)
def test_fast_steps_are_the_steps_of_skorch(form, params):
    X, y, target = make_data(n_classes=2 if form == "binary" else C)
    y[::2] = -1
    params = dict(params)
    valid = None
    if params.pop("validation", False):
        held = slice(100, None)
        valid = as_part(X[held], y[held], target[held])
        X, y, target = X[:100], y[:100], target[:100]
    net = clone(NETS[form]).set_params(**params)
    fast, history = fit(net, X, y, target, valid=valid)
    assert "run_single_epoch" not in vars(fast)
    listened, expected = fit(
        net.set_params(callbacks=[Listener]), X, y, target, valid=valid
    )
    assert_allclose(student_proba(fast, X), student_proba(listened, X), atol=1e-6)
    assert list(history) == list(expected)
    columns = [c for c in history if c.endswith(("loss", "acc", "count"))]
    assert_allclose(history[columns], expected[columns], rtol=1e-5)


def test_own_steps_of_a_net_are_honored():
    class Counting(NeuralNetClassifier):
        steps = 0

        def train_step(self, batch, **fit_params):
            Counting.steps += 1
            return super().train_step(batch, **fit_params)

    X, y, target = make_data()
    fit(plain_net(kind=Counting, criterion=nn.CrossEntropyLoss), X, y, target)
    assert Counting.steps == 3 * 5


def test_own_evaluation_step_is_honored():
    class Certain(NeuralNetClassifier):
        def evaluation_step(self, batch, training=False):
            return 100 * super().evaluation_step(batch, training)

    X, y, target = make_data()
    net, _ = fit(plain_net(kind=Certain, criterion=nn.CrossEntropyLoss), X, y, target)
    assert student_proba(net, X).max(axis=1).mean() > 0.9


class Reads(TorchDispatchMode):
    """Counts how often a value is read from a tensor, which waits for the device."""

    number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **kwargs or {})


@pytest.mark.parametrize(("callbacks", "more"), [(None, 0), ([Listener()], 39)])
def test_values_are_read_once_an_epoch_unless_someone_listens(callbacks, more):
    X, y, target = make_data()
    numbers = []
    for batch_size in (10, 75):  # 13 batches more in each of three epochs
        with Reads() as reads:
            fit(plain_net(batch_size=batch_size, callbacks=callbacks), X, y, target)
        numbers.append(reads.number)
    assert numbers[0] - numbers[1] == more


class CountingDataset(Dataset):
    asked = 0

    def __getitem__(self, index):
        CountingDataset.asked += 1
        return super().__getitem__(index)


class CountingLoader(DataLoader):
    made = 0

    def __init__(self, *args, **kwargs):
        CountingLoader.made += 1
        super().__init__(*args, **kwargs)


def test_dataset_of_the_user_is_honored():
    X, y, target = make_data()
    CountingDataset.asked = 0
    fit(plain_net(dataset=CountingDataset), X, y, target)
    assert CountingDataset.asked == 8 + 3 * N  # the first rows once more, to look at


def test_iterator_of_the_user_is_honored():
    X, y, target = make_data()
    CountingLoader.made = 0
    fit(plain_net(iterator_train=CountingLoader), X, y, target)
    assert CountingLoader.made == 1


def test_sampler_of_the_user_is_honored():
    X, y, target = make_data()
    sampler = WeightedRandomSampler(np.ones(N), num_samples=64)
    net = plain_net(iterator_train__sampler=sampler, iterator_train__shuffle=None)
    _, history = fit(net, X, y, target)
    assert (history["train_batch_count"] == 2).all()
