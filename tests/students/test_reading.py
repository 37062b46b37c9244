"""What trains, predicts: whatever of the user's reads rows or asks the module."""

import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader, default_collate

from sk_ekd import EnsembleDistiller
from sk_ekd.students._predict import student_proba
from tests.students.training import (
    NETS,
    SoftmaxMLP,
    fit,
    make_data,
    plain_net,
)
from tests.worlds import OneLogit

SCALE = 100.0


class Scaled(Dataset):
    """Scales every row, as a Dataset that normalizes images does."""

    def transform(self, X, y):
        return super().transform(X / SCALE, y)


def scaled_collate(batch):
    X, y = default_collate(batch)
    return X / SCALE, y


class ScaledLoader(DataLoader):
    def __iter__(self):
        return ((X / SCALE, y) for X, y in super().__iter__())


class ScaledBatches(NeuralNetClassifier):
    def get_iterator(self, dataset, training=False):
        return ScaledLoader(dataset, batch_size=32)


class ScaledInfer(NeuralNetClassifier):
    def infer(self, x, **fit_params):
        return super().infer(x / SCALE, **fit_params)


class Certain(NeuralNetClassifier):
    def predict_proba(self, X):
        return np.eye(3)[super().predict_proba(X).argmax(axis=1)]


ce = {"criterion": nn.CrossEntropyLoss}
READERS = {
    "dataset": plain_net(dataset=Scaled),
    "collate_fn": plain_net(
        iterator_train__collate_fn=scaled_collate,
        iterator_valid__collate_fn=scaled_collate,
    ),
    "get_iterator": plain_net(kind=ScaledBatches, **ce),
    "infer": plain_net(kind=ScaledInfer, **ce),
    "predict_proba": plain_net(kind=Certain, **ce),
    "none": plain_net(),
    "pipeline": make_pipeline(StandardScaler(), plain_net(dataset=Scaled)),
}


def scaled_data():
    X, y, target = make_data()
    X = SCALE * (X + np.eye(3, 5, dtype=np.float32)[y])
    return X, y, target


@pytest.mark.parametrize("reader", READERS)
def test_distiller_and_its_student_predict_the_same(reader):
    X, y, _ = scaled_data()
    proba = np.eye(3)[y][:, np.newaxis]
    distiller = EnsembleDistiller(None, READERS[reader], random_state=0, alpha=0.5)
    with pytest.warns(UserWarning, match="all but always right"):
        distiller.fit(X, y, teacher_proba=proba)
    codes = distiller.student_.predict(X)
    assert_array_equal(distiller.predict(X), distiller.classes_[codes])
    expected = distiller.student_.predict_proba(X)
    assert_allclose(distiller.predict_proba(X), expected, atol=1e-6)
    assert_allclose(distiller.predict_proba(X).sum(axis=1), 1)


def test_module_is_looked_at_as_it_will_be_asked():
    class Halved(NeuralNetClassifier):
        """The module takes half of the columns, which its infer chooses."""

        def infer(self, x, **fit_params):
            return super().infer(x[:, :2], **fit_params)

    X, y, target = make_data()
    student, _ = fit(plain_net(kind=Halved, module__in_features=2, **ce), X, y, target)
    assert student_proba(student, X).shape == (150, 3)


# --- Rows that are mixed ------------------------------------------------------------


def mixed_collate(batch):
    """Average each row with the next one: mixup, with a weight that can be checked."""
    X, packed = default_collate(batch)
    return (X + X.roll(1, 0)) / 2, (packed + packed.roll(1, 0)) / 2


class MixingCallback(Callback):
    def on_batch_begin(self, net, batch, training):
        for part in batch if training else ():
            part.copy_((part + part.roll(1, 0)) / 2)


def labels_far_apart(form):
    """Return rows of the first and the last class only, so that no mean is a class."""
    n_classes = 2 if form == "binary" else 3
    X, y, target = make_data(n_classes=n_classes)
    return X, (n_classes - 1) * (y % 2), target


@pytest.mark.parametrize("form", NETS)
@pytest.mark.parametrize("how", ["collate_fn", "callback"])
def test_label_of_mixed_rows_is_the_mean_of_their_losses(form, how):
    X, y, target = labels_far_apart(form)
    options = {"iterator_train__collate_fn": mixed_collate}
    if how == "callback":
        options = {"callbacks": [MixingCallback()]}
    net = clone(NETS[form]).set_params(max_epochs=1, batch_size=-1, lr=0.0, **options)
    student, history = fit(net, X, y, target, alpha=0.0)
    mixed = (X + np.roll(X, 1, axis=0)) / 2
    log_proba = np.log(student_proba(student, mixed))
    rows = np.arange(len(y))
    loss = -(log_proba[rows, y] + log_proba[rows, np.roll(y, 1)]).mean() / 2
    assert_allclose(history["train_loss"], loss, rtol=1e-5)


