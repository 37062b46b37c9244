"""The teachers are asked once, and given answers are as good as asked ones."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch.optim import Adam

from sk_ekd import EnsembleDistiller, _ask, ask_teachers
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import MLP

N = 240


def make_net(**params):
    defaults = {"max_epochs": 3, "lr": 0.01, "optimizer": Adam, "verbose": 0}
    return NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        module__hidden=(8,),
        **{**defaults, **params},
    )


class CountingNB(GaussianNB):
    """A teacher that counts its fits and the rows that it is asked about."""

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
        2 * N, n_features=5, n_informative=4, n_redundant=0, n_classes=3,
        class_sep=0.9, flip_y=0.05, n_clusters_per_class=1, random_state=0,
    )  # fmt: skip
    y = np.where(np.arange(N) % 4, -1, truth[:N])
    teachers = [
        ("bayes", CountingNB().fit(X[N:], truth[N:])),
        ("forest", RandomForestClassifier(10, random_state=0).fit(X[N:], truth[N:])),
        ("neighbors", KNeighborsClassifier().fit(X[N:], truth[N:])),
    ]
    CountingNB.fits = CountingNB.rows = 0
    return X[:N], y, truth[:N], teachers


@pytest.fixture
def counted():
    CountingNB.fits = CountingNB.rows = 0
    return CountingNB


def unfitted():
    return [CountingNB(), RandomForestClassifier(10), LogisticRegression()]


def distiller(teachers, **params):
    return EnsembleDistiller(teachers, make_net(), **{"random_state": 0, **params})


def assert_same(first, second, X):
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_array_equal(first.row_weight_, second.row_weight_)
    assert_array_equal(first.teacher_weight_, second.teacher_weight_)
    assert_array_equal(first.teacher_accuracy_, second.teacher_accuracy_)


# --- Making the answers -------------------------------------------------------------


def test_answers_have_rows_first_and_sum_to_one(data):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y)
    assert proba.shape == (N, 3, 3)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_allclose(proba[:, 0], GaussianNB.predict_proba(teachers[0][1], X), atol=1e-7)


def test_labels_are_needed_only_to_fit(data):
    X, y, _, teachers = data
    assert_array_equal(ask_teachers(teachers, X), ask_teachers(teachers, X, y))
    with pytest.raises(ValueError, match=r"cv=5 fits the teachers on labeled rows"):
        ask_teachers(unfitted(), X, cv=5)


def test_classes_that_no_teacher_knows_get_columns_of_zeros(data):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, classes=[0, 1, 2, 7])
    assert_array_equal(proba[:, :, 3], 0)
    y = y.copy()
    y[0] = 7
    assert_array_equal(proba, ask_teachers(teachers, X, y))


@pytest.mark.parametrize("block_values", [1, 9 * 50, 2**24])
def test_answers_in_a_file_are_those_in_memory(
    data, tmp_path, monkeypatch, block_values
):
    X, y, _, teachers = data
    whole = ask_teachers(teachers, X, y)
    monkeypatch.setattr(_ask, "BLOCK_VALUES", block_values)
    proba = ask_teachers(teachers, X, y, out=tmp_path / "proba.npy")
    assert isinstance(proba, np.memmap)
    assert_array_equal(proba, whole)
    assert_array_equal(np.load(tmp_path / "proba.npy"), whole)
    assert [path.name for path in tmp_path.iterdir()] == ["proba.npy"]


def test_file_of_a_failed_run_does_not_appear(data, tmp_path):
    X, y, _, teachers = data
    (tmp_path / "proba.npy").write_text("the one before")
    broken = KNeighborsClassifier().fit(X[:, :3], np.arange(N) % 3)
    with pytest.raises(ValueError, match="features"):
        ask_teachers([*teachers, broken], X, y, out=tmp_path / "proba.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["proba.npy"]
    assert (tmp_path / "proba.npy").read_text() == "the one before"


def test_progress_is_printed_on_demand(data, capsys, monkeypatch):
    X, y, _, teachers = data
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 9 * 100)
    ask_teachers(teachers, X, y)
    assert capsys.readouterr().out == ""
    ask_teachers(teachers, X, y, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "teachers answered 100 of 240 rows",
        "teachers answered 200 of 240 rows",
        "teachers answered 240 of 240 rows",
    ]


def test_two_jobs_answer_alike(data):
    X, y, _, teachers = data
    assert_array_equal(
        ask_teachers(teachers, X, y), ask_teachers(teachers, X, y, n_jobs=2)
    )
    fold = {"cv": 3, "random_state": 0}
    assert_array_equal(
        ask_teachers(unfitted(), X, y, **fold),
        ask_teachers(unfitted(), X, y, n_jobs=2, **fold),
    )


def test_labeled_rows_are_answered_out_of_fold(data):
    X, y, truth, _ = data
    memory = KNeighborsClassifier(1)
    y_noise = np.where(y >= 0, np.random.RandomState(0).permutation(truth), -1)
    labeled = y >= 0
    by_heart = ask_teachers([memory.fit(X[labeled], y_noise[labeled])], X)
    honest = ask_teachers([KNeighborsClassifier(1)], X, y_noise, cv=5)
    hit = by_heart[labeled, 0].argmax(axis=1) == y_noise[labeled]
    assert hit.all()
    assert (honest[labeled, 0].argmax(axis=1) == y_noise[labeled]).mean() < 0.6
    assert_array_equal(honest[~labeled], by_heart[~labeled])


# --- Using them ---------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["correctness", "unified", "uniform"])
@pytest.mark.parametrize("kind", ["array", "list", "float64", "memmap", "torch"])
def test_given_answers_are_asked_answers_bit_for_bit(data, tmp_path, kind, weighting):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y, out=tmp_path / "proba.npy")
    given = {
        "array": np.array,
        "list": lambda p: p.tolist(),
        "float64": lambda p: p.astype(np.float64),
        "memmap": lambda p: p,
        "torch": lambda p: torch.tensor(np.array(p)),
    }[kind](proba)
    asked = distiller(teachers, weighting=weighting).fit(X, y)
    for given_teachers in (teachers, None):
        looked_up = distiller(given_teachers, weighting=weighting)
        assert_same(looked_up.fit(X, y, teacher_proba=given), asked, X)
    assert list(looked_up.teacher_accuracy_.index) == [
        "teacher-1",
        "teacher-2",
        "teacher-3",
    ]
    assert looked_up.teachers_ == []


@pytest.mark.parametrize("cv", [4, StratifiedKFold(3, shuffle=True, random_state=0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_out_of_fold_answers_are_those_of_fit_bit_for_bit(data, counted, cv, weighted):
    X, y, _, _ = data
    weight = np.arange(N) % 3 if weighted else None  # zeros are removed rows
    options = {"cv": cv, "random_state": 0}
    proba = ask_teachers(unfitted(), X, y, sample_weight=weight, **options)
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)  # the removed rows' too
    asked = distiller(unfitted(), **options).fit(X, y, sample_weight=weight)
    counted.fits = 0
    given = distiller(unfitted(), **options)
    given.fit(X, y, sample_weight=weight, teacher_proba=proba)
    assert counted.fits == 0
    assert_same(given, asked, X)
    assert given.teachers_ == []
    assert list(given.teacher_weight_) == list(asked.teacher_weight_)


def test_block_size_does_not_matter(data, monkeypatch):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y)
    whole = distiller(None).fit(X, y, teacher_proba=proba)
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 9 * 7)
    assert_same(distiller(None).fit(X, y, teacher_proba=proba), whole, X)


def test_rough_answers_are_normalized(data):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y)
    exact = distiller(None).fit(X, y, teacher_proba=proba)
    rough = distiller(None).fit(X, y, teacher_proba=proba * 1.0005)
    assert_allclose(rough.predict_proba(X), exact.predict_proba(X), atol=1e-3)
    half = distiller(None).fit(X, y, teacher_proba=proba.astype(np.float16))
    assert_allclose(half.predict_proba(X), exact.predict_proba(X), atol=1e-2)


def test_votes_may_be_booleans(data):
    X, y, _, teachers = data
    votes = np.eye(3, dtype=bool)[ask_teachers(teachers, X).argmax(axis=2)]
    numbers = distiller(None).fit(X, y, teacher_proba=votes.astype(float))
    assert_same(distiller(None).fit(X, y, teacher_proba=votes), numbers, X)


def test_unfitted_teachers_need_no_label_where_answers_are_given(data):
    X, _, _, teachers = data
    proba = ask_teachers(teachers, X)
    fitted = distiller(unfitted(), cv=5)
    fitted.fit(X, np.full(N, -1), teacher_proba=proba)
    assert fitted.teachers_ == []


def test_answers_are_not_written_to(data):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y).astype(np.float64) * 1.0005
    before = proba.copy()
    distiller(None).fit(X, y, teacher_proba=proba)
    assert_array_equal(proba, before)


# --- Classes without teachers -------------------------------------------------------


def test_classes_come_from_the_labels(data):
    X, y, _, teachers = data
    names = np.array(["ant", "bee", "cow"], dtype=object)
    words = np.array([names[c] if c >= 0 else -1 for c in y], dtype=object)
    proba = ask_teachers(teachers, X)
    fitted = distiller(None).fit(X, words, teacher_proba=proba)
    assert_array_equal(fitted.classes_, names)


def test_classes_can_be_named_where_labels_lack_some(data):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X)
    few = np.where(y == 2, -1, y)
    with pytest.raises(ValueError, match=r"has 3 columns.* 2 classes, \[0, 1\].*`clas"):
        distiller(None).fit(X, few, teacher_proba=proba)
    fitted = distiller(None, classes=[0, 1, 2]).fit(X, few, teacher_proba=proba)
    assert_array_equal(fitted.classes_, [0, 1, 2])
    assert fitted.predict_proba(X).shape == (N, 3)


def test_no_label_and_no_teacher_predicts_columns(data):
    X, _, truth, teachers = data
    proba = ask_teachers(teachers, X)
    student = make_net(max_epochs=40)
    fitted = EnsembleDistiller(None, student, random_state=0)
    fitted.fit(X, np.full(N, -1), teacher_proba=proba)
    assert_array_equal(fitted.classes_, [0, 1, 2])
    assert fitted.score(X, truth) > 0.8
    named = EnsembleDistiller(
        None, student, classes=["ant", "bee", "cow"], random_state=0
    )
    named.fit(X, np.full(N, -1), teacher_proba=proba)
    assert set(named.predict(X)) <= {"ant", "bee", "cow"}
    assert_array_equal(named.predict_proba(X), fitted.predict_proba(X))


def test_classes_may_hold_more_than_labels_and_teachers_know(data):
    X, y, _, teachers = data
    fitted = distiller(teachers, classes=[0, 1, 2, 9]).fit(X, y)
    assert_array_equal(fitted.classes_, [0, 1, 2, 9])
    assert fitted.predict_proba(X)[:, 3].max() < 0.5


# --- In scikit-learn's tools --------------------------------------------------------

GRID = {"alpha": [0.2, 0.8], "temperature": [1.0, 2.0]}


def test_search_asks_each_teacher_once_a_row(data, counted):
    X, y, _, teachers = data
    split = SemiSupervisedSplit(5)
    asked = GridSearchCV(distiller(teachers), GRID, cv=split).fit(X, y)
    n_labeled = (y >= 0).sum()
    # of 4 candidates x 5 folds and the last fit; each train part lacks a fifth
    assert counted.rows == 4 * 5 * (N - n_labeled / 5) + N
    counted.rows = 0
    proba = ask_teachers(teachers, X, y)
    given = GridSearchCV(distiller(teachers), GRID, cv=split)
    given.fit(X, y, teacher_proba=proba)
    assert counted.rows == N
    assert_array_equal(
        given.cv_results_["mean_test_score"], asked.cv_results_["mean_test_score"]
    )
    assert_array_equal(given.predict_proba(X), asked.predict_proba(X))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_every_fold_gets_its_own_rows(data, routing, n_jobs):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y)
    split = SemiSupervisedSplit(3)
    expected = [
        distiller(None)
        .fit(X[train], y[train], teacher_proba=proba[train], sample_weight=w[train])
        .score(X[test], y[test])
        for w in [np.linspace(0, 1, N)]
        for train, test in split.split(X, y)
    ]
    model = distiller(None)
    metadata = {"teacher_proba": proba, "sample_weight": np.linspace(0, 1, N)}
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            model.set_fit_request(teacher_proba=True, sample_weight=True)
            model.set_score_request(sample_weight=False)
        scores = cross_val_score(model, X, y, cv=split, params=metadata, n_jobs=n_jobs)
    assert_array_equal(scores, expected)


@pytest.mark.parametrize("routing", [False, True])
def test_answers_pass_through_a_pipeline_in_a_search(data, routing):
    X, y, _, teachers = data
    proba = ask_teachers(teachers, X, y)
    with sklearn.config_context(enable_metadata_routing=routing):
        model = distiller(None)
        if routing:
            model.set_fit_request(teacher_proba=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("distill", model)])
        grid = {f"distill__{name}": values for name, values in GRID.items()}
        search = GridSearchCV(pipeline, grid, cv=SemiSupervisedSplit(3))
        metadata = {"teacher_proba": proba}
        if not routing:
            metadata = {
                "distill__teacher_proba": proba,
                "distill__sample_weight": np.ones(N),
            }
        search.fit(X, y, **metadata)
        alone = distiller(None, **{
            name.removeprefix("distill__"): value
            for name, value in search.best_params_.items()
        })  # fmt: skip
    scaled = StandardScaler().fit_transform(X)
    alone.fit(scaled, y, teacher_proba=proba)
    assert_array_equal(alone.predict_proba(scaled), search.predict_proba(X))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_frames_keep_their_names(data):
    X, y, _, _ = data
    frame = pd.DataFrame(X, columns=list("abcde"))
    teachers = [GaussianNB()]
    proba = ask_teachers(teachers, frame, y, cv=3, random_state=0)
    fitted = distiller(teachers, cv=3).fit(frame, y, teacher_proba=proba)
    assert_array_equal(fitted.feature_names_in_, list("abcde"))
