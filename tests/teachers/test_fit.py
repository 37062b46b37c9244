"""Teachers that are fitted here: on labeled rows, and asked out of fold."""

import os
import pickle
import re
import signal

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError
from skorch import NeuralNetBinaryClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.inspection import distillation_report
from sk_ekd.teachers._fit import fit_teachers
from sk_ekd.teachers._open import known_classes
from sk_ekd.teachers._predict import stack_proba
from tests.errors import check_errors, text_of
from tests.teachers.kinds import (
    CLASSES,
    LETTERS,
    UNFITTED,
    Recorder,
    Watch,
    ask,
    distill,
    every_teacher,
    small_net,
)
from tests.worlds import OneLogit, linear_net, stub

CAT = CatBoostClassifier(cat_features=[0])

# --- Out of fold --------------------------------------------------------------------


def test_unfitted_teachers_are_cloned(blobs, partly):
    teacher = DecisionTreeClassifier(max_depth=2, random_state=0)
    distiller = EnsembleDistiller([teacher], small_net(), cv=2, weighting="uniform")
    twin = clone(distiller)
    assert twin.teachers[0] is not teacher
    assert twin.teachers[0].max_depth == 2
    distiller.fit(blobs[0], partly)
    assert not hasattr(teacher, "classes_")
    assert distiller.teachers_[0] is not teacher


@every_teacher
def test_every_teacher_fits_out_of_fold(blobs, name):
    X, y = blobs
    teacher = clone(UNFITTED[name])
    refitted, proba = fit_teachers({name: teacher}, X, y, CLASSES, StratifiedKFold(3))
    assert proba.shape == (90, 1, 3)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_array_equal(known_classes(refitted)[name], CLASSES)
    with pytest.raises(NotFittedError):  # clones were fitted, not the caller's
        known_classes({name: teacher})


@pytest.mark.parametrize(
    "teacher",
    [
        KNeighborsClassifier(1),
        RandomForestClassifier(5, random_state=3),
        LogisticRegression(),
    ],
)
@pytest.mark.parametrize(
    "cv", [StratifiedKFold(3), KFold(4, shuffle=True, random_state=0)]
)
def test_out_of_fold_answers_are_those_of_cross_val_predict(blobs, teacher, cv):
    X, y = blobs
    _, proba = fit_teachers({"t": teacher}, X, y, CLASSES, cv)
    expected = cross_val_predict(teacher, X, y, cv=cv, method="predict_proba")
    assert_allclose(proba[:, 0], expected, atol=1e-6)


def test_teacher_that_memorizes_is_perfect_in_sample_and_honest_out_of_fold(blobs):
    X, y = blobs
    refitted, proba = fit_teachers(
        {"nearest": KNeighborsClassifier(1)}, X, y, CLASSES, StratifiedKFold(3)
    )
    assert_array_equal(ask(refitted["nearest"], X).argmax(axis=1), y)
    assert (proba[:, 0].argmax(axis=1) == y).mean() < 0.95


def test_labeled_rows_are_answered_out_of_fold_and_others_by_the_refit(blobs, partly):
    X, y = blobs
    labeled = partly >= 0
    teacher, watch = KNeighborsClassifier(1), Watch()
    distiller = distill([teacher], X, partly, cv=3, pooling="mean", weighting=watch)
    answer = {}  # of a row, by its values
    for rows in watch.rows:
        answer |= zip(map(bytes, rows.X), rows.proba[:, 0], strict=True)
    answer = np.array([answer[bytes(x)] for x in X])
    out_of_fold = cross_val_predict(
        teacher, X[labeled], y[labeled], cv=3, method="predict_proba"
    )
    refit = teacher.fit(X[labeled], y[labeled])
    assert_array_equal(answer[labeled], out_of_fold)
    assert_array_equal(answer[~labeled], refit.predict_proba(X[~labeled]))
    accuracy = accuracy_score(y[labeled], out_of_fold.argmax(axis=1))
    assert_allclose(distiller.teacher_accuracy_, accuracy)
    assert_array_equal(distiller.teachers_[0].predict(X), refit.predict(X))


