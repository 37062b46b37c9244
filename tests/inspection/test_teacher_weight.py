"""The boxes are the teachers' shares of the labeled rows."""

import re
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd.inspection import TeacherWeightDisplay
from tests.inspection.drawing import draw_weights


def make_shares(n_teachers, n_rows=50):
    rng = np.random.RandomState(0)
    names = [
        f"a teacher with a rather long name, number {i}" for i in range(n_teachers)
    ]
    share = rng.dirichlet(rng.uniform(1, 5, n_teachers), n_rows)
    share = pd.DataFrame(share, columns=names)
    return share, pd.Series(rng.uniform(0.5, 1, n_teachers), index=names)


def test_shares_of_a_row_sum_to_one(shown):
    display = draw_weights(shown)
    weight = shown.distiller.teacher_weight_
    assert_allclose(display.share.sum(axis=1), 1)
    assert_allclose(
        display.share, weight.div(weight.sum(axis=1), axis=0), rtol=1e-5, atol=1e-7
    )
    assert display.accuracy is shown.distiller.teacher_accuracy_


def test_boxes_are_the_quantiles_from_the_highest_median_down():
    share, accuracy = make_shares(5)
    display = TeacherWeightDisplay(share, accuracy).plot()
    median = share.median().sort_values(ascending=False)
    assert list(display.quantiles_.index) == list(median.index)
    assert_allclose(display.quantiles_[0.5], median)
    low, first, middle, third, high = display.quantiles_.to_numpy().T
    assert_allclose(display.scatter_.get_offsets()[:, 0], middle)
    assert_allclose([bar.get_x() for bar in display.bars_], first)
    assert_allclose([bar.get_x() + bar.get_width() for bar in display.bars_], third)
    ends = np.array([ends[:, 0] for ends in display.whiskers_.get_segments()])
    assert_allclose(ends, np.column_stack([low, high]))
    y = display.scatter_.get_offsets()[:, 1]
    assert display.ax_.transData.transform([(0, y[0])])[0, 1] == max(
        display.ax_.transData.transform(np.column_stack([y, y]))[:, 1]
    )


def test_even_share_is_the_reference():
    display = TeacherWeightDisplay(*make_shares(4)).plot()
    assert_array_equal(display.line_.get_xdata(), [0.25, 0.25])
    assert [t.get_text() for t in display.ax_.texts] == ["even share, 1/4"]


def test_labels_hold_name_and_accuracy(shown):
    display = draw_weights(shown)
    labels = {t.get_text() for t in display.ax_.get_yticklabels()}
    accuracy = shown.distiller.teacher_accuracy_
    assert labels == {f"{name} ({value:.0%})" for name, value in accuracy.items()}


@pytest.mark.parametrize("n_teachers", [1, 2, 5, 12])
def test_a_dozen_teachers_are_all_shown(n_teachers):
    display = TeacherWeightDisplay(*make_shares(n_teachers)).plot()
    assert len(display.quantiles_) == len(display.ax_.get_yticks()) == n_teachers


@pytest.mark.parametrize(("max_teachers", "n_top"), [(12, 6), (5, 3), (1, 1)])
def test_of_many_teachers_the_extremes_are_shown(max_teachers, n_top):
    share, accuracy = make_shares(100)
    display = TeacherWeightDisplay(share, accuracy).plot(max_teachers=max_teachers)
    order = share.median().sort_values(ascending=False, kind="stable").index
    n_bottom = max_teachers - n_top
    expected = [*order[:n_top], *order[100 - n_bottom :]]
    assert list(display.quantiles_.index) == expected
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert f"{100 - max_teachers} in between" in labels
    assert len(labels) == max_teachers + 1
    y = display.scatter_.get_offsets()[:, 1]
    assert_array_equal(y, [*range(n_top), *range(n_top + 1, max_teachers + 1)])


@pytest.mark.parametrize("n_teachers", [12, 100])
@pytest.mark.parametrize("figsize", [(3.3, 2.5), (6.4, 4)])
def test_long_names_leave_half_of_the_width_to_the_boxes(n_teachers, figsize):
    figure, ax = plt.subplots(figsize=figsize, layout="constrained")
    TeacherWeightDisplay(*make_shares(n_teachers)).plot(ax=ax)
    figure.draw_without_rendering()
    assert ax.get_position().width > 0.4
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in ax.get_yticklabels()]
    assert all(a.count_overlaps([b]) == 0 for a, b in pairwise(boxes))


def test_rows_of_weight_zero_are_left_out(shown):
    def every_second(rows):
        return (
            np.ones(rows.proba.shape[:2]) * (np.arange(len(rows.y)) % 4 == 1)[:, None]
        )

    distiller = shown.distill(weighting=every_second)
    share = TeacherWeightDisplay.from_estimator(distiller).share
    assert len(share) == 50
    assert_allclose(share, 1 / 3)


def test_fit_without_labels_has_no_shares(shown):
    distiller = shown.distill(y=np.full(200, -1))
    message = "no labeled row with a weight: its `teacher_weight_` has shape (0, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        TeacherWeightDisplay.from_estimator(distiller)