@pytest.mark.parametrize(
    "net",
    [
        plain_net(criterion__weight=torch.tensor([1.0, 2.0, 5.0])),
        plain_net(criterion__label_smoothing=0.2),
        plain_net(
            criterion__label_smoothing=0.2,
            criterion__weight=torch.tensor([1.0, 2.0, 5.0]),
        ),
        plain_net(
            SoftmaxMLP, criterion=nn.NLLLoss, criterion__weight=torch.arange(1.0, 4)
        ),
        plain_net(
            OneLogit, NeuralNetBinaryClassifier, criterion__pos_weight=torch.tensor(3.0)
        ),
    ],
    ids=["weight", "smoothing", "both", "proba", "pos_weight"],
)
def test_labels_as_shares_and_as_indices_have_one_loss(net):
    binary = isinstance(net, NeuralNetBinaryClassifier)
    X, y, target = make_data(n_classes=2 if binary else 3)
    y[::4] = -1
    weight = np.random.RandomState(0).rand(len(y))
    indices, history = fit(net, X, y, target, label_weight=weight)
    hooked = clone(net).set_params(callbacks=[type("Hook", (Callback,), HOOK)()])
    shares, expected = fit(hooked, X, y, target, label_weight=weight)
    assert_allclose(history["train_loss"], expected["train_loss"], rtol=1e-5)
    assert_allclose(student_proba(indices, X), student_proba(shares, X), atol=1e-5)


HOOK = {"on_batch_end": lambda self, net, **kwargs: None}

# --- Random augmentation ------------------------------------------------------------


class Jittered(Dataset):
    """Draws from NumPy's and Python's global generators, as augmentations do."""

    def transform(self, X, y):
        X = X + np.random.normal(size=X.shape).astype(np.float32)  # noqa: NPY002
        return super().transform(X + random.random(), y)


def test_augmentation_is_seeded_and_the_callers_generators_stay():
    X, y, target = make_data()
    net = plain_net(dataset=Jittered)
    state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (fit(net, X, y, target, seed=3)[0] for _ in range(2))
    other, _ = fit(net, X, y, target, seed=4)
    assert random.getstate() == state[0]
    assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    weights = [s.module_.state_dict()["0.weight"].numpy() for s in (one, two, other)]
    assert_array_equal(weights[0], weights[1])
    assert not np.allclose(weights[0], weights[2])


# --- What else is the user's ---------------------------------------------------------


def test_rows_are_shuffled_in_a_loader_of_skorchs():
    X, y, target = make_data()
    order = []

    class Ordered(Dataset):
        def __getitem__(self, index):
            order.append(index)
            return super().__getitem__(index)

    net = plain_net(dataset=Ordered)
    net.__dict__.pop("iterator_train__shuffle")
    fit(net, X, y, target)
    assert order[8:158] != sorted(order[8:158])  # the first eight are only looked at
    del order[:]
    fit(net.set_params(iterator_train__shuffle=False), X, y, target)
    assert order[8:158] == sorted(order[8:158])


@pytest.mark.parametrize(
    "options",
    [
        {"callbacks__stop__monitor": "train_loss"},
        {"callbacks__stop": None},
        {"callbacks__stop": EarlyStopping(monitor="train_loss")},
    ],
    ids=["told", "removed", "replaced"],
)
def test_parameters_of_callbacks_count(options):
    net = plain_net(callbacks=[("stop", EarlyStopping())], **options)
    assert len(fit(net, *make_data())[1]) == 3


def test_callback_may_record_what_another_monitors():
    def valid_auc(net, X, y):
        return 0.5

    scoring = EpochScoring(valid_auc, on_train=True, use_caching=False)
    stop = EarlyStopping(monitor="valid_auc")
    assert len(fit(plain_net(callbacks=[scoring, stop]), *make_data())[1]) == 3


@pytest.mark.parametrize("form", NETS)
def test_checkpoint_is_loaded_into_the_student(form, tmp_path):
    X, y, target = make_data(n_classes=2 if form == "binary" else 3)
    options = {"criterion__weight": torch.tensor([1.0, 2.0, 3.0])}
    if form == "binary":
        options = {"criterion__pos_weight": torch.tensor(3.0)}
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=tmp_path)
    net = clone(NETS[form]).set_params(callbacks=[checkpoint], **options)
    student, _ = fit(net, X, y, target)
    student.load_params(checkpoint=checkpoint)
    assert student_proba(student, X).shape[1] == (2 if form == "binary" else 3)