def test_only_labeled_rows_are_fitted_on_and_the_refit_takes_them_all(
    blobs, partly, log
):
    X, labeled = blobs[0], partly >= 0
    distill([Recorder(max_depth=3)], X, partly, cv=3)
    fits = [rows for call, rows, _ in log if call == "fit"]
    assert [len(rows) for rows in fits] == [40, 40, 40, 60]
    assert_array_equal(fits[-1], X[labeled])


def test_each_row_is_answered_once_out_of_fold(blobs, partly, log):
    distill([Recorder(max_depth=3)], blobs[0], partly, cv=3)
    asked = np.concatenate([rows for call, rows, _ in log if call == "predict_proba"])
    assert len(asked) == 90
    assert len(np.unique(asked, axis=0)) == 90


def test_teachers_are_fitted_on_the_labels_themselves(blobs):
    X, y = blobs
    refitted, _ = fit_teachers(
        {"cat": UNFITTED["catboost"], "tree": DecisionTreeClassifier()},
        X, y, LETTERS, StratifiedKFold(2),
    )  # fmt: skip
    for classes in known_classes(refitted).values():
        assert_array_equal(classes, LETTERS)


@pytest.mark.parametrize(
    "teacher",
    [
        RandomForestClassifier(3),
        BaggingClassifier(DecisionTreeClassifier(splitter="random"), 3),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(splitter="random")),
        VotingClassifier([("t", DecisionTreeClassifier(max_features=1))]),
        UNFITTED["skorch"],
    ],
    ids=["forest", "nested", "pipeline", "named", "skorch"],
)
def test_unseeded_teachers_are_reproducible(blobs, partly, teacher):
    # a skorch net has no random_state: it draws from torch's global generator
    once, again, other = (
        distill([teacher], blobs[0], partly, cv=2, random_state=seed)
        for seed in (0, 0, 1)
    )
    for a, b in zip(once.teachers_, again.teachers_, strict=True):
        assert_array_equal(ask(a, blobs[0]), ask(b, blobs[0]))
    assert_array_equal(once.predict_proba(blobs[0]), again.predict_proba(blobs[0]))
    assert (ask(once.teachers_[0], blobs[0]) != ask(other.teachers_[0], blobs[0])).any()


