"""What holds for every problem without a flaw, and for every table."""

import copy
import pickle
import random
import warnings
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sk_ekd import EnsembleDistiller, _table, serving
from sk_ekd.export._fold import fold
from sk_ekd.students import default_student
from tests.strategies import labels, problems, take
from tests.tables import DRIFTS, tables

pytestmark = pytest.mark.filterwarnings("error")


def assert_same_bits(one, other, X):
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def read_generators():
    """Return the states of the global generators of Python, NumPy and torch."""
    numpy = np.random.get_state()  # noqa: NPY002
    return joblib.hash([random.getstate(), numpy, torch.get_rng_state().numpy()])


# --- Predictions ----------------------------------------------------------------------


@given(problems())
def test_prediction_is_the_likeliest_class(problem):
    distiller = problem.fit()
    proba = distiller.predict_proba(problem.X)
    assert proba.shape == (problem.n_samples, len(distiller.classes_))
    assert (proba >= 0).all()
    assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    predicted = distiller.predict(problem.X)
    assert_array_equal(predicted, distiller.classes_[proba.argmax(axis=1)])
    assert distiller.classes_.tolist() == (problem.classes or problem.names)


@given(problems())
def test_distiller_predicts_what_its_student_predicts(problem):
    distiller = problem.fit()
    student, X = distiller.student_, problem.X
    if problem.student in ("logits", "proba", "binary"):
        X = np.array(X, dtype=np.float32)  # which is what a bare net takes
    codes = np.asarray(student.predict(X)).astype(int)
    assert_array_equal(distiller.predict(problem.X), distiller.classes_[codes])
    proba = distiller.predict_proba(problem.X)
    assert_allclose(proba, student.predict_proba(X), atol=1e-6)


@given(problems())
def test_prediction_does_not_depend_on_other_rows(problem):
    distiller = problem.fit()
    proba = distiller.predict_proba(problem.X)
    index = np.random.RandomState(problem.seed).permutation(problem.n_samples)
    for part in (index, index[:7], index[:1]):
        rows = take(problem.X, part)
        assert_allclose(distiller.predict_proba(rows), proba[part], atol=1e-6)


@given(problems())
def test_pickled_distiller_predicts_and_trains_the_same(problem):
    distiller = problem.fit()
    loaded = pickle.loads(pickle.dumps(distiller))
    assert_same_bits(loaded, distiller, problem.X)
    assert_same_bits(copy.deepcopy(distiller), distiller, problem.X)
    assert_same_bits(problem.fit(loaded), distiller, problem.X)


# --- Training -------------------------------------------------------------------------


@given(problems())
def test_same_seed_gives_the_same_bits(problem):
    distiller = problem.fit()
    again = problem.fit(clone(distiller))
    assert_same_bits(again, distiller, problem.X)
    assert_array_equal(again.row_weight_, distiller.row_weight_)
    assert_same_bits(problem.fit(distiller), again, problem.X)  # a second time


@given(problems(), st.data())
def test_how_y_is_written_changes_no_prediction(problem, data):
    other = data.draw(labels(problem.n_classes))
    assert_same_bits(problem.written(other).fit(), problem.fit(), problem.X)


@given(problems())
def test_given_predictions_stand_for_asked_ones_to_the_bit(problem):
    asked, told = problem.fit(), problem.fit(teacher_proba=problem.ask())
    assert_same_bits(told, asked, problem.X)
    assert_array_equal(told.row_weight_, asked.row_weight_)
    assert_array_equal(told.teacher_weight_, asked.teacher_weight_)


@given(problems())
def test_weights_are_those_of_the_rows_that_count(problem):
    distiller = problem.fit()
    weight, shares = distiller.row_weight_, distiller.teacher_weight_
    counts = np.ones(problem.n_samples, dtype=bool)
    if problem.sample_weight is not None:
        counts = problem.sample_weight > 0
    assert weight.shape == (problem.n_samples,)
    assert (np.isfinite(weight) & (weight >= 0)).all()
    assert_array_equal(shares.index, np.flatnonzero((problem.codes >= 0) & counts))
    assert list(shares.columns) == list(distiller.teacher_names_)
    assert (np.isfinite(shares) & (shares >= 0)).all(axis=None)
    assert_allclose(shares.sum(axis=1), weight[shares.index], rtol=1e-5)


@given(problems())
def test_row_of_weight_zero_counts_as_removed(problem):
    rng = np.random.RandomState(problem.seed)
    weight = rng.randint(1, 4, problem.n_samples)
    weight[(problem.codes < 0) & (rng.rand(problem.n_samples) < 0.3)] = 0
    kept = np.flatnonzero(weight)
    weighted = problem.distiller().fit(problem.X, problem.y, sample_weight=weight)
    X, y = problem.rows_at(kept)
    removed = problem.distiller().fit(X, y, sample_weight=weight[kept])
    assert_same_bits(weighted, removed, problem.X)
    assert_array_equal(weighted.row_weight_[kept], removed.row_weight_)


