"""What is left of the rows once the least sure ones are set aside."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest

from sk_ekd.inspection import UncertaintyDisplay, uncertainty
from sk_ekd.inspection._set_aside import _trace
from tests.inspection.drawing import draw_uncertainty, names_in_legend


def test_curve_by_hand():
    unsure = np.array([0.3, 0.1, 0.4, 0.2])
    right = np.array([True, True, False, True])
    curve = _trace(unsure, right)
    assert_array_equal(curve["threshold"], [0.4, 0.3, 0.2, 0.1])
    assert_array_equal(curve["set_aside"], [0, 0.25, 0.5, 0.75])
    assert_array_equal(curve["accuracy"], [0.75, 1, 1, 1])
    assert_array_equal(curve["ideal"], [0.75, 1, 1, 1])
    interval = binomtest(3, 4).proportion_ci(method="wilson")
    assert_allclose(curve.loc[0, "accuracy_low"], interval.low)
    assert_allclose(curve.loc[0, "accuracy_high"], interval.high)


def test_rows_of_one_value_are_kept_together():
    unsure = np.array([0.1, 0.5, 0.5, 0.5, 0.5])
    curve = _trace(unsure, np.array([True, True, False, False, True]))
    assert_array_equal(curve["set_aside"], [0, 0.8])
    assert_array_equal(curve["accuracy"], [0.6, 1.0])


@pytest.mark.parametrize("seed", range(3))
def test_student_is_below_the_ideal_and_all_rows_have_its_accuracy(seed):
    rng = np.random.RandomState(seed)
    right = rng.rand(300) < 0.8
    curve = _trace(rng.rand(300).round(2), right)
    assert (curve["accuracy"] <= curve["ideal"]).all()
    assert curve["accuracy"].iloc[0] == curve["ideal"].iloc[0] == right.mean()
    assert curve["set_aside"].is_monotonic_increasing
    assert curve["threshold"].is_monotonic_decreasing
    assert (curve["accuracy_low"] <= curve["accuracy"]).all()
    assert (curve["accuracy"] <= curve["accuracy_high"]).all()


def test_errors_that_are_the_least_sure_are_the_ideal():
    right = np.arange(100) < 70
    curve = _trace(np.arange(100.0), right)
    assert_allclose(curve["accuracy"], curve["ideal"])
    assert curve["accuracy"].iloc[-1] == 1


def test_threshold_does_in_production_what_the_curve_says(shown):
    curve = draw_uncertainty(shown).curve
    line = curve.iloc[len(curve) // 2]
    kept = uncertainty(shown.distiller, shown.X) <= line["threshold"]
    assert np.mean(~kept) == pytest.approx(line["set_aside"])
    accuracy = shown.distiller.score(shown.X[kept], shown.y[kept])
    assert accuracy == pytest.approx(line["accuracy"])


@pytest.mark.parametrize("kind", ["entropy", "energy"])
def test_lines_are_those_of_the_curve(shown, kind):
    display = draw_uncertainty(shown, kind=kind)
    student, ideal, random = display.lines_.values()
    assert_array_equal(student.get_ydata(), display.curve["accuracy"])
    assert_array_equal(ideal.get_ydata(), display.curve["ideal"])
    accuracy = shown.distiller.score(shown.X, shown.y)
    assert_allclose(random.get_ydata(), accuracy)
    assert display.ax_.get_xlabel() == f"rows set aside, highest {kind} first"
    assert names_in_legend(display) == ["student (95% CI)", "ideal", "at random"]


def test_unlabeled_rows_are_left_out(shown):
    partly = UncertaintyDisplay.from_estimator(shown.distiller, shown.X, shown.partly)
    odd = UncertaintyDisplay.from_estimator(
        shown.distiller, shown.X[1::2], shown.y[1::2]
    )
    assert_allclose(partly.curve, odd.curve, atol=1e-6)
    with pytest.raises(ValueError, match="no labeled row to measure on"):
        UncertaintyDisplay.from_estimator(shown.distiller, shown.X, np.full(100, -1))


@pytest.mark.parametrize("n_samples", [1, 2])
def test_few_rows_can_be_drawn(shown, n_samples):
    X, y = shown.X[:n_samples], shown.y[:n_samples]
    display = UncertaintyDisplay.from_estimator(shown.distiller, X, y)
    display.figure_.draw_without_rendering()
