"""scikit-learn's own checks, and its tools around the distiller."""

import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    cross_val_predict,
    cross_val_score,
    permutation_test_score,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetClassifier
from torch import nn
from torch.optim import Adam

from sk_ekd import EnsembleDistiller, UnifiedWeighting
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import MLP

MINIBATCHES = (
    "the student is trained on shuffled minibatches: a repeated row and a row of "
    "weight two meet other rows; test_distiller.py tests both in full batches"
)
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": MINIBATCHES,
    "check_sample_weight_equivalence_on_sparse_data": MINIBATCHES,
}
MARK_IS_A_CLASS = {
    "check_classifiers_classes": "uses -1 as a class, which is the mark of an unknown "
    "label by default; passes with unlabeled_label=None",
}


def make_net(**params):
    defaults = {"max_epochs": 3, "lr": 0.01, "optimizer": Adam, "verbose": 0}
    return NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        module__hidden=(16,),
        **{**defaults, **params},
    )


def expected_failures(estimator):
    if estimator.unlabeled_label is None:
        return EXPECTED_FAILURES
    return {**EXPECTED_FAILURES, **MARK_IS_A_CLASS}


@parametrize_with_checks(
    [
        EnsembleDistiller(
            [LogisticRegression(), DecisionTreeClassifier()],
            make_pipeline(StandardScaler(), make_net(max_epochs=40, batch_size=16)),
            cv=2,
        ),
        EnsembleDistiller(
            [RandomForestClassifier(10), DecisionTreeClassifier()],
            cv=2,
            unlabeled_label=None,
        ),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class CountingNB(GaussianNB):
    """A teacher that counts its fits and the rows that it is asked for."""

    fits = 0
    rows = 0

    def fit(self, X, y, sample_weight=None):
        CountingNB.fits += 1
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        CountingNB.rows += len(X)
        return super().predict_proba(X)


@pytest.fixture(scope="module")
def data():
    X, truth = make_classification(
        300, n_features=5, n_informative=4, n_redundant=0, class_sep=2, random_state=0
    )
    y = np.where(np.arange(300) % 4, -1, truth)
    # unlabeled rows always train; labeled rows are tested in one of two folds
    fold = np.where(y < 0, -1, np.arange(300) // 4 % 2)
    return X, truth, y, PredefinedSplit(fold)


@pytest.fixture
def teachers(data):
    X, truth, *_ = data
    fitted = [CountingNB().fit(X, truth), LogisticRegression().fit(X, truth)]
    CountingNB.fits = CountingNB.rows = 0
    return fitted


GRID = {
    "alpha": [0.2, 0.8],
    "temperature": [1.0, 2.0],
    "weighting": ["uniform", UnifiedWeighting(unlabeled="uniform")],
    "student__lr": [0.001, 0.01],
}


def search(estimator, grid, data, **params):
    X, _, y, cv = data
    return GridSearchCV(estimator, grid, cv=cv, error_score="raise", **params).fit(X, y)


def test_grid_search_keeps_the_very_teachers_and_never_refits_them(data, teachers):
    distiller = EnsembleDistiller(teachers, make_net(), random_state=0)
    found = search(distiller, GRID, data)
    best = found.best_estimator_
    assert best.teachers is teachers
    assert all(a is b for a, b in zip(best.teachers_, teachers, strict=True))
    assert CountingNB.fits == 0
    assert len(found.cv_results_["params"]) == 16
    assert found.cv_results_["mean_test_score"].std() > 0


def test_grid_search_inside_a_pipeline(data, teachers):
    X, truth, _, _ = data
    scaled = [LogisticRegression().fit(StandardScaler().fit_transform(X), truth)]
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("distill", EnsembleDistiller(scaled, make_net(), random_state=0)),
        ]
    )
    grid = {f"distill__{name}": values[:2] for name, values in GRID.items()}
    found = search(pipeline, grid, data)
    assert found.best_estimator_["distill"].teachers[0] is scaled[0]
    assert hasattr(scaled[0], "coef_")
    assert 0.5 < found.best_score_ <= 1


def test_grid_search_is_reproducible_with_two_jobs(data, teachers):
    grid = {"alpha": [0.2, 0.8], "student__lr": [0.001, 0.01]}
    distiller = EnsembleDistiller(teachers, make_net(), random_state=0)
    alone = search(distiller, grid, data)
    two = search(distiller, grid, data, n_jobs=2)
    assert_array_equal(
        alone.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    assert two.best_estimator_.teachers is teachers
    assert CountingNB.fits == 0


def test_grid_over_the_switches_of_the_weighting(data, teachers):
    distiller = EnsembleDistiller(
        teachers, make_net(), weighting=UnifiedWeighting(), random_state=0
    )
    grid = {
        f"weighting__{switch}": [on, "uniform"]
        for switch, on in [
            ("teacher", "correctness"),
            ("labeled", "correctness"),
            ("unlabeled", "disagreement"),
        ]
    }
    assert len(search(distiller, grid, data).cv_results_["params"]) == 8


def test_grid_over_teachers_takes_frozen_ones(data, teachers):
    frozen = [FrozenEstimator(teacher) for teacher in teachers]
    grid = {"teachers": [frozen[:1], frozen]}
    found = search(EnsembleDistiller(teachers, make_net()), grid, data)
    assert CountingNB.fits == 0
    assert found.best_params_["teachers"][0].estimator is teachers[0]


def test_each_fit_asks_each_teacher_once_a_row(data, teachers):
    X, _, y, _ = data
    EnsembleDistiller(teachers, make_net()).fit(X, y).predict(X)
    assert CountingNB.rows == len(X)


def test_clone_keeps_fitted_teachers_and_unfits_the_rest(data, teachers):
    X, _, y, _ = data
    distiller = EnsembleDistiller(
        teachers, make_net(), weighting=UnifiedWeighting(), alpha=0.3
    ).fit(X, y)
    twin = clone(distiller)
    assert twin.teachers is teachers
    assert twin.alpha == 0.3
    assert twin.student is not distiller.student
    assert twin.weighting is not distiller.weighting
    assert not hasattr(twin, "classes_")
    assert clone(twin).teachers is teachers


def test_clone_unfits_teachers_that_are_fitted_here(data):
    X, truth, *_ = data
    teacher = GaussianNB().fit(X, truth)
    twin = clone(EnsembleDistiller([teacher], cv=3))
    assert twin.teachers[0] is not teacher
    assert not hasattr(twin.teachers[0], "classes_")


def test_teachers_passed_with_cv_are_never_fitted_themselves(data):
    X, _, y, _ = data
    teacher = GaussianNB()
    distiller = EnsembleDistiller([teacher], make_net(), cv=3).fit(X, y)
    assert not hasattr(teacher, "classes_")
    assert hasattr(distiller.teachers_[0], "classes_")


# --- Where scikit-learn takes -1 for a class ------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda d, X, y: cross_val_score(d, X, y, cv=2, scoring="accuracy"),
        lambda d, X, y: cross_val_predict(d, X, y, cv=2),
        lambda d, X, y: cross_val_predict(d, X, y, cv=2, method="predict_proba"),
        lambda d, X, y: permutation_test_score(d, X, y, cv=2, n_permutations=1),
        lambda d, X, y: GridSearchCV(d, {"alpha": [0.2]}, cv=2).fit(X, list(y)),
        lambda d, X, y: cross_val_score(make_pipeline(StandardScaler(), d), X, y, cv=2),
        lambda d, X, y: VotingClassifier([("d", d)]).fit(X, y),
        lambda d, X, y: StackingClassifier([("d", d)], cv=2).fit(X, y),
        lambda d, X, y: BaggingClassifier(d, n_estimators=2).fit(X, y),
        lambda d, X, y: CalibratedClassifierCV(d, cv=2).fit(X, y),
    ],
)
def test_mark_that_is_taken_for_a_class_is_told(data, use):
    X, _, y, _ = data
    distiller = EnsembleDistiller([GaussianNB()], make_net(), cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use(distiller, X, y)
    assert any("SemiSupervisedSplit" in str(w.message) for w in caught)


@pytest.mark.parametrize(
    "use",
    [
        lambda d, X, y, cv: cross_val_score(d, X, np.where(y < 0, 0, y), cv=2),
        lambda d, X, y, cv: cross_val_score(d, X, y, cv=cv),
        lambda d, X, y, cv: GridSearchCV(d, {"alpha": [0.2]}, cv=cv).fit(X, y),
        lambda d, X, y, cv: VotingClassifier([("d", d)]).fit(X[y >= 0], y[y >= 0]),
        lambda d, X, y, cv: cross_val_score(
            MultiOutputClassifier(d), X, np.c_[y, y] * 0 + [[0, 1]] * (y[:, None] > 0)
            + (np.arange(len(y))[:, None] % 2), cv=2, error_score="raise",
        ),
        lambda d, X, y, cv: d.fit(X, y),
    ],
)  # fmt: skip
def test_mark_that_is_understood_is_not_told(data, use):
    X, _, y, _ = data
    distiller = EnsembleDistiller([GaussianNB()], make_net(), cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use(distiller, X, y, SemiSupervisedSplit(2))
    assert not any("SemiSupervisedSplit" in str(w.message) for w in caught)


def test_metadata_request_survives_clone(data, teachers):
    X, _, y, cv = data
    with sklearn.config_context(enable_metadata_routing=True):
        distiller = EnsembleDistiller(teachers, make_net(), random_state=0)
        distiller.set_fit_request(sample_weight=True)
        distiller.set_score_request(sample_weight=True)
        assert clone(distiller).get_metadata_routing().fit.requests == {
            "sample_weight": True,
            "teacher_proba": None,
        }
        scores = cross_val_score(
            distiller, X, y, cv=cv, params={"sample_weight": np.ones(len(y))}
        )
    assert_array_equal(scores, cross_val_score(distiller, X, y, cv=cv))


def test_nested_parameters_are_listed(teachers):
    params = EnsembleDistiller(
        teachers, make_net(), weighting=UnifiedWeighting()
    ).get_params()
    assert {"alpha", "student__lr", "student__module__hidden"} <= set(params)
    assert {"weighting__teacher", "weighting__unlabeled"} <= set(params)
