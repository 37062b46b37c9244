"""Who is a teacher, by what name, and whether it is fitted already."""

from types import SimpleNamespace

import joblib
import lightgbm
import numpy as np
import pytest
import torch
import xgboost
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError
from skorch import NeuralNetClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.pooling import MeanPool, StackedPool
from sk_ekd.teachers._open import known_classes, name_teachers
from tests.errors import check_errors
from tests.teachers.kinds import (
    CLASSES,
    UNFITTED,
    Recorder,
    Remote,
    ask,
    distill,
    every_teacher,
    small_net,
)

# --- Names --------------------------------------------------------------------------


def test_teachers_are_named_by_class_and_keep_their_order():
    teachers = [SVC(), GaussianNB(), SVC()]
    named = name_teachers(teachers)
    assert list(named) == ["svc-1", "gaussiannb", "svc-2"]
    assert all(a is b for a, b in zip(named.values(), teachers, strict=True))


def test_callers_names_are_kept():
    assert list(name_teachers([("b", SVC()), ("a", SVC()), SVC()])) == ["b", "a", "svc"]


def test_tuple_of_two_teachers_is_no_pair():
    assert list(name_teachers((SVC(), GaussianNB()))) == ["svc", "gaussiannb"]


@pytest.mark.parametrize(
    "teachers",
    [
        [("svc", SVC()), ("svc", GaussianNB())],
        [("svc", SVC()), SVC()],
        [("svc-1", SVC()), SVC(), SVC()],
        [SVC(), SVC(), ("svc-1", SVC())],
    ],
)
def test_name_that_stands_twice_is_an_error_that_shows_it(teachers):
    twice = "svc-1" if len(teachers) == 3 else "svc"
    with pytest.raises(ValueError, match=f"must be unique, got '{twice}' twice"):
        name_teachers(teachers)


@pytest.mark.parametrize(
    ("teachers", "error", "words"),
    [
        (SVC(), TypeError, "must be a list of classifiers"),
        ({"svc": SVC()}, TypeError, "must be a list"),
        ([], ValueError, "`teachers` is empty"),
        ([SVC], TypeError, "pass an instance"),
        ([StandardScaler()], TypeError, "'standardscaler' must be a classifier"),
        ([(1, SVC())], TypeError, "name must be a string, got 1"),
    ],
)
def test_what_is_no_list_of_classifiers_is_an_error(teachers, error, words):
    with pytest.raises(error, match=words):
        name_teachers(teachers)


# --- Who is a teacher ---------------------------------------------------------------


def test_known_classes_are_the_teachers_own(fitted_teachers):
    for name, classes in known_classes(fitted_teachers).items():
        assert_array_equal(classes, CLASSES, err_msg=name)


@every_teacher
def test_unfitted_teacher_is_an_error_that_names_it(name):
    with pytest.raises(NotFittedError, match=r"Teacher 'mine' is not fitted.*cv=5"):
        known_classes({"mine": clone(UNFITTED[name])})


def test_unfitted_frozen_teacher_is_an_error_that_names_it():
    with pytest.raises(NotFittedError, match="Teacher 'mine' is not fitted"):
        known_classes({"mine": FrozenEstimator(SVC())})


def test_regressor_is_an_error_that_names_it(blobs):
    with pytest.raises(TypeError, match=r"'ridge' has no `classes_`.*got Ridge"):
        known_classes({"ridge": Ridge().fit(*blobs)})


def test_teacher_of_many_labels_a_row_is_an_error_that_names_it(blobs):
    X, y = blobs
    tree = DecisionTreeClassifier().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="'tree' must predict one label a row"):
        known_classes({"tree": tree})


def test_model_from_elsewhere_is_taken_at_its_classes():
    assert_array_equal(known_classes({"m": Remote([2, 5])})["m"], [2, 5])


def test_model_from_elsewhere_may_have_a_fit_method():
    # scikit-learn's check_is_fitted wants tags of whatever has a `fit`
    class Trainable(Remote):
        def fit(self, X, y):
            raise AssertionError("a prefit teacher was fitted")

    model = Trainable([2, 5])
    assert_array_equal(known_classes({"m": model})["m"], [2, 5])


def booster_of(library):
    """Return what a library's own training function makes."""
    X, y = np.random.RandomState(0).randn(40, 3), np.arange(40) % 3
    if library == "xgboost":
        params = {"objective": "multi:softprob", "num_class": 3}
        return xgboost.train(params, xgboost.DMatrix(X, y), 2)
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    return lightgbm.train(params, lightgbm.Dataset(X, y), 2)


class Pipeline:
    """The pipeline of transformers, which has a `predict`, and is called."""

    __module__ = "transformers.pipelines.base"

    def predict(self, X):
        raise AssertionError("asked, although it is no classifier")

    def __call__(self, X):
        raise AssertionError("asked, although it is no classifier")


