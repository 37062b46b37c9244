"""The advice follows its stated rule, and says what speaks against it."""

import re

import numpy as np
import pandas as pd
import pytest

from sk_ekd.inspection import recommend

COLUMNS = [
    "accuracy", "difference", "difference_low", "difference_high", "us_per_row",
]  # fmt: skip
STUDENT = [0.8, 0, 0, 0, 10.0]
LEVEL = [0.802, -0.002, -0.006, 0.002, 580.0]
AHEAD = [0.815, -0.015, -0.02, -0.01, 580.0]
BEHIND = [0.7, 0.1, 0.09, 0.11, 580.0]


def advise(**entries):
    """Return the advice on a report of these entries."""
    entries = {"ensemble": LEVEL, "student": STUDENT, **entries}
    return recommend(pd.DataFrame(entries, index=COLUMNS).T)


def timed(entry, us_per_row):
    return [*entry[:-1], us_per_row]


def test_student_that_is_level_with_the_ensemble_is_shipped():
    assert advise(forest=BEHIND) == (
        "Ship the student: it is level with the ensemble (-0.2 points of accuracy "
        "[-0.6, +0.2]), 58 times faster per row."
    )


def test_student_that_is_ahead_of_all_is_shipped():
    assert advise(ensemble=BEHIND, forest=BEHIND) == (
        "Ship the student: it is ahead of the ensemble (+10.0 points of accuracy "
        "[+9.0, +11.0]), 58 times faster per row."
    )


def test_teacher_that_is_ahead_is_shipped():
    advice = advise(forest=BEHIND, lightgbm=timed(AHEAD, 42), ensemble=AHEAD)
    assert advice == (
        "Ship lightgbm: it is ahead of the student by 1.5 points of accuracy "
        "[1.0, 2.0], 4.2 times slower per row."
    )


def test_baseline_that_is_ahead_is_shipped():
    advice = advise(baseline=timed(AHEAD, 10.1))
    assert advice.startswith("Ship the baseline: it is ahead of the student")
    assert advice.endswith(", at the same time per row.")


def test_ensemble_that_is_ahead_is_a_choice():
    assert advise(ensemble=AHEAD, forest=LEVEL) == (
        "Ship the ensemble if it is worth it, else the student: it is ahead by 1.5 "
        "points of accuracy [1.0, 2.0], 58 times slower per row."
    )


@pytest.mark.parametrize("ahead", ["forest", "baseline", "ensemble"])
def test_model_that_may_have_seen_the_rows_is_doubted(ahead):
    perfect = [1.0, -0.2, -0.21, -0.19, 580.0]
    said = "It is right on 100.0 % of these rows: make sure that it was not fitted on"
    assert said in advise(**{ahead: perfect})
    assert "make sure" not in advise(**{ahead: AHEAD})


def test_the_better_of_ensemble_and_pool_is_the_choice():
    pool = timed([0.82, -0.02, -0.03, -0.01, 0], np.nan)
    advice = advise(ensemble=AHEAD, pool=pool)
    assert advice == (
        "Ship the pool if it is worth it, else the student: it is ahead by 2.0 points "
        "of accuracy [1.0, 3.0]."
    )


@pytest.mark.parametrize("us_per_row", [2.0, 10.0])
def test_teacher_that_is_level_and_no_slower_is_shipped(us_per_row):
    advice = advise(lightgbm=timed(LEVEL, us_per_row))
    expected = "Ship lightgbm: the student is level with lightgbm (-0.2 points"
    assert advice.startswith(expected)


def test_teacher_that_is_level_and_slower_is_named():
    advice = advise(forest=BEHIND, lightgbm=timed(LEVEL, 42))
    assert advice.startswith("Ship the student: it is level with the ensemble")
    assert advice.endswith(
        "It is level with lightgbm (-0.2 points of accuracy [-0.6, +0.2]), 4.2 times "
        "faster per row."
    )


def test_wide_interval_is_a_reason_to_measure_on():
    wide = [0.8, 0.0, -0.034, 0.034, 580.0]
    doubt = "do not rule out that it costs 3.4 points: measure on more of them."
    assert advise(ensemble=wide).endswith(doubt)
    assert advise(baseline=wide).endswith(doubt)
    assert advise(lightgbm=timed(wide, 5)).endswith(doubt)
    assert "rule out" not in advise()


def test_teacher_that_leaves_rows_out_is_no_candidate():
    report = pd.DataFrame(
        {"ensemble": LEVEL, "student": STUDENT, "rule": AHEAD}, index=COLUMNS
    ).T.assign(coverage=[1, 1, 0.1])
    assert recommend(report).startswith("Ship the student")


def test_models_that_were_not_timed_are_judged_by_accuracy():
    untimed = {"ensemble": timed(LEVEL, np.nan), "lightgbm": timed(LEVEL, np.nan)}
    advice = advise(**untimed)
    assert advice.startswith("Ship the student")
    assert not re.search("slower|faster|nan", advice)
    report = pd.DataFrame({"ensemble": LEVEL, "student": STUDENT}, index=COLUMNS).T
    assert recommend(report.drop(columns="us_per_row")) == (
        "Ship the student: it is level with the ensemble (-0.2 points of accuracy "
        "[-0.6, +0.2])."
    )


def test_one_row_is_too_few():
    unknown = [1.0, 0.0, np.nan, np.nan, 5.0]
    advice = advise(ensemble=unknown, student=unknown)
    assert advice.startswith("Measure on more rows")


def test_report_is_left_alone():
    report = pd.DataFrame({"ensemble": LEVEL, "student": STUDENT}, index=COLUMNS).T
    before = report.copy()
    recommend(report)
    pd.testing.assert_frame_equal(report, before)


@pytest.mark.parametrize("missing", ["ensemble", "student"])
def test_missing_entry_is_named(missing):
    entries = {"ensemble": LEVEL, "student": STUDENT}
    del entries[missing]
    with pytest.raises(ValueError, match=rf"missing: \['{missing}'\]"):
        recommend(pd.DataFrame(entries, index=COLUMNS).T)


def test_what_is_no_report_is_named():
    with pytest.raises(TypeError, match="returned, a DataFrame, got NoneType"):
        recommend(None)


def test_missing_columns_are_named():
    report = pd.DataFrame({"accuracy": [1, 1]}, index=["ensemble", "student"])
    with pytest.raises(ValueError, match=r"missing: \['difference', 'difference_high'"):
        recommend(report)
