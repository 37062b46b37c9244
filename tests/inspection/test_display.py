"""What all displays have in common: they leave axes and settings of others alone."""

import re
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.text import Text
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB

from sk_ekd import EnsembleDistiller
from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    TrainingDisplay,
    UncertaintyDisplay,
)
from tests.inspection.drawing import (
    draw_disagreement,
    draw_latency,
    draw_training,
    draw_uncertainty,
    draw_weights,
)

DRAW = [
    draw_training, draw_weights, draw_disagreement, draw_latency, draw_uncertainty,
]  # fmt: skip
every_display = pytest.mark.parametrize("draw", DRAW)


@every_display
def test_given_axes_are_used(shown, draw):
    figure, axes = plt.subplots(1, 2, layout="constrained")
    display = draw(shown, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not axes[0].has_data()


@every_display
def test_new_figure_makes_room_for_its_labels(shown, draw):
    display = draw(shown)
    assert plt.get_fignums() == [display.figure_.number]
    assert display.figure_.get_layout_engine() is not None


@every_display
def test_plot_returns_the_display_and_draws_again(shown, draw):
    display = draw(shown)
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


@every_display
def test_nothing_is_shown_and_no_setting_is_changed(shown, draw, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args: pytest.fail("shown"))
    before = mpl.rcParams.copy()
    draw(shown)
    assert mpl.rcParams == before


@every_display
@pytest.mark.parametrize("figsize", [(3.3, 2.5), (6.4, 4)])
def test_texts_stay_within_the_figure_and_apart(shown, draw, figsize):
    figure, ax = plt.subplots(figsize=figsize, layout="constrained")
    draw(shown, ax=ax)
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
def test_axes_placed_by_hand_will_do(shown, draw):
    figure = plt.figure()
    draw(shown, ax=figure.add_axes((0.3, 0.2, 0.4, 0.6)))
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", ["$_a$_{", "costs $5", "$" * 50])
@pytest.mark.parametrize("figsize", [(3.3, 2.5), (6.4, 4)])
def test_dollars_in_a_teachers_name_are_no_formula(name, figsize, tmp_path):
    share = pd.DataFrame({name: [0.5, 0.25], "svm": [0.5, 0.75]})
    accuracy = pd.Series({name: 0.8, "svm": 0.9})
    report = {"accuracy": [0.8, 0.9, 0.9], "us_per_row": [5.0, 6.0, 1.0]}
    report = pd.DataFrame(report, index=[name, "ensemble", "student"])
    for display in (TeacherWeightDisplay(share, accuracy), LatencyDisplay(report)):
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
        display.plot(ax=ax).figure_.savefig(tmp_path / "figure.png")
        texts = ax.get_yticklabels() + (ax.get_legend() or ax).findobj(Text)
        shown = [text.get_text() for text in texts if r"\$" in text.get_text()]
        assert shown
        assert not any("$" in text.replace(r"\$", "") for text in shown)


def test_library_does_not_import_matplotlib():
    code = "import sys, sk_ekd.inspection; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@every_display
def test_missing_matplotlib_names_the_extra(shown, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'sk_ekd[plot]'")):
        draw(shown)


@pytest.mark.parametrize(
    "draw",
    [
        lambda d, w: TrainingDisplay.from_estimator(d),
        lambda d, w: TeacherWeightDisplay.from_estimator(d),
        lambda d, w: DisagreementDisplay.from_estimator(d, w.X, w.y),
        lambda d, w: LatencyDisplay.from_estimator(d, w.X, w.y),
        lambda d, w: UncertaintyDisplay.from_estimator(d, w.X, w.y),
    ],
)
def test_unfitted_distiller_is_refused(shown, draw):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        draw(EnsembleDistiller(shown.teachers), shown)
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller, got Gau"):
        draw(GaussianNB(), shown)
