"""A distiller without its teachers does what needs none, and says what it cannot do."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.export import compact
from sk_ekd.inspection import (
    TeacherWeightDisplay,
    agreement_report,
    distillation_report,
)
from tests.worlds import make_net

X, y = load_digits(return_X_y=True, as_frame=True)
y = y.map(str)


@pytest.fixture(scope="module")
def distiller():
    teachers = [RandomForestClassifier(20, random_state=0)]
    student = make_net(max_epochs=2, module__hidden=(16,))
    return EnsembleDistiller(teachers, student, cv=3, random_state=0).fit(X, y)


def test_it_predicts_labels_and_checks_columns_as_before(distiller):
    small = pickle.loads(pickle.dumps(compact(distiller)))
    assert_array_equal(small.predict(X), distiller.predict(X))
    assert small.classes_.tolist() == distiller.classes_.tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        small.predict(X.rename(columns={"pixel_0_0": "pixel"}))


def test_it_is_small(distiller):
    size, small = (len(pickle.dumps(d)) for d in (distiller, compact(distiller)))
    assert small < size / 10
    assert b"RandomForest" not in pickle.dumps(compact(distiller))


def test_the_distiller_stays_as_it_is(distiller):
    before = pickle.dumps(distiller)
    small = compact(distiller)
    proba = ask_teachers(distiller.teachers_, X, classes=distiller.classes_)
    small.partial_fit(X, y, teacher_proba=proba)
    assert pickle.dumps(distiller) == before
    assert not np.array_equal(small.predict_proba(X), distiller.predict_proba(X))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda small: clone(small).fit(X, y), "teacher_proba"),
        (lambda small: small.partial_fit(X, y), "teacher_proba"),
        (lambda small: distillation_report(small, X, y), "no teachers to query"),
        (lambda small: agreement_report(small, X), "no teachers to query"),
        (TeacherWeightDisplay.from_estimator, "no value above zero"),
    ],
)
def test_it_says_what_it_can_no_longer_do(distiller, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(compact(distiller))


def test_reports_take_the_predictions_of_the_teachers(distiller):
    proba = ask_teachers(distiller.teachers_, X, classes=distiller.classes_)
    small = compact(distiller)
    report = agreement_report(small, X, teacher_proba=proba)
    pd.testing.assert_frame_equal(report, agreement_report(distiller, X))


def test_any_student_can_be_had(distiller):
    tree = DecisionTreeClassifier(random_state=0)
    distiller = clone(distiller).set_params(student=tree).fit(X, y)
    assert_array_equal(compact(distiller).predict(X), distiller.predict(X))
    again = compact(compact(distiller))
    assert_array_equal(again.predict(X), distiller.predict(X))


def test_only_a_fitted_distiller_is_compacted(distiller):
    with pytest.raises(NotFittedError):
        compact(clone(distiller))
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller"):
        compact(distiller.student_)
