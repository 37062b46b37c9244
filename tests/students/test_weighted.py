"""Students that are no network: a row once for each class of its target."""

import pickle
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd._classes import UNLABELED
from sk_ekd._targets import Targets
from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    TrainingDisplay,
    distillation_report,
)
from sk_ekd.losses import DistillationLoss
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import _weighted
from sk_ekd.students._kinds import student_proba
from tests.errors import check_errors, check_warnings
from tests.students.training import C, N, Unfollowed, as_part, fit, make_data
from tests.worlds import linear_net, make_net, stub

TREE = DecisionTreeClassifier(max_depth=3)
MODELS = {
    "tree": TREE,
    "forest": RandomForestClassifier(5),
    "bagging": BaggingClassifier(LogisticRegression(), 3),
    "logistic": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "hist": HistGradientBoostingClassifier(max_iter=3),
    "lightgbm": LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1),
    "xgboost": XGBClassifier(n_estimators=3, n_jobs=1),
    "catboost": CatBoostClassifier(
        iterations=3, verbose=0, thread_count=1, allow_writing_files=False
    ),
    "bayes": GaussianNB(),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


class Spy(ClassifierMixin, BaseEstimator):
    """A student that keeps what it is fitted to."""

    def fit(self, X, y, sample_weight):
        self.X_, self.y_, self.weight_ = X, y, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Step(TransformerMixin, BaseEstimator):
    """A step that keeps what it is fitted to."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def transform(self, X):
        return 2 * X


class Mute(DecisionTreeClassifier):
    """A tree that knows nothing once it is fitted."""

    answer = np.nan

    def predict_proba(self, X):
        return self.answer * super().predict_proba(X)


class Short(Mute):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, :1]


def proba_of(student, X, n_classes=C):
    return student_proba(student, X, n_classes)


def spied(y, mix, **params):
    """Return what a student is fitted to, where the rows are their positions."""
    y, mix = np.asarray(y), np.asarray(mix, dtype=np.float32)
    student, _ = fit(Spy(), np.arange(len(y))[:, None], y, mix, **params)
    return student.X_[:, 0], student.y_, student.weight_


def fit_single_class(world):
    return world.fit(student=LogisticRegression(), y=np.ones(60), alpha=0)


# --- What it is fitted to ------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"forest", "bagging"}))
def test_alpha_zero_on_labeled_rows_is_plain_fitting(name):
    # but for those that draw rows in another way where they are given weights
    X, y, target = make_data()
    student, _ = fit(MODELS[name], X, y, target, alpha=0.0, seed=7)
    plain = _weighted.seed_params(clone(MODELS[name]), 7).fit(X, y)
    expected = plain.predict_proba(
        X
    )  # scikit-learn 1.6 rounds weighted means otherwise
    assert_allclose(student.predict_proba(X), expected, rtol=1e-6)


def test_row_is_there_once_for_each_class_of_its_target():
    row, label, weight = spied(
        [1, UNLABELED, 0],
        [[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [0.0, 1.0, 0.0]],
        label_weight=np.array([1.0, 1.0, 0.5]),
        weight=np.array([1.0, 2.0, 0.0]),
        alpha=0.25,
    )
    assert_array_equal(row, [0, 0, 1, 1, 2])
    assert_array_equal(label, [0, 1, 1, 2, 0])
    by_hand = np.array([0.125, 0.125 + 0.75, 0.1, 0.4, 0.375])
    assert_allclose(weight, by_hand * 3 / by_hand.sum(), rtol=1e-6)


def test_weights_are_one_a_row_on_average_and_follow_the_loss():
    _, y, target = make_data()
    y[::3] = UNLABELED
    importance = np.random.RandomState(0).gamma(1, size=(2, N))
    row, _, weight = spied(
        y, target, label_weight=importance[0], weight=importance[1], alpha=0.4
    )
    total = np.bincount(row, weight, N)
    in_loss = 0.6 * importance[0] * (y != UNLABELED) + 0.4 * importance[1]
    assert_allclose(total, in_loss / in_loss.mean(), rtol=1e-6)


def test_rows_without_a_part_in_the_loss_are_left_out():
    _, y, target = make_data()
    y[::3] = UNLABELED
    row, label, weight = spied(y, target, alpha=0.0)
    assert_array_equal(row, np.flatnonzero(y != UNLABELED))
    assert_array_equal(label, y[row])
    assert_array_equal(weight, 1)


def test_fitted_probabilities_average_to_the_targets():
    # the gradient of an intercept is zero where the loss of the method is least
    X, y, target = make_data()
    y[::2] = UNLABELED
    weight = np.random.RandomState(0).gamma(1, size=N)
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    student, _ = fit(model, X, y, target, weight=weight, alpha=0.7)
    targets = as_part(X, y, target, mix_weight=weight)[1]
    shares = DistillationLoss(0.7, 1.0).class_shares(targets)
    mean = shares.sum(axis=1) @ student.predict_proba(X)
    assert_allclose(mean, shares.sum(axis=0), rtol=1e-3)


def test_tiny_shares_are_left_out_and_the_row_keeps_its_weight():
    tiny = 0.5 * _weighted.SMALLEST_SHARE
    row, label, weight = spied(
        [-1, -1], [[1 - 3 * tiny, 3 * tiny, 0.0], [0.6 - tiny, 0.4, tiny]], alpha=1
    )
    assert_array_equal(row, [0, 0, 1, 1])
    assert_array_equal(label, [0, 1, 0, 1])
    assert_allclose(np.bincount(row, weight), 1)
    assert_allclose(weight[2] / weight[3], (0.6 - tiny) / 0.4, rtol=1e-6)


@pytest.mark.parametrize("n_classes", [50, 100, 1000])
def test_number_of_copies_is_bounded_and_no_row_vanishes(n_classes):
    rng = np.random.RandomState(0)
    mix = rng.dirichlet(np.full(n_classes, 0.3), 20)
    row, _, weight = spied(np.full(20, -1), mix, alpha=1)
    copies = np.bincount(row)
    assert copies.min() > 0
    assert copies.max() <= 1 / _weighted.SMALLEST_SHARE
    assert_allclose(np.bincount(row, weight), 1)


def test_rows_where_nothing_stands_out_keep_the_best_classes():
    mix = np.full((2, 300), 1 / 300)
    mix[1, :2] += [1e-4, -1e-4]
    row, label, _ = spied([-1, -1], mix, alpha=1)
    assert_array_equal(np.bincount(row), [300, 1])
    assert label[-1] == 0


def test_blocks_do_not_matter(monkeypatch):
    _, y, target = make_data()
    y[::3] = UNLABELED
    targets = Targets(y, y >= 0, target, np.ones(N), np.ones(N))
    loss = DistillationLoss(0.5, 1.0)
    whole = _weighted._expand(loss, targets)
    monkeypatch.setattr(_weighted, "BLOCK_VALUES", 7 * C)
    for column, expected in zip(_weighted._expand(loss, targets), whole, strict=True):
        assert_array_equal(column, expected)


def test_rows_that_are_used_once_each_are_not_copied():
    X, y, target = make_data()
    student, _ = fit(Spy(), X, y, target, alpha=0.0)
    assert student.X_ is X


@pytest.mark.parametrize("model", [TREE, LogisticRegression(C=np.inf)])
def test_weight_of_zero_is_a_removed_row_and_two_a_repeated_one(small, model):
    weight = np.resize([0, 1, 2], 60)
    rows = np.repeat(np.arange(60), weight)
    weighted = small.fit(student=model, sample_weight=weight)
    repeated = small.fit(student=model, X=small.X[rows], y=small.partly[rows])
    expected = repeated.predict_proba(small.X[rows])
    assert_allclose(weighted.predict_proba(small.X[rows]), expected, atol=1e-3)


# --- Preprocessing -------------------------------------------------------------------


def test_steps_see_each_row_once_and_the_end_its_copies():
    X, y, target = make_data()
    y[::3] = UNLABELED
    student, _ = fit(make_pipeline(Step(), Spy()), X, y, target)
    step, end = (step for _, step in student.steps)
    assert step.X_ is X
    assert_array_equal(step.y_, np.where(y < 0, target.argmax(axis=1), y))
    assert len(end.y_) > 2 * N
    assert_array_equal(np.unique(end.X_, axis=0), np.unique(2 * X, axis=0))


def test_pipeline_with_a_memory_is_fitted(tmp_path):
    X, y, target = make_data()
    student = make_pipeline(StandardScaler(), TREE, memory=str(tmp_path))
    fitted, _ = fit(student, X, y, target)
    assert_allclose(proba_of(fitted, X).sum(axis=1), 1)


def test_pipeline_of_a_single_step_is_fitted():
    X, y, target = make_data()
    alone, _ = fit(TREE, X, y, target)
    in_pipeline, _ = fit(make_pipeline(TREE), X, y, target)
    assert_array_equal(proba_of(in_pipeline, X), proba_of(alone, X))


def test_supervised_step_selects_by_label_and_ensemble(small):
    student = make_pipeline(SelectKBest(k=2), TREE)
    assert small.fit(student=student).student_[0].get_support().sum() == 2


# --- Rows as they come ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["tree", "lightgbm", "xgboost", "logistic"])
@pytest.mark.parametrize("read", [csr_matrix, coo_matrix, pd.DataFrame])
def test_rows_of_other_types_make_the_same_student(small, name, read):
    params = {"teachers": [LogisticRegression()], "student": MODELS[name]}
    usual = small.fit_unfitted(**params).predict_proba(small.X)
    X = read(small.X)
    other = small.fit_unfitted(X=X, **params).predict_proba(X)
    assert_allclose(other, usual, atol=1e-2)  # of another solver, or other bins


def test_lists_reach_a_student_that_takes_them(small):
    X = small.X.tolist()
    expected = small.fit(student=TREE).predict_proba(small.X)
    assert_array_equal(small.fit(X=X, student=TREE).predict_proba(X), expected)


@pytest.mark.parametrize("name", ["hist", "lightgbm"])
def test_categories_of_a_frame_reach_the_student(small, name):
    frame = small.frame.assign(town=pd.Categorical(np.resize(["x", "y", "z"], 60)))
    y = np.resize([0, 1, 2], 60)  # the town says it all
    model = clone(MODELS[name]).set_params(
        **({"max_iter": 30} if name == "hist" else {"n_estimators": 30})
    )
    distiller = small.fit_stub(X=frame, y=y, student=model, alpha=0)
    assert distiller.score(frame, y) == 1


def test_strings_become_numbers_in_a_pipeline(small):
    frame = pd.DataFrame({"town": np.resize(["x", "y", "z"], 60)})
    student = make_pipeline(OneHotEncoder(handle_unknown="ignore"), TREE)
    teacher = stub(classes=["no", "perhaps", "yes"])
    distiller = small.fit_stub(teacher, X=frame, y=small.words, student=student)
    assert set(distiller.predict(frame)) <= set(small.words)


def test_texts_reach_a_pipeline(small):
    texts = [f"it is {word}" for word in small.words]
    student = make_pipeline(CountVectorizer(), LogisticRegression())
    teacher = stub(classes=["no", "perhaps", "yes"])
    distiller = small.fit_stub(teacher, X=texts, y=small.words, student=student)
    assert distiller.score(texts, small.words) == 1


# --- Classes -------------------------------------------------------------------------


@every_model
def test_class_without_any_share_has_no_probability(small, model):
    classes = [0, 1, 2, 3]
    y = np.where(small.y == 1, 2, small.y)
    distiller = small.distiller(
        teachers=None, student=model, classes=classes, alpha=0
    ).fit(small.X, y, teacher_proba=np.full((60, 1, 4), 0.25))
    proba = distiller.predict_proba(small.X)
    assert_array_equal(proba[:, [1, 3]], 0)
    assert_allclose(proba.sum(axis=1), 1)
    codes = np.ravel(distiller.student_.predict(small.X))  # CatBoost's are (n, 1)
    assert_array_equal(codes, proba.argmax(axis=1))
    pickle.loads(pickle.dumps(distiller))


@every_model
def test_student_predicts_indices_of_string_labels(small, model):
    y = np.where(small.partly < 0, None, small.words)
    distiller = small.fit_unfitted(y=y, student=model)
    codes = np.ravel(distiller.student_.predict(small.X)).astype(int)
    assert_array_equal(distiller.classes_[codes], distiller.predict(small.X))


def test_single_class_is_a_constant(small):
    with pytest.warns(UserWarning, match="LogisticRegression, is replaced by a cons"):
        distiller = fit_single_class(small)
    assert isinstance(distiller.student_, DummyClassifier)
    assert_array_equal(distiller.predict_proba(small.X), [[0, 1, 0]] * 60)


def test_student_learns_a_class_that_no_teacher_knows(small):
    teacher = stub(classes=[0, 1])
    distiller = small.fit_stub(teacher, y=small.y, student=TREE)
    assert 2 in distiller.predict(small.X)


# --- Randomness ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forest", "bagging", "lightgbm"])
def test_same_seed_makes_the_same_student(small, name):
    model = MODELS[name]
    if name == "lightgbm":
        model = clone(model).set_params(subsample=0.5, subsample_freq=1)
    one, two = (small.fit(student=model).predict_proba(small.X) for _ in range(2))
    assert_array_equal(one, two)
    other = small.fit(student=model, random_state=1).predict_proba(small.X)
    assert (one != other).any()


def test_own_seed_of_the_student_is_kept(small):
    forest = RandomForestClassifier(3, random_state=5)
    assert small.fit(student=forest).student_.random_state == 5
    assert small.fit(student=forest.set_params(random_state=None)).student_.random_state


def test_student_is_cloned_and_global_generators_are_untouched(small):
    model, state = RandomForestClassifier(3), torch.get_rng_state()
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    small.fit(student=model)
    assert not hasattr(model, "estimators_")
    assert np.random.rand() == expected  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state)


# --- Chunks --------------------------------------------------------------------------


def in_chunks(small, student, **params):
    distiller = small.distiller(student=student, **params)
    for rows in np.array_split(np.arange(60), 3):
        distiller.partial_fit(small.X[rows], small.partly[rows], classes=[0, 1, 2])
    return distiller


def test_chunks_add_up(small):
    # a mean and a variance do not depend on the order, nor on the chunks
    params = {"weighting": "uniform", "student": GaussianNB(var_smoothing=0)}
    whole = small.distiller(**params).partial_fit(small.X, small.partly, [0, 1, 2])
    chunks = in_chunks(small, **params)
    assert_allclose(
        chunks.predict_proba(small.X), whole.predict_proba(small.X), rtol=1e-3
    )
    assert chunks.history_.empty


def test_linear_model_learns_from_chunks(small):
    sgd = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss"))
    distiller = in_chunks(small, sgd)
    before = distiller.student_[-1].coef_.copy()
    distiller.partial_fit(small.X, small.partly)
    assert (distiller.student_[-1].coef_ != before).any()
    assert_allclose(distiller.predict_proba(small.X).sum(axis=1), 1)


def test_partial_fit_goes_on_from_fit(small):
    distiller = small.fit(student=GaussianNB())
    count = distiller.student_.class_count_.sum()
    distiller.partial_fit(small.X, small.partly)
    assert distiller.student_.class_count_.sum() > count


def test_distiller_learns_in_chunks_where_its_student_does(small):
    assert not hasattr(small.distiller(student=TREE), "partial_fit")
    for student in (None, linear_net(), GaussianNB(), "mlp"):
        assert hasattr(small.distiller(student=student), "partial_fit")
    with pytest.raises(TypeError, match="got str"):  # what is wrong is said
        EnsembleDistiller(small.teachers, "mlp").partial_fit(small.X, small.partly)


# --- Around it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def distilled(small):
    return small.fit(student=TREE)


def test_report_and_displays_take_a_tree(small, distilled):
    report = distillation_report(distilled, small.X, small.y)
    assert report.loc["student", "bytes"] < 20_000
    LatencyDisplay.from_report(report)
    DisagreementDisplay.from_estimator(distilled, small.X, small.y)
    TeacherWeightDisplay.from_estimator(distilled)
    with pytest.raises(ValueError, match="no network has no epochs"):
        TrainingDisplay.from_estimator(distilled)
    plt.close("all")


def test_html_shows_the_student(small, distilled):
    html = distilled._repr_html_()
    assert html.index(" nodes") < html.rindex("DecisionTreeClassifier")
    unfitted = small.distiller(student=make_pipeline(StandardScaler(), SVC()))
    assert "SVC" in unfitted._repr_html_()  # which fit would refuse


def test_history_is_empty_with_the_columns_of_a_net(small, distilled):
    assert distilled.history_.empty
    assert set(distilled.history_) <= set(small.fit().history_)


def test_pickle_and_clone_predict_the_same(small, distilled):
    loaded = pickle.loads(pickle.dumps(distilled))
    again = clone(distilled).fit(small.X, small.partly)
    expected = distilled.predict_proba(small.X)
    assert_array_equal(loaded.predict_proba(small.X), expected)
    assert_array_equal(again.predict_proba(small.X), expected)


def test_nets_and_trees_in_one_grid(small):
    grid = [
        {"student": [linear_net(), make_net(max_epochs=2)], "temperature": [1, 2]},
        {"student": [TREE], "student__max_depth": [1, 2]},
        {"student": [LogisticRegression()], "alpha": [0, 0.5]},
    ]
    search = GridSearchCV(
        small.distiller(), grid, cv=SemiSupervisedSplit(2), error_score="raise"
    ).fit(small.X, small.partly)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_fit_is_one_epoch_to_who_follows():
    calls = []

    class Followed(Unfollowed):
        def start(self, n_epochs):
            calls.append(n_epochs)

        def end(self, student):
            calls.append(student)

        def finish(self, what):
            calls.append(what)

    X, y, target = make_data()
    student, _ = fit(TREE, X, y, target, epochs=Followed())
    assert calls == [1, student, "DecisionTreeClassifier"]


def test_temperature_does_not_matter_without_teachers(small):
    softened = small.fit(student=TREE, alpha=0, temperature=2)
    usual = small.fit(student=TREE, alpha=0)
    assert_array_equal(softened.predict_proba(small.X), usual.predict_proba(small.X))


# --- Errors --------------------------------------------------------------------------


class OtherLoss(DistillationLoss):
    def forward(self, output, targets):
        return super().forward(output, targets)


class SameLoss(DistillationLoss):
    """The loss of the method, under another name."""


class OtherDistiller(EnsembleDistiller):
    loss = OtherLoss

    def _make_loss(self):
        return self.loss(self.alpha, self.temperature)


class SameDistiller(OtherDistiller):
    loss = SameLoss


def test_child_of_the_loss_may_say_what_it_is(small):
    fitted = SameDistiller(small.teachers, TREE, random_state=0)
    fitted.fit(small.X, small.partly)
    expected = small.fit(student=TREE).predict_proba(small.X)
    assert_array_equal(fitted.predict_proba(small.X), expected)


def tell_why(distiller):
    try:
        distiller.partial_fit  # noqa: B018
    except AttributeError as error:
        raise error.__cause__ from None


test_faults_are_errors = check_errors(
    {
        "no sample_weight": (
            lambda w: w.fit(student=KNeighborsClassifier()),
            TypeError,
            "got KNeighborsClassifier, whose `fit` takes none: pass one",
            "a classifier with `predict_proba` whose `fit` takes `sample_weight`",
        ),
        "no predict_proba": (
            lambda w: w.fit(student=make_pipeline(StandardScaler(), SVC())),
            TypeError,
            "got SVC, which has no `predict_proba` as it is set",
            "a Pipeline that ends in one",
        ),
        "hinge loss": (
            lambda w: w.fit(student=SGDClassifier()),
            TypeError,
            "got SGDClassifier, which has no `predict_proba` as it is set",
            "or None for the built-in network",
        ),
        "regressor": (
            lambda w: w.fit(student=LinearRegression()),
            TypeError,
            "got LinearRegression, a regressor",
            "a classifier with `predict_proba`",
        ),
        "class": (
            lambda w: w.fit(student=DecisionTreeClassifier),
            TypeError,
            "got DecisionTreeClassifier, a class",
            "pass an instance",
        ),
        "search": (
            lambda w: w.fit(student=GridSearchCV(TREE, {"max_depth": [1]})),
            TypeError,
            "got GridSearchCV, whose `fit` takes none",
            "pass one",
        ),
        "pipeline that ends in nothing": (
            lambda w: w.fit(student=make_pipeline(StandardScaler(), "passthrough")),
            TypeError,
            "got str",
            "a Pipeline that ends in one",
        ),
        "validation_fraction": (
            lambda w: w.fit(student=TREE, validation_fraction=0.2),
            ValueError,
            "got 0.2 with DecisionTreeClassifier",
            "set it to None, and use the student's own early stopping",
        ),
        "temperature": (
            lambda w: w.fit(student=TREE, temperature=2),
            ValueError,
            "only a network can, got 2.0 with DecisionTreeClassifier",
            "set it to 1",
        ),
        "loss of one's own": (
            lambda w: OtherDistiller(w.teachers, TREE).fit(w.X, w.partly),
            TypeError,
            "The loss OtherLoss trains networks only",
            "use the loss of the method",
        ),
        "tree in chunks": (
            lambda w: tell_why(w.distiller(student=TREE)),
            AttributeError,
            "DecisionTreeClassifier has no `partial_fit`",
            "SGDClassifier(loss='log_loss')",
        ),
        "tree in a chunk after fit": (
            lambda w: tell_why(w.fit(student=TREE)),
            AttributeError,
            "DecisionTreeClassifier has no `partial_fit`",
            "call fit on all rows",
        ),
        "class that fit has not seen": (
            lambda w: (
                w.fit(student=GaussianNB(), y=w.y % 2, alpha=0)
                .set_params(alpha=0.5)
                .partial_fit(w.X, w.y)
            ),
            ValueError,
            "without the classes of numbers [2]",
            "start with partial_fit",
        ),
        "step that drops rows": (
            lambda w: w.fit(
                student=make_pipeline(Dropping(), DecisionTreeClassifier())
            ),
            ValueError,
            "got 59 rows from 60",
            "must keep every row",
        ),
        "strings": (
            lambda w: w.fit_stub(
                X=np.array([["a"], ["b"]] * 30), student=DecisionTreeClassifier()
            ),
            ValueError,
            "could not convert string to float",
            "belongs into a Pipeline",
        ),
        "NaN": (
            lambda w: w.fit(student=Mute()).predict(w.X),
            ValueError,
            "a Mute, predicts NaN for 60 of 60 rows, first for row 0",
            "scale or clip its inputs",
        ),
        "too few columns": (
            lambda w: w.fit(student=Short()).predict(w.X),
            ValueError,
            "predict_proba of the student, a Short",
            "must return an array of shape (60, 3), got (60, 1)",
        ),
    }
)


class Dropping(Step):
    def transform(self, X):
        return X[1:]


test_faults_are_warned_of = check_warnings(
    {
        "single class": (
            fit_single_class,
            UserWarning,
            "The target of every row is one class alone, number 1",
            "replaced by a constant",
        )
    }
)


def test_faults_are_found_before_the_teachers_are_fitted(small, counted):
    for params in ({"temperature": 2}, {"validation_fraction": 0.2}):
        with pytest.raises(ValueError, match="DecisionTree"):
            small.fit_unfitted(teachers=[counted()], student=TREE, **params)
    assert counted.fits == 0


def test_fits_without_warnings(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in MODELS.values():
            small.fit(student=model).predict(small.X)
            small.fit_stub(X=small.frame, student=model).predict(small.frame)