@pytest.mark.parametrize("cv", ["prefit", 2])
@pytest.mark.parametrize("name", ["forest", "skorch"])
def test_global_generators_are_untouched(blobs, partly, cv, name):
    # torch's DataLoader draws from it even where a fitted skorch net only answers
    teacher = clone(UNFITTED[name])
    if name == "forest":
        teacher.set_params(random_state=None)
    if cv == "prefit":
        teacher.fit(*blobs)
    generator = np.random.mtrand._rand  # what random_state=None draws from
    before = joblib.hash(generator.get_state()), torch.get_rng_state()
    distill([teacher], blobs[0], partly, cv=cv)
    assert joblib.hash(generator.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_seed_of_the_caller_is_kept(blobs):
    X, y = blobs
    forest = RandomForestClassifier(3, random_state=5)
    refitted, _ = fit_teachers(
        {"forest": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert refitted["forest"].random_state == 5
    assert_array_equal(ask(refitted["forest"], X), ask(clone(forest).fit(X, y), X))


def test_unseeded_teachers_of_one_kind_differ(blobs):
    X, y = blobs
    forest = RandomForestClassifier(3)
    refitted, proba = fit_teachers(
        {"a": forest, "b": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert (proba[:, 0] != proba[:, 1]).any()
    assert (ask(refitted["a"], X) != ask(refitted["b"], X)).any()
    assert forest.random_state is None


@pytest.mark.parametrize(
    "name", ["forest", "svc", "votes", "lightgbm", "catboost", "boosting", "pipeline"]
)
def test_class_that_a_fold_lacks_gets_a_zero_column_there(blobs, name):
    X, y = blobs
    y = np.where(y == 2, 1, y)
    y[:3] = 2  # all of them in the first test part
    _, proba = fit_teachers({name: UNFITTED[name]}, X, y, CLASSES, KFold(3))
    assert_array_equal(proba[:30, 0, 2], 0)
    assert (proba[30:, 0, 2] > 0).any() or name == "votes"
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["boosting", "lightgbm", "ridge", "pipeline"])
def test_train_part_of_a_single_class_is_an_error_that_says_so(blobs, name):
    # some teachers raise an error of their own, others answer in two columns
    X, y = blobs
    y = np.sort((y > 0).astype(int))  # the first 30 are 0
    with pytest.raises(ValueError, match=r"(one|single) class"):
        fit_teachers({name: UNFITTED[name]}, X, y, np.arange(2), KFold(3))


def test_sample_weight_reaches_the_teachers_that_take_it(blobs):
    X, y = blobs
    weight = np.random.RandomState(0).rand(90) + 0.1
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    neighbors = KNeighborsClassifier()
    refitted, proba = fit_teachers(
        {"tree": tree, "neighbors": neighbors},
        X, y, CLASSES, StratifiedKFold(3), sample_weight=weight,
    )  # fmt: skip
    for train, test in StratifiedKFold(3).split(X, y):
        part = clone(tree).fit(X[train], y[train], sample_weight=weight[train])
        assert_allclose(proba[test, 0], part.predict_proba(X[test]), atol=1e-6)
    whole = clone(tree).fit(X, y, sample_weight=weight)
    assert_array_equal(ask(refitted["tree"], X), ask(whole, X))
    unweighted = cross_val_predict(neighbors, X, y, cv=3, method="predict_proba")
    assert_allclose(proba[:, 1], unweighted, atol=1e-6)


def test_sample_weight_of_the_labeled_rows_reaches_the_teachers(blobs, partly, log):
    weight = np.linspace(0, 2, 90)  # the first row counts as removed
    EnsembleDistiller([Recorder(max_depth=2)], small_net(), cv=2).fit(
        blobs[0], partly, sample_weight=weight
    )
    fits = [given for call, _, given in log if call == "fit"]
    assert_array_equal(fits[-1], weight[(partly >= 0) & (weight > 0)])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_number_of_jobs_does_not_matter(blobs, backend):
    X, y = blobs
    teachers = {
        "tree": DecisionTreeClassifier(splitter="random"),
        "neighbors": KNeighborsClassifier(3),
    }
    options = {"random_state": 0, "sample_weight": np.linspace(1, 2, 90)}
    cv = StratifiedKFold(3)
    one, expected = fit_teachers(teachers, X, y, CLASSES, cv, **options)
    with joblib.parallel_config(backend=backend):
        two, proba = fit_teachers(teachers, X, y, CLASSES, cv, n_jobs=2, **options)
    assert_array_equal(proba, expected)
    assert list(two) == list(one) == list(teachers)
    assert_array_equal(stack_proba(two, X, CLASSES), stack_proba(one, X, CLASSES))


class TwoByTwo(KFold):
    """Two folds, each of them twice."""

    def split(self, X, y):
        return [*super().split(X, y)] * 2


@pytest.mark.parametrize(
    ("cv", "never", "often"),
    [(ShuffleSplit(1, test_size=30, random_state=0), 60, 0), (TwoByTwo(2), 0, 90)],
)
def test_splitter_that_is_no_partition_is_an_error(blobs, cv, never, often):
    words = f"tests {never} of 90 rows never and {often} more than once"
    with pytest.raises(ValueError, match=words):
        fit_teachers({"nb": GaussianNB()}, *blobs, CLASSES, cv)


def test_frozen_teacher_stays_as_it_is_out_of_fold(blobs, partly):
    # as in scikit-learn's StackingClassifier: one that never saw these rows
    X, y = blobs
    frozen = FrozenEstimator(DecisionTreeClassifier(max_depth=2).fit(X[::3], y[::3]))
    watch = Watch()
    distiller = distill(
        [("frozen", frozen), ("nb", GaussianNB())], X, partly, cv=2, weighting=watch
    )
    assert_array_equal(ask(distiller.teachers_[0], X), ask(frozen, X))
    labeled = partly >= 0
    accuracy = frozen.score(X[labeled], y[labeled])
    assert_allclose(distiller.teacher_accuracy_["frozen"], accuracy)


def test_classes_of_a_frozen_teacher_count_out_of_fold(blobs):
    X, y = blobs
    frozen = FrozenEstimator(GaussianNB().fit(X, y))
    partly = np.where(y < 2, y, -1)
    distiller = distill([frozen, DecisionTreeClassifier(max_depth=2)], X, partly, cv=2)
    assert_array_equal(distiller.classes_, [0, 1, 2])


@pytest.mark.parametrize("labels", [LETTERS, np.arange(3)])
def test_teacher_that_cannot_be_fitted_is_named(blobs, labels):
    X, y = blobs
    booster = clone(UNFITTED["xgboost"]).set_params(max_depth=-3)
    with pytest.raises(Exception, match=r"max_depth|Invalid classes") as caught:
        fit_teachers({"booster": booster}, X, y, labels, StratifiedKFold(2))
    assert "Teacher 'booster' could not be fitted" in text_of(caught.value)
    assert "max_depth" in text_of(caught.value)


def test_teacher_that_cannot_read_the_table_is_named_with_what_to_do():
    table = pd.DataFrame({"city": ["Rome", "Oslo"] * 6})
    labels = np.array(["stay", "leave"] * 6)
    with pytest.raises(ValueError, match="could not convert string") as caught:
        distill([GaussianNB()], table, labels, cv=2)
    (note,) = caught.value.__notes__  # the codes of the labels fail for the same reason
    assert note == (
        "Teacher 'gaussiannb' could not be fitted. If it cannot read `X`, which "
        "teachers get as it is, put an encoder or an imputer into a Pipeline with it."
    )


# --- Labels and rows that a teacher takes in another form only ------------------------


LABELS = {
    "strings": LETTERS,
    "from one": np.array([1, 2, 3]),
    "gaps": np.array([0, 3, 7]),
    "floats": np.array([1.0, 2.0, 4.0]),
}


def recode(teacher, labels, X, y, **params):
    """Distill a teacher fitted out of fold on labels -> the distiller."""
    return distill([("t", teacher)], X, labels[y], cv=3, unlabeled_label=None, **params)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("name", ["xgboost", "skorch"])
def test_labels_that_a_teacher_refuses_are_its_codes(blobs, name, labels):
    X, y = blobs
    plain = recode(UNFITTED[name], np.arange(3), X, y)
    distiller = recode(UNFITTED[name], labels, X, y)
    teacher = distiller.teachers_[0]
    assert_array_equal(teacher.classes_, labels)
    assert_array_equal(teacher.predict(X), labels[plain.teachers_[0].predict(X)])
    assert_array_equal(
        teacher.predict_proba(X), plain.teachers_[0].predict_proba(X).astype("f")
    )
    assert type(teacher.model) is type(plain.teachers_[0]) is type(UNFITTED[name])
    assert_array_equal(distiller.predict_proba(X), plain.predict_proba(X))
    assert_array_equal(distiller.teacher_weight_, plain.teacher_weight_)


def test_teacher_that_takes_the_labels_is_no_wrapper(blobs):
    X, y = blobs
    for name in ("xgboost", "skorch", "catboost", "forest"):
        distiller = recode(UNFITTED[name], np.arange(3), X, y)
        assert type(distiller.teachers_[0]) is type(UNFITTED[name])


@pytest.mark.parametrize("labels", [np.arange(3), LETTERS], ids=["codes", "strings"])
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(t)])
def test_booster_fits_a_fold_that_lacks_a_class(blobs, labels, wrap):
    X, y = blobs
    y = np.where(y == 2, 1, y)
    y[:3] = 1
    y[3:10] = 2
    order = np.argsort(y != 1, kind="stable")  # the first fold holds all of class 1
    X, y = X[order], np.where(y[order] == 1, 1, y[order])
    cv = [(np.arange(60, 90), np.arange(60)), (np.arange(60), np.arange(60, 90))]
    assert set(y[60:]) == {0, 2}
    booster = wrap(clone(UNFITTED["xgboost"]))
    refitted, proba = fit_teachers({"b": booster}, X, y, labels, Splits(cv))
    assert_array_equal(proba[:60, 0, 1], 0)
    assert (proba[:60, 0, 2] > 0).all()
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_array_equal(known_classes(refitted)["b"], labels)


class Splits:
    """A splitter of given pairs."""

    def __init__(self, pairs):
        self.pairs = pairs

    def split(self, X, y):
        return self.pairs


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["no", "yes"])])
def test_net_of_one_output_takes_labels_as_floats(blobs, labels):
    X, y = blobs
    y = np.minimum(y, 1)
    net = linear_net(OneLogit, NeuralNetBinaryClassifier, train_split=None)
    net.set_params(module__in_features=4, module__out_features=1)
    distiller = recode(net, labels, X, y)
    assert_array_equal(distiller.classes_, labels)
    assert set(distiller.teachers_[0].predict(X)) <= set(labels)


