"""How far a student follows its teachers, where nobody knows a label."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy import sparse
from scipy.stats import binomtest, entropy
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import agreement_report

pytestmark = pytest.mark.filterwarnings("ignore:The fitted teachers are all but")


@pytest.fixture(scope="module")
def world():
    X, y = load_iris(return_X_y=True, as_frame=True)
    rows = X.assign(g=0)  # which nobody reads
    reads = make_column_transformer(("passthrough", [*X.columns]))
    teachers = [
        make_pipeline(reads, GaussianNB()).fit(rows, y),
        make_pipeline(reads, LogisticRegression(C=0.1, max_iter=500)).fit(rows, y),
    ]
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)  # errs at times
    distiller = EnsembleDistiller(teachers, make_pipeline(reads, tree), random_state=0)
    distiller.fit(rows, y)
    return SimpleNamespace(rows=rows, distiller=distiller)


def test_report_is_what_a_pencil_says(world):
    report = agreement_report(world.distiller, world.rows, threshold=0.2)
    proba = ask_teachers(world.distiller.teachers_, world.rows)
    pool, student = proba.mean(axis=1), world.distiller.predict_proba(world.rows)
    kl = entropy(pool, np.maximum(student, np.finfo(np.float32).tiny), axis=1)
    same = pool.argmax(axis=1) == student.argmax(axis=1)
    interval = binomtest(same.sum(), len(same)).proportion_ci(method="wilson")
    assert [*report.index] == ["all"]
    line = report.loc["all"]
    assert line["n_samples"] == 150
    assert 0 < line["beyond"] == (kl > 0.2).mean() < 1
    assert_allclose(line["agreement"], same.mean())
    assert_allclose(line["kl"], kl.mean(), rtol=1e-5)
    assert_allclose([*line[["agreement_low", "agreement_high"]]], [*interval])


def test_report_needs_no_label_and_takes_given_predictions(world):
    proba = ask_teachers(world.distiller.teachers_, world.rows)
    given = agreement_report(world.distiller, world.rows, teacher_proba=proba)
    assert_frame_equal(given, agreement_report(world.distiller, world.rows))


def test_a_row_that_no_teacher_predicts_is_left_out(world):
    proba = ask_teachers(world.distiller.teachers_, world.rows)
    proba[::2] = np.nan
    report = agreement_report(world.distiller, world.rows, teacher_proba=proba)
    odd = agreement_report(world.distiller, world.rows.iloc[1::2])
    assert_frame_equal(report, odd)


def test_drift_shows(world):
    rng = np.random.default_rng(0)
    drifted = world.rows + rng.normal(0, 2, world.rows.shape)
    before = agreement_report(world.distiller, world.rows).loc["all"]
    after = agreement_report(world.distiller, drifted).loc["all"]
    assert after["agreement"] < before["agreement"]
    assert after["beyond"] > before["beyond"]


def test_groups_of_a_column_are_reports_of_their_rows(world):
    rows = world.rows.assign(g=["large", "small", "small"] * 50)
    report = agreement_report(world.distiller, rows, by="g")
    assert [*report.index] == ["all", "g = small", "g = large"]
    for size in ("large", "small"):
        alone = agreement_report(world.distiller, rows[rows["g"] == size]).loc["all"]
        assert_allclose(report.loc[f"g = {size}"], alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([True, False] * 75, ["g = True", "g = False"]),
        (["a", None, "a"] * 50, ["g = a", "g: missing"]),
        (np.arange(150) % 3, ["g = 0", "g = 1", "g = 2"]),
        (pd.array([1, pd.NA, 1] * 50, dtype="Int64"), ["g = 1", "g: missing"]),
        (pd.Categorical(["a", "b", "b"] * 50), ["g = b", "g = a"]),
        (
            [*range(149), np.nan],
            [
                "g in (-0.001, 37.0]", "g in (37.0, 74.0]", "g in (74.0, 111.0]",
                "g in (111.0, 148.0]", "g: missing",
            ],
        ),
        (
            list("abcdefghij") * 14 + list("kkkkkkkkkk"),
            [*(f"g = {c}" for c in "abcdefghi"), "g: others"],
        ),
    ],
    ids=["bool", "text", "few numbers", "nullable", "category", "numbers", "many"],
)  # fmt: skip
def test_every_row_is_in_one_group(world, values, names):
    rows = world.rows.assign(g=values)
    report = agreement_report(world.distiller, rows, by="g")
    assert {*report.index} == {"all", *names}
    assert report["n_samples"].iloc[1:].sum() == 150


def test_several_columns_and_columns_of_an_array(world):
    report = agreement_report(
        world.distiller, world.rows, by=["petal width (cm)", "petal length (cm)"]
    )
    assert report["n_samples"].iloc[1:].sum() == 300
    array, y = world.rows.to_numpy(), load_iris().target
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    distiller = EnsembleDistiller([GaussianNB().fit(array, y)], tree).fit(array, y)
    by_position = agreement_report(distiller, array, by=3)
    assert [*by_position["n_samples"]] == [*report["n_samples"][:5]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "Petal"}, "must name columns of X, got .'Petal'."),
        ({"threshold": 0}, "`threshold` must be above 0 nats, got 0"),
        ({"teacher_proba": np.ones((3, 2, 3)) / 3}, "150"),
    ],
)
def test_wrong_arguments_are_refused(world, options, message):
    with pytest.raises(ValueError, match=message):
        agreement_report(world.distiller, world.rows, **options)


def test_rows_without_columns_have_no_groups(world):
    with pytest.raises(TypeError, match="DataFrame or an array of two dimensions"):
        agreement_report(world.distiller, ["a text"], by="a")


def test_distiller_that_is_not_fitted_is_refused(world):
    with pytest.raises(NotFittedError):
        agreement_report(EnsembleDistiller([GaussianNB()]), world.rows)


def test_groups_are_named_in_any_list_and_of_sparse_rows(world):
    by_list = agreement_report(world.distiller, world.rows, by=["g"])
    for names in (pd.Index(["g"]), np.array(["g"])):
        found = agreement_report(world.distiller, world.rows, by=names)
        assert_frame_equal(found, by_list)
    X = sparse.csr_matrix(world.rows.to_numpy())
    distiller = EnsembleDistiller(
        [LogisticRegression(max_iter=500)], cv=3, random_state=0
    ).fit(X, np.arange(X.shape[0]) % 2)
    assert "4 = 0.0" in agreement_report(distiller, X, by=4).index


@pytest.mark.parametrize("threshold", [None, "x", [1], 0])
def test_threshold_is_a_number_above_zero(world, threshold):
    with pytest.raises(ValueError, match="must be above 0 nats"):
        agreement_report(world.distiller, world.rows, threshold=threshold)
