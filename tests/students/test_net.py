"""Training, and what the fitted student is."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    ProgressBar,
)
from skorch.dataset import Dataset
from torch import nn

from sk_ekd.students import MLP
from sk_ekd.students import _predict as _student
from sk_ekd.students._predict import student_proba
from tests.errors import check_errors, check_warnings
from tests.students.training import NETS, C, D, N, SoftmaxMLP, fit, make_data, plain_net
from tests.worlds import Normed, linear_net, make_net, stub

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


def test_weight_of_two_is_a_repeated_row_in_full_batches():
    X, y, target = make_data()
    y[::2] = -1
    net = plain_net(batch_size=-1)
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
    net = plain_net(module__dropout=0.5, iterator_train__shuffle=True)
    first, again, other = (
        student_proba(fit(net, X, y, target, seed=seed)[0], X) for seed in (3, 3, 4)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_global_generator_is_left_as_it_was():
    X, y, target = make_data()
    before = torch.get_rng_state()
    fit(plain_net(module__dropout=0.5), X, y, target)
    assert torch.equal(torch.get_rng_state(), before)


class MixedPrecision(NeuralNetClassifier):
    """As a user would have it: the module in bfloat16 where torch can."""

    def infer(self, x, **params):
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return super().infer(x, **params)


def test_mixed_precision_is_passed_through():
    X, y, target = make_data()
    mixed = plain_net(kind=MixedPrecision, criterion=nn.CrossEntropyLoss)
    rounded, history = fit(mixed, X, y, target)
    exact, _ = fit(plain_net(), X, y, target)
    assert {p.dtype for p in rounded.module_.parameters()} == {torch.float32}
    answers = student_proba(rounded, X)
    assert not np.array_equal(answers, student_proba(exact, X))
    assert_allclose(answers, student_proba(exact, X), atol=0.02)
    assert_allclose(answers.sum(axis=1), 1)
    assert np.isfinite(history["train_loss"]).all()


def test_softmax_in_mixed_precision_is_one():
    X, y, target = make_data()
    net = plain_net(SoftmaxMLP, MixedPrecision, criterion=nn.NLLLoss)
    student, _ = fit(net.set_params(module__hidden=(64,)), X, y, target)
    assert_allclose(student_proba(student, X).sum(axis=1), 1)


class HalfSoftmax(MLP):
    def forward(self, X):
        return super().forward(X).bfloat16().softmax(dim=1)


def test_probabilities_that_are_rounded_are_probabilities():
    X, y, target = make_data()
    fit(plain_net(HalfSoftmax, criterion=nn.NLLLoss), X, y, target)


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


# --- What the user configured -------------------------------------------------------


def test_rows_are_shuffled_unless_the_user_says_otherwise():
    X, y, target = make_data()
    net = plain_net()
    ordered, _ = fit(net, X, y, target)
    shuffled, _ = fit(clone(net).set_params(iterator_train__shuffle=True), X, y, target)
    unset = plain_net()
    del unset.iterator_train__shuffle
    default, _ = fit(unset, X, y, target)
    assert_array_equal(student_proba(default, X), student_proba(shuffled, X))
    assert not np.allclose(student_proba(default, X), student_proba(ordered, X))


def test_optimizer_lr_batch_size_and_callbacks_are_honored():
    class Recorder(Callback):
        def on_train_end(self, net, **kwargs):
            net.recorded_ = net.optimizer_.__class__, net.optimizer_.defaults["lr"]

    X, y, target = make_data()
    net = plain_net(
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
    _, history = fit(plain_net(callbacks=[("off", scoring)]), X, y, target)
    assert (history["off"] < 1e-5).all()


def test_disabled_callbacks_stay_disabled():
    X, y, target = make_data()
    student, history = fit(plain_net(callbacks="disable"), X, y, target)
    assert student.callbacks_ == []
    assert "train_loss" not in history
    assert len(history) == 3


def test_class_weight_of_the_criterion_is_honored():
    X, y, target = make_data()
    heavy = torch.tensor([100.0, 1.0, 1.0])
    student, _ = fit(plain_net(criterion__weight=heavy), X, y, target, alpha=0.0)
    assert (student_proba(student, X).argmax(axis=1) == 0).all()


def test_criterion_may_be_an_instance():
    X, y, target = make_data()
    smooth = {"label_smoothing": 0.2}
    as_params, _ = fit(plain_net(criterion__label_smoothing=0.2), X, y, target)
    as_instance, _ = fit(
        plain_net(criterion=nn.CrossEntropyLoss(**smooth)), X, y, target
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
    student, _ = fit(plain_net(module__out_features=C), X, y, target)
    assert student.module__in_features == D
    assert student.module__out_features == C


# --- Once found by trying to break it -----------------------------------------------


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
    net = make_net(Normed, batch_size=50, max_epochs=2)
    student, _ = fit(net, X, y, target)
    assert student.module_[0].num_batches_tracked == 6


def test_module_that_works_in_place_leaves_the_rows_alone():
    X, y, target = make_data()
    before = X.copy()
    student, _ = fit(plain_net(InPlaceMLP), X, y, target)
    student_proba(student, X)
    assert_array_equal(X, before)


def test_first_of_several_outputs_is_the_answer():
    X, y, target = make_data()
    several, _ = fit(plain_net(TupleMLP), X, y, target)
    single, _ = fit(plain_net(), X, y, target)
    assert_array_equal(student_proba(several, X), student_proba(single, X))


def test_callback_that_wants_a_validation_part_is_an_error_with_a_cure():
    with pytest.raises(ValueError, match=r"EarlyStopping\(monitor='train_loss'\)"):
        fit(plain_net(callbacks=[EarlyStopping()]), *make_data())


def test_training_on_no_batch_is_an_error():
    net = plain_net(batch_size=1000, iterator_train__drop_last=True)
    with pytest.raises(ValueError, match=r"no batch.*drop_last"):
        fit(net, *make_data())


def test_preprocessing_that_drops_rows_is_an_error():
    with pytest.raises(ValueError, match="keep every row, got 75 rows from 150"):
        fit(make_pipeline(DropRows(), plain_net()), *make_data())


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
    students = [fit(plain_net(batch_size=size), X, y, target)[0] for size in (5, 150)]
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
    monkeypatch.setattr(_student, "PREDICT_ROWS", 7)
    assert_allclose(student_proba(student, X), whole, atol=1e-6)


def test_pipeline_is_fitted_and_asked_as_a_whole():
    X, y, target = make_data()
    pipeline = make_pipeline(StandardScaler(), plain_net())
    student, _ = fit(pipeline, X * 1000 + 5, y, target)
    alone, _ = fit(plain_net(), StandardScaler().fit_transform(X * 1000 + 5), y, target)
    expected = student_proba(alone, StandardScaler().fit_transform(X * 1000 + 5))
    assert_allclose(student_proba(student, X * 1000 + 5), expected, atol=1e-6)
    assert_allclose(student.predict_proba(X * 1000 + 5), expected, atol=1e-6)
    assert not hasattr(pipeline[0], "mean_")


def test_supervised_step_sees_the_ensembles_choice_where_there_is_no_label():
    X, _, _ = make_data()
    choice = (X[:, 2] > 0).astype(int)
    y = np.where(np.arange(N) < 3, choice, -1)
    pipeline = make_pipeline(SelectKBest(k=1), plain_net())
    student, _ = fit(pipeline, X, y, np.eye(2)[choice].astype(np.float32))
    assert student[0].get_support().tolist() == [False, False, True, False, False]


def test_training_does_not_write_to_its_arguments():
    X, y, target = make_data()
    before = X.copy(), y.copy(), target.copy()
    fit(make_pipeline(StandardScaler(copy=True), plain_net()), X, y, target)
    for array, expected in zip((X, y, target), before, strict=True):
        assert_array_equal(array, expected)


# --- Through the distiller ----------------------------------------------------------


def test_student_of_the_caller_is_never_fitted(world):
    net = make_net()
    pipeline = make_pipeline(StandardScaler(), net)
    world.distill(student=pipeline)
    assert not net.initialized_
    assert not hasattr(net, "module__in_features")
    assert net.criterion is nn.CrossEntropyLoss
    assert not hasattr(pipeline[0], "mean_")


def test_pipeline_student_answers_by_itself_on_float64(world):
    # StandardScaler returns float64, which a float32 module refuses
    distiller = world.distill(student=make_pipeline(StandardScaler(), make_net()))
    assert world.X.dtype == np.float64
    own = distiller.student_.predict_proba(world.X)
    assert_allclose(own, distiller.predict_proba(world.X), atol=1e-6)


def test_random_preprocessing_of_the_student_is_seeded(world):
    student = make_pipeline(GaussianRandomProjection(2), make_net())
    first, again = (world.distill(student=student) for _ in range(2))
    assert_array_equal(first.predict_proba(world.X), again.predict_proba(world.X))


class Curious(Callback):
    """Look at the net as skorch's own callbacks do."""

    def on_batch_end(self, net, **kwargs):
        assert net.criterion is nn.CrossEntropyLoss
        net.get_params()
        clone(net)