@pytest.mark.parametrize("labels", [np.arange(3), LETTERS])
def test_net_takes_float64_rows(blobs, labels):
    X, y = blobs
    single = recode(UNFITTED["skorch"], labels, X, y)
    double = recode(UNFITTED["skorch"], labels, X.astype(np.float64), y)
    teachers = single.teachers_[0], double.teachers_[0]
    assert_array_equal(double.teacher_weight_, single.teacher_weight_)
    expected = teachers[0].predict(X)
    assert_array_equal(teachers[1].predict(X.astype(np.float64)), expected)
    assert_array_equal(teachers[1].predict(X), expected)
    fitted = clone(UNFITTED["skorch"]).fit(X, y)
    assert_array_equal(ask(fitted, X.astype(np.float64)), ask(fitted, X))
    scaled = make_pipeline(StandardScaler(), UNFITTED["skorch"])
    recode(scaled, labels, X.astype(np.float64), y)


@pytest.mark.parametrize("name", ["xgboost", "skorch"])
def test_teacher_of_codes_is_as_good_as_any_other(blobs, name):
    X, y = blobs[0].astype(np.float64), LETTERS[blobs[1]]
    distiller = EnsembleDistiller([UNFITTED[name]], small_net(), cv=3, random_state=0)
    for chunk in (slice(0, 60), slice(60, 90)):
        distiller.partial_fit(X[chunk], y[chunk])
    twin = pickle.loads(pickle.dumps(distiller))
    assert_array_equal(twin.teachers_[0].predict(X), distiller.teachers_[0].predict(X))
    report = distillation_report(twin, X, y)
    assert report.iloc[0]["accuracy"] == (twin.teachers_[0].predict(X) == y).mean()
    assert report.iloc[0]["us_per_row"] > 0
    prefit = EnsembleDistiller(distiller.teachers_, small_net(), random_state=0)
    assert prefit.fit(X, y).teachers_[0] is distiller.teachers_[0]
    prefit._repr_html_()
    alone = SVC().fit(X, y)
    mixed = EnsembleDistiller([alone, distiller.teachers_[0]], small_net())
    assert_array_equal(mixed.fit(X, y).classes_, LETTERS)


