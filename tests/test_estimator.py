"""scikit-learn's own checks, and its tools around the distiller."""

import re
import warnings

import numpy as np
import pytest
import sklearn
from catboost import CatBoostClassifier
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
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
    ShuffleSplit,
    cross_val_predict,
    cross_val_score,
    permutation_test_score,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.pooling import CalibratedPool
from sk_ekd.weighting import UnifiedWeighting
from tests.errors import check_errors, check_warnings
from tests.worlds import CountingNB, make_net

CAT = CatBoostClassifier(cat_features=[0])  # a list that it copies

OTHER_ROWS = (
    "a repeated row and a row of weight two meet other rows in the shuffled "
    "minibatches of a net and the folds of the teachers; test_data.py tests both in "
    "full batches, test_weighted.py for other students"
)
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": OTHER_ROWS,
    "check_sample_weight_equivalence_on_sparse_data": OTHER_ROWS,
}
MARK_IS_A_CLASS = {
    "check_classifiers_classes": "uses -1 as a class, which is the mark of an unknown "
    "label by default; passes with unlabeled_label=None",
}


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
        EnsembleDistiller(
            [RandomForestClassifier(10), DecisionTreeClassifier()],
            DecisionTreeClassifier(max_depth=2),
            cv=2,
        ),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.usefixtures("short_training")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_sparse_rows_are_not_for_synthetic_ones():
    teacher = LogisticRegression()  # scikit-learn 1.6 says of none that it takes them
    distiller = EnsembleDistiller([teacher], cv=2)
    takes_sparse = get_tags(teacher).input_tags.sparse
    assert get_tags(distiller).input_tags.sparse == takes_sparse
    assert not get_tags(distiller.set_params(synthetic=1)).input_tags.sparse


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


@pytest.mark.parametrize(
    "teachers", [[("cat", CAT), SVC()], [("cat", make_pipeline(CAT))]]
)
def test_clone_names_the_teacher_that_cannot_be_cloned(teachers):
    with pytest.raises(ValueError, match=r"Teacher 'cat' .*pass a tuple"):
        clone(EnsembleDistiller(teachers, cv=5))
    search = GridSearchCV(EnsembleDistiller(teachers, cv=5), {"alpha": [0.1, 0.9]})
    with pytest.raises(ValueError, match=r"Teacher 'cat' .*pass a tuple"):
        search.fit(np.eye(6), [0, 1] * 3)


def test_clone_leaves_other_errors_alone():
    distiller = EnsembleDistiller([SVC()], cv=5, weighting=Weighting([0.5]))
    with pytest.raises(RuntimeError, match="modifies parameter powers"):
        clone(distiller)


class Weighting(BaseEstimator):
    """A weighting that changes what it is given."""

    def __init__(self, powers):
        self.powers = list(powers)


def test_teachers_passed_with_cv_are_never_fitted_themselves(data):
    X, _, y, _ = data
    teacher = GaussianNB()
    distiller = EnsembleDistiller([teacher], make_net(), cv=3).fit(X, y)
    assert not hasattr(teacher, "classes_")
    assert hasattr(distiller.teachers_[0], "classes_")


# --- Where scikit-learn takes -1 for a class ----------------------------------------


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
            "teacher_features": None,
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


# --- Looking at it ------------------------------------------------------------------


def test_html_shows_teachers_side_by_side_and_the_student_under_them(world):
    student = make_net()
    html = EnsembleDistiller(
        [("bayes", GaussianNB()), ("svm", SVC())], student
    )._repr_html_()
    parts = ["EnsembleDistiller", "bayes", "svm", "student", "NeuralNetClassifier"]
    body = html[html.index("sk-text-repr-fallback") :]
    positions = [body.index(part) for part in parts]
    assert positions[0] < min(positions[1:])
    assert html.count("sk-parallel-item") >= 3


@pytest.mark.parametrize("teachers", [None, "forest", [SVC], 3, []])
def test_html_of_what_fit_would_refuse(teachers):
    assert "EnsembleDistiller" in EnsembleDistiller(teachers)._repr_html_()