@pytest.mark.parametrize("fraction", [None, 0.2])
def test_callbacks_may_look_at_the_net(world, fraction):
    bar = ProgressBar(detect_notebook=False)
    student = make_net(max_epochs=2, callbacks=[("look", Curious), ("bar", bar)])
    world.distill(student=student, validation_fraction=fraction)


def test_student_may_have_switched_off_its_accuracy(world):
    student = make_net(callbacks__valid_acc=None)
    distiller = world.distill(student=student, validation_fraction=0.2)
    assert "valid_acc" in distiller.history_
    assert distiller.student_.callbacks__valid_acc is None


# --- Errors and warnings ------------------------------------------------------------


class Ending(nn.Sequential):
    """A linear layer, and what the module ends in."""

    def __init__(self, in_features, out_features, end=None):
        super().__init__(nn.Linear(in_features, out_features), end or nn.Identity())


class OwnCrossEntropy(nn.CrossEntropyLoss):
    """A loss that may do anything on top."""


def binary_net(**params):
    params = {"criterion": nn.BCEWithLogitsLoss, **params}
    return linear_net(kind=NeuralNetBinaryClassifier, **params)


def ending_in(end, criterion):
    return linear_net(Ending, module__end=end, criterion=criterion)


def initialized_dataset(world):
    return linear_net(dataset=Dataset(world.X, world.y))