def test_report_times_a_fitted_net_on_float64_rows(blobs):
    X, y = blobs
    net = clone(UNFITTED["skorch"]).fit(X, y)
    distiller = distill([("net", net)], X.astype(np.float64), y)
    report = distillation_report(distiller, X.astype(np.float64), y)
    assert report.loc["net", "us_per_row"] > 0


def test_failure_of_another_kind_is_not_tried_again(blobs):
    fits = []

    class Failing(GaussianNB):
        def fit(self, X, y):
            fits.append(y)
            raise ValueError("no licence")

    y = (blobs[1] > 0).astype(int)
    with pytest.raises(ValueError, match="no licence"):
        fit_teachers({"t": Failing()}, blobs[0], y, np.arange(2), KFold(3))
    assert len(fits) == 1


def test_failed_prediction_of_another_kind_is_not_tried_on_float32(blobs):
    class Failing(GaussianNB):
        calls = 0

        def predict_proba(self, X):
            Failing.calls += 1
            raise RuntimeError("no connection")

    with pytest.raises(RuntimeError, match="no connection"):
        ask(Failing().fit(*blobs), blobs[0].astype(np.float64))
    assert Failing.calls == 1


# --- Early stopping -----------------------------------------------------------------


STOPPING = {
    "xgboost": UNFITTED["xgboost"].__class__(early_stopping_rounds=3),
    "lightgbm": LGBMClassifier(early_stopping_rounds=3, verbose=-1),
    "lightgbm's alias": LGBMClassifier(n_iter_no_change=3, verbose=-1),
    "catboost": CatBoostClassifier(early_stopping_rounds=3, allow_writing_files=False),
    "catboost's alias": CatBoostClassifier(od_wait=3, allow_writing_files=False),
}


