"""Rows are read as they come, whatever holds them."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sk_ekd._data import as_rows, count_rows, read_weight, take_rows
from tests.errors import check_errors
from tests.worlds import make_net

TABLE = np.arange(12.0).reshape(4, 3)
KINDS = {
    "array": TABLE,
    "frame": pd.DataFrame(TABLE, index=[7, 7, 3, 1]),
    "series of texts": pd.Series(["a", "b", "c", "d"], index=[7, 7, 3, 1]),
    "texts": ["a", "b", "c", "d"],
    "tuple": ("a", "b", "c", "d"),
    "images": np.arange(48).reshape(4, 2, 2, 3),
    "csr": sparse.csr_matrix(TABLE),
    "coo": sparse.coo_array(TABLE),
    "dia": sparse.dia_matrix(TABLE),
}


@pytest.mark.parametrize("X", KINDS.values(), ids=KINDS)
def test_rows_are_taken_by_position(X):
    rows = as_rows(X)
    assert count_rows(rows) == 4
    taken = take_rows(rows, np.array([1, 3]))
    assert count_rows(taken) == 2
    if sparse.issparse(X):
        assert_array_equal(taken.toarray(), TABLE[[1, 3]])
    else:
        assert_array_equal(np.asarray(taken), np.asarray(X)[[1, 3]])


@pytest.mark.parametrize("name", ["array", "frame", "texts", "csr"])
def test_all_rows_are_the_very_object(name):
    assert as_rows(KINDS[name]) is KINDS[name]
    assert take_rows(KINDS[name], np.arange(4)) is KINDS[name]


def test_weights_of_zero_are_left_out():
    weight, index = read_weight(np.array([0, 2, 0, 1]), 4)
    assert_array_equal(weight, [2, 1])
    assert_array_equal(index, [1, 3])
    assert weight.dtype == np.float64


def test_no_weights_are_weights_of_one():
    weight, index = read_weight(None, 3)
    assert_array_equal(weight, 1)
    assert_array_equal(index, [0, 1, 2])


# --- Through the distiller ----------------------------------------------------------


def test_row_weight_of_zero_is_a_removed_row(world):
    weight = np.ones(400)
    weight[::3] = 0
    weighted = world.distill(sample_weight=weight)
    kept = weight > 0
    removed = world.distill(X=world.X[kept], y=world.y[kept])
    assert_array_equal(weighted.predict_proba(world.X), removed.predict_proba(world.X))
    assert_array_equal(weighted.row_weight_[~kept], 0)
    assert_array_equal(weighted.row_weight_[kept], removed.row_weight_)


def test_row_weight_of_two_is_a_repeated_row_in_full_batches(world):
    twice = np.r_[np.arange(400), np.arange(0, 400, 5)]
    student = make_net(batch_size=-1, module__dropout=0.0, optimizer=torch.optim.SGD)
    weighted = world.distill(sample_weight=np.bincount(twice), student=student)
    repeated = world.distill(X=world.X[twice], y=world.y[twice], student=student)
    assert_allclose(
        weighted.predict_proba(world.X), repeated.predict_proba(world.X), atol=1e-5
    )


def test_texts_go_to_teachers_and_student_as_they_are(world):
    texts = [
        f"{'good fine' if c else 'bad awful'} film {i}"
        for i, c in enumerate([0, 1] * 60)
    ]
    y = np.array([0, 1] * 60)
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    student = make_pipeline(TfidfVectorizer(), make_net(max_epochs=30))
    y[10:] = -1
    distiller = world.distill(
        X=texts, y=y, teachers=[teacher], student=student, weighting="uniform"
    )
    assert_array_equal(distiller.predict(["a good film", "an awful film"]), [1, 0])
    assert not hasattr(distiller, "n_features_in_")


def test_mask_of_a_cv_split_is_read_as_positions(world):
    half = np.arange(400) % 16 < 8
    by_mask, by_position = (
        world.distill(teachers=[GaussianNB()], cv=splits)
        for splits in (
            [(half, ~half), (~half, half)],
            [tuple(map(np.flatnonzero, s)) for s in [(half, ~half), (~half, half)]],
        )
    )
    assert_array_equal(
        by_mask.predict_proba(world.X), by_position.predict_proba(world.X)
    )


# --- Errors -------------------------------------------------------------------------


test_what_is_no_table_of_rows_is_an_error = check_errors(
    {
        "y too short": (
            lambda w: w.fit(y=w.y[:-1]),
            ValueError,
            "inconsistent numbers of samples",
            "[60, 59]",
        ),
        "no rows": (
            lambda w: w.fit(X=w.X[:0], y=w.y[:0]),
            ValueError,
            "X and y with 0 samples",
            "at least 1 is required",
        ),
        "one column as a vector": (
            lambda w: w.fit(X=w.X[:, 0]),
            ValueError,
            "Expected a 2D array of rows, got an array of shape (60,)",
            "Reshape your data",
        ),
        "X None": (
            lambda w: w.distiller().fit(None, w.y),
            ValueError,
            "got None",
            "Expected a 2D array of rows",
        ),
    }
)


test_what_is_no_weight_a_row_is_an_error = check_errors(
    {
        "weights too short": (
            lambda w: w.fit(sample_weight=np.ones(59)),
            ValueError,
            "got an array of shape (59,)",
            "`sample_weight` must be a 1D array of one weight a row, shape (60,)",
        ),
        "weight negative": (
            lambda w: w.fit(sample_weight=np.linspace(-1, 1, 60)),
            ValueError,
            "got values from -1.0 to 1.0",
            "Sample weights must be non-negative",
        ),
        "weights all zero": (
            lambda w: w.fit(sample_weight=np.zeros(60)),
            ValueError,
            "Sample weights",
            "must not all be zero",
        ),
        "weight NaN": (
            lambda w: w.fit(sample_weight=np.full(60, np.nan)),
            ValueError,
            "sample_weight",
            "contains NaN",
        ),
        "weights 2-D": (
            lambda w: w.fit(sample_weight=np.ones((60, 2))),
            ValueError,
            "got an array of shape (60, 2)",
            "`sample_weight` must be a 1D array",
        ),
        "weight a scalar": (
            lambda w: w.fit(sample_weight=2.0),
            ValueError,
            "got an array of shape ()",
            "`sample_weight` must be a 1D array",
        ),
    }
)


test_what_is_no_position_in_x_is_an_error = check_errors(
    {
        "position beyond X": (
            lambda w: w.fit_unfitted(cv=[([1, 999], [3])]),
            ValueError,
            "got 1 to 999",
            "Positions in `cv` must be from 0 to 59",
        ),
        "mask of another length": (
            lambda w: w.fit_unfitted(cv=[(np.ones(9, bool), np.ones(9, bool))]),
            ValueError,
            "got bool of shape (9,)",
            "masks of length 60",
        ),
    }
)
