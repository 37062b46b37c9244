"""Write the report on what a student kept of its teachers."""

import numpy as np
import pandas as pd

from .._data import as_rows, count_rows, take_rows
from .._estimator import has_teachers
from ..pooling import MeanPool
from ._bootstrap import bootstrap_interval
from ._costs import measure_costs
from ._groups import measure_groups, read_groups
from ._quality import measure_quality
from ._read import (
    baseline_proba,
    ensemble_proba,
    read_codes,
    read_teacher_proba,
    teacher_names,
    teachers_proba,
)
from ._recommend import INTERVAL, OTHERS


def distillation_report(
    distiller, X, y, *, baseline=None, teacher_proba=None, groups=None
):
    """Compare the student with its teachers, on rows that none of them saw.

    Parameters
    ----------
    distiller : EnsembleDistiller or OnlineDistiller
        A fitted distiller. Without teachers, the report has the student and the
        baseline, and no columns that are about an ensemble.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Rows of the kind that `fit` saw.
    y : array-like of shape (n_samples,)
        Labels. Rows with an unknown label are left out.
    baseline : classifier, default=None
        A fitted classifier with `predict_proba` to compare with. The best choice is
        the same student trained on the labels alone, which is another
        `EnsembleDistiller` with ``alpha=0``.
    teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), default=None
        The teachers' predictions for `X`, where the teachers cannot be queried here.
        Their times and sizes are then missing from the report.
    groups : array-like of shape (n_samples,), default=None
        The group of each row, such as a region or an age class, by any values that can
        be hashed; those that are missing are a group of their own. With groups, the
        report says how accurate each entry is within them.

    Returns
    -------
    report : DataFrame
        One entry for each teacher, for the "ensemble" (the mean of the teachers; by its
        own weights where it is a VotingClassifier with weights), for the "pool" where
        it is another one, for the "student", and for the "baseline" where there is one.
        A teacher is measured on the rows that it predicts, the ensemble and the pool on
        those that some teacher predicts. The columns are:

        - accuracy, balanced_accuracy and log_loss;
        - roc_auc: that of the second of two classes, or with more classes the mean of
          each against the rest. It is NaN where `y` lacks a class;
        - ece: the :func:`expected_calibration_error`;
        - us_per_row: microseconds per row, in batches of up to 1,000 rows. The ensemble
          takes the sum of its teachers' times, or its own time where `teachers` is a
          single fitted ensemble;
        - us_single: microseconds for a call with a single row;
        - bytes: length of the pickle, which for a distiller is that of its `student_`
          alone. It is missing where the model cannot be pickled;
        - difference, difference_low, difference_high: the student's accuracy minus that
          of the entry, on the rows that both predict, and its 95 % interval by the
          paired bootstrap, as in :func:`compare`. Where the whole interval is above
          zero, the student is ahead;
        - retention: the accuracy as a share of the ensemble's;
        - recovered: how much of the step from the baseline's accuracy to the ensemble's
          is made. It is there only with a baseline, NaN where there is no step, and
          means little where the step is small;
        - worst_group_accuracy, worst_group: the lowest accuracy within a group, and
          the group, "missing" for missing values; only with `groups`;
        - accuracy[<group>]: the accuracy within each group, NaN where the entry
          predicts none of its rows; only with `groups`, and at most 20 of them;
        - coverage: the share of the rows that the entry predicts; only where some
          teacher leaves out some rows;
        - pool_weight and pool_temperature: those of each teacher, only with a
          calibrated pool. (In a stacked pool, the stacker has what they lack of one.)
          The pool has no times and no size of its own, since they are those of the
          ensemble.

    Notes
    -----
    Times are medians over calls of `predict_proba` in this process, or of
    `decision_function` or `predict` for a teacher that lacks it. They hold for this
    machine, and take about a second per model to measure. A teacher that has the name
    of another entry is shown as "student (teacher)". :func:`recommend` says which model
    of a report to ship, by all rows and not by groups. The worst of many groups, or of
    small ones, is partly bad luck: see how many rows it has, and read the student's
    beside that of the ensemble, which has the same rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.inspection import distillation_report
    >>> X, y = load_iris(return_X_y=True)
    >>> teachers = [GaussianNB(), LogisticRegression(max_iter=500)]
    >>> distiller = EnsembleDistiller(teachers, cv=5, random_state=0)
    >>> distiller = distiller.fit(X[::2], y[::2])
    >>> report = distillation_report(distiller, X[1::2], y[1::2])
    >>> report["retention"].round(1)
    gaussiannb            1.0
    logisticregression    1.0
    ensemble              1.0
    pool                  1.0
    student               1.0
    Name: retention, dtype: float64
    """
    codes, labeled = read_codes(distiller, X, y)  # (n,), (n,)
    if not labeled.any():
        raise ValueError("y has no labeled row to measure on: every label is unknown.")
    if groups is not None:
        groups, group_names = read_groups(groups, count_rows(as_rows(X)))  # (n,), (g,)
    if teacher_proba is not None:
        teacher_proba = read_teacher_proba(distiller, X, teacher_proba)[labeled]
    X, y = take_rows(as_rows(X), np.flatnonzero(labeled)), codes[labeled]
    names, predictions = [], {}
    if has_teachers(distiller):
        names = _teacher_entries(distiller)
        proba = teachers_proba(distiller, X, teacher_proba)  # (n, t, c)
        predictions = _teacher_predictions(distiller, names, proba)  # (n, c) each
    predictions["student"] = distiller.predict_proba(X)
    if baseline is not None:
        predictions["baseline"] = baseline_proba(baseline, X, distiller.classes_)
    quality = {name: measure_quality(p, y) for name, p in predictions.items()}
    teachers = {}
    if names and teacher_proba is None:
        teachers = dict(zip(names, distiller.teachers_, strict=True))
    costs = measure_costs(distiller, teachers, baseline, X)
    report = pd.DataFrame(quality).T.join(pd.DataFrame(costs).T)
    report = report.astype({"bytes": "Int64"})
    right = _find_right(predictions, y)  # (n, k)
    report[INTERVAL] = _differences(right)
    if names:
        report = _add_shares(report)
    if groups is not None:
        report = report.join(measure_groups(right, groups[labeled], group_names))
    coverage = {name: p.any(axis=1).mean() for name, p in predictions.items()}
    if min(coverage.values()) < 1:
        report["coverage"] = coverage
    if "pool" in predictions:
        pool, of_teachers = distiller.pool_, slice(len(names))  # a stacker is the last
        report.loc[names, "pool_weight"] = pool.weight_[of_teachers]
        report.loc[names, "pool_temperature"] = pool.temperature_[of_teachers]
    return report