STRANGERS = {
    "module": (lambda: torch.nn.Linear(3, 3), "skorch.NeuralNetClassifier(module,"),
    "sequential": (
        lambda: torch.nn.Sequential(torch.nn.Linear(3, 3)),
        "skorch.NeuralNetClassifier(module,",
    ),
    "xgboost": (lambda: booster_of("xgboost"), "model = xgboost.XGBClassifier()"),
    "lightgbm": (lambda: booster_of("lightgbm"), "booster.predict(X)[:, None]"),
    "transformers": (Pipeline, "teacher_proba=array"),
    "function": (lambda: lambda X: X, "a class with `classes_` and predict_proba"),
}


@pytest.mark.parametrize("cv", ["prefit", 3])
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("kind", STRANGERS)
def test_model_that_is_no_classifier_is_shown_the_way_in(small, kind, bare, cv):
    make, way = STRANGERS[kind]
    teachers = make() if bare else [("mine", make())]
    with pytest.raises((TypeError, ValueError)) as caught:
        small.fit(teachers=teachers, cv=cv)
    assert "Shortest way in" in str(caught.value)
    assert way in str(caught.value)
    assert bare or "'mine'" in str(caught.value)


def test_ways_in_lead_in(small, tmp_path):
    X, y = small.X, small.y
    module = torch.nn.Linear(4, 3)
    net = NeuralNetClassifier(
        module, criterion=torch.nn.CrossEntropyLoss, classes=["a", "b", "c"]
    ).initialize()
    words = np.array(["a", "b", "c"])[y]
    distiller = small.fit(teachers=[net], y=words)
    expected = torch.softmax(module(torch.tensor(X)), dim=1).detach().numpy()
    assert_allclose(ask(net, X, ["a", "b", "c"]), expected, atol=1e-6)
    assert_array_equal(distiller.classes_, ["a", "b", "c"])
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, y), 2
    )
    booster.save_model(tmp_path / "booster.json")
    model = xgboost.XGBClassifier()
    model.load_model(tmp_path / "booster.json")
    assert_allclose(ask(model, X), booster.predict(xgboost.DMatrix(X)), atol=1e-6)
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    booster = lightgbm.train(params, lightgbm.Dataset(X, y), 2)
    proba = booster.predict(X)[:, None]
    small.fit(teachers=None, teacher_proba=proba)


# --- Fitted teachers ----------------------------------------------------------------


def test_fitted_teachers_are_not_changed(fitted_teachers, blobs, partly):
    # those that no answer changes: a k-d tree counts its calls
    names = ["forest", "boosting", "svc", "linear_svc", "ridge", "votes"]
    before = {name: joblib.hash(fitted_teachers[name]) for name in names}
    distill([fitted_teachers[name] for name in names], blobs[0], partly).predict(
        blobs[0]
    )
    assert {name: joblib.hash(fitted_teachers[name]) for name in names} == before


def test_fitted_teachers_survive_clone_and_search(blobs, partly, log):
    X, y = blobs
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distiller = EnsembleDistiller([("tree", teacher)], small_net(), weighting="uniform")
    twin = clone(distiller)
    assert twin.teachers[0][1] is teacher
    assert twin.student is not distiller.student
    search = GridSearchCV(twin, {"alpha": [0.1, 0.9]}, cv=2, error_score="raise")
    search.fit(X, y)
    assert search.best_estimator_.teachers_[0] is teacher
    assert {call for call, _, _ in log} == {"predict_proba"}


# --- Through the distiller ----------------------------------------------------------


def test_pipeline_around_an_ensemble_is_one_teacher(world):
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3))
    distiller = world.distill(teachers=pipeline.fit(world.X, world.truth))
    assert distiller.teachers_ == [pipeline]


def test_teacher_that_can_answer_only_once_fitted_is_a_teacher(world):
    # a StackingClassifier has no predict_proba before fit
    stacking = StackingClassifier([("nb", GaussianNB())], cv=2)
    distiller = world.distill(teachers=[stacking], cv=2)
    assert hasattr(distiller.teachers_[0], "final_estimator_")


@pytest.mark.parametrize(
    "wrap",
    [
        make_pipeline,
        lambda frozen: VotingClassifier([("frozen", frozen)], voting="soft"),
        lambda frozen: make_pipeline(StandardScaler(), make_pipeline(frozen)),
    ],
)
def test_frozen_teacher_in_another_is_not_taken_for_honest(world, wrap):
    seen = DecisionTreeClassifier(random_state=0).fit(world.X, world.truth)
    teachers = [wrap(FrozenEstimator(seen)), GaussianNB()]
    assert isinstance(world.distill(teachers=teachers, cv=3).pool_, MeanPool)


def test_frozen_scaler_does_not_matter(world):
    scaler = FrozenEstimator(StandardScaler().fit(world.X))
    found = world.distill(teachers=[make_pipeline(scaler, GaussianNB())], cv=3)
    assert isinstance(found.pool_, StackedPool)


# --- Errors -------------------------------------------------------------------------


def many_outputs(world):
    """Return a forest that predicts two labels a row, of 3 and of 2 classes."""
    y = np.column_stack([world.y, world.y > 0])
    return RandomForestClassifier(2, random_state=0).fit(world.X, y)


