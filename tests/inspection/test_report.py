"""What the report says is what scikit-learn, pickle and a pencil say."""

import pickle
import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    roc_auc_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import (
    LatencyDisplay,
    TeacherWeightDisplay,
    _costs,
    _report,
    compare,
    distillation_report,
    expected_calibration_error,
    recommend,
)
from sk_ekd.inspection._groups import measure_groups, read_groups
from tests.worlds import make_net

pytestmark = pytest.mark.filterwarnings("ignore:The fitted teachers are all but")

QUALITY = ["accuracy", "balanced_accuracy", "log_loss", "roc_auc", "ece"]
DIFFERENCE = ["difference", "difference_low", "difference_high"]
COST = ["us_per_row", "us_single", "bytes"]


class Recorder:
    """A fitted classifier that always says the same, and remembers how it was asked."""

    def __init__(self, proba, classes):
        self.proba, self.classes_ = proba, np.asarray(classes)
        self.asked = []

    def predict_proba(self, X):
        self.asked.append(X.shape[0] if hasattr(X, "shape") else len(X))
        return np.tile(self.proba, (self.asked[-1], 1))


class World:
    """Rows of three classes, three teachers of different kinds, students."""

    def __init__(self):
        X, y = make_classification(
            400, n_features=5, n_informative=5, n_redundant=0, n_classes=3,
            n_clusters_per_class=1, class_sep=0.7, flip_y=0.2, random_state=0,
        )  # fmt: skip
        y = np.array(["ant", "bee", "cat"])[y]
        self.X, self.y = X[:150].astype(np.float32), y[:150]
        self.X_train, self.y_train = X[150:].astype(np.float32), y[150:]
        fit = self.X_train, self.y_train
        self.teachers = [
            ("bayes", GaussianNB().fit(*fit)),
            ("ridge", RidgeClassifier().fit(*fit)),  # has no predict_proba
            ("logistic", LogisticRegression(C=0.01).fit(*fit)),
        ]
        self.distiller = self.distill(self.teachers)
        self.baseline = self.distill(self.teachers, alpha=0)
        self.report = self.measure(baseline=self.baseline)

    def distill(self, teachers, X=None, y=None, **params):
        params = {"student": make_net(), "random_state": 0, **params}
        X = self.X_train if X is None else X
        y = self.y_train if y is None else y
        return EnsembleDistiller(teachers, **params).fit(X, y)

    def measure(self, distiller=None, X=None, y=None, **options):
        X = self.X if X is None else X
        y = self.y if y is None else y
        return distillation_report(distiller or self.distiller, X, y, **options)


@pytest.fixture(scope="module")
def world():
    return World()


def quality(proba, y, classes):
    """Return what scikit-learn says of probabilities."""
    codes = np.searchsorted(classes, y)
    return [
        accuracy_score(y, classes[proba.argmax(axis=1)]),
        balanced_accuracy_score(y, classes[proba.argmax(axis=1)]),
        log_loss(y, proba, labels=classes),
        roc_auc_score(y, proba, multi_class="ovr", labels=classes),
        expected_calibration_error(proba, codes),
    ]


# --- Calibration error --------------------------------------------------------------


def test_calibration_error_by_hand():
    # confidence 0.9 twice, right once; confidence 0.6 three times, right twice
    proba = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.4, 0.6]]
    y = [0, 1, 0, 1, 0]
    expected = 2 / 5 * abs(1 / 2 - 0.9) + 3 / 5 * abs(2 / 3 - 0.6)
    assert expected_calibration_error(proba, y) == pytest.approx(expected)


def test_calibration_error_is_one_where_the_confident_are_always_wrong():
    assert expected_calibration_error([[1.0, 0.0], [0.0, 1.0]], [1, 0]) == 1


def test_calibration_error_within_one_bin_may_cancel_and_across_bins_may_not():
    proba, y = [[0.9, 0.1], [0.7, 0.3]], [0, 1]
    assert expected_calibration_error(proba, y, n_bins=1) == pytest.approx(0.3)
    assert expected_calibration_error(proba, y, n_bins=10) == pytest.approx(0.4)