@pytest.mark.parametrize("labels", [np.arange(3), LETTERS], ids=["codes", "strings"])
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: make_pipeline(t)])
@pytest.mark.parametrize("name", STOPPING)
def test_early_stopping_without_rows_is_an_error_that_says_so(
    blobs, name, wrap, labels
):
    teachers = {"booster": wrap(STOPPING[name])}
    with pytest.raises(ValueError, match=r"'booster' is to stop early.*hold out rows"):
        fit_teachers(teachers, *blobs, labels, StratifiedKFold(3))


def test_early_stopping_on_rows_of_its_own_works(blobs):
    boosting = HistGradientBoostingClassifier(
        early_stopping=True, n_iter_no_change=2, learning_rate=1, random_state=0
    )
    refitted, _ = fit_teachers({"b": boosting}, *blobs, CLASSES, StratifiedKFold(3))
    assert refitted["b"].n_iter_ < 100


# --- Failures -----------------------------------------------------------------------


class Breaking(GaussianNB):
    """A teacher whose fit, or prediction, ends as `how` says."""

    def __init__(self, how=None, where="fit"):
        super().__init__()
        self.how = how
        self.where = where

    def fit(self, X, y, sample_weight=None):
        if self.where == "fit":
            self._break()
        return super().fit(X, y)

    def predict_proba(self, X):
        if self.where == "predict":
            self._break()
        return super().predict_proba(X)

    def _break(self):
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how is not None:
            raise self.how


@pytest.mark.parametrize("where", ["fit", "predict"])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize(
    ("how", "category", "words"),
    [
        (ZeroDivisionError("mine"), ZeroDivisionError, "mine"),
        (SystemExit(3), RuntimeError, r"raised SystemExit\(3\)"),
        (MemoryError("much"), MemoryError, "much"),
        (StopIteration(), RuntimeError, r"raised StopIteration\(\)"),
    ],
)
def test_whatever_a_teacher_raises_has_its_name(
    blobs, where, n_jobs, how, category, words
):
    X, y = blobs
    teachers = {"good": GaussianNB(), "bad": Breaking(how, where)}
    with (
        joblib.parallel_config(backend="threading"),
        pytest.raises(category, match=words) as caught,
    ):
        fit_teachers(teachers, X, y, LETTERS, StratifiedKFold(3), n_jobs=n_jobs)
    assert "'bad'" in text_of(caught.value)
    if where == "predict":
        fitted = {"good": GaussianNB().fit(X, y), "bad": Breaking(how, where).fit(X, y)}
        with pytest.raises(category, match=words) as caught:
            stack_proba(fitted, X, CLASSES, n_jobs=n_jobs)
        assert "Teacher 'bad' could not predict" in text_of(caught.value)


@pytest.mark.parametrize("where", ["fit", "predict"])
def test_interrupt_within_a_teacher_passes_untouched(blobs, where):
    teachers = {"t": Breaking(KeyboardInterrupt("mine"), where)}
    with pytest.raises(KeyboardInterrupt) as caught:
        fit_teachers(teachers, *blobs, CLASSES, StratifiedKFold(3))
    assert text_of(caught.value) == "mine"


