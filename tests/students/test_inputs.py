"""X as the numbers that a net takes, or an error that says why it cannot."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd.students._predict import student_proba
from tests.errors import check_errors
from tests.students.training import NETS, C, N, fit, make_data
from tests.worlds import stub, with_dates, with_value


def test_sparse_rows_train_like_dense_rows():
    X, y, target = make_data()
    X[X < 0] = 0
    dense, _ = fit(NETS["logits"], X, y, target)
    thin, _ = fit(NETS["logits"], sparse.csr_matrix(X), y, target)
    assert_allclose(
        student_proba(thin, sparse.csr_matrix(X)), student_proba(dense, X), atol=1e-6
    )


def test_inputs_with_more_than_two_axes_reach_a_convolution():
    _, y, target = make_data()
    images = np.random.RandomState(0).rand(N, 1, 6, 6)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(C)
    )
    net = NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, verbose=0)
    student, _ = fit(net, images, y, target)
    assert student_proba(student, images).shape == (N, C)


def test_readonly_and_float64_and_integer_rows_are_taken():
    X, y, target = make_data()
    X = X.round()
    expected, _ = fit(NETS["logits"], X, y, target)
    frozen = X.copy()
    frozen.setflags(write=False)
    for other in (
        frozen,
        X.astype(np.float64),
        X.astype(np.int32),
        np.asfortranarray(X),
    ):
        student, _ = fit(NETS["logits"], other, y, target)
        assert_array_equal(student_proba(student, other), student_proba(expected, X))


# --- Steps before the net -----------------------------------------------------------


class Doubling(Pipeline):
    """A Pipeline with a way of its own."""

    def transform(self, X):
        return 2 * super().transform(X)


@pytest.mark.parametrize("kind", [Pipeline, Doubling])
@pytest.mark.parametrize("step", ["passthrough", None, StandardScaler()])
def test_distiller_asks_the_steps_of_a_pipeline_as_the_pipeline_does(kind, step):
    X, y, target = make_data()
    steps = [("scale", MinMaxScaler()), ("other", step), ("net", NETS["logits"])]
    student, _ = fit(kind(steps), X, y, target)
    net, Z = student[-1], student[:-1].transform(X)
    assert_array_equal(student_proba(student, X), student_proba(net, Z))
    assert_allclose(student_proba(net, Z).sum(axis=1), 1, atol=1e-6)


# --- Errors -------------------------------------------------------------------------


def colored(world):
    return world.frame.assign(color=np.resize(["red", "green", "blue"], 60))


test_what_a_bare_net_cannot_take_is_an_error = check_errors(
    {
        "NaN": (
            lambda w: w.fit_stub(X=with_value(w.X, np.nan)),
            ValueError,
            "X contains NaN for dtype('float32'), which the student's net cannot take",
            "make_pipeline(SimpleImputer(), net)",
        ),
        "infinity": (
            lambda w: w.fit_stub(X=with_value(w.X, np.inf)),
            ValueError,
            "X contains infinity",
            "which the student's net cannot take. Clip or scale the column",
        ),
        "too large for float32": (
            lambda w: w.fit_stub(X=with_value(w.X.astype(float), 1e300)),
            ValueError,
            "too large for dtype('float32')",
            "Clip or scale the column",
        ),
        "NaN in a sparse matrix": (
            lambda w: w.fit(
                X=sparse.csr_array(with_value(w.X, np.nan)),
                teachers=[stub(predict=lambda X: np.zeros(X.shape[0]))],
            ),
            ValueError,
            "X contains NaN for dtype('float32'), which the student's net cannot take",
            "make_pipeline(SimpleImputer(), net)",
        ),
        "string column": (
            lambda w: w.fit_stub(X=colored(w)),
            ValueError,
            "net takes numbers only, but these columns are not: ['color']",
            "make_pipeline(preprocessing, net), or use student=None",
        ),
        "dates": (
            lambda w: w.fit_stub(X=with_dates(w.frame)),
            ValueError,
            "net takes numbers only, but these columns are not: ['day']",
            "Put an encoder before the net",
        ),
        "string column of an array": (
            lambda w: w.fit_stub(X=colored(w).to_numpy()),
            ValueError,
            "net takes numbers only, but X has text",
            "make_pipeline(preprocessing, net), or use student=None",
        ),
        "list of strings": (
            lambda w: w.fit_stub(X=["a text"] * 60),
            ValueError,
            "net takes numbers only, but X is a list of strings",
            "make_pipeline(TfidfVectorizer(), net)",
        ),
        "array of strings": (
            lambda w: w.fit_stub(X=np.array(["a text"] * 60, dtype=object)),
            ValueError,
            "net takes numbers only, but X is a list of strings",
            "make_pipeline(TfidfVectorizer(), net)",
        ),
        "series of strings": (
            lambda w: w.fit_stub(X=pd.Series(["a text"] * 60)),
            ValueError,
            "net takes numbers only, but X is a list of strings",
            "make_pipeline(TfidfVectorizer(), net)",
        ),
        "complex X": (
            lambda w: w.fit_stub(X=w.X + 1j),
            ValueError,
            "Complex data",
            "not supported",
        ),
    }
)