test_what_is_no_teacher_is_an_error = check_errors(
    {
        "unfitted teacher": (
            lambda w: w.fit(teachers=[*w.teachers, ("novice", GaussianNB())]),
            NotFittedError,
            "Teacher 'novice' is not fitted",
            "fit it first, or set cv=5",
        ),
        "no teachers": (
            lambda w: w.fit(teachers=[]),
            ValueError,
            "`teachers` is empty",
            "pass at least one classifier",
        ),
        "bare teacher to be fitted": (
            lambda w: w.fit(teachers=GaussianNB(), cv=5),
            ValueError,
            "cv=5 fits a list of teachers, got a bare GaussianNB",
            "pass [GaussianNB(...)]",
        ),
        "teachers in a dict": (
            lambda w: w.fit(teachers={"bayes": w.teachers[0]}),
            TypeError,
            "`teachers` must be a list of classifiers, of (name, classifier), or a",
            "got a dict: pass list(teachers.items())",
        ),
        "teacher's class": (
            lambda w: w.fit(teachers=[GaussianNB]),
            TypeError,
            "<class 'sklearn.naive_bayes.GaussianNB'>, a class: pass an instance",
            "must be a classifier, got <class",
        ),
        "named teacher's class": (
            lambda w: w.fit_unfitted(teachers=[("bayes", GaussianNB)]),
            TypeError,
            "Teacher 'bayes' must be a classifier",
            "pass an instance",
        ),
        "fitted regressor": (
            lambda w: w.fit(teachers=[LinearRegression().fit(w.X, w.y)]),
            TypeError,
            "Teacher 'linearregression' is a regressor",
            "expected a classifier, got LinearRegression",
        ),
        "unfitted regressor": (
            lambda w: w.fit_unfitted(teachers=[LinearRegression()]),
            TypeError,
            "Teacher 'linearregression' is a regressor",
            "expected a classifier, got LinearRegression",
        ),
        "unfitted regressor and strings": (
            lambda w: w.fit_unfitted(teachers=[LinearRegression()], y=w.words),
            TypeError,
            "Teacher 'linearregression' is a regressor",
            "expected a classifier, got LinearRegression",
        ),
        "transformer": (
            lambda w: w.fit(teachers=[StandardScaler().fit(w.X)]),
            TypeError,
            "Teacher 'standardscaler' must be a classifier, got StandardScaler()",
            "which has no predict_proba",
        ),
        "no way to ask the teacher": (
            lambda w: w.fit(
                teachers=[("mute", SimpleNamespace(classes_=np.arange(3)))]
            ),
            TypeError,
            "Teacher 'mute' must be a classifier",
            "has no predict_proba, decision_function or predict",
        ),
        "teacher without classes_": (
            lambda w: w.fit(teachers=[("plain", SimpleNamespace(predict=np.ravel))]),
            TypeError,
            "Teacher 'plain' has no `classes_`",
            "expected a fitted classifier",
        ),
        "teacher of many outputs": (
            lambda w: w.fit(teachers=[("grove", many_outputs(w))]),
            ValueError,
            "Teacher 'grove'",
            "must predict one label a row",
        ),
        "same name twice": (
            lambda w: w.fit(teachers=[("twin", teacher) for teacher in w.teachers]),
            ValueError,
            "got 'twin' twice",
            "names must be unique",
        ),
        "name is a number": (
            lambda w: w.fit(teachers=[(7, w.teachers[0])]),
            TypeError,
            "got 7",
            "name must be a string",
        ),
        "name after the teacher": (
            lambda w: w.fit(teachers=[(w.teachers[0], "bayes")]),
            TypeError,
            "got GaussianNB()",
            "name must be a string",
        ),
        "cv misspelled": (
            lambda w: w.fit(cv="pre-fit"),
            InvalidParameterError,
            "Got 'pre-fit'",
            "'cv' parameter of EnsembleDistiller must be",
        ),
        "neither teachers nor answers": (
            lambda w: w.distiller(teachers=None).fit(w.X, w.partly),
            ValueError,
            "`teachers` is None",
            "fit(X, y, teacher_proba=...)",
        ),
        "unfitted pipeline": (
            lambda w: w.fit(teachers=make_pipeline(StandardScaler(), GaussianNB())),
            NotFittedError,
            "Teacher 'pipeline' is not fitted",
            "fit it first",
        ),
        "forest to be fitted": (
            lambda w: w.fit(teachers=RandomForestClassifier(), cv=3),
            ValueError,
            "cv=3 fits a list of teachers, got a bare RandomForestClassifier",
            "pass [RandomForestClassifier(...)]",
        ),
        "regressor": (
            lambda w: w.fit(teachers=LinearRegression().fit(w.X, w.y)),
            TypeError,
            "Teacher 'linearregression' is a regressor",
            "expected a classifier",
        ),
        "class of a forest": (
            lambda w: w.fit(teachers=RandomForestClassifier),
            TypeError,
            "got <class 'sklearn.ensemble._forest.RandomForestClassifier'>",
            "`teachers` must be a list of classifiers",
        ),
    }
)


def test_class_in_the_place_of_a_teacher_is_called_by_its_name():
    with pytest.raises(TypeError, match=r"'gaussiannb' must be .* pass an instance"):
        name_teachers([GaussianNB])