@pytest.mark.parametrize("n_bins", [1, 2, 15])
def test_calibration_error_is_the_sum_over_the_bins(n_bins):
    rng = np.random.RandomState(0)
    proba, y = rng.dirichlet(np.ones(4), 300), rng.randint(0, 4, 300)
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == y
    expected = 0
    for b in range(n_bins):
        inside = (confidence > b / n_bins) & (confidence <= (b + 1) / n_bins)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert_allclose(expected_calibration_error(proba, y, n_bins=n_bins), expected)


def test_border_belongs_to_the_bin_below():
    # 0.5 and 0.8 in bins (0, 0.5] and (0.5, 1]: one right, one wrong, no cancelling
    proba, y = [[0.5, 0.5], [0.8, 0.2]], [1, 0]
    expected = (0.5 + 0.2) / 2
    assert expected_calibration_error(proba, y, n_bins=2) == pytest.approx(expected)


# --- Quality ------------------------------------------------------------------------


def test_rows_and_columns(world):
    names = ["bayes", "ridge", "logistic", "ensemble", "student", "baseline"]
    assert list(world.report.index) == names
    assert list(world.report) == [
        *QUALITY, *COST, *DIFFERENCE, "retention", "recovered",
    ]  # fmt: skip
    assert "recovered" not in world.measure()
    floats = world.report.drop(columns="bytes")
    assert floats.dtypes.eq("float64").all()
    assert world.report["bytes"].dtype == "Int64"


@pytest.mark.parametrize("name", ["bayes", "logistic"])
def test_teacher_is_measured_as_scikit_learn_does(world, name):
    proba = dict(world.teachers)[name].predict_proba(world.X)
    expected = quality(proba, world.y, world.distiller.classes_)
    assert_allclose(world.report.loc[name, QUALITY].astype(float), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["distiller", "baseline"])
def test_student_and_baseline_are_measured_as_scikit_learn_does(world, name):
    model = getattr(world, name)
    expected = quality(model.predict_proba(world.X), world.y, model.classes_)
    row = world.report.loc["student" if name == "distiller" else name, QUALITY]
    assert_allclose(row.astype(float), expected, rtol=1e-12)
    assert row["accuracy"] == model.score(world.X, world.y)


def test_teacher_without_predict_proba_is_right_where_its_predict_is(world):
    ridge = dict(world.teachers)["ridge"]
    assert world.report.loc["ridge", "accuracy"] == ridge.score(world.X, world.y)
    assert np.isfinite(world.report.loc["ridge"].astype(float)).all()


def test_ensemble_is_the_plain_mean_of_the_teachers(world):
    teachers = [world.teachers[0], world.teachers[2]]
    report = world.measure(world.distill(teachers))
    mean = np.mean([t.predict_proba(world.X) for _, t in teachers], axis=0)
    expected = quality(mean, world.y, world.distiller.classes_)
    assert_allclose(report.loc["ensemble", QUALITY].astype(float), expected, rtol=1e-5)


def test_two_classes_have_the_auc_of_the_second(world):
    two, two_train = world.y != "cat", world.y_train != "cat"
    X, y = world.X_train[two_train], world.y_train[two_train]
    teacher = GaussianNB().fit(X, y)
    report = world.measure(
        world.distill([teacher], X, y), X=world.X[two], y=world.y[two]
    )
    score = teacher.predict_proba(world.X[two])[:, 1]
    expected = roc_auc_score(world.y[two] == "bee", score)
    assert report.loc["gaussiannb", "roc_auc"] == pytest.approx(expected, rel=1e-6)


def test_missing_class_leaves_the_auc_open_without_a_warning(world):
    present = world.y != "cat"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = world.measure(X=world.X[present], y=world.y[present])
    assert report["roc_auc"].isna().all()
    assert report[["accuracy", "balanced_accuracy", "log_loss"]].notna().all(axis=None)
    bayes = dict(world.teachers)["bayes"]
    recall = [
        (bayes.predict(world.X[world.y == c]) == c).mean() for c in ("ant", "bee")
    ]
    assert report.loc["bayes", "balanced_accuracy"] == pytest.approx(np.mean(recall))


