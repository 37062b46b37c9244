"""The benchmark of worst groups: its rows, teachers and table."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import groups, harness


@pytest.fixture(scope="module")
def unit():
    return groups.Unit("digits", "half", 0, harness.Settings(trees=5, effort=0.1))


def test_color_names_the_class_of_most_training_rows(unit):
    rows = unit.rows
    color, color_test = (X[:, -10:].argmax(axis=1) for X in (rows.X, rows.X_test))
    assert 0.93 < (color == rows.y).mean() < 0.97
    assert 0.45 < (color_test == rows.y_test).mean() < 0.55
    alike = rows.group_test == "color alike"
    np.testing.assert_array_equal(alike, color_test == rows.y_test)


def test_biased_teacher_is_the_last_and_in_no_mean(unit):
    assert [name for name, _ in unit.teachers][-1] == "biased"
    assert len(groups.Mean(unit).teachers) == 4


def test_careful_teachers_are_better_in_the_worst_group(unit):
    rows = unit.rows
    other = rows.group_test == "other color"
    right = [
        (teacher.predict(rows.X_test[other]) == rows.y_test[other]).mean()
        for _, teacher in unit.teachers
    ]
    assert min(right[:2]) > max(right[2:])


def test_measures_are_of_all_rows_and_of_the_worst_group(unit):
    class Color:
        def predict(self, X):
            return X[:, -10:].argmax(axis=1)

    measures = groups.measure(unit, lambda unit: Color())
    assert measures["worst_group"] == 0
    assert measures["accuracy"] == pytest.approx(0.5, abs=0.05)


def test_report_has_a_line_for_each_method():
    table = pd.DataFrame(
        {
            "set": "digits", "case": "half", "seed": 0, "method": list(groups.METHODS),
            "accuracy": 0.5, "worst_group": 0.25,
        }
    )  # fmt: skip
    text = groups.report(table, None)
    for name in groups.NAMES.values():
        assert f"| {name} | 50.0 [50, 50] | 25.0 [25, 25] |" in text
