"""Two models on the same rows: what is found is what the textbooks say."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sk_ekd.inspection import compare
from tests.worlds import make_distiller

MEASURES = ["accuracy", "log_loss", "roc_auc"]
POINTS = ["a", "b", "difference", "p_value"]


class Said:
    """A fitted classifier whose predictions are the rows themselves."""

    def __init__(self, classes=(0, 1), columns=slice(None)):
        self.classes_, self.columns = np.asarray(classes), columns

    def predict_proba(self, X):
        return X[:, self.columns]


def said_by_two(first, second):
    """Return two models that say these probabilities of the second of two classes."""
    X = np.column_stack([1 - first, first, 1 - second, second])
    return Said(columns=slice(0, 2)), Said(columns=slice(2, 4)), X


class World:
    """400 rows of three classes, and two models that were fitted on other rows."""

    def __init__(self):
        X, y = make_classification(
            600, n_features=5, n_informative=5, n_redundant=0, n_classes=3,
            n_clusters_per_class=1, class_sep=0.7, flip_y=0.2, random_state=0,
        )  # fmt: skip
        self.X, self.y = X[:400], np.array(["ant", "bee", "cat"])[y[:400]]
        fit = X[400:], np.array(["ant", "bee", "cat"])[y[400:]]
        self.a, self.b = GaussianNB().fit(*fit), LogisticRegression(C=0.01).fit(*fit)
        self.tree = DecisionTreeClassifier(random_state=0).fit(*fit)
        self.two = [m.fit(fit[0], fit[1] == "ant") for m in (GaussianNB(), SVC())]
        self.found = compare(self.a, self.b, self.X, self.y)


@pytest.fixture(scope="module")
def world():
    return World()


# --- The table ----------------------------------------------------------------------


def test_lines_and_columns(world):
    assert list(world.found.index) == MEASURES
    columns = ["a", "b", "difference", "low", "high", "p_value"]
    assert list(world.found) == columns
    assert world.found.dtypes.eq("float64").all()


def test_values_are_those_of_scikit_learn(world):
    for name in "ab":
        model = getattr(world, name)
        proba = model.predict_proba(world.X)
        expected = [
            accuracy_score(world.y, model.predict(world.X)),
            log_loss(world.y, proba),
            roc_auc_score(world.y, proba, multi_class="ovr"),
        ]
        assert_allclose(world.found[name], expected)
    found = world.found
    assert_allclose(found["difference"], found["a"] - found["b"], rtol=0)
    assert (
        (found["low"] < found["difference"]) & (found["difference"] < found["high"])
    ).all()
    assert found["p_value"].between(0, 1).all()


def test_swapped_models_have_the_opposite_difference(world):
    swapped = compare(world.b, world.a, world.X, world.y)
    assert_allclose(swapped["difference"], -world.found["difference"], rtol=0)
    assert_allclose(swapped["low"], -world.found["high"])
    assert_allclose(swapped["high"], -world.found["low"])
    assert_allclose(swapped["p_value"], world.found["p_value"])


@pytest.mark.parametrize("name", ["a", "b", "tree"])
def test_a_model_does_not_differ_from_itself(world, name):
    model = getattr(world, name)
    found = compare(model, model, world.X, world.y)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert (found["p_value"] == 1).all()


def test_order_of_the_rows_changes_no_value_and_no_p(world):
    order = np.random.RandomState(0).permutation(len(world.y))
    found = compare(world.a, world.b, world.X[order], world.y[order])
    pd.testing.assert_frame_equal(found[POINTS], world.found[POINTS])
    width = (world.found["high"] - world.found["low"]).to_numpy()
    assert_allclose(found["low"], world.found["low"], atol=0.1 * width.max())


def test_random_state_draws_the_rows_of_the_interval_alone(world):
    again = compare(world.a, world.b, world.X, world.y, random_state=0)
    pd.testing.assert_frame_equal(again, world.found)
    other = compare(world.a, world.b, world.X, world.y, random_state=1)
    pd.testing.assert_frame_equal(other[POINTS], world.found[POINTS])
    assert (other["low"] != world.found["low"]).any()


def test_global_random_state_is_untouched(world):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    compare(world.a, world.b, world.X, world.y)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# --- The formulas -------------------------------------------------------------------


@pytest.mark.parametrize(("only_a", "only_b"), [(3, 9), (1, 0), (0, 0), (40, 12)])
def test_mcnemar_is_the_binomial_test_of_the_rows_that_one_gets_right(only_a, only_b):
    first = np.repeat([0.9, 0.9, 0.2, 0.2], [only_a, 30, only_b, 10])
    second = np.repeat([0.1, 0.8, 0.8, 0.3], [only_a, 30, only_b, 10])
    y = np.ones(len(first), dtype=int)
    a, b, X = said_by_two(first, second)
    found = compare(a, b, X, y).loc["accuracy"]
    both = only_a + only_b
    expected = stats.binomtest(only_a, both).pvalue if both else 1
    assert found["p_value"] == expected
    assert found["difference"] == pytest.approx((only_a - only_b) / len(y))


def test_log_loss_is_tested_by_the_paired_t_test(world):
    codes = np.searchsorted(["ant", "bee", "cat"], world.y)
    losses = [
        -np.log(m.predict_proba(world.X)[np.arange(400), codes])
        for m in (world.a, world.b)
    ]
    expected = stats.ttest_rel(*losses).pvalue
    assert world.found.loc["log_loss", "p_value"] == pytest.approx(expected)


def delong(y, first, second):
    """Return the p-value of DeLong et al., pair by pair."""
    positive, negative = y == 1, y == 0
    kernels = [
        (s[positive][:, np.newaxis] > s[negative])
        + 0.5 * (s[positive][:, np.newaxis] == s[negative])
        for s in (first, second)
    ]  # (m, k) each
    by_positive = np.cov([k.mean(axis=1) for k in kernels])
    by_negative = np.cov([k.mean(axis=0) for k in kernels])
    covariance = by_positive / positive.sum() + by_negative / negative.sum()
    contrast = np.array([1, -1])
    difference = kernels[0].mean() - kernels[1].mean()
    z = difference / np.sqrt(contrast @ covariance @ contrast)
    return 2 * stats.norm.sf(abs(z))


def test_auc_is_tested_by_delong_with_ties():
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=80)
    first = np.round(rng.rand(80) * 0.6 + 0.3 * y, 1)
    second = np.round(rng.rand(80) * 0.8 + 0.1 * y, 1)
    a, b, X = said_by_two(first, second)
    found = compare(a, b, X, y).loc["roc_auc"]
    assert found["p_value"] == pytest.approx(delong(y, first, second))
    assert found["a"] == pytest.approx(roc_auc_score(y, first))


def test_auc_of_three_classes_has_the_interval_of_resampled_rows(world):
    rng = np.random.RandomState(0)
    proba = [m.predict_proba(world.X) for m in (world.a, world.b)]
    draws = [rng.randint(400, size=400) for _ in range(40)]
    differences = [
        np.subtract(
            *(roc_auc_score(world.y[d], p[d], multi_class="ovr") for p in proba)
        )
        for d in draws
    ]
    found = world.found.loc["roc_auc"]
    width = (found["high"] - found["low"]) / (2 * 1.96)
    assert width == pytest.approx(np.std(differences), rel=0.3)


def test_equal_models_are_seldom_told_apart():
    rng, covered, small = np.random.RandomState(0), [], []
    for _ in range(40):
        y = rng.randint(2, size=150)
        # both are right on 70 % of the rows, whatever the other one does
        first, second = np.where(rng.rand(2, 150) < 0.7, y, 1 - y) * 0.6 + 0.2
        found = compare(*said_by_two(first, second), y)
        covered.append((found["low"] <= 0) & (found["high"] >= 0))
        small.append(found["p_value"] < 0.05)
    assert (np.mean(covered, axis=0) >= 0.9).all()
    assert (np.mean(small, axis=0) <= 0.1).all()


# --- Classes and labels -------------------------------------------------------------


def test_classes_are_aligned_by_value(world):
    class Shuffled:
        classes_ = np.array(["cat", "ant", "bee"])

        def predict_proba(self, X):
            return world.a.predict_proba(X)[:, [2, 0, 1]]

    found = compare(Shuffled(), world.b, world.X, world.y)
    pd.testing.assert_frame_equal(found, world.found)


def test_class_of_one_model_alone_has_no_probability_in_the_other(world):
    present = world.y != "cat"
    narrow = GaussianNB().fit(world.X[present], world.y[present])
    found = compare(narrow, world.b, world.X, world.y)
    assert found.loc["accuracy", "a"] == narrow.score(world.X, world.y)
    assert found.loc["log_loss", "a"] > 1
    assert np.isfinite(found).all(axis=None)


@pytest.mark.parametrize("mark", [-1, None, np.nan])
def test_unknown_labels_are_left_out(world, mark):
    y = np.insert(world.y.astype(object), [0, 3, 3, 400], mark)
    X = np.insert(world.X, [0, 3, 3, 400], 7.0, axis=0)
    pd.testing.assert_frame_equal(compare(world.a, world.b, X, y), world.found)


def test_minus_one_is_a_class_where_a_model_knows_it(world):
    y = np.where(world.y == "ant", 1, -1)
    a, b = GaussianNB().fit(world.X, y), LogisticRegression().fit(world.X, y)
    found = compare(a, b, world.X, y)
    assert found.loc["accuracy", "a"] == a.score(world.X, y)


def test_distillers_leave_out_their_own_mark(world):
    distiller = make_distiller([world.a], unlabeled_label="?")
    X = world.X.astype(np.float32)
    distiller.fit(X, world.y)
    y = world.y.astype(object)
    y[::2] = "?"
    found = compare(distiller, world.b, X, y)
    odd = compare(distiller, world.b, X[1::2], world.y[1::2])
    pd.testing.assert_frame_equal(found, odd)
    assert found.loc["accuracy", "a"] == distiller.score(X, y)


def test_numbers_and_booleans_of_any_type_are_the_same_classes(world):
    y = (world.y == "ant").astype(np.int8)
    a, b = GaussianNB().fit(world.X, y), GaussianNB().fit(world.X, y.astype(float))
    assert (compare(a, b, world.X, y.tolist())["difference"] == 0).all()
    c = GaussianNB().fit(world.X, y.astype(bool))
    assert (compare(a, c, world.X, pd.array(y, dtype="Int64"))["p_value"] == 1).all()


def test_missing_class_leaves_the_auc_open_without_a_warning(world):
    present = world.y != "cat"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(world.a, world.b, world.X[present], world.y[present])
    assert found.loc["roc_auc"].isna().all()
    assert found.drop(index="roc_auc").notna().all(axis=None)


def test_class_with_a_single_row_leaves_the_interval_of_the_auc_open(world):
    rows = np.sort(np.r_[np.flatnonzero(world.y != "cat"), (world.y == "cat").argmax()])
    found = compare(world.a, world.b, world.X[rows], world.y[rows])
    assert found.loc["roc_auc", ["low", "high", "p_value"]].isna().all()
    assert found.loc["roc_auc", ["a", "b", "difference"]].notna().all()


def test_certain_models_have_a_finite_loss(world):
    found = compare(world.tree, world.a, world.X, world.y)
    assert np.isfinite(found).all(axis=None)


# --- Kinds of X and of models -------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [np.ndarray.tolist, pd.DataFrame, sparse.csr_array, sparse.coo_array]
)
def test_rows_of_any_kind(world, kind):
    fit = world.X, world.y
    a = make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(*fit)
    b = LogisticRegression(C=1e-3).fit(*fit)
    y = world.y.astype(object)
    y[::3] = -1
    expected = compare(a, b, world.X, y)
    found = compare(a, b, kind(world.X), y)
    assert_allclose(found[POINTS], expected[POINTS], rtol=1e-6)


def test_single_precision_is_as_good_as_double(world):
    class Single:
        classes_ = world.a.classes_

        def predict_proba(self, X):
            return world.a.predict_proba(X).astype(np.float32)

    found = compare(Single(), world.b, world.X, world.y)
    assert_allclose(found, world.found, rtol=1e-4, atol=1e-6)


def test_fitted_searches_are_models(world):
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-2]}, cv=2)
    search.fit(world.X, world.y)
    found = compare(search, search.best_estimator_, world.X, world.y)
    assert (found["difference"] == 0).all()


# --- Errors -------------------------------------------------------------------------

CASES = {
    "unfitted": (
        lambda w: (GaussianNB(), w.b, w.X, w.y),
        NotFittedError,
        "`a` has no `classes_`: fit it first, got GaussianNB()",
    ),
    "unfitted distiller": (
        lambda w: (w.a, make_distiller([w.a]), w.X, w.y),
        NotFittedError,
        "`b` has no `classes_`: fit it first",
    ),
    "no probabilities": (
        lambda w: (w.a, w.two[1], w.X, w.y),
        TypeError,
        "`b` must be a fitted classifier with predict_proba, got SVC()",
    ),
    "lengths": (
        lambda w: (w.a, w.b, w.X, w.y[:-1]),
        ValueError,
        "inconsistent numbers of samples: [400, 399]",
    ),
    "unknown class": (
        lambda w: (w.a, w.b, w.X, np.where(np.arange(400) == 3, "dog", w.y)),
        ValueError,
        "y holds labels that neither model knows, ['dog']: their classes are "
        "['ant', 'bee', 'cat']. Leave these rows out.",
    ),
    "labels of another kind": (
        lambda w: (w.a, w.b, w.X, np.arange(400) % 3),
        ValueError,
        "y holds labels that neither model knows, [0, 1, 2]",
    ),
    "one row": (
        lambda w: (w.a, w.b, w.X[:1], w.y[:1]),
        ValueError,
        "Expected at least 2 labeled rows to compare on, got 1",
    ),
    "no labeled row": (
        lambda w: (w.a, w.b, w.X, np.full(400, -1)),
        ValueError,
        "Expected at least 2 labeled rows to compare on, got 0",
    ),
    "nothing in common": (
        lambda w: (w.a, w.two[0], w.X, w.y),
        ValueError,
        "`a` and `b` must know the same labels, got classes ['ant', 'bee', 'cat'] and "
        "[False, True], none in common",
    ),
    "mark that is a class": (
        lambda w: (
            make_distiller([GaussianNB().fit(w.X, w.y == "ant")]).fit(
                w.X, w.y == "ant"
            ),
            GaussianNB().fit(w.X, np.arange(400) % 3 - 1),
            w.X,
            w.y == "ant",
        ),
        ValueError,
        "no class of either, got `unlabeled_label` [-1] and classes [False, True] and "
        "[-1, 0, 1]",
    ),
    "no prediction": (
        lambda w: (Said(w.a.classes_, [0, 1, 2]), w.b, np.zeros_like(w.X), w.y),
        ValueError,
        "`a` must predict probabilities that sum to one, got 400 of 400 labeled rows "
        "that do not, as [0.0, 0.0, 0.0] for row 0 of them",
    ),
    "columns": (
        lambda w: (Said(w.a.classes_), w.b, w.X, w.y),
        ValueError,
        "predict_proba of `a` must have one column for each of its 3 classes, got an "
        "array of shape (400, 5)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error_says_what_came(world, case):
    make, kind, message = CASES[case]
    with pytest.raises(kind, match=re.escape(message)):
        compare(*make(world))