def test_retention_and_recovered_are_anchored(world):
    report = world.report
    assert report.loc["ensemble", "retention"] == 1
    assert report.loc["ensemble", "recovered"] == 1
    assert report.loc["baseline", "recovered"] == 0
    accuracy = report["accuracy"]
    assert_allclose(report["retention"], accuracy / accuracy["ensemble"])
    gain = accuracy["ensemble"] - accuracy["baseline"]
    assert_allclose(report["recovered"], (accuracy - accuracy["baseline"]) / gain)


def test_difference_is_the_students_minus_the_entrys(world):
    report = world.report
    student = report.loc["student", "accuracy"]
    assert_allclose(report["difference"], student - report["accuracy"], atol=1e-12)
    assert (report.loc["student", DIFFERENCE] == 0).all()
    assert (report["difference_low"] <= report["difference"]).all()
    assert (report["difference"] <= report["difference_high"]).all()


def test_intervals_are_those_of_compare(world):
    found = compare(world.distiller, world.teachers[0][1], world.X, world.y)
    expected = found.loc["accuracy", ["difference", "low", "high"]]
    atol = 0.1 * (expected["high"] - expected["low"])  # they draw other rows
    assert_allclose(
        world.report.loc["bayes", DIFFERENCE].astype(float), expected, atol=atol
    )


def test_same_call_gives_the_same_intervals(world):
    pd.testing.assert_frame_equal(
        world.measure()[DIFFERENCE], world.measure()[DIFFERENCE]
    )