class OwnLog(NeuralNetClassifier):
    """Takes the log by itself, and not by skorch."""

    def get_loss(self, y_pred, y_true, **kwargs):
        return self.criterion_(torch.log(y_pred + 1e-7), y_true)


class OwnCriterion(NeuralNetClassifier):
    def initialize_criterion(self):
        super().initialize_criterion()
        assert isinstance(self.criterion_, nn.CrossEntropyLoss)
        self.criterion_.note = "mine"
        return self


def test_net_may_take_the_log_by_itself():
    data = make_data()
    own = fit(plain_net(SoftmaxMLP, OwnLog, criterion=nn.NLLLoss), *data)[1]
    expected = fit(NETS["proba"], *data)[1]
    assert_allclose(own["train_loss"], expected["train_loss"], rtol=1e-5)


def test_criterion_that_a_net_makes_by_itself_is_given_back():
    student, history = fit(plain_net(kind=OwnCriterion, **ce), *make_data())
    assert student.criterion_.note == "mine"
    assert "distillation_loss" in history


class Normed(nn.Sequential):
    """Owns what no copy can hold, beside a BatchNorm."""

    def __init__(self, in_features, out_features):
        layers = nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features)
        super().__init__(*layers)
        self.lock = __import__("threading").Lock()


def test_loader_that_drops_the_last_row_trains_a_batch_norm():
    X, y, target = (part[:129] for part in make_data())

    class Loader(DataLoader):
        def __init__(self, *args, **options):
            super().__init__(*args, drop_last=True, **options)

    net = plain_net(iterator_train=Loader, batch_size=128)
    net.set_params(module=Normed)
    for name in ("module__hidden", "module__dropout"):
        net.__dict__.pop(name)
    fit(net, X, y, target)


# --- Numbers that are none ------------------------------------------------------------


class Exploding(nn.Linear):
    """Overflows for one row in a hundred."""

    def forward(self, X):
        return super().forward(X) * torch.where(X[:, :1] > 2.5, float("inf"), 1.0)


def test_nan_of_the_student_is_an_error_that_counts_rows():
    X, y, target = make_data()
    net = NeuralNetClassifier(Exploding, **ce, max_epochs=1, lr=0.0, verbose=0)
    student, _ = fit(net, np.minimum(X, 2), y, target)
    X = np.minimum(X, 2)
    X[7, 0] = 3
    with pytest.raises(ValueError, match="NaN for 1 of 150 rows, first for row 7"):
        student_proba(student, X)


def test_divergence_in_the_last_step_is_warned_of():
    X, y, target = make_data()
    net = plain_net(batch_size=-1, max_epochs=1, lr=float("inf"))
    with pytest.warns(UserWarning, match="its parameters are not finite"):
        fit(net, X, y, target)


# --- Loaders of the user's ----------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 7, -1])
@pytest.mark.parametrize("options", [{"dataset": Scaled}, {"collate": scaled_collate}])
def test_any_batch_size_trains_through_the_users_reading(batch_size, options):
    if "collate" in options:
        options = {
            "iterator_train__collate_fn": scaled_collate,
            "iterator_valid__collate_fn": scaled_collate,
        }
    X, y, target = make_data()
    student, _ = fit(plain_net(batch_size=batch_size, **options), X, y, target)
    assert student_proba(student, X).shape == (150, 3)


def test_rows_that_a_loader_leaves_out_are_an_error():
    X, y, target = make_data()
    options = {"iterator_valid__drop_last": True, "batch_size": 16, "dataset": Scaled}
    student, _ = fit(plain_net(**options), X, y, target)
    with pytest.raises(ValueError, match=r"predicts 144 of 150 rows.*drop_last"):
        student_proba(student, X)


class OwnDataset(NeuralNetClassifier):
    """Makes its Dataset by itself, of whatever it is given."""

    def get_dataset(self, X, y=None):
        return Scaled(X, y)


def test_net_may_make_its_own_dataset():
    X, y, target = scaled_data()
    student, _ = fit(plain_net(kind=OwnDataset, **ce), X, y, target)
    assert "get_dataset" not in vars(student)
    assert_array_equal(student_proba(student, X).argmax(axis=1), student.predict(X))


def test_pipeline_that_gives_frames_by_default_predicts_without_a_warning():
    X, y, target = make_data()
    with config_context(transform_output="pandas"), warnings.catch_warnings():
        warnings.simplefilter("error")
        student = make_pipeline(StandardScaler(), plain_net())
        student, _ = fit(student, pd.DataFrame(X).rename(columns=str), y, target)
        student.predict(pd.DataFrame(X).rename(columns=str))
