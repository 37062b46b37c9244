"""The figures show the numbers that the displays hold, and leave the rest alone."""

import re
import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd._display import _error_rate
from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    TrainingDisplay,
    distillation_report,
)
from sk_ekd.students import MLP
from sk_ekd.weighting import disagreement

TERMS = ["label_loss", "distillation_loss"]


class World:
    """Rows, every second of them labeled, three teachers, and a distiller."""

    def __init__(self):
        X, y = make_classification(
            500, n_features=5, n_informative=5, n_redundant=0, n_classes=3,
            class_sep=0.8, random_state=0,
        )  # fmt: skip
        X = X.astype(np.float32)
        self.X, self.y = X[:100], y[:100]
        self.partly = np.where(np.arange(100) % 2, self.y, -1)
        self.teachers = [
            ("bayes", GaussianNB().fit(X[300:], y[300:])),
            ("logistic", LogisticRegression().fit(X[300:], y[300:])),
            ("neighbors", KNeighborsClassifier().fit(X[300:], y[300:])),
        ]
        self.X_train = X[100:300]
        self.y_train = np.where(np.arange(200) % 2, y[100:300], -1)
        self.distiller = self.distill()
        self.proba = ask_teachers(self.teachers, self.X)
        self.report = distillation_report(self.distiller, self.X, self.y)

    def distill(self, teachers=None, *, X=None, y=None, **params):
        net = NeuralNetClassifier(
            MLP, criterion=nn.CrossEntropyLoss, module__hidden=(8,), max_epochs=4,
            lr=0.1, verbose=0,
        )  # fmt: skip
        teachers = self.teachers if teachers is None else teachers
        distiller = EnsembleDistiller(teachers, net, random_state=0, **params)
        X = self.X_train if X is None else X
        return distiller.fit(X, self.y_train if y is None else y)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(autouse=True)
def no_figure_left():
    plt.close("all")  # those of the doctests
    yield
    plt.close("all")


def draw_training(world, **options):
    return TrainingDisplay.from_estimator(world.distiller, **options)


def draw_weights(world, **options):
    return TeacherWeightDisplay.from_estimator(world.distiller, **options)


def draw_disagreement(world, y=None, **options):
    y = world.partly if y is None else y
    return DisagreementDisplay.from_estimator(world.distiller, world.X, y, **options)


def draw_latency(world, **options):
    return LatencyDisplay.from_report(world.report, **options)


def names_in_legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


# --- All displays -------------------------------------------------------------------

DRAW = [draw_training, draw_weights, draw_disagreement, draw_latency]
every_display = pytest.mark.parametrize("draw", DRAW)


@every_display
def test_given_axes_are_used(world, draw):
    figure, axes = plt.subplots(1, 2, layout="constrained")
    display = draw(world, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not axes[0].has_data()


@every_display
def test_new_figure_makes_room_for_its_labels(world, draw):
    display = draw(world)
    assert plt.get_fignums() == [display.figure_.number]
    assert display.figure_.get_layout_engine() is not None


@every_display
def test_plot_returns_the_display_and_draws_again(world, draw):
    display = draw(world)
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


@every_display
def test_nothing_is_shown_and_no_setting_is_changed(world, draw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args: pytest.fail("shown"))
    before = mpl.rcParams.copy()
    draw(world)
    assert mpl.rcParams == before


@every_display
@pytest.mark.parametrize("figsize", [(3.3, 2.5), (6.4, 4)])
def test_texts_stay_within_the_figure_and_apart(world, draw, figsize):
    figure, ax = plt.subplots(figsize=figsize, layout="constrained")
    draw(world, ax=ax)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [
        text.get_window_extent(renderer)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for text in [axis.label, *axis.get_ticklabels()]
        if text.get_text() and text.get_visible() and in_view(axis, text)
    ]
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    boxes += [
        text.get_window_extent(renderer)
        for legend in legends
        for text in legend.get_texts()
    ]
    for box in boxes:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for i, box in enumerate(boxes):
        assert box.count_overlaps(boxes[i + 1 :]) == 0


def in_view(axis, text):
    if text is axis.label:
        return True
    position = text.get_position()[axis.axis_name == "y"]
    low, high = sorted(axis.get_view_interval())
    return low <= position <= high


@every_display
def test_axes_placed_by_hand_will_do(world, draw):
    figure = plt.figure()
    draw(world, ax=figure.add_axes((0.3, 0.2, 0.4, 0.6)))
    figure.draw_without_rendering()


def test_library_does_not_import_matplotlib():
    code = "import sys, sk_ekd.inspection; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@every_display
def test_missing_matplotlib_names_the_extra(world, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=re.escape("pip install sk_ekd[plot]")):
        draw(world)


@pytest.mark.parametrize(
    "draw",
    [
        lambda d, w: TrainingDisplay.from_estimator(d),
        lambda d, w: TeacherWeightDisplay.from_estimator(d),
        lambda d, w: DisagreementDisplay.from_estimator(d, w.X, w.y),
        lambda d, w: LatencyDisplay.from_estimator(d, w.X, w.y),
    ],
)
def test_unfitted_distiller_is_refused(world, draw):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        draw(EnsembleDistiller(world.teachers), world)
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller, got Gau"):
        draw(GaussianNB(), world)


# --- Training -----------------------------------------------------------------------


def make_history(n_epochs=20, **columns):
    fall = 1 / np.arange(1, n_epochs + 1)
    history = pd.DataFrame({"label_loss": 0.2 * fall, "distillation_loss": fall})
    history.insert(0, "train_loss", history.sum(axis=1))
    return history.assign(**columns)


def test_training_curves_are_the_history(world):
    display = draw_training(world)
    history = world.distiller.history_
    assert list(display.lines_) == ["train_loss", *TERMS]
    for column, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), history["epoch"])
        assert_array_equal(line.get_ydata(), history[column])
    assert display.accuracy_ax_ is None
    assert names_in_legend(display) == ["loss", "label term", "distillation term"]


