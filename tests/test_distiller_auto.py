"""Under "auto", synthetic rows never make an error or a warning of a fit without."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_ekd import EnsembleDistiller, _distiller, _synthetic
from sk_ekd._data import read_data
from sk_ekd._synthetic import COPIES, choose_times
from sk_ekd.students import default_student
from sk_ekd.teachers._predictions import Predictions

N = 60


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Let the built-in student train for a few epochs only."""

    def choose(X, **how):
        student = default_student(X, **how)
        epochs = min(3, student["net"].max_epochs)
        return student.set_params(net__max_epochs=epochs)

    monkeypatch.setattr(_distiller, "default_student", choose)


class Picky(ClassifierMixin, BaseEstimator):
    """A teacher of few rows; about others it does what it is told."""

    def __init__(self, seen, respond):
        self.seen = seen
        self.respond = respond

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        proba = np.tile([0.25, 0.75], (len(X), 1))
        is_seen = np.array([tuple(row) in self.seen for row in X])
        return proba if is_seen.all() else self.respond(proba, is_seen)


def refuse(proba, is_seen):
    raise KeyError("a row that nobody knows")


def be_silent(proba, is_seen):
    return np.where(is_seen[:, np.newaxis], proba, np.nan)


def overflow(proba, is_seen):
    return np.where(is_seen[:, np.newaxis], proba, np.inf)


def complain(proba, is_seen):
    warnings.warn("a row that nobody knows", stacklevel=2)
    return proba


def table(n_rows=N):
    X = np.random.RandomState(0).randn(n_rows, 3)
    return X, (X[:, 0] > 0).astype(int)


def picky(X, respond):
    return Picky(frozenset(map(tuple, X)), respond)


def distill(teachers, X, y, **params):
    params = {"cv": 3, "random_state": 0, **params}
    return EnsembleDistiller(teachers, **params).fit(X, y)


def times_of(X, y=None, teachers=None, cv=3):
    """Return how many synthetic rows "auto" makes of each row."""
    y = np.arange(len(X)) % 2 if y is None else y
    _, data = read_data(X, y, None, -1)
    teachers = [GaussianNB()] if teachers is None else teachers
    return choose_times("auto", data._replace(y=y), Predictions(teachers, cv, X))


@pytest.mark.parametrize("respond", [refuse, be_silent, overflow])
def test_rows_that_a_teacher_refuses_are_left_out_as_if_never_made(respond):
    X, y = table()
    params = {"class_weight": "balanced", "weighting": "unified"}
    plain, auto = (
        distill([picky(X, respond)], X, y, synthetic=times, **params)
        for times in (0, "auto")
    )
    assert auto.synthetic_ == 0
    assert_array_equal(auto.predict_proba(X), plain.predict_proba(X))
    assert_array_equal(auto.row_weight_, plain.row_weight_)


def test_refused_rows_are_an_error_where_they_were_asked_for():
    X, y = table()
    with pytest.raises(KeyError, match="a row that nobody knows"):
        distill([picky(X, refuse)], X, y, synthetic=2)


def test_warnings_of_synthetic_rows_that_nobody_asked_for_are_not_shown():
    X, y = table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert distill([picky(X, complain)], X, y).synthetic_ == COPIES
    with pytest.warns(UserWarning, match="a row that nobody knows"):
        distill([picky(X, complain)], X, y, synthetic=2)


def test_teacher_of_a_relation_between_columns_is_distilled():
    X, y = table()
    frame = pd.DataFrame({"low": X[:, 0], "high": X[:, 0] + np.abs(X[:, 1])})
    root = FunctionTransformer(lambda X: np.sqrt(X["high"] - X["low"]).to_frame())
    distiller = distill([make_pipeline(root, GaussianNB())], frame, y)
    assert distiller.synthetic_ == 0


def test_teachers_are_asked_once_about_each_synthetic_row(counted):
    X, y = table()
    distill([counted()], X, y)
    assert counted.rows == N + COPIES * N


def test_interrupt_while_synthetic_rows_are_asked_about_passes():
    def interrupt(proba, is_seen):
        raise KeyboardInterrupt

    X, y = table()
    with pytest.raises(KeyboardInterrupt):
        distill([picky(X, interrupt)], X, y)


@pytest.mark.parametrize("times", [0, 2, "auto"])
def test_text_that_teaches_nothing_is_warned_of_once(times):
    X, y = table()
    frame = pd.DataFrame({"a": X[:, 0], "text": [f"row {i}" for i in range(N)]})
    first = FunctionTransformer(lambda X: X[["a"]])
    teachers = [make_pipeline(first, GaussianNB())]
    with pytest.warns(UserWarning, match="distinct values") as warned:
        distill(teachers, frame, y, synthetic=times)
    assert len(warned) == 1


def test_line_says_that_no_synthetic_row_is_left(capsys):
    X, y = table()
    distill([picky(X, refuse)], X, y, verbose=1)
    assert "a teacher refused: KeyError('a row" in capsys.readouterr().out


def test_times_are_a_number():
    X, y = table()
    assert repr(distill([GaussianNB()], X, y, synthetic=True).synthetic_) == "1"


# --- When -----------------------------------------------------------------------------


def test_automatic_rows_need_reasons():
    X, y = table()
    assert times_of(X) == COPIES
    assert times_of(X, np.where(np.arange(N) % 2, y, -1)) == 0  # half are labeled
    assert times_of(X, teachers=[GaussianNB().fit(X, y)], cv="prefit") == 0
    assert times_of(X.reshape(N, 3, 1)) == 0
    assert times_of([f"text {i}" for i in range(N)]) == 0


def test_automatic_rows_are_not_made_of_more_than_memory_holds(monkeypatch):
    X, _ = table()
    frame = pd.DataFrame(X)
    monkeypatch.setattr(_synthetic, "MOST_VALUES", 3 * N)
    assert times_of(X) == times_of(frame) == times_of(X.tolist()) == COPIES
    monkeypatch.setattr(_synthetic, "MOST_VALUES", 3 * N - 1)
    assert times_of(X) == times_of(frame) == times_of(X.tolist()) == 0
