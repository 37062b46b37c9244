"""Training, and what the fitted student is."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from skorch.dataset import Dataset
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, WeightedRandomSampler

from sk_ekd._student import StudentRows, fit_student, student_proba
from sk_ekd.students import MLP

N, D, C = 150, 5, 3
RNG = np.random.RandomState(0)


class SoftmaxMLP(MLP):
    def forward(self, X):
        return super().forward(X).softmax(dim=1)


class OneLogitMLP(MLP):
    def forward(self, X):
        return super().forward(X).squeeze(1)


def make_net(module=MLP, kind=NeuralNetClassifier, **params):
    defaults = {
        "module__hidden": (8,),
        "module__dropout": 0.0,
        "max_epochs": 3,
        "batch_size": 32,
        "lr": 0.1,
        "iterator_train__shuffle": False,
        "verbose": 0,
    }
    if kind is NeuralNetClassifier:
        defaults["criterion"] = nn.CrossEntropyLoss
    return kind(module, **{**defaults, **params})


NETS = {
    "logits": make_net(),
    "proba": make_net(SoftmaxMLP, criterion=nn.NLLLoss),
    "binary": make_net(OneLogitMLP, NeuralNetBinaryClassifier),
}


def make_data(n_classes=C, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(N, D).astype(np.float32)
    y = rng.randint(n_classes, size=N)
    target = rng.dirichlet(np.ones(n_classes), N).astype(np.float32)
    return X, y, target


class Unfollowed:
    """Epochs that nobody follows."""

    def start(self, n_epochs):
        pass

    def begin(self):
        pass

    def end(self, student):
        return False

    def finish(self):
        pass


def fit(student, X, y, target, *, label_weight=None, weight=None, valid=None, **params):
    params = {"alpha": 0.5, "temperature": 1.0, "seed": 0, **params}
    ones = np.ones(len(y))
    train = StudentRows(
        X,
        y,
        target,
        ones if label_weight is None else label_weight,
        ones if weight is None else weight,
    )
    return fit_student(student, train, valid, **{"epochs": Unfollowed(), **params})


# --- Training -----------------------------------------------------------------------


@pytest.mark.parametrize("form", NETS)
def test_alpha_zero_on_labeled_rows_is_plain_training_step_by_step(form):
    net = NETS[form]
    X, y, target = make_data(n_classes=2 if form == "binary" else C)
    student, history = fit(net, X, y, target, alpha=0.0, seed=7)

    torch.manual_seed(7)
    plain = clone(net).set_params(
        module__in_features=D,
        module__out_features=1 if form == "binary" else C,
        train_split=None,
    )
    plain.fit(X, y.astype(np.float32) if form == "binary" else y)
    assert_allclose(history["train_loss"], plain.history[:, "train_loss"], rtol=1e-6)
    for own, expected in zip(
        student.module_.parameters(), plain.module_.parameters(), strict=True
    ):
        assert_allclose(own.detach(), expected.detach(), atol=1e-6)
    assert_allclose(student_proba(student, X), plain.predict_proba(X), atol=1e-6)


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
        ones = np.ones(50)
        valid = StudentRows(X[held], y[held], target[held], ones, ones)
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
    fit(make_net(kind=Counting, criterion=nn.CrossEntropyLoss), X, y, target)
    assert Counting.steps == 3 * 5


def test_own_evaluation_step_is_honored():
    class Certain(NeuralNetClassifier):
        def evaluation_step(self, batch, training=False):
            return 100 * super().evaluation_step(batch, training)

    X, y, target = make_data()
    net, _ = fit(make_net(kind=Certain, criterion=nn.CrossEntropyLoss), X, y, target)
    assert student_proba(net, X).max(axis=1).mean() > 0.9


def test_sparse_rows_train_like_dense_rows():
    X, y, target = make_data()
    X[X < 0] = 0
    dense, _ = fit(NETS["logits"], X, y, target)
    sparse, _ = fit(NETS["logits"], csr_matrix(X), y, target)
    assert_allclose(
        student_proba(sparse, csr_matrix(X)), student_proba(dense, X), atol=1e-6
    )


def test_weight_of_two_is_a_repeated_row_in_full_batches():
    X, y, target = make_data()
    y[::2] = -1
    net = make_net(batch_size=-1)
    twice = np.r_[np.arange(N), 3, 4]
    count = np.bincount(twice, minlength=N) * N / len(twice)
    weighted, _ = fit(
        net,
        X,
        y,
        target,
        label_weight=count / count.mean(),
        weight=count / count.mean(),
    )
    repeated, _ = fit(net, X[twice], y[twice], target[twice])
    assert_allclose(student_proba(weighted, X), student_proba(repeated, X), atol=1e-5)


def test_same_seed_gives_the_same_student_to_the_bit():
    X, y, target = make_data()
    net = make_net(module__dropout=0.5, iterator_train__shuffle=True)
    first, again, other = (
        student_proba(fit(net, X, y, target, seed=seed)[0], X) for seed in (3, 3, 4)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_global_generator_is_left_as_it_was():
    X, y, target = make_data()
    before = torch.get_rng_state()
    fit(make_net(module__dropout=0.5), X, y, target)
    assert torch.equal(torch.get_rng_state(), before)


class MixedPrecision(NeuralNetClassifier):
    """As a user would have it: the module in bfloat16 where torch can."""

    def infer(self, x, **params):
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return super().infer(x, **params)


def test_mixed_precision_is_passed_through():
    X, y, target = make_data()
    mixed = make_net(kind=MixedPrecision, criterion=nn.CrossEntropyLoss)
    rounded, history = fit(mixed, X, y, target)
    exact, _ = fit(make_net(), X, y, target)
    assert {p.dtype for p in rounded.module_.parameters()} == {torch.float32}
    answers = student_proba(rounded, X)
    assert not np.array_equal(answers, student_proba(exact, X))
    assert_allclose(answers, student_proba(exact, X), atol=0.02)
    assert_allclose(answers.sum(axis=1), 1)
    assert np.isfinite(history["train_loss"]).all()


def test_softmax_in_mixed_precision_is_one():
    X, y, target = make_data()
    net = make_net(SoftmaxMLP, MixedPrecision, criterion=nn.NLLLoss)
    student, _ = fit(net.set_params(module__hidden=(64,)), X, y, target)
    assert_allclose(student_proba(student, X).sum(axis=1), 1)


class HalfSoftmax(MLP):
    def forward(self, X):
        return super().forward(X).bfloat16().softmax(dim=1)


def test_probabilities_that_are_rounded_are_probabilities():
    X, y, target = make_data()
    fit(make_net(HalfSoftmax, criterion=nn.NLLLoss), X, y, target)


@pytest.mark.parametrize("form", NETS)
def test_compiled_module_is_passed_through(form):
    X, y, target = make_data(n_classes=2 if form == "binary" else C)
    y[::2] = -1
    options = {"compile": True, "compile__backend": "eager"}  # needs no C++ compiler
    compiled, _ = fit(clone(NETS[form]).set_params(**options), X, y, target)
    plain, _ = fit(NETS[form], X, y, target)
    assert compiled.module_._orig_mod
    answers = student_proba(compiled, X)
    assert_allclose(answers, student_proba(plain, X), atol=1e-6)
    revived = pickle.loads(pickle.dumps(compiled))
    assert_allclose(student_proba(revived, X), answers, atol=1e-6)


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
            fit(make_net(batch_size=batch_size, callbacks=callbacks), X, y, target)
        numbers.append(reads.number)
    assert numbers[0] - numbers[1] == more


# --- What the user configured -------------------------------------------------------


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
    fit(make_net(dataset=CountingDataset), X, y, target)
    assert CountingDataset.asked == 3 * N


def test_iterator_of_the_user_is_honored():
    X, y, target = make_data()
    CountingLoader.made = 0
    fit(make_net(iterator_train=CountingLoader), X, y, target)
    assert CountingLoader.made == 1


def test_sampler_of_the_user_is_honored():
    X, y, target = make_data()
    sampler = WeightedRandomSampler(np.ones(N), num_samples=64)
    net = make_net(iterator_train__sampler=sampler, iterator_train__shuffle=None)
    _, history = fit(net, X, y, target)
    assert (history["train_batch_count"] == 2).all()


def test_rows_are_shuffled_unless_the_user_says_otherwise():
    X, y, target = make_data()
    net = make_net()
    ordered, _ = fit(net, X, y, target)
    shuffled, _ = fit(clone(net).set_params(iterator_train__shuffle=True), X, y, target)
    unset = make_net()
    del unset.iterator_train__shuffle
    default, _ = fit(unset, X, y, target)
    assert_array_equal(student_proba(default, X), student_proba(shuffled, X))
    assert not np.allclose(student_proba(default, X), student_proba(ordered, X))


def test_optimizer_lr_batch_size_and_callbacks_are_honored():
    class Recorder(Callback):
        def on_train_end(self, net, **kwargs):
            net.recorded_ = net.optimizer_.__class__, net.optimizer_.defaults["lr"]

    X, y, target = make_data()
    net = make_net(
        optimizer=torch.optim.Adam,
        lr=0.02,
        batch_size=50,
        callbacks=[
            Recorder(),
            LRScheduler("StepLR", step_size=1),
            EarlyStopping(monitor="train_loss", threshold=10, patience=2),
        ],
    ).set_params(max_epochs=9)
    student, history = fit(net, X, y, target)
    assert student.recorded_ == (torch.optim.Adam, 0.02)
    assert (history["train_batch_count"] == 3).all()
    assert len(history) == 3  # stopped early
    assert history.notna().all(axis=None)
    assert {"event_lr", "label_loss", "distillation_loss"} <= set(history)


def test_scoring_callbacks_see_probabilities_during_training():
    X, y, target = make_data()

    def largest_row_sum(net, X, y):
        return abs(net.predict_proba(X_valid).sum(axis=1) - 1).max()

    X_valid = X
    scoring = EpochScoring(
        largest_row_sum, on_train=True, use_caching=False, name="off"
    )
    _, history = fit(make_net(callbacks=[("off", scoring)]), X, y, target)
    assert (history["off"] < 1e-5).all()


def test_disabled_callbacks_stay_disabled():
    X, y, target = make_data()
    student, history = fit(make_net(callbacks="disable"), X, y, target)
    assert student.callbacks_ == []
    assert "train_loss" not in history
    assert len(history) == 3


def test_class_weight_of_the_criterion_is_honored():
    X, y, target = make_data()
    heavy = torch.tensor([100.0, 1.0, 1.0])
    student, _ = fit(make_net(criterion__weight=heavy), X, y, target, alpha=0.0)
    assert (student_proba(student, X).argmax(axis=1) == 0).all()


def test_criterion_may_be_an_instance():
    X, y, target = make_data()
    smooth = {"label_smoothing": 0.2}
    as_params, _ = fit(make_net(criterion__label_smoothing=0.2), X, y, target)
    as_instance, _ = fit(
        make_net(criterion=nn.CrossEntropyLoss(**smooth)), X, y, target
    )
    assert_array_equal(student_proba(as_params, X), student_proba(as_instance, X))


def test_module_may_be_an_instance_and_is_not_trained_in_place():
    X, y, target = make_data()
    module = nn.Sequential(nn.Linear(D, C))
    before = module[0].weight.detach().clone()
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, verbose=0)
    student, _ = fit(net, X, y, target)
    assert torch.equal(module[0].weight, before)
    assert not torch.equal(student.module_[0].weight, before)


def test_width_that_the_user_set_is_kept():
    X, y, target = make_data()
    student, _ = fit(make_net(module__out_features=C), X, y, target)
    assert student.module__in_features == D
    assert student.module__out_features == C


def test_inputs_with_more_than_two_axes_reach_a_convolution():
    _, y, target = make_data()
    images = RNG.rand(N, 1, 6, 6)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(C)
    )
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, verbose=0)
    student, _ = fit(net, images, y, target)
    assert student_proba(student, images).shape == (N, C)


# --- Once found by trying to break it -----------------------------------------------


class NormedMLP(nn.Sequential):
    def __init__(self, in_features, out_features):
        super().__init__(
            nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features)
        )


class InPlaceMLP(MLP):
    def forward(self, X):
        return super().forward(X.sub_(1))


class TupleMLP(MLP):
    def forward(self, X):
        return super().forward(X), X


class DropRows(FunctionTransformer):
    def transform(self, X):
        return X[::2]


def test_looking_at_the_output_first_leaves_batch_norm_alone():
    X, y, target = make_data()
    net = NeuralNetClassifier(
        NormedMLP, criterion=nn.CrossEntropyLoss, batch_size=50, max_epochs=2, verbose=0
    )
    student, _ = fit(net, X, y, target)
    assert student.module_[0].num_batches_tracked == 6


def test_module_that_works_in_place_leaves_the_rows_alone():
    X, y, target = make_data()
    before = X.copy()
    student, _ = fit(make_net(InPlaceMLP), X, y, target)
    student_proba(student, X)
    assert_array_equal(X, before)


def test_first_of_several_outputs_is_the_answer():
    X, y, target = make_data()
    several, _ = fit(make_net(TupleMLP), X, y, target)
    single, _ = fit(make_net(), X, y, target)
    assert_array_equal(student_proba(several, X), student_proba(single, X))


def test_callback_that_wants_a_validation_part_is_an_error_with_a_cure():
    with pytest.raises(ValueError, match=r"EarlyStopping\(monitor='train_loss'\)"):
        fit(make_net(callbacks=[EarlyStopping()]), *make_data())


def test_training_on_no_batch_is_an_error():
    net = make_net(batch_size=1000, iterator_train__drop_last=True)
    with pytest.raises(ValueError, match=r"no batch.*drop_last"):
        fit(net, *make_data())


def test_preprocessing_that_drops_rows_is_an_error():
    with pytest.raises(ValueError, match="keep every row, got 75 rows from 150"):
        fit(make_pipeline(DropRows(), make_net()), *make_data())


# --- What the fitted student is -----------------------------------------------------


@pytest.mark.parametrize("form", NETS)
def test_fitted_student_stands_by_itself(form):
    X, y, target = make_data(n_classes=2 if form == "binary" else C)
    student, _ = fit(NETS[form], X, y, target)
    assert type(student.criterion_) in (
        nn.CrossEntropyLoss,
        nn.NLLLoss,
        nn.BCEWithLogitsLoss,
    )
    assert_allclose(student.predict_proba(X), student_proba(student, X), atol=1e-6)
    assert_array_equal(student.classes_, np.unique(y))
    copied = pickle.loads(pickle.dumps(student))
    assert_array_equal(copied.predict_proba(X), student.predict_proba(X))
    student.set_params(train_split=None).partial_fit(
        X, y.astype(np.float32) if form == "binary" else y
    )  # it can be trained on, by labels


def test_pickle_does_not_grow_with_the_number_of_steps():
    X, y, target = make_data()
    students = [fit(make_net(batch_size=size), X, y, target)[0] for size in (5, 150)]
    few, many = (len(pickle.dumps(student)) for student in students)
    assert abs(few - many) < 10


def test_probabilities_sum_to_one_in_every_form():
    for form, net in NETS.items():
        X, y, target = make_data(n_classes=2 if form == "binary" else C)
        proba = student_proba(fit(net, X, y, target)[0], X)
        assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_predicting_in_blocks_changes_nothing(monkeypatch):
    X, y, target = make_data()
    student, _ = fit(NETS["logits"], X, y, target)
    whole = student_proba(student, X)
    monkeypatch.setattr("sk_ekd._student.PREDICT_ROWS", 7)
    assert_allclose(student_proba(student, X), whole, atol=1e-6)


def test_pipeline_is_fitted_and_asked_as_a_whole():
    X, y, target = make_data()
    pipeline = make_pipeline(StandardScaler(), make_net())
    student, _ = fit(pipeline, X * 1000 + 5, y, target)
    alone, _ = fit(make_net(), StandardScaler().fit_transform(X * 1000 + 5), y, target)
    expected = student_proba(alone, StandardScaler().fit_transform(X * 1000 + 5))
    assert_allclose(student_proba(student, X * 1000 + 5), expected, atol=1e-6)
    assert_allclose(student.predict_proba(X * 1000 + 5), expected, atol=1e-6)
    assert not hasattr(pipeline[0], "mean_")


def test_supervised_step_sees_the_ensembles_choice_where_there_is_no_label():
    X, _, _ = make_data()
    choice = (X[:, 2] > 0).astype(int)
    y = np.where(np.arange(N) < 3, choice, -1)
    pipeline = make_pipeline(SelectKBest(k=1), make_net())
    student, _ = fit(pipeline, X, y, np.eye(2)[choice].astype(np.float32))
    assert student[0].get_support().tolist() == [False, False, True, False, False]


def test_readonly_and_float64_and_integer_rows_are_taken():
    X, y, target = make_data()
    X = X.round()
    expected, _ = fit(NETS["logits"], X, y, target)
    frozen = X.copy()
    frozen.setflags(write=False)
    for other in (
        frozen,
        X.astype(np.float64),
        X.astype(np.int32),
        np.asfortranarray(X),
    ):
        student, _ = fit(NETS["logits"], other, y, target)
        assert_array_equal(student_proba(student, other), student_proba(expected, X))


def test_training_does_not_write_to_its_arguments():
    X, y, target = make_data()
    before = X.copy(), y.copy(), target.copy()
    fit(make_pipeline(StandardScaler(copy=True), make_net()), X, y, target)
    for array, expected in zip((X, y, target), before, strict=True):
        assert_array_equal(array, expected)