def test_validation_curves_are_dashed_in_the_color_of_their_term(world):
    history = world.distill(validation_fraction=0.3).history_
    display = TrainingDisplay(history).plot()
    for train, valid in [
        ("train_loss", "valid_loss"),
        *((t, f"valid_{t}") for t in TERMS),
    ]:
        lines = display.lines_
        assert lines[train].get_color() == lines[valid].get_color()
        assert (lines[train].get_ls(), lines[valid].get_ls()) == ("-", "--")
        assert_array_equal(lines[valid].get_ydata(), history[valid])
    assert names_in_legend(display)[-1] == "validation"


def test_accuracy_has_a_panel_of_its_own_below_the_losses():
    history = make_history(valid_acc=np.linspace(0.5, 0.9, 20))
    display = TrainingDisplay(history).plot()
    above, below = display.ax_, display.accuracy_ax_
    assert_array_equal(display.lines_["valid_acc"].get_ydata(), history["valid_acc"])
    assert display.lines_["valid_acc"].axes is below
    assert above.get_shared_x_axes().joined(above, below)
    display.figure_.draw_without_rendering()
    assert below.get_position().y1 < above.get_position().y0


def test_epochs_are_counted_where_no_column_does():
    display = TrainingDisplay(make_history(3)).plot()
    assert_array_equal(display.lines_["train_loss"].get_xdata(), [1, 2, 3])


@pytest.mark.parametrize(("absent", "left"), [TERMS, TERMS[::-1]])
def test_term_that_is_not_used_is_not_drawn(absent, left):
    history = make_history(**{absent: 0.0})
    assert list(TrainingDisplay(history).plot().lines_) == [left]


def test_single_epoch_is_a_point():
    display = TrainingDisplay(make_history(1)).plot()
    assert display.lines_["train_loss"].get_marker() == "."
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("value", [1e-9, np.nan])
def test_history_of_no_loss_can_be_drawn(value):
    history = make_history(train_loss=value, label_loss=value, distillation_loss=value)
    TrainingDisplay(history).plot().figure_.draw_without_rendering()


@pytest.mark.parametrize(
    ("history", "came"),
    [
        (make_history()[:0], "0 rows with columns ['train_loss', 'label_loss'"),
        (pd.DataFrame(), "0 rows with columns []"),
        (make_history().drop(columns="train_loss"), "20 rows with columns ['label_lo"),
    ],
)
def test_history_without_epochs_is_refused(history, came):
    expected = "must have one row an epoch and a column 'train_loss', got " + came
    with pytest.raises(ValueError, match=re.escape(expected)):
        TrainingDisplay(history).plot()


# --- Teachers' weights --------------------------------------------------------------


def make_shares(n_teachers, n_rows=50):
    rng = np.random.RandomState(0)
    names = [
        f"a teacher with a rather long name, number {i}" for i in range(n_teachers)
    ]
    share = rng.dirichlet(rng.uniform(1, 5, n_teachers), n_rows)
    share = pd.DataFrame(share, columns=names)
    return share, pd.Series(rng.uniform(0.5, 1, n_teachers), index=names)


def test_shares_of_a_row_sum_to_one(world):
    display = draw_weights(world)
    weight = world.distiller.teacher_weight_
    assert_allclose(display.share.sum(axis=1), 1)
    assert_allclose(
        display.share, weight.div(weight.sum(axis=1), axis=0), rtol=1e-5, atol=1e-7
    )
    assert display.accuracy is world.distiller.teacher_accuracy_


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


def test_labels_hold_name_and_accuracy(world):
    display = draw_weights(world)
    labels = {t.get_text() for t in display.ax_.get_yticklabels()}
    accuracy = world.distiller.teacher_accuracy_
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


