"""The curves of training are the history."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sk_ekd.inspection import TrainingDisplay
from tests.inspection.drawing import draw_training, names_in_legend

TERMS = ["label_loss", "distillation_loss"]


def make_history(n_epochs=20, **columns):
    fall = 1 / np.arange(1, n_epochs + 1)
    history = pd.DataFrame({"label_loss": 0.2 * fall, "distillation_loss": fall})
    history.insert(0, "train_loss", history.sum(axis=1))
    return history.assign(**columns)


def test_training_curves_are_the_history(shown):
    display = draw_training(shown)
    history = shown.distiller.history_
    assert list(display.lines_) == ["train_loss", *TERMS]
    for column, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), history["epoch"])
        assert_array_equal(line.get_ydata(), history[column])
    assert display.accuracy_ax_ is None
    assert names_in_legend(display) == ["loss", "label term", "distillation term"]


def test_validation_curves_are_dashed_in_the_color_of_their_term(shown):
    history = shown.distill(validation_fraction=0.3).history_
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
        (make_history()[:0], "0 entries with columns ['train_loss', 'label_loss'"),
        (pd.DataFrame(), "0 entries with columns []"),
        (make_history().drop(columns="train_loss"), "20 entries with columns ['label"),
    ],
)
def test_history_without_epochs_is_refused(history, came):
    expected = "must have one entry per epoch and a column 'train_loss', got " + came
    with pytest.raises(ValueError, match=re.escape(expected)):
        TrainingDisplay(history).plot()
