"""Report how far a student still follows its teachers, where no label is known."""

from numbers import Real

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from scipy.special import rel_entr
from scipy.stats import binomtest

from .._data import as_rows, count_rows
from .._estimator import check_distiller
from ._read import read_teacher_proba, teachers_proba

MAX_GROUPS = 10  # of a column
LEAST = np.finfo(np.float32).tiny  # of a probability, so that no divergence is infinite


def agreement_report(distiller, X, *, teacher_proba=None, by=None, threshold=0.1):
    """Compare the student with the pool of its teachers, without any label.

    In production, rows drift away from those that the student learned from, and it may
    stop to follow its teachers long before anyone has labels. Make this report of
    held-out rows when you ship, keep it, and make it again of rows that came since.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Rows of the kind that `fit` saw. Those that no teacher predicts are left out.
    teacher_proba : array-like of shape (n_samples, n_teachers, n_classes), default=None
        The teachers' predictions for `X`, where the teachers cannot be queried here.
    by : column name or list of them, default=None
        Columns of `X` by which to group its rows, positions where `X` is an array. A
        column of numbers is cut into quarters if it has more than ten values; of
        others, the most frequent nine are groups by themselves.
    threshold : float, default=0.1
        The divergence, in nats, from which on a row counts as `beyond`.

    Returns
    -------
    report : DataFrame
        One line for "all" rows, and one for each group. The columns are:

        - n_samples: the number of rows;
        - agreement: the share of rows for which student and pool predict the same
          class; agreement_low, agreement_high: its 95 % interval (Wilson's);
        - kl: the mean of KL(pool ‖ student), in nats, which is what the student was
          trained to reduce;
        - beyond: the share of rows whose KL(pool ‖ student) is above the threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.inspection import agreement_report
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> teachers = [GaussianNB(), LogisticRegression(max_iter=500)]
    >>> distiller = EnsembleDistiller(teachers, cv=5, random_state=0)
    >>> distiller = distiller.fit(X[::2], y[::2])
    >>> report = agreement_report(distiller, X[1::2], by="petal width (cm)")
    >>> report[["n_samples", "agreement"]].round(1)
                                       n_samples  agreement
    all                                       75        1.0
    petal width (cm) in (0.099, 0.35]         19        1.0
    petal width (cm) in (0.35, 1.3]           21        1.0
    petal width (cm) in (1.3, 1.8]            20        1.0
    petal width (cm) in (1.8, 2.5]            15        1.0
    """
    check_distiller(distiller)
    if not isinstance(threshold, Real) or not threshold > 0:
        raise ValueError(f"`threshold` must be above 0 nats, got {threshold!r}.")
    X = as_rows(X)
    n_samples = count_rows(X)
    groups = _read_groups(X, by)
    if teacher_proba is not None:
        teacher_proba = read_teacher_proba(distiller, X, teacher_proba)
    proba = teachers_proba(distiller, X, teacher_proba)  # (n, t, c)
    pool = distiller.pool_.predict_proba(proba)  # (n, c)
    student = distiller.predict_proba(X)  # (n, c)
    known = proba.any(axis=(1, 2))  # by some teacher
    divergence = rel_entr(pool, np.maximum(student, LEAST)).sum(axis=1)  # (n,)
    same = pool.argmax(axis=1) == student.argmax(axis=1)  # (n,)
    rows = pd.DataFrame({"same": same, "kl": divergence})
    groups = {"all": np.ones(n_samples, dtype=bool), **groups}
    lines = {
        name: _measure(rows[is_in & known], threshold) for name, is_in in groups.items()
    }
    return pd.DataFrame(lines).T.astype({"n_samples": int})


def _measure(rows, threshold):
    """Return the line of a group of rows -> dict of str to float."""
    n_same, n_samples = int(rows["same"].sum()), len(rows)
    line = {"n_samples": n_samples, "agreement": rows["same"].mean()}
    if n_samples:
        interval = binomtest(n_same, n_samples).proportion_ci(method="wilson")
        line |= {"agreement_low": interval.low, "agreement_high": interval.high}
    beyond = (rows["kl"] > threshold).mean()
    return line | {"kl": rows["kl"].mean(), "beyond": beyond}


def _read_groups(X, by):
    """Return which rows are in which group of the columns -> dict of str to (n,)."""
    if by is None:
        return {}
    is_one = isinstance(by, (str, tuple)) or not np.iterable(by)  # tuples are names
    columns = [by] if is_one else list(by)
    table = X.to_pandas() if hasattr(X, "to_pandas") else X
    if issparse(table):
        table = pd.DataFrame.sparse.from_spmatrix(table)
    if not hasattr(table, "columns"):
        if np.ndim(table) != 2:
            raise TypeError(
                "`by` needs rows with columns, a DataFrame or an array of two "
                f"dimensions, got {type(X).__name__}."
            )
        table = pd.DataFrame(table)
    strange = [name for name in columns if name not in table.columns]
    if strange:
        raise ValueError(
            f"`by` must name columns of X, got {strange}: X has {[*table.columns]}."
        )
    return {
        name: is_in
        for column in columns
        for name, is_in in _split(table[column], column).items()
    }


def _split(values, column):
    """Name the groups of a column, and find their rows -> dict of str to (n,) bool."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MAX_GROUPS:
        numbers = values.astype(float).replace([np.inf, -np.inf], np.nan)
        group = pd.qcut(numbers, 4, duplicates="drop")
        names = {part: f"{column} in {part}" for part in group.cat.categories}
    else:
        group = values.astype(object)
        counts = group.value_counts()
        n_shown = MAX_GROUPS if len(counts) <= MAX_GROUPS else MAX_GROUPS - 1
        names = {value: f"{column} = {value}" for value in counts.index[:n_shown]}
    shown = group.map(names).astype(object)
    missing = group.isna()
    shown = shown.where(shown.notna() | missing, f"{column}: others")
    shown = shown.where(~missing, f"{column}: missing")
    order = [*names.values(), f"{column}: others", f"{column}: missing"]
    present = set(shown)
    return {name: (shown == name).to_numpy() for name in order if name in present}
