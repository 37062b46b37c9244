"""The shares of a dynamic weighting are those of the history."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sk_ekd.dynamic import LearnedGate
from sk_ekd.inspection import TeacherShareDisplay
from sk_ekd.inspection._teacher_share import spread


def test_lines_are_the_shares_of_the_history(world):
    distiller = world.distill(weighting=LearnedGate())
    display = TeacherShareDisplay.from_estimator(distiller)
    history = distiller.history_
    last = history.filter(like="share_").iloc[-1].sort_values(ascending=False)
    assert [f"share_{name}" for name in display.lines_] == [*last.index]
    for name, line in display.lines_.items():
        assert_array_equal(line.get_ydata(), history[f"share_{name}"])
    assert [text.get_text() for text in display.ax_.texts] == [*display.lines_]


def test_largest_shares_are_drawn_where_there_are_many():
    share = pd.DataFrame(np.random.RandomState(0).dirichlet(np.ones(20), 5))
    share.columns = [f"t{i}" for i in range(20)]
    display = TeacherShareDisplay(share).plot(max_teachers=3)
    assert [*display.lines_] == [*share.iloc[-1].nlargest(3).index]


@pytest.mark.parametrize("heights", [[1.0, 1.0, 1.0], [0.0] * 4, [0.5, 0.49, 0.48]])
def test_names_do_not_overlap(heights):
    moved = spread(heights, 0.1)
    assert (np.diff(moved) <= -0.1 + 1e-9).all()
    assert moved.min() >= 0


def test_one_epoch_is_drawn_as_points():
    share = pd.DataFrame({"a": [0.4], "b": [0.6]})
    display = TeacherShareDisplay(share).plot()
    assert display.lines_["a"].get_marker() == "."


def test_static_weighting_has_no_shares(fitted):
    with pytest.raises(ValueError, match="has no shares"):
        TeacherShareDisplay.from_estimator(fitted)


def test_no_teacher_to_draw():
    with pytest.raises(ValueError, match="at least 1"):
        TeacherShareDisplay(pd.DataFrame({"a": [1.0]})).plot(max_teachers=0)