def _teacher_entries(distiller):
    """Return the teachers' names, none of them that of another entry."""
    return [
        f"{name} (teacher)" if name in OTHERS else name
        for name in teacher_names(distiller)
    ]


def _teacher_predictions(distiller, names, proba):
    """Return those of teachers, ensemble and pool, zero for none -> dict of (n, c)."""
    teachers = zip(names, proba.swapaxes(0, 1), strict=True)
    known = proba.any(axis=(1, 2))[:, np.newaxis]  # by some teacher
    ensemble = ensemble_proba(distiller, proba)
    predictions = {**dict(teachers), "ensemble": ensemble * known}
    if not isinstance(distiller.pool_, MeanPool):
        predictions["pool"] = distiller.pool_.predict_proba(proba) * known
    return predictions


def _find_right(predictions, y):
    """Return where each entry is right, NaN where it predicts nothing -> (n, k)."""
    return pd.DataFrame(
        {
            name: np.where(p.any(axis=1), p.argmax(axis=1) == y, np.nan)
            for name, p in predictions.items()
        }
    )


def _differences(right):
    """Return by how much the student is ahead of each entry, with its interval."""
    rows = right.rsub(right["student"], axis=0)  # (n, k)
    low, high = bootstrap_interval(rows.to_numpy())  # (k,)
    return pd.DataFrame(dict(zip(INTERVAL, [rows.mean(), low, high], strict=True)))


def _add_shares(report):
    """Add how much the entries keep of the ensemble's accuracy, and of its gain."""
    accuracy = report["accuracy"]
    report["retention"] = accuracy / accuracy["ensemble"]
    if "baseline" in report.index:
        gain = accuracy["ensemble"] - accuracy["baseline"]
        report["recovered"] = (accuracy - accuracy["baseline"]) / (gain or np.nan)
    return report