def test_differences_are_of_rows_that_both_predict(world):
    class Half:
        """Says nothing of half of the rows, where the student may be right."""

        classes_ = np.array(["ant", "bee", "cat"])

        def predict_proba(self, X):
            proba = world.teachers[0][1].predict_proba(X)
            proba[: len(X) // 2] = np.nan
            return proba

    distiller = world.distill([world.teachers[1][1], Half()])
    report = world.measure(distiller)
    half = slice(75, 150)
    student = distiller.score(world.X[half], world.y[half])
    teacher = world.teachers[0][1].score(world.X[half], world.y[half])
    assert report.loc["half", "difference"] == pytest.approx(student - teacher)
    assert report.loc["half", "coverage"] == 0.5
    assert recommend(report).startswith(("Ship", "Measure"))


def test_teacher_that_predicts_no_row_here_has_no_difference(world):
    class Silent:
        classes_ = np.array(["ant", "bee", "cat"])

        def predict_proba(self, X):
            return np.full((len(X), 3), 1 / 3 if len(X) == 250 else np.nan)

    distiller = world.distill([world.teachers[1][1], ("silent", Silent())])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = world.measure(distiller)
    assert report.loc["silent", DIFFERENCE].isna().all()
    assert "silent" not in recommend(report)


def test_advice_on_a_report_names_one_of_its_entries(world):
    advice = recommend(world.report)
    named = [name for name in world.report.index if re.search(rf"\b{name}\b", advice)]
    assert advice.startswith("Ship")
    assert named


def test_nothing_is_recovered_where_nothing_was_gained(world):
    baseline = world.teachers[0][1]
    distiller = world.distill([world.teachers[0]])
    assert world.measure(distiller, baseline=baseline)["recovered"].isna().all()


@pytest.mark.parametrize("unknown", [-1, None, np.nan])
def test_unlabeled_rows_change_nothing(world, unknown):
    y = np.insert(world.y.astype(object), [0, 3, 3, 150], unknown)
    X = np.insert(world.X, [0, 3, 3, 150], 7.0, axis=0)
    report = world.measure(X=X, y=y)
    pd.testing.assert_frame_equal(report[QUALITY], world.measure()[QUALITY])


def test_order_of_the_rows_changes_nothing(world):
    order = np.random.RandomState(0).permutation(len(world.y))
    report = world.measure(X=world.X[order], y=world.y[order])
    pd.testing.assert_frame_equal(report[QUALITY], world.measure()[QUALITY])


def test_classes_are_aligned_by_value(world):
    shuffled = Recorder([0.7, 0.1, 0.2], ["cat", "ant", "bee"])
    subset = Recorder([0.4, 0.6], ["bee", "cat"])
    sorted_ = Recorder([0.1, 0.2, 0.7], ["ant", "bee", "cat"])
    distiller = world.distill([shuffled, sorted_, subset])
    report = world.measure(distiller, baseline=shuffled)
    first, second, third = report.index[:3]
    assert_array_equal(report.loc[first, QUALITY], report.loc[second, QUALITY])
    baseline = report.loc["baseline", QUALITY]  # asked in float64
    assert_allclose(*map(np.float64, (report.loc[first, QUALITY], baseline)), rtol=1e-6)
    assert report.loc[third, "accuracy"] == np.mean(world.y == "cat")


def test_baseline_may_know_fewer_classes(world):
    baseline = Recorder([0.4, 0.6], ["bee", "ant"])
    report = world.measure(baseline=baseline)
    assert report.loc["baseline", "accuracy"] == np.mean(world.y == "ant")


def test_minus_one_may_be_a_class(world):
    y_train = np.where(world.y_train == "ant", 1, -1)
    y = np.where(world.y == "ant", 1, -1)
    teacher = GaussianNB().fit(world.X_train, y_train)
    distiller = world.distill([teacher], y=y_train, unlabeled_label=None)
    report = world.measure(distiller, y=y)
    assert report.loc["gaussiannb", "accuracy"] == teacher.score(world.X, y)


def test_answers_given_are_as_good_as_asked(world):
    asked = world.measure()
    proba = _report.teachers_proba(world.distiller, world.X, None)
    given = world.measure(teacher_proba=proba)
    pd.testing.assert_frame_equal(given[QUALITY], asked[QUALITY])
    called = ["student"]
    assert list(given.index[given[COST].notna().all(axis=1)]) == called
    assert given.drop(index=called)[COST].isna().all(axis=None)


def test_unlabeled_rows_of_given_answers_are_left_out(world):
    proba = _report.teachers_proba(world.distiller, world.X, None)
    y = np.where(np.arange(150) % 2, world.y.astype(object), -1)
    report = world.measure(y=y, teacher_proba=proba)
    odd = world.measure(X=world.X[1::2], y=world.y[1::2])
    pd.testing.assert_frame_equal(report[QUALITY], odd[QUALITY])


def test_distiller_of_answers_alone_has_teachers_by_number(world):
    proba = _report.teachers_proba(world.distiller, world.X_train, None)
    distiller = EnsembleDistiller(None, make_net(), random_state=0)
    distiller.fit(world.X_train, world.y_train, teacher_proba=proba)
    with pytest.raises(ValueError, match="no teachers to query: pass their predict"):
        world.measure(distiller)
    proba = _report.teachers_proba(world.distiller, world.X, None)
    report = world.measure(distiller, teacher_proba=proba)
    assert list(report.index[:3]) == ["teacher-1", "teacher-2", "teacher-3"]
    assert_array_equal(report["accuracy"][:4], world.report["accuracy"][:4])


def test_teacher_named_like_another_row_is_told_apart(world):
    teachers = [("student", world.teachers[0][1]), ("ensemble", world.teachers[1][1])]
    report = world.measure(world.distill(teachers))
    names = ["student (teacher)", "ensemble (teacher)", "ensemble", "student"]
    assert list(report.index) == names


# --- Groups -------------------------------------------------------------------------


def test_groups_by_hand():
    right = pd.DataFrame({"a": [1, 0, 1, 1.0], "b": [np.nan, np.nan, 0, 1]})
    codes, names = read_groups(["x", "x", None, None], 4)
    found = measure_groups(right, codes, names)
    assert list(found) == [
        "worst_group_accuracy", "worst_group", "accuracy[x]", "accuracy[missing]",
    ]  # fmt: skip
    assert found.loc["a"].tolist() == [0.5, "x", 0.5, 1.0]
    assert found.loc["b", ["worst_group_accuracy", "worst_group"]].tolist() == [
        0.5, "missing",
    ]  # fmt: skip
    assert np.isnan(found.loc["b", "accuracy[x]"])


def test_accuracy_by_group_is_that_of_its_rows(world):
    groups = np.array(["north", "south", "south"])[np.arange(150) % 3]
    report = world.measure(baseline=world.baseline, groups=groups)
    pd.testing.assert_frame_equal(
        report[list(world.report)].drop(columns=COST), world.report.drop(columns=COST)
    )
    for name in ("north", "south"):
        rows = groups == name
        part = world.measure(X=world.X[rows], y=world.y[rows], baseline=world.baseline)
        assert_allclose(report[f"accuracy[{name}]"], part["accuracy"])
    by_group = report[["accuracy[north]", "accuracy[south]"]]
    assert_array_equal(report["worst_group_accuracy"], by_group.min(axis=1))
    assert_array_equal(
        "accuracy[" + report["worst_group"] + "]", by_group.idxmin(axis=1)
    )
    assert recommend(report).startswith("Ship")


def test_one_group_is_all_rows(world):
    report = world.measure(groups=["all"] * 150)
    assert_allclose(report["accuracy[all]"], report["accuracy"])
    assert_allclose(report["worst_group_accuracy"], report["accuracy"])


def test_groups_of_labeled_rows_count(world):
    y = world.y.astype(object)
    y[:50] = None
    groups = np.repeat(["unlabeled", "first", "second"], 50)
    report = world.measure(y=y, groups=groups)
    shown = [name for name in report if name.startswith("accuracy[")]
    assert shown == ["accuracy[first]", "accuracy[second]"]
    assert set(report["worst_group"]) <= {"first", "second"}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([2, 10], ["2", "10"]),
        ([True, False], ["False", "True"]),
        (["b", None], ["b", "missing"]),
        ([np.nan, 1.5], ["1.5", "missing"]),
        ([pd.NA, "b"], ["b", "missing"]),
        ([("f", 1), ("m", 0)], ["('f', 1)", "('m', 0)"]),
        (["b", 3], ["b", "3"]),  # of several kinds: as they come
        ([1, "1"], ["1", "'1'"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [list, pd.Series])
def test_values_of_any_kind_are_groups(values, names, kind):
    codes, found = read_groups(kind(values * 3), 6)
    right = pd.DataFrame({"a": [1.0, 0] * 3})
    report = measure_groups(right, codes, found)
    shown = [name for name in report if name.startswith("accuracy[")]
    assert shown == [f"accuracy[{name}]" for name in names]
    assert sorted(report[shown].loc["a"]) == [0, 1]


def test_categories_and_nullable_columns_are_groups():
    for dtype in ("category", "string", "str"):
        codes, names = read_groups(pd.Series(["b", "a", None], dtype=dtype), 3)
        assert codes.tolist() == [1, 0, 2]
        assert names == ["a", "b", "missing"]


def test_of_many_groups_only_the_worst_is_shown(world):
    groups = np.arange(150) % 21
    report = world.measure(groups=groups)
    assert not [name for name in report if name.startswith("accuracy[")]
    worst = report.loc["student", "worst_group"]
    rows = groups == worst
    accuracy = world.distiller.score(world.X[rows], world.y[rows])
    assert report.loc["student", "worst_group_accuracy"] == pytest.approx(accuracy)


def test_entry_that_predicts_nothing_has_no_worst_group():
    right = pd.DataFrame({"a": [1.0, 0], "silent": np.nan})
    report = measure_groups(right, *read_groups(["x", "y"], 2))
    assert report.loc["silent"].isna().all()
    assert report.loc["a", "worst_group"] == "y"


# --- Kinds of X ---------------------------------------------------------------------


def test_dataframe_is_passed_on_as_one(world):
    frame = pd.DataFrame(world.X_train, columns=list("abcde"))
    teacher = LogisticRegression().fit(frame, world.y_train)
    distiller = world.distill([teacher], frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no "X does not have valid feature names"
        X = pd.DataFrame(world.X, columns=list("abcde"), index=world.y)
        report = world.measure(distiller, X=X)
    assert report.loc["logisticregression", "accuracy"] == teacher.score(X, world.y)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.coo_array])
def test_sparse_rows(world, kind):
    X_train, X = kind(world.X_train), kind(world.X)
    teacher = LogisticRegression().fit(X_train, world.y_train)
    report = world.measure(world.distill([teacher], X_train), X=X)
    assert report.loc["logisticregression", "accuracy"] == teacher.score(X, world.y)
    assert report.notna().all(axis=None)


def test_list_of_texts(world):
    X = ["a small ant", "an ant", "one bee", "a busy bee"] * 5
    y = np.array(["ant", "ant", "bee", "bee"] * 5)
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(X, y)
    student = make_pipeline(TfidfVectorizer(), make_net())
    report = world.measure(world.distill([teacher], X, y, student=student), X=X, y=y)
    assert report.loc["pipeline", "accuracy"] == 1
    assert report.notna().all(axis=None)


def test_members_of_a_forest_are_teachers(world):
    X, X_train = world.X.astype(np.float64), world.X_train.astype(np.float64)
    forest = RandomForestClassifier(3, random_state=0).fit(X_train, world.y_train)
    report = world.measure(world.distill(forest, X_train), X=X)
    assert len(report) == 3 + 2
    assert report.loc["ensemble", "accuracy"] == forest.score(X, world.y)
    codes = np.searchsorted(forest.classes_, world.y)
    for name, tree in zip(report.index, forest.estimators_, strict=False):
        assert report.loc[name, "accuracy"] == tree.score(X, codes)
    assert report.drop(columns="bytes").notna().all(axis=None)


def test_opened_ensemble_costs_what_it_costs_by_itself(world):
    forest = RandomForestClassifier(3, random_state=0)
    forest.fit(world.X_train, world.y_train)
    distiller = world.distill(forest)
    report = world.measure(distiller)
    assert report.loc["ensemble", "bytes"] == len(pickle.dumps(forest))
    assert report["bytes"].iloc[:3].sum() < 1.5 * report.loc["ensemble", "bytes"]
    forest.predict_proba = None  # is called for its time only
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        world.measure(distiller)
    proba = _report.teachers_proba(distiller, world.X, None)
    given = world.measure(distiller, teacher_proba=proba)
    assert_array_equal(given[QUALITY], report[QUALITY])
    assert given.loc["ensemble", COST].isna().all()


def test_bare_classifier_is_one_teacher(world):
    report = world.measure(world.distill(world.teachers[0][1]))
    assert report.index[0] == "gaussiannb"
    assert report.loc["gaussiannb", "accuracy"] == report.loc["ensemble", "accuracy"]


# --- Cost ---------------------------------------------------------------------------


def test_bytes_are_those_of_the_pickle(world):
    size = world.report["bytes"]
    for name, teacher in world.distiller.named_teachers_.items():
        assert size[name] == len(pickle.dumps(teacher))
    assert size["ensemble"] == len(pickle.dumps(world.distiller.teachers_))
    assert size["student"] == len(pickle.dumps(world.distiller.student_))
    assert size["baseline"] == len(pickle.dumps(world.baseline.student_))


def test_large_arrays_are_counted_in_full():
    model = {"weights": np.zeros(10**6), "more": np.asfortranarray(np.ones((500, 500)))}
    assert _costs._pickled_bytes(model) == len(pickle.dumps(model))


def test_model_that_cannot_be_pickled_has_no_size(world):
    teacher = Recorder([0.2, 0.3, 0.5], ["ant", "bee", "cat"])
    teacher.hook = lambda: None
    report = world.measure(world.distill([teacher, world.teachers[0]]))
    assert report["bytes"].isna().tolist() == [True, False, True, False]
    assert report["us_per_row"].notna().all()


def test_times_are_positive_and_the_ensembles_is_the_sum(world):
    times = world.report[["us_per_row", "us_single"]]
    assert np.isfinite(times).all(axis=None)
    assert (times > 0).all(axis=None)
    total = times.loc[["bayes", "ridge", "logistic"]].sum()
    assert (times.loc["ensemble"] >= total * (1 - 1e-9)).all()


def test_teacher_is_asked_a_bounded_number_of_times(world):
    teacher = Recorder([0.2, 0.3, 0.5], ["ant", "bee", "cat"])
    distiller = world.distill([teacher])
    teacher.asked.clear()
    X, y = np.tile(world.X, (8, 1)), np.tile(world.y, 8)
    world.measure(distiller, X=X, y=y)
    assert teacher.asked[0] == 1200
    assert teacher.asked.count(1000) == len(teacher.asked[1:]) - 20
    assert teacher.asked.count(1) == 20


def test_slow_teacher_is_timed_once(world, monkeypatch):
    monkeypatch.setattr(_costs, "TIMING_SECONDS", 0)
    teacher = Recorder([0.2, 0.3, 0.5], ["ant", "bee", "cat"])
    distiller = world.distill([teacher])
    teacher.asked.clear()
    world.measure(distiller)
    assert teacher.asked == [150, 150, 1]  # quality, a batch, a single row


def test_single_labeled_row_is_enough(world):
    report = world.measure(X=world.X[:1], y=world.y[:1])
    assert report["roc_auc"].isna().all()
    assert report[["accuracy", "log_loss", "ece", *COST]].notna().all(axis=None)
    assert report["difference_low"].isna().all()
    assert recommend(report).startswith("Measure on more rows")


def test_report_rounds_averages_and_leaves_its_input_alone(world):
    X, y = world.X.copy(), world.y.copy()
    reports = [world.measure(X=X, y=y) for _ in range(2)]
    assert_array_equal(X, world.X)
    assert_array_equal(y, world.y)
    mean = pd.concat(reports).groupby(level=0, sort=False).mean()
    pd.testing.assert_frame_equal(mean[QUALITY], reports[0][QUALITY])
    assert reports[0].round(3).loc["ensemble", "retention"] == 1


# --- Errors -------------------------------------------------------------------------


def unfitted(world):
    return {"distiller": EnsembleDistiller(world.teachers)}


CASES = {
    "unfitted distiller": (unfitted, NotFittedError, "not fitted yet"),
    "not a distiller": (
        lambda w: {"distiller": GaussianNB()},
        TypeError,
        "`distiller` must be a fitted EnsembleDistiller, got GaussianNB()",
    ),
    "no labeled row": (
        lambda w: {"y": np.full(150, -1)},
        ValueError,
        "y has no labeled row to measure on",
    ),
    "lengths": (
        lambda w: {"y": w.y[:-1]},
        ValueError,
        "inconsistent numbers of samples: [150, 149]",
    ),
    "unknown label": (
        lambda w: {"y": np.where(np.arange(150) == 3, "dog", w.y)},
        ValueError,
        "y holds labels that the distiller does not know, ['dog']: its `classes_` are "
        "['ant', 'bee', 'cat']",
    ),
    "labels of another kind": (
        lambda w: {"y": np.arange(150) % 3},
        ValueError,
        "must be of one kind",
    ),
    "shape of teacher_proba": (
        lambda w: {"teacher_proba": np.ones((3, 150, 3)) / 3},
        ValueError,
        "must have shape (150, 3, n_classes), got (3, 150, 3)",
    ),
    "logits as teacher_proba": (
        lambda w: {"teacher_proba": np.full((150, 3, 3), 2.0)},
        ValueError,
        "probabilities that sum to one over the classes, got 150 of 150 rows that do "
        "not, first row 0, teacher 0, which sums to 6: [2, 2, 2]",
    ),
    "NaN in teacher_proba": (
        lambda w: {"teacher_proba": np.full((150, 3, 3), [np.nan, 0.5, 0.5])},
        ValueError,
        "probabilities that sum to one",
    ),
    "nothing but NaN in teacher_proba": (
        lambda w: {"teacher_proba": np.full((150, 3, 3), np.nan)},
        ValueError,
        "No teacher predicts any of the rows",
    ),
    "groups of another length": (
        lambda w: {"groups": ["a"] * 149},
        ValueError,
        "`groups` must have one value for each row, shape (150,), got shape (149,).",
    ),
    "groups by two columns": (
        lambda w: {"groups": np.zeros((150, 2))},
        ValueError,
        "shape (150,), got shape (150, 2). For groups by several columns, pass a list "
        "of tuples",
    ),
    "groups that cannot be hashed": (
        lambda w: {"groups": [["a"]] * 150},
        TypeError,
        "`groups` must have values that can be hashed, such as text: unhashable type",
    ),
    "baseline without predict_proba": (
        lambda w: {"baseline": SVC().fit(w.X, w.y)},
        TypeError,
        "`baseline` must be a fitted classifier with predict_proba, got SVC()",
    ),
    "unfitted baseline": (
        lambda w: {"baseline": GaussianNB()},
        NotFittedError,
        "`baseline` has no `classes_`: fit it first, got GaussianNB()",
    ),
    "baseline of other classes": (
        lambda w: {"baseline": DummyClassifier().fit(w.X, np.arange(150) % 2)},
        ValueError,
        "`baseline` must know no class besides the distiller's ['ant', 'bee', 'cat'], "
        "got [0, 1]",
    ),
    "baseline of too few columns": (
        lambda w: {"baseline": Recorder([1.0], ["ant", "bee", "cat"])},
        ValueError,
        "one column for each of its 3 classes, got an array of shape (150, 1)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error_says_what_came(world, case):
    make, kind, message = CASES[case]
    with pytest.raises(kind, match=re.escape(message)):
        world.measure(**make(world))


def test_trees_that_are_certain_have_a_finite_log_loss(world):
    tree = DecisionTreeClassifier(random_state=0).fit(world.X_train, world.y_train)
    report = world.measure(world.distill([tree]))
    assert np.isfinite(report["log_loss"]).all()


def test_calibrated_pool_has_a_row_its_weights_and_its_temperatures(world):
    distiller = world.distill(world.teachers, pooling="calibrated")
    report = world.measure(distiller, baseline=world.baseline)
    names = [name for name, _ in world.teachers]
    assert report.index.tolist() == [*names, "ensemble", "pool", "student", "baseline"]
    assert_allclose(report.loc[names, "pool_weight"], distiller.pool_.weight_)
    assert_allclose(report.loc[names, "pool_temperature"], distiller.pool_.temperature_)
    proba = ask_teachers(world.teachers, world.X)
    expected = log_loss(world.y, distiller.pool_.predict_proba(proba))
    assert_allclose(report.loc["pool", "log_loss"], expected, rtol=1e-5)
    assert report.loc["pool", COST].isna().all()
    assert report.drop(index=names)["pool_weight"].isna().all()
    LatencyDisplay.from_report(report).plot()
    plt.close()


def test_stacker_is_in_the_pool_and_not_among_the_teachers(world, monkeypatch):
    monkeypatch.setattr("sk_ekd.pooling.LEAST_ROWS", 10)
    distiller = world.distill(world.teachers, pooling="stacked")
    assert distiller.pool_.stacker_ is not None
    report = world.measure(distiller)
    names = [name for name, _ in world.teachers]
    assert report.index.tolist() == [*names, "ensemble", "pool", "student"]
    assert_allclose(report["pool_weight"].sum(), 0.5)
    temperature = distiller.pool_.calibrated_.temperature_
    assert_allclose(report.loc[names, "pool_temperature"], temperature)
    proba = ask_teachers(world.teachers, world.X)
    expected = log_loss(world.y, distiller.pool_.predict_proba(proba))
    assert_allclose(report.loc["pool", "log_loss"], expected, rtol=1e-5)
    display = TeacherWeightDisplay.from_estimator(distiller)
    plt.close()
    assert sorted(display.quantiles_.index) == sorted(names)
    assert_allclose(display.share.sum(axis=1), 1)


def test_group_of_that_name_is_not_that_of_missing_values():
    codes, names = read_groups(["missing", None, "other"], 3)
    assert codes.tolist() == [0, 2, 1]
    assert names == ["missing", "other", "missing value"]