def test_teacher_that_exits_in_a_worker_is_named(blobs):
    teachers = {"good": GaussianNB(), "bad": Breaking(SystemExit(3))}
    with (
        joblib.parallel_config(backend="loky"),
        pytest.raises(RuntimeError, match=r"'bad' could not be fitted.*SystemExit"),
    ):
        fit_teachers(teachers, *blobs, CLASSES, StratifiedKFold(3), n_jobs=2)


def test_teacher_whose_worker_is_killed_is_named(blobs):
    teachers = {name: GaussianNB() for name in "abc"} | {"bad": Breaking("kill")}
    with (
        joblib.parallel_config(backend="loky"),
        pytest.raises(RuntimeError, match=r"(?s)'bad'.*n_jobs=1") as caught,
    ):
        fit_teachers(teachers, *blobs, CLASSES, StratifiedKFold(3), n_jobs=2)
    named = re.search(r"\[.*?\]", str(caught.value))[0]
    assert named.count("'") <= 4  # one a worker


# --- Through the distiller ----------------------------------------------------------


def test_same_seed_with_teachers_fitted_here(world):
    params = {"teachers": [RandomForestClassifier(5), SVC()], "cv": 3}
    first, again = (world.distill(**params) for _ in range(2))
    assert_array_equal(first.predict_proba(world.X), again.predict_proba(world.X))


def test_splitter_of_the_teachers_is_seeded(world):
    options = {"teachers": [GaussianNB()], "cv": KFold(3, shuffle=True)}
    state = np.random.mtrand._rand.get_state()[1].copy()
    first, again = (world.distill(**options) for _ in range(2))
    assert_array_equal(first.teacher_weight_, again.teacher_weight_)
    assert_array_equal(np.random.mtrand._rand.get_state()[1], state)
    assert options["cv"].random_state is None


@pytest.mark.parametrize("rows", ["all", "labeled"])
def test_predefined_split_counts_all_rows_or_the_labeled_ones(world, rows):
    labeled = np.flatnonzero(world.y >= 0)
    fold = np.arange(len(world.y)) // 16 % 3
    given = fold if rows == "all" else fold[labeled]
    pairs = [
        (labeled[fold[labeled] != f], labeled[fold[labeled] == f]) for f in range(3)
    ]
    options = {"teachers": [GaussianNB()]}
    found = world.distill(cv=PredefinedSplit(given), **options)
    expected = world.distill(cv=pairs, **options)
    assert_array_equal(found.teacher_weight_, expected.teacher_weight_)


def test_tuple_of_categories_is_cloned(blobs):
    X, y = blobs
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["a"] = np.where(frame["a"] > 0, "u", "v")
    cat = CatBoostClassifier(
        iterations=3, cat_features=("a",), allow_writing_files=False, verbose=0
    )
    refitted, _ = fit_teachers({"cat": cat}, frame, y, CLASSES, StratifiedKFold(2))
    assert refitted["cat"].get_cat_feature_indices() == [0]


def test_repeated_train_positions_weigh_twice(world):
    labeled = np.flatnonzero(world.y >= 0)
    parts = labeled[::2], labeled[1::2]
    splits = [parts, parts[::-1]]
    rare = [(np.r_[train, train[:9], train[:9]], test) for train, test in splits]
    plain, repeated = (
        world.distill(teachers=[GaussianNB()], cv=cv) for cv in (splits, rare)
    )
    assert not np.allclose(plain.row_weight_, repeated.row_weight_)


# --- Errors -------------------------------------------------------------------------


