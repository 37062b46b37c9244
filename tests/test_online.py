"""Students that teach each other: the contract, and scikit-learn's tools."""

import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from torch import nn

from sk_ekd import OnlineDistiller
from sk_ekd.export import compact, to_onnx
from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    TrainingDisplay,
    agreement_report,
    compare,
    distillation_report,
    recommend,
)
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.pooling import CalibratedPool
from sk_ekd.students import MLP, _online
from tests.errors import check_errors
from tests.students.tokens import BATCH, IDS, PARTLY, Bag, MaskedBag
from tests.students.training import SoftmaxMLP
from tests.test_estimator import expected_failures
from tests.worlds import OneLogit, make_net, with_value


class Renamed(nn.Sequential):
    """The built-in module of another name, which is trained by autograd."""

    def __init__(self, in_features, out_features, width=16):
        super().__init__(
            nn.Linear(in_features, width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, out_features),
        )


def online(student=None, **params):
    student = make_net() if student is None else student
    return OnlineDistiller(student, **{"random_state": 0, **params})


def fit(world, student=None, *, X=None, y=None, sample_weight=None, **params):
    X, y = world.X if X is None else X, world.partly if y is None else y
    return online(student, **params).fit(X, y, sample_weight=sample_weight)


def parameters(distiller):
    net = distiller.student_
    net = net[-1] if isinstance(net, Pipeline) else net
    return [p.detach().numpy() for p in net.module_.parameters()]


def assert_same(one, other, **tolerance):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        assert_allclose(a, b, **tolerance)