test_what_is_no_student_is_an_error = check_errors(
    {
        "module": (
            lambda w: w.fit(student=nn.Linear(4, 3)),
            TypeError,
            "takes `sample_weight`, got Linear",
            "wrap the module: NeuralNetClassifier(module",
        ),
        "student's class": (
            lambda w: w.fit(student=NeuralNetClassifier),
            TypeError,
            "got NeuralNetClassifier, a class: pass an instance",
            "`student` must be a skorch NeuralNetClassifier",
        ),
        "student a string": (
            lambda w: w.fit(student="mlp"),
            TypeError,
            "takes `sample_weight`, got str",
            "None for the built-in network",
        ),
        "regressor": (
            lambda w: w.fit(
                student=linear_net(kind=NeuralNetRegressor, criterion=nn.MSELoss)
            ),
            TypeError,
            "got NeuralNetRegressor",
            "`student` must be a skorch NeuralNetClassifier",
        ),
        "criterion MSELoss": (
            lambda w: w.fit(student=linear_net(criterion=nn.MSELoss)),
            TypeError,
            "The criterion of the student, a NeuralNetClassifier",
            "must be torch.nn.CrossEntropyLoss or torch.nn.NLLLoss, got MSELoss",
        ),
        "criterion of one's own": (
            lambda w: w.fit(student=linear_net(criterion=OwnCrossEntropy)),
            TypeError,
            "The criterion of the student, a NeuralNetClassifier",
            "torch.nn.CrossEntropyLoss or torch.nn.NLLLoss, got OwnCrossEntropy",
        ),
        "criterion of a binary net": (
            lambda w: w.fit(student=binary_net(criterion=nn.CrossEntropyLoss)),
            TypeError,
            "got CrossEntropyLoss",
            "NeuralNetBinaryClassifier, must be torch.nn.BCEWithLogitsLoss",
        ),
        "binary net and three classes": (
            lambda w: w.fit(student=binary_net()),
            ValueError,
            "NeuralNetBinaryClassifier is for 2 classes, there are 3",
            "use NeuralNetClassifier",
        ),
        "binary net with two outputs": (
            lambda w: w.fit_stub(
                stub(classes=(0, 1)),
                y=w.y.clip(max=1),
                student=binary_net(module__out_features=2),
            ),
            ValueError,
            "must return one logit a row, got an output of shape (8, 2)",
            "Leave `module__out_features` unset",
        ),
        "too few inputs": (
            lambda w: w.fit(student=linear_net(module__in_features=3)),
            ValueError,
            "module cannot take float32 rows of shape (4,)",
            "leave `module__in_features` unset",
        ),
        "too many outputs": (
            lambda w: w.fit(student=linear_net(module__out_features=5)),
            ValueError,
            "one value for each of the 3 classes, shape (8, 3) for 8 rows, got (8, 5)",
            "leave `module__out_features` unset",
        ),
        "initialized module of another width": (
            lambda w: w.fit(student=linear_net(nn.Linear(4, 2))),
            ValueError,
            "one value for each of the 3 classes, shape (8, 3) for 8 rows, got (8, 2)",
            "Give it that width",
        ),
        "3-D output": (
            lambda w: w.fit(
                student=ending_in(nn.Unflatten(1, (3, 1)), nn.CrossEntropyLoss)
            ),
            ValueError,
            "got (8, 3, 1)",
            "one value for each of the 3 classes",
        ),
        "logits under NLLLoss": (
            lambda w: w.fit(student=linear_net(criterion=nn.NLLLoss)),
            ValueError,
            "With NLLLoss, skorch expects a module that returns probabilities",
            "softmax, or return logits and set criterion=torch.nn.CrossEntropyLoss",
        ),
        "log_softmax under NLLLoss": (
            lambda w: w.fit(student=ending_in(nn.LogSoftmax(dim=1), nn.NLLLoss)),
            ValueError,
            "With NLLLoss, skorch expects a module that returns probabilities",
            "softmax, or return logits and set criterion=torch.nn.CrossEntropyLoss",
        ),
        "initialized Dataset": (
            lambda w: w.fit(student=initialized_dataset(w)),
            ValueError,
            "student's `dataset` is an initialized Dataset",
            "pass its class",
        ),
    }
)


