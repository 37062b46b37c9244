"""The points are the rows of the report."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd.inspection import LatencyDisplay, distillation_report
from tests.inspection.drawing import names_in_legend


def make_report(n_teachers, *, timed=True):
    rng = np.random.RandomState(0)
    names = [
        f"a teacher with a rather long name, number {i}" for i in range(n_teachers)
    ]
    index = [*names, "ensemble", "student", "baseline"]
    report = pd.DataFrame(
        {
            "accuracy": rng.uniform(0.8, 1, len(index)),
            "us_per_row": 10 ** rng.uniform(0, 3, len(index)),
        },
        index=index,
    )
    if not timed:
        report.loc[[*names, "ensemble"], "us_per_row"] = np.nan
    return report


@pytest.mark.parametrize("n_teachers", [1, 2, 5, 12])
def test_points_are_the_rows_of_the_report(n_teachers):
    report = make_report(n_teachers)
    display = LatencyDisplay.from_report(report)
    assert display.report is report
    assert set(display.scatter_) == set(report.index)
    for name, scatter in display.scatter_.items():
        expected = report.loc[name, ["us_per_row", "accuracy"]]
        assert_allclose(scatter.get_offsets(), [expected])
    assert display.ax_.get_xscale() == "log"
    assert display.line_ is None


def test_legend_has_the_order_of_the_points():
    report = make_report(3).rename(lambda name: name[-10:])
    names = names_in_legend(LatencyDisplay.from_report(report))
    assert names == list(report.sort_values("accuracy", ascending=False).index)


def test_dozen_teachers_look_different_from_each_other_and_the_rest():
    display = LatencyDisplay.from_report(make_report(12))
    looks = {
        (s.get_paths()[0].vertices.tobytes(), to_hex(s.get_facecolor()[0]))
        for s in display.scatter_.values()
    }
    assert len(looks) == 15


def test_more_teachers_share_one_entry():
    display = LatencyDisplay.from_report(make_report(100))
    assert set(display.scatter_) == {"teachers", "ensemble", "student", "baseline"}
    assert len(display.scatter_["teachers"].get_offsets()) == 100
    assert "100 teachers" in names_in_legend(display)


def test_ensemble_without_a_time_is_a_line():
    report = make_report(3, timed=False)
    display = LatencyDisplay.from_report(report)
    assert set(display.scatter_) == {"student", "baseline"}
    assert_array_equal(
        display.line_.get_ydata(), [report.loc["ensemble", "accuracy"]] * 2
    )


@pytest.mark.parametrize("figsize", [(3.3, 2.5), (6.4, 4)])
def test_legend_of_a_dozen_long_names_covers_no_point(figsize):
    figure, ax = plt.subplots(figsize=figsize, layout="constrained")
    LatencyDisplay.from_report(make_report(12), ax=ax)
    figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    assert legend.x0 >= ax.get_window_extent().x1
    assert legend.x1 <= figure.bbox.x1 + 1
    assert legend.y0 >= 0
    assert ax.get_position().width > 0.25


def test_small_differences_are_not_blown_up():
    report = make_report(2)
    report["accuracy"], report["us_per_row"] = 0.9, 5.0
    ax = LatencyDisplay.from_report(report).ax_
    assert np.divide(*ax.get_xlim()[::-1]) >= 10 * (1 - 1e-9)
    assert np.ptp(ax.get_ylim()) >= 0.02 - 1e-9


def test_accuracy_above_one_has_no_label():
    report = make_report(2)
    report["accuracy"] = 1.0
    display = LatencyDisplay.from_report(report)
    display.figure_.draw_without_rendering()
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert "100%" in labels
    assert not any(label.startswith("10") and label != "100%" for label in labels)


def test_mean_of_several_reports_can_be_drawn(shown):
    mean = pd.concat([shown.report] * 2).groupby(level=0).mean()
    display = LatencyDisplay.from_report(mean)
    assert set(display.scatter_) == set(shown.report.index)


def test_latency_is_measured_by_the_report(shown):
    display = LatencyDisplay.from_estimator(
        shown.distiller, shown.X, shown.partly, baseline=shown.teachers[0][1],
        teacher_proba=shown.proba,
    )  # fmt: skip
    expected = distillation_report(shown.distiller, shown.X[1::2], shown.y[1::2])
    accuracy = display.report["accuracy"]
    pd.testing.assert_series_equal(accuracy.drop("baseline"), expected["accuracy"])
    assert set(display.scatter_) == {"student", "baseline"}


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        (lambda r: r.drop(columns="us_per_row"), ["us_per_row"]),
        (lambda r: r.drop(index="student"), ["student"]),
        (lambda r: r.T, ["accuracy", "student", "us_per_row"]),
    ],
)
def test_report_that_lacks_something_is_refused(spoil, missing):
    with pytest.raises(ValueError, match=re.escape(f"missing: {missing}")):
        LatencyDisplay.from_report(spoil(make_report(2)))