def test_html_of_many_teachers_stays_short(world):
    forest = RandomForestClassifier(40, max_depth=3).fit(world.X, world.truth)
    html = world.distill(teachers=forest)._repr_html_()
    assert html.count("sk-parallel-item") < 20
    assert "38 more" in html
    assert "DecisionTreeClassifier" in html
    assert "<pre>Member" not in html


def test_html_of_a_student_that_is_a_class():
    assert (
        "EnsembleDistiller"
        in EnsembleDistiller([GaussianNB()], NeuralNetClassifier)._repr_html_()
    )


# --- Parameters ---------------------------------------------------------------------


def test_parameters_are_stored_as_they_are(world):
    net, weighting = make_net(), UnifiedWeighting()
    distiller = EnsembleDistiller(world.teachers, net, weighting=weighting)
    distiller.fit(world.X, world.y)
    assert distiller.teachers is world.teachers
    assert distiller.student is net
    assert distiller.weighting is weighting


def test_search_over_a_bare_teacher_leaves_it_as_it_was(world):
    teacher = KNeighborsClassifier(5).fit(world.X, world.truth)
    distiller = EnsembleDistiller(teacher, make_net())
    assert not any(name.startswith("teachers__") for name in distiller.get_params())
    with pytest.raises(ValueError, match="would change a teacher that is fitted"):
        clone(distiller).set_params(teachers__n_neighbors=1)
    assert teacher.n_neighbors == 5


def test_parameters_of_the_pool_are_those_of_the_distiller(world):
    distiller = EnsembleDistiller(world.teachers, pooling=CalibratedPool())
    assert clone(distiller.set_params(pooling__ridge=3.0)).pooling.ridge == 3.0


# --- Errors and warnings ------------------------------------------------------------


test_parameter_of_a_fitted_teacher_is_an_error = check_errors(
    {
        "parameter of a fitted teacher": (
            lambda w: w.distiller(teachers=w.teachers[0]).set_params(
                teachers__var_smoothing=1
            ),
            ValueError,
            "'teachers__var_smoothing' would change a teacher that is fitted",
            "set `teachers`",
        ),
    }
)


test_mark_in_a_test_part_is_warned_of_once = check_warnings(
    {
        "unlabeled rows in a test part": (
            lambda w: cross_val_score(
                w.distiller(), w.X, w.partly, cv=ShuffleSplit(1, random_state=0)
            ),
            UserWarning,
            "takes -1, the mark of an unknown label, for a class",
            "SemiSupervisedSplit",
        ),
    }
)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("student__net__lr", "student=sk_ekd.students.default_student(X)"),
        ("weighting__teacher", "weighting=sk_ekd.weighting.UnifiedWeighting()"),
        ("pooling__ridge", "pooling=sk_ekd.pooling.CalibratedPool()"),
        ("cv__n_splits", "cv=an estimator"),
    ],
)
def test_nested_parameter_without_an_object_says_which_to_pass(name, cure):
    with pytest.raises(ValueError, match=re.escape(cure)):
        EnsembleDistiller([SVC()]).set_params(**{name: 1})


def test_nested_parameter_may_come_with_its_object():
    distiller = EnsembleDistiller([SVC()])
    distiller.set_params(weighting=UnifiedWeighting(), weighting__teacher="uniform")
    assert distiller.weighting.teacher == "uniform"


def test_search_is_warned_of_the_mark_once():
    X, y = make_classification(60, random_state=0)
    y[::2] = -1
    teacher = GaussianNB().fit(X[1::2], y[1::2])
    distiller = EnsembleDistiller(
        [teacher], make_net(max_epochs=1), weighting="uniform"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):  # two searches, of which each is told once
            GridSearchCV(distiller, {"alpha": [0.2, 0.8]}, cv=3).fit(X, y.copy())
    told = [w for w in caught if "takes -1, the mark" in str(w.message)]
    assert len(told) == 2
