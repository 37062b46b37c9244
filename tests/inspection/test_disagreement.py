"""Disagreement of the unlabeled rows, and how it goes with errors."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from sk_ekd.inspection import DisagreementDisplay
from sk_ekd.inspection._disagreement import _error_rate
from sk_ekd.weighting import disagreement
from tests.inspection.drawing import draw_disagreement


def test_histogram_counts_the_unlabeled_rows(shown):
    display = draw_disagreement(shown)
    expected = disagreement(shown.proba.astype(np.float64))[::2]
    assert_allclose(display.disagreement, expected)
    assert sum(bar.get_height() for bar in display.bars_) == 50
    assert display.histogram_ax_.get_ylabel() == "unlabeled\nrows"


def test_histogram_counts_all_rows_where_all_are_labeled(shown):
    display = draw_disagreement(shown, y=shown.y)
    assert sum(bar.get_height() for bar in display.bars_) == 100
    assert display.histogram_ax_.get_ylabel() == "rows"


def test_error_rates_are_those_of_student_and_ensemble(shown):
    rate = draw_disagreement(shown, n_bins=5).error_rate
    X, y = shown.X[1::2], shown.y[1::2]
    assert_array_equal(rate["n_samples"], 10)
    mean = shown.proba[1::2].mean(axis=1).argmax(axis=1)
    assert_allclose(rate["student"].mean(), 1 - shown.distiller.score(X, y))
    assert_allclose(rate["ensemble"].mean(), np.mean(mean != y))
    assert rate["disagreement"].is_monotonic_increasing
    assert (rate["student_low"] <= rate["student"]).all()
    assert (rate["student"] <= rate["student_high"]).all()


def test_error_rates_are_drawn_where_their_bins_lie(shown):
    display = draw_disagreement(shown)
    rate = display.error_rate
    line, _, (bars,) = display.errorbar_.lines
    assert_array_equal(line.get_xdata(), rate["disagreement"])
    assert_array_equal(line.get_ydata(), rate["student"])
    assert_array_equal(display.line_.get_ydata(), rate["ensemble"])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert_allclose(ends, rate[["student_low", "student_high"]], atol=1e-12)
    low, high = display.ax_.get_xlim()
    assert low <= rate["disagreement"].min() <= rate["disagreement"].max() <= high


def test_interval_is_wilsons():
    rows = pd.DataFrame({"disagreement": 0.5, "student": [True] + [False] * 9})
    rate = _error_rate(rows.assign(ensemble=False), 10).iloc[0]
    z, p, n = 1.959964, 0.1, 10
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert rate["student"] == p
    assert_allclose(rate["student_low"], middle - half, rtol=1e-6)
    assert_allclose(rate["student_high"], middle + half, rtol=1e-6)


def test_bins_keep_ties_together():
    nats = np.array([0.0, 0.3, 0.0, 0.0, 0.2, 0.0, 0.1, 0.0])
    wrong = nats > 0.15
    rows = pd.DataFrame({"disagreement": nats, "student": wrong, "ensemble": wrong})
    rate = _error_rate(rows, 4)
    assert_array_equal(rate["disagreement"], [0.0, 0.1, 0.25])
    assert_array_equal(rate["n_samples"], [5, 1, 2])
    assert_array_equal(rate["student"], [0, 0, 1])


def test_rows_without_any_label_have_a_histogram_only(shown):
    display = draw_disagreement(shown, y=np.full(100, -1))
    assert display.ax_ is display.histogram_ax_
    assert display.errorbar_ is None
    assert display.line_ is None
    assert len(display.error_rate) == 0
    assert sum(bar.get_height() for bar in display.bars_) == 100


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_equal_disagreement_everywhere_can_be_drawn(value):
    rows = pd.DataFrame(
        {"disagreement": [value] * 20, "student": True, "ensemble": True}
    )
    rate = _error_rate(rows, 10)
    display = DisagreementDisplay(np.full(20, value), rate).plot()
    display.figure_.draw_without_rendering()
    assert sum(bar.get_height() for bar in display.bars_) == 20


def test_given_answers_take_the_teachers_place(shown):
    asked = draw_disagreement(shown)
    given = draw_disagreement(shown, teacher_proba=shown.proba)
    assert_array_equal(given.disagreement, asked.disagreement)
    pd.testing.assert_frame_equal(given.error_rate, asked.error_rate)
    with pytest.raises(
        ValueError, match=re.escape("(100, 3, n_classes), got (100, 2, 3)")
    ):
        draw_disagreement(shown, teacher_proba=shown.proba[:, :2])


@pytest.mark.parametrize("kind", [pd.DataFrame, sparse.coo_array])
def test_disagreement_takes_other_kinds_of_rows(shown, kind):
    X_train, X = kind(shown.X_train), kind(shown.X)
    y = np.where(shown.y_train < 0, 0, shown.y_train)
    teachers = [LogisticRegression(C=C).fit(X_train, y) for C in (0.01, 1)]
    distiller = shown.distill(teachers, X=X_train)
    display = DisagreementDisplay.from_estimator(distiller, X, shown.y)
    assert display.disagreement.shape == (100,)


def test_one_teacher_cannot_disagree(shown):
    distiller = shown.distill(shown.teachers[:1])
    with pytest.raises(ValueError, match="Disagreement needs two teachers"):
        DisagreementDisplay.from_estimator(distiller, shown.X, shown.y)