@given(problems())
def test_chunks_give_the_same_bits_again(problem):
    one, other = train_on_chunks(problem), train_on_chunks(problem)
    assert_same_bits(one, other, problem.X)
    assert_same_bits(one, pickle.loads(pickle.dumps(one)), problem.X)
    assert len(one.history_) == 2


def train_on_chunks(problem):
    """Train on all rows, and on every second one of them."""
    distiller, proba = problem.distiller(validation_fraction=None), problem.ask()
    if problem.weighs_classes == "balanced":
        distiller.set_params(class_weight=None)
    distiller.partial_fit(problem.X, problem.y, teacher_proba=proba)
    X, y = problem.rows_at(np.arange(0, problem.n_samples, 2))
    with warnings.catch_warnings():  # a chunk may hold few rows of a teacher's class
        warnings.filterwarnings("ignore", "Teachers are right on fewer")
        return distiller.partial_fit(X, y, teacher_proba=proba[::2])


# --- What is the caller's -------------------------------------------------------------


@given(problems())
def test_callers_generators_stay_as_they_were(problem):
    before = read_generators()
    problem.fit().predict(problem.X)
    train_on_chunks(problem)
    assert read_generators() == before


@given(problems())
def test_nothing_of_the_callers_is_written_to(problem):
    distiller = problem.distiller()
    passed = problem.X, problem.y, problem.sample_weight, problem.ask()
    params = distiller.get_params(deep=False)
    before = joblib.hash(passed), joblib.hash(params)
    for array in passed:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False  # as in a worker of joblib
    problem.fit(distiller, teacher_proba=passed[-1])
    problem.fit(distiller).predict(problem.X)
    assert (joblib.hash(passed), joblib.hash(params)) == before
    assert distiller.get_params(deep=False) == params


# --- Tables ---------------------------------------------------------------------------


@given(tables(), st.sampled_from(list(DRIFTS)), st.integers(0, 2**16))
def test_table_that_is_stored_otherwise_gets_the_same_predictions(table, before, seed):
    rng = np.random.RandomState(seed)
    train = DRIFTS[before](table)
    distiller = distill_noise(train, rng)
    expected = distiller.predict_proba(train)
    part = np.sort(rng.permutation(len(table))[: rng.randint(1, len(table) + 1)])
    for after, drift in DRIFTS.items():
        for rows in (range(len(table)), part):
            proba = predict_unnamed(distiller, drift(table.iloc[rows]))
            rounded = "loat32" in before + after or len(rows) < len(table)
            assert_allclose(
                proba, expected[rows], err_msg=after, rtol=0,
                atol=1e-5 if rounded else 0,
            )  # fmt: skip


@given(tables(), st.sampled_from(list(DRIFTS)))
def test_few_rows_are_read_as_many_are_to_the_bit(table, before):
    train = DRIFTS[before](table)
    encoder = default_student(train)["preprocessing"].fit(train)
    for drift in DRIFTS.values():
        rows = drift(table)
        with pytest.MonkeyPatch.context() as patch, unnamed():
            patch.setattr(_table, "COLUMN_TAKES", 0)
            expected = encoder.transform(rows)
            patch.setattr(_table, "COLUMN_TAKES", 10**6)
            assert_array_equal(encoder.transform(rows), expected)


@given(tables(), st.sampled_from(list(DRIFTS)))
def test_saved_student_reads_whatever_the_distiller_reads(table, before):
    train = DRIFTS[before](table)
    distiller = distill_noise(train, np.random.RandomState(0))
    student = serving.Student(fold(distiller))
    for after, drift in DRIFTS.items():
        rows = drift(table)
        with unnamed():
            expected = distiller.predict_proba(rows)
            for part, wanted in ((rows, expected), (rows[:1], expected[:1])):
                proba = student.predict_proba(part)
                assert_allclose(proba, wanted, atol=1e-6, err_msg=after)


def distill_noise(X, rng):
    """Fit the built-in student to predictions for which all columns matter alike."""
    proba = rng.dirichlet(np.ones(3), (len(X), 1))
    student = default_student(X).set_params(net__max_epochs=2)
    distiller = EnsembleDistiller(None, student, random_state=0)
    return distiller.fit(X, np.full(len(X), -1), teacher_proba=proba)


def predict_unnamed(distiller, X):
    """Predict rows that may have lost, or got, their names."""
    with unnamed():
        return distiller.predict_proba(X)


@contextmanager
def unnamed():
    """Let rows lose, or get, their names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X (does not have|has) .*names")
        yield