test_what_cannot_be_fitted_out_of_fold_is_an_error = check_errors(
    {
        "nothing labeled to fit teachers on": (
            lambda w: w.fit_unfitted(y=w.unlabeled),
            ValueError,
            "cv=3 fits the teachers on labeled rows, but y has none",
            "label some rows",
        ),
        "teachers saw what they answer": (
            lambda w: w.fit_unfitted(cv=[(np.arange(60), np.arange(60))]),
            ValueError,
            "Split 0 of `cv`",
            "trains on 30 of the 30 rows that it tests",
        ),
        "one fold": (
            lambda w: w.fit_unfitted(cv=1),
            InvalidParameterError,
            "Got 1 instead",
            "'cv' parameter of EnsembleDistiller must be an int in the range [2, inf)",
        ),
        "cv tests some rows never": (
            lambda w: w.fit_unfitted(cv=ShuffleSplit(3, random_state=0)),
            ValueError,
            "of 30 rows never and 0 more than once",
            "`cv` must test every labeled row once, as KFold",
        ),
        "cv of one split": (
            lambda w: w.fit_unfitted(cv=[(np.arange(30), np.arange(30, 60))]),
            ValueError,
            "tests 15 of 30 rows never",
            "`cv` must test every labeled row once, as KFold",
        ),
        "cv empty": (
            lambda w: w.fit_unfitted(cv=[]),
            ValueError,
            "`cv` has no split, got []",
            "pass a (train, test) or more",
        ),
        "cv is a class": (
            lambda w: w.fit_unfitted(cv=KFold),
            TypeError,
            "got the class KFold",
            "write KFold()",
        ),
        "cv of triples": (
            lambda w: w.fit_unfitted(cv=[(np.arange(30), np.arange(30, 60), None)]),
            TypeError,
            "got [(array(",
            "an iterable of (train, test)",
        ),
        "cv of numbers": (
            lambda w: w.fit_unfitted(cv=[1, 2]),
            TypeError,
            "got [1, 2]",
            "an iterable of (train, test)",
        ),
        "cv needs groups": (
            lambda w: w.fit_unfitted(cv=GroupKFold(3)),
            ValueError,
            "`cv` as GroupKFold(n_splits=3",
            "pass its splits, cv=list(GroupKFold(...).split(X, y, groups))",
        ),
        "cv leaves groups out": (
            lambda w: w.fit_unfitted(cv=LeaveOneGroupOut()),
            ValueError,
            "LeaveOneGroupOut() needs groups",
            "pass its splits",
        ),
        "nothing to train on": (
            lambda w: w.fit_unfitted(cv=[([], np.arange(60))]),
            ValueError,
            "The train part of split 0 of `cv`",
            "no labeled row to fit the teachers on",
        ),
        "only unlabeled rows to train on": (
            lambda w: w.fit_unfitted(cv=[(np.arange(0, 60, 2), np.arange(1, 60, 2))]),
            ValueError,
            "The train part of split 0 of `cv`",
            "no labeled row to fit the teachers on",
        ),
        "predefined split of another table": (
            lambda w: w.fit_unfitted(cv=PredefinedSplit(np.arange(50) % 2)),
            ValueError,
            "got 50",
            "an entry for each of the 60 rows of X, or for each of the 30 labeled ones",
        ),
        "predefined split that never tests some": (
            lambda w: w.fit_unfitted(cv=PredefinedSplit(np.arange(60) // 20 - 1)),
            ValueError,
            "tests 10 of 30 rows never",
            "`cv` must test every labeled row once",
        ),
        "more folds than labeled rows": (
            lambda w: w.fit_unfitted(cv=5, y=np.where(np.arange(60) < 4, w.y % 2, -1)),
            ValueError,
            "`cv`, a StratifiedKFold of 5 folds, cannot split the 4 labeled rows",
            "Label more rows, lower `cv`",
        ),
        "one class in a fold's training part": (
            lambda w: w.fit_unfitted(cv=KFold(2), y=np.repeat([0, 1], 30)),
            ValueError,
            "Teacher 'logisticregression'",
            "label more rows of every class",
        ),
        "list that the teacher copies": (
            lambda w: w.fit_unfitted(teachers=[("cat", CAT), GaussianNB()]),
            ValueError,
            "Teacher 'cat' cannot be cloned",
            "parameter cat_features. Where the parameter is a list, pass a tuple",
        ),
        "list that a part of the teacher copies": (
            lambda w: w.fit_unfitted(teachers=[("pipe", make_pipeline(CAT))]),
            ValueError,
            "Teacher 'pipe' cannot be cloned",
            "pass a tuple",
        ),
        "teacher that cannot be cloned": (
            lambda w: w.fit_unfitted(teachers=[stub("foreign")]),
            TypeError,
            "Teacher 'foreign' cannot be cloned",
            "set cv='prefit'",
        ),
    }
)