def test_rows_of_weight_zero_are_left_out(world):
    def every_second(rows):
        return (
            np.ones(rows.proba.shape[:2]) * (np.arange(len(rows.y)) % 4 == 1)[:, None]
        )

    distiller = world.distill(weighting=every_second)
    share = TeacherWeightDisplay.from_estimator(distiller).share
    assert len(share) == 50
    assert_allclose(share, 1 / 3)


def test_fit_without_labels_has_no_shares(world):
    distiller = world.distill(y=np.full(200, -1))
    message = "no labeled row with a weight: its `teacher_weight_` has shape (0, 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        TeacherWeightDisplay.from_estimator(distiller)


# --- Disagreement -------------------------------------------------------------------


def test_histogram_counts_the_unlabeled_rows(world):
    display = draw_disagreement(world)
    expected = disagreement(world.proba.astype(np.float64))[::2]
    assert_allclose(display.disagreement, expected)
    assert sum(bar.get_height() for bar in display.bars_) == 50
    assert display.histogram_ax_.get_ylabel() == "unlabeled\nrows"


def test_histogram_counts_all_rows_where_all_are_labeled(world):
    display = draw_disagreement(world, y=world.y)
    assert sum(bar.get_height() for bar in display.bars_) == 100
    assert display.histogram_ax_.get_ylabel() == "rows"


def test_error_rates_are_those_of_student_and_ensemble(world):
    rate = draw_disagreement(world, n_bins=5).error_rate
    X, y = world.X[1::2], world.y[1::2]
    assert_array_equal(rate["n_samples"], 10)
    mean = world.proba[1::2].mean(axis=1).argmax(axis=1)
    assert_allclose(rate["student"].mean(), 1 - world.distiller.score(X, y))
    assert_allclose(rate["ensemble"].mean(), np.mean(mean != y))
    assert rate["disagreement"].is_monotonic_increasing
    assert (rate["student_low"] <= rate["student"]).all()
    assert (rate["student"] <= rate["student_high"]).all()


def test_error_rates_are_drawn_where_their_bins_lie(world):
    display = draw_disagreement(world)
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


def test_rows_without_any_label_have_a_histogram_only(world):
    display = draw_disagreement(world, y=np.full(100, -1))
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


def test_given_answers_take_the_teachers_place(world):
    asked = draw_disagreement(world)
    given = draw_disagreement(world, teacher_proba=world.proba)
    assert_array_equal(given.disagreement, asked.disagreement)
    pd.testing.assert_frame_equal(given.error_rate, asked.error_rate)
    with pytest.raises(
        ValueError, match=re.escape("(100, 3, n_classes), got (100, 2, 3)")
    ):
        draw_disagreement(world, teacher_proba=world.proba[:, :2])


@pytest.mark.parametrize("kind", [pd.DataFrame, sparse.coo_array])
def test_disagreement_takes_other_kinds_of_rows(world, kind):
    X_train, X = kind(world.X_train), kind(world.X)
    y = np.where(world.y_train < 0, 0, world.y_train)
    teachers = [LogisticRegression(C=C).fit(X_train, y) for C in (0.01, 1)]
    distiller = world.distill(teachers, X=X_train)
    display = DisagreementDisplay.from_estimator(distiller, X, world.y)
    assert display.disagreement.shape == (100,)


def test_one_teacher_cannot_disagree(world):
    distiller = world.distill(world.teachers[:1])
    with pytest.raises(ValueError, match="Disagreement needs two teachers"):
        DisagreementDisplay.from_estimator(distiller, world.X, world.y)


# --- Latency ------------------------------------------------------------------------


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


def test_mean_of_several_reports_can_be_drawn(world):
    mean = pd.concat([world.report] * 2).groupby(level=0).mean()
    display = LatencyDisplay.from_report(mean)
    assert set(display.scatter_) == set(world.report.index)


def test_latency_is_measured_by_the_report(world):
    display = LatencyDisplay.from_estimator(
        world.distiller, world.X, world.partly, baseline=world.teachers[0][1],
        teacher_proba=world.proba,
    )  # fmt: skip
    expected = distillation_report(world.distiller, world.X[1::2], world.y[1::2])
    accuracy = display.report["accuracy"]
    pd.testing.assert_series_equal(accuracy.drop("baseline"), expected["accuracy"])
    assert set(display.scatter_) == {"student", "baseline"}


@pytest.mark.parametrize(
    ("spoil", "missing"),
    [
        (lambda r: r.drop(columns="us_per_row"), ["us_per_row"]),
        (lambda r: r.drop(index="student"), ["student"]),
        (lambda r: r.T, ["accuracy", "ensemble", "student", "us_per_row"]),
    ],
)
def test_report_that_lacks_something_is_refused(spoil, missing):
    with pytest.raises(ValueError, match=re.escape(f"missing: {missing}")):
        LatencyDisplay.from_report(spoil(make_report(2)))