test_callback_that_cannot_work_is_an_error = check_errors(
    {
        "callbacks disabled": (
            lambda w: w.fit(
                validation_fraction=0.2, student=linear_net(callbacks="disable")
            ),
            ValueError,
            "the student has callbacks='disable'",
            "`validation_fraction` stops the training by a callback",
        ),
        "scores by name": (
            lambda w: w.fit(
                validation_fraction=0.2,
                student=linear_net(callbacks=[EpochScoring("f1")]),
            ),
            ValueError,
            "EpochScoring('f1') cannot score",
            "monitor valid_loss or valid_acc",
        ),
        "scores of cached answers": (
            lambda w: w.fit(
                validation_fraction=0.2,
                student=linear_net(callbacks=[EpochScoring(lambda net, X, y: 0)]),
            ),
            ValueError,
            "cannot score the student in training",
            "its own rows, and use_caching=False",
        ),
        "scores of batches": (
            lambda w: w.fit(
                validation_fraction=0.2,
                student=linear_net(callbacks=[BatchScoring("f1")]),
            ),
            ValueError,
            "BatchScoring('f1') cannot score",
            "monitor valid_loss or valid_acc",
        ),
        "scores of train rows by name": (
            lambda w: w.fit(
                student=linear_net(callbacks=[EpochScoring("accuracy", on_train=True)])
            ),
            ValueError,
            "EpochScoring('accuracy') cannot score",
            "validation_fraction",
        ),
    }
)


test_warning_of_the_training_names_the_cure = check_warnings(
    {
        "softmax under CrossEntropyLoss": (
            lambda w: w.fit(student=ending_in(nn.Softmax(dim=1), nn.CrossEntropyLoss)),
            UserWarning,
            "end in a softmax, but CrossEntropyLoss expects logits",
            "Drop the softmax",
        ),
        "training diverges": (
            lambda w: w.fit(student=linear_net(lr=1e38, max_epochs=3)),
            ConvergenceWarning,
            "training diverged: its last train_loss is",
            "Lower its lr (now 1e+38) or scale",
        ),
    }
)