@parametrize_with_checks(
    [
        OnlineDistiller(
            make_pipeline(StandardScaler(), make_net(max_epochs=40, batch_size=16)),
            n_students=2,
        ),
        OnlineDistiller(n_students=1, unlabeled_label=None),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.usefixtures("short_training")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# --- What is learned ----------------------------------------------------------------


@pytest.mark.parametrize("module", [MLP, Renamed])
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_students_that_share_nothing_and_learn_from_labels_train_as_if_alone(
    small, module, optimizer
):
    net = make_net(module, optimizer=optimizer)
    if module is Renamed:  # dropout draws otherwise
        net.set_params(module=nn.Linear)
    else:
        net.set_params(module__dropout=0.0)
    net.set_params(iterator_train__shuffle=False)
    alone = fit(small, net, n_students=1, alpha=0)
    together = fit(small, net, n_students=3, share="nothing", alpha=0)
    assert_same(together, alone, atol=1e-5)


def test_label_loss_of_one_student_is_a_mean_over_labeled_rows(small):
    net = make_net(lr=1e-9, batch_size=-1, module__dropout=0.0)
    distiller = fit(small, net, n_students=1, alpha=0.25)
    known = small.partly >= 0
    expected = log_loss(small.partly[known], distiller.predict_proba(small.X[known]))
    assert_allclose(distiller.history_["label_loss"], 0.75 * expected, rtol=1e-4)
    assert distiller.history_["distillation_loss"].eq(0).all()


def test_unlabeled_rows_have_a_part(small):
    known = small.partly >= 0
    net = make_net(batch_size=-1)
    with_all = fit(small, net)
    without = fit(small, net, X=small.X[known], y=small.partly[known])
    assert not np.allclose(
        with_all.predict_proba(small.X), without.predict_proba(small.X)
    )
    labels_only = {"alpha": 0, "share": "nothing"}
    with_all, without = (
        fit(small, net.set_params(module__dropout=0), **rows, **labels_only)
        for rows in ({}, {"X": small.X[known], "y": small.partly[known]})
    )
    assert_same(with_all, without, atol=1e-5)


def test_students_begin_differently(small, monkeypatch):
    seen = []
    monkeypatch.setattr(_online, "unstack", lambda net, stack, i: seen.append(stack))
    fit(small, make_net(max_epochs=1), n_students=2, share="nothing")
    first, second = (seen[0].take(i) for i in range(2))
    assert not torch.equal(first[0].weight, second[0].weight)


def test_terms_add_up_and_the_mean_of_others_is_ramped_up(small):
    history = fit(small, make_net(max_epochs=20, lr=1e-9)).history_
    assert_allclose(
        history["label_loss"] + history["distillation_loss"], history["train_loss"]
    )
    # with students that do not change
    ratio = history["distillation_loss"] / history["distillation_loss"].iloc[-1]
    expected = np.exp(-5 * np.maximum(0, 1 - np.arange(20) / 6) ** 2)
    assert_allclose(ratio, expected, rtol=0.5)  # up to dropout


def test_mean_label_loss_does_not_shrink_with_the_share_of_labels(small):
    few = np.where(np.arange(60) < 6, small.y, -1)
    assert fit(small, y=few).history_["label_loss"][0] > 0.3


# --- The student --------------------------------------------------------------------


@pytest.mark.parametrize("share", ["trunk", "nothing"])
@pytest.mark.parametrize("validation_fraction", [None, 0.3])
def test_student_is_an_ordinary_net(small, share, validation_fraction):
    distiller = fit(small, share=share, validation_fraction=validation_fraction)
    net = distiller.student_
    assert type(net.module_) is MLP
    assert type(net.criterion_) is nn.CrossEntropyLoss
    own = {id(p) for p in net.module_.parameters()}
    assert {id(p) for g in net.optimizer_.param_groups for p in g["params"]} == own
    assert "infer" not in vars(net)
    assert_array_equal(
        distiller.predict(small.X), distiller.classes_[net.predict(small.X)]
    )
    how = {"n_students": 1, "alpha": 0, "validation_fraction": validation_fraction}
    alone = fit(small, **how)
    size = [len(pickle.dumps(d.student_)) for d in (distiller, alone)]
    assert size[0] < 1.1 * size[1]


NETS = {
    "logits": (make_net(Renamed), None),
    "proba": (make_net(SoftmaxMLP, criterion=nn.NLLLoss), None),
    "one logit": (make_net(OneLogit, NeuralNetBinaryClassifier), [0, 1]),
    "smoothed": (make_net(criterion__label_smoothing=0.1), None),
    "a pipeline": (make_pipeline(StandardScaler(), make_net()), None),
    "a linear net": (make_net(nn.Linear), None),
    "patterns": (
        make_net(optimizer__param_groups=[("0.*", {"lr": 0.0})]), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("params", [{}, {"validation_fraction": 0.3}])
def test_nets_of_every_form(small, name, params):
    net, classes = NETS[name]
    y = small.partly
    if classes:
        y = np.where(y == 2, -1, y)
    distiller = fit(small, net, y=y, **params)
    proba = distiller.predict_proba(small.X)
    assert_allclose(proba.sum(axis=1), 1)
    assert distiller.history_["train_loss"].iloc[-1] < 3
    assert_allclose(pickle.loads(pickle.dumps(distiller)).predict_proba(small.X), proba)


def test_nets_of_token_ids():
    kinds = [(make_net(Bag), IDS), (make_net(MaskedBag), BATCH)]
    for net, X in kinds:
        distiller = online(net.set_params(lr=0.1, max_epochs=20)).fit(X, PARTLY)
        assert distiller.score(X, PARTLY) > 0.9


def test_supervised_step_is_fitted_to_the_labeled_rows(small):
    known = small.partly >= 0
    student = make_pipeline(SelectKBest(k=1), make_net())
    distiller = fit(small, student)
    alone = SelectKBest(k=1).fit(small.X[known], small.partly[known])
    assert_allclose(distiller.student_[0].scores_, alone.scores_)


def test_built_in_student_reads_a_table(small):
    frame = small.frame.assign(words=small.words)
    distiller = OnlineDistiller(n_students=2, random_state=0).fit(frame, small.partly)
    assert distiller.score(frame, small.y) > 0.9
    assert distiller.student_["net"].module_.__class__ is MLP


def test_callbacks_that_predict_see_the_mean_of_the_students(small):
    seen = []

    def score(net, X, y):
        seen.append(net.predict_proba(small.X).shape)
        return 0.0

    scoring = EpochScoring(score, use_caching=False, on_train=True, name="own")
    fit(small, make_net(Renamed, callbacks=[scoring]))
    assert set(seen) == {(60, 3)}


# --- Held-out rows ------------------------------------------------------------------


def test_validation_part_chooses_the_student(small, monkeypatch):
    chosen = []
    unstack = _online.unstack

    def note(net, stack, position):
        losses = []
        for i in range(stack.n_modules):
            net.module_ = stack.take(i)
            losses.append(net.predict_proba(small.X))
        chosen.append((position, losses))
        unstack(net, stack, position)

    monkeypatch.setattr(_online, "unstack", note)
    how = {"validation_fraction": 0.5, "share": "nothing", "alpha": 0}
    distiller = fit(small, **how)
    position, each = chosen[0]
    softened = each[position] ** (1 / distiller.temperature_)
    softened /= softened.sum(axis=1, keepdims=True)
    assert_allclose(distiller.predict_proba(small.X), softened, atol=1e-5)
    fit(small)
    assert chosen[1][0] == 0


def test_temperature_is_one_without_labels_that_are_held_out(small):
    assert fit(small).temperature_ == 1.0


def test_student_that_is_too_sure_is_softened(small):
    sure = make_net(max_epochs=80, lr=0.1, callbacks=[NoStop(monitor="train_loss")])
    how = {"validation_fraction": 0.4, "n_students": 2}
    assert fit(small, sure, y=small.y, **how).temperature_ > 1.5


def test_student_is_never_made_surer(small, monkeypatch):
    monkeypatch.setattr(CalibratedPool, "temperature_", [0.5], raising=False)
    monkeypatch.setattr(CalibratedPool, "fit", lambda pool, *rows: pool)
    assert fit(small, validation_fraction=0.3).temperature_ == 1.0


class NoStop(EarlyStopping):
    """Leaves the training alone, in the place of the rule of the distiller."""

    def on_epoch_end(self, net, **kwargs):
        pass


class Doubled(MLP):
    """Its last layer is not the last thing that it computes."""

    def forward(self, X):
        return torch.sin(super().forward(X))


class Convolved(nn.Module):
    """It has no linear layer."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.layer = nn.Conv1d(in_features, out_features, 1)

    def forward(self, X):
        return self.layer(X.unsqueeze(2)).squeeze(2)


@pytest.mark.parametrize("module", [Doubled, Convolved])
def test_temperature_that_no_last_layer_can_take_is_left_out(small, module):
    distiller = fit(small, make_net(module), validation_fraction=0.3)
    assert distiller.temperature_ == 1.0
    assert np.isfinite(distiller.predict_proba(small.X)).all()


def test_validation_is_recorded(small):
    history = fit(small, validation_fraction=0.3).history_
    assert {"valid_loss", "valid_label_loss", "valid_distillation_loss"} < {*history}
    assert history["valid_acc"].between(0, 1).all()


# --- The contract -------------------------------------------------------------------


def test_same_seed_same_bits(small):
    one, other = fit(small), fit(small)
    assert_same(one, other, rtol=0)
    third = fit(small, random_state=1)
    assert not np.allclose(parameters(one)[0], parameters(third)[0])


def test_global_generators_are_left_alone(small):
    before = torch.get_rng_state()
    fit(small)
    assert torch.equal(torch.get_rng_state(), before)


def test_row_of_weight_zero_counts_as_removed(small):
    weight = np.where(np.arange(60) < 10, 0.0, 2.0)
    weighted = fit(small, sample_weight=weight)
    removed = fit(small, X=small.X[10:], y=small.partly[10:])
    assert_same(weighted, removed, rtol=0)


def test_weight_of_two_is_a_row_repeated(small):
    net = make_net(batch_size=-1, module__dropout=0.0)
    weighted = fit(small, net, sample_weight=np.where(np.arange(60) < 10, 2.0, 1.0))
    again = [*range(60), *range(10)]
    repeated = fit(small, net, X=small.X[again], y=small.partly[again])
    assert_same(weighted, repeated, atol=1e-5)


MARKS = {
    "strings with -1": lambda w: np.where(w.partly < 0, -1, w.words.astype(object)),
    "strings with None": lambda w: np.where(w.partly < 0, None, w.words.astype(object)),
    "numbers with NaN": lambda w: np.where(w.partly < 0, np.nan, w.partly),
    "nullable": lambda w: pd.Series(w.partly).astype("Int64").replace(-1, pd.NA),
}


@pytest.mark.parametrize("name", MARKS)
def test_marks_of_unknown_labels(small, name):
    distiller = fit(small, y=MARKS[name](small))
    plain = fit(small)
    assert len(distiller.classes_) == 3
    if "strings" not in name:
        assert_same(distiller, plain, rtol=0)
    assert set(distiller.predict(small.X)) <= set(distiller.classes_)


def test_class_weight_and_classes(small):
    distiller = fit(small, classes=[0, 1, 2, 3], class_weight={1: 20.0})
    assert distiller.predict_proba(small.X).shape == (60, 4)
    counts = [np.mean(d.predict(small.X) == 1) for d in (distiller, fit(small))]
    assert counts[0] > counts[1]


def test_clone_and_nested_parameters(small):
    distiller = fit(small, alpha=0.25)
    twin = clone(distiller)
    assert twin.alpha == 0.25
    assert not hasattr(twin, "student_")
    twin.set_params(student__lr=0.5)
    assert twin.get_params()["student__lr"] == 0.5
    assert distiller.student.lr == 0.01


def test_grid_search(small):
    grid = {"alpha": [0, 0.5], "share": ["trunk", "nothing"], "student__lr": [0.01]}
    search = GridSearchCV(online(), grid, cv=SemiSupervisedSplit(2))
    search.fit(small.X, small.partly)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_in_a_pipeline(small):
    pipeline = make_pipeline(StandardScaler(), online()).fit(small.X, small.partly)
    assert pipeline.predict(small.X).shape == (60,)


def test_has_no_partial_fit():
    assert not hasattr(OnlineDistiller(), "partial_fit")


def test_html_shows_the_student(small):
    assert "built-in network" in OnlineDistiller()._repr_html_()
    assert "NeuralNetClassifier" in fit(small)._repr_html_()


class Interrupts(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_is_raised(small):
    distiller = online(make_net(callbacks=[Interrupts]))
    with pytest.raises(KeyboardInterrupt):
        distiller.fit(small.X, small.partly)
    assert not hasattr(distiller, "student_")


def instance():
    return make_net(MLP(4, 3))


test_errors = check_errors(
    {
        "no labels": (
            lambda w: fit(w, y=w.unlabeled),
            ValueError, "no labeled row", "EnsembleDistiller",
        ),
        "one class": (
            lambda w: fit(w, y=np.where(w.partly == 1, 1, -1)),
            ValueError, "one class", "name them all in `classes`",
        ),
        "a tree": (
            lambda w: fit(w, DecisionTreeClassifier()),
            TypeError, "DecisionTreeClassifier", "use EnsembleDistiller",
        ),
        "a pipeline that ends in a tree": (
            lambda w: fit(w, make_pipeline(StandardScaler(), DecisionTreeClassifier())),
            TypeError, "DecisionTreeClassifier", "a Pipeline that ends in one",
        ),
        "a bare module": (
            lambda w: fit(w, MLP(4, 3)), TypeError, "MLP", "wrap the module",
        ),
        "a class": (
            lambda w: fit(w, type(make_net())), TypeError, "NeuralNet", "an instance",
        ),
        "an initialized module": (
            lambda w: fit(w, instance()), ValueError, "an instance", "pass its class",
        ),
        "another criterion": (
            lambda w: fit(w, make_net(criterion=nn.MSELoss)),
            TypeError, "MSELoss", "CrossEntropyLoss",
        ),
        "a wrong width": (
            lambda w: fit(w, make_net(module__out_features=7)),
            ValueError, "(8, 7)", "module__out_features",
        ),
        "alpha of one": (
            lambda w: fit(w, alpha=1.0), InvalidParameterError, "1.0", "[0.0, 1.0)",
        ),
        "no student": (
            lambda w: fit(w, n_students=0), InvalidParameterError, "0", "[1, inf)",
        ),
        "another share": (
            lambda w: fit(w, share="all"), InvalidParameterError, "'all'", "'trunk'",
        ),
        "a wrong length": (
            lambda w: fit(w, y=w.partly[:-1]), ValueError, "59", "60",
        ),
        "NaN": (
            lambda w: fit(w, X=with_value(w.X, np.nan)), ValueError, "NaN", "imputer",
        ),
        "negative weights": (
            lambda w: fit(w, sample_weight=-np.ones(60)),
            ValueError, "-1.0", "non-negative",
        ),
        "no rows to hold out": (
            lambda w: fit(w, validation_fraction=0.001),
            ValueError, "holds out none", "raise it",
        ),
        "columns that are missing": (
            lambda w: fit(w).predict(w.X[:, :2]), ValueError, "2 features", "4",
        ),
        "a mark as text": (
            lambda w: fit(w, y=np.where(w.partly < 0, "-1", w.words)),
            ValueError, '"-1"', "dtype=object",
        ),
    }
)  # fmt: skip


# --- Readers ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(small):
    return fit(small, n_students=2)


def test_report_has_student_and_baseline(small, fitted):
    report = distillation_report(fitted, small.X, small.y)
    assert list(report.index) == ["student"]
    assert {"accuracy", "log_loss", "us_per_row", "bytes"} <= {*report}
    assert "retention" not in report
    baseline = LogisticRegression().fit(small.X, small.y)
    report = distillation_report(fitted, small.X, small.y, baseline=baseline)
    assert list(report.index) == ["student", "baseline"]
    assert "baseline" in recommend(report)


def test_report_without_a_baseline_recommends_nothing(small, fitted):
    report = distillation_report(fitted, small.X, small.y)
    with pytest.raises(ValueError, match="for which to pass `baseline`"):
        recommend(report)


def test_displays_and_comparison(small, fitted):
    assert TrainingDisplay.from_estimator(fitted).lines_
    display = LatencyDisplay.from_estimator(fitted, small.X, small.y)
    assert list(display.scatter_) == ["student"]
    baseline = LogisticRegression().fit(small.X, small.y)
    assert compare(fitted, baseline, small.X, small.y) is not None


@pytest.mark.parametrize(
    "read",
    [
        lambda d, X, y: TeacherWeightDisplay.from_estimator(d),
        lambda d, X, y: DisagreementDisplay.from_estimator(d, X, y),
        lambda d, X, y: agreement_report(d, X),
        lambda d, X, y: distillation_report(d, X, y, teacher_proba=np.ones((60, 1, 3))),
    ],
)
def test_what_is_about_teachers_says_that_there_are_none(small, fitted, read):
    with pytest.raises(ValueError, match=r"has no teachers .* baseline="):
        read(fitted, small.X, small.y)


def test_export(small, fitted, tmp_path):
    pipeline = make_pipeline(FunctionTransformer(), make_net())
    for distiller in (fitted, fit(small, pipeline)):
        to_onnx(distiller, tmp_path / "student.onnx", X=small.X)
    twin = compact(fitted)
    assert twin is not fitted
    assert_array_equal(twin.predict(small.X), fitted.predict(small.X))


def test_labels_that_all_weigh_nothing_are_an_error(blobs):
    X, y = blobs
    partly = np.where(np.arange(len(y)) % 2, y, -1)
    distiller = OnlineDistiller(make_net(), class_weight=dict.fromkeys(range(3), 0))
    with pytest.raises(ValueError, match="labeled row weighs zero"):
        distiller.fit(X, partly)
