"""Compare two fitted models on the same rows: the difference, and how sure it is."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils import check_consistent_length

from .._classes import as_column, encode_labels, read_labels
from .._data import as_rows, take_rows
from ._bootstrap import bootstrap_interval
from ._quality import loss_by_row, measure_quality, roc_auc_by_row
from ._read import known_classes, model_proba


def compare(a, b, X, y, *, random_state=0):
    """Compare two fitted classifiers, row by row, on rows that neither has seen.

    Parameters
    ----------
    a : classifier
        A fitted classifier with `predict_proba` and `classes_`, such as a distiller.
    b : classifier
        Another one. Its classes are aligned with those of `a` by value; a class that
        one of them does not know has a probability of zero there.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Rows that both of them take.
    y : array-like of shape (n_samples,)
        Labels. Rows with an unknown label are left out: missing values, and the
        `unlabeled_label` of a distiller, without one -1 unless it is a class.
    random_state : int, RandomState instance or None, default=0
        Draws the rows of the bootstrap.

    Returns
    -------
    comparison : DataFrame
        One line each for "accuracy", "log_loss" and "roc_auc", measured as in
        :func:`distillation_report`. The columns are:

        - a, b: the value of each model;
        - difference: a - b. For the accuracy and the AUC, more than zero means that `a`
          is better, for the log-loss less than zero;
        - low, high: the 95 % interval of the difference, by the paired bootstrap;
        - p_value: how likely a difference as large as this is among models that are
          equally good, two-sided.

        "roc_auc" is NaN where `y` lacks a class, and has no interval where a class has
        a single row.

    Notes
    -----
    The *interval* is that of the percentile bootstrap [1]_ with 2,000 resamples of the
    rows, both models on the same ones. Of more than 10,000 rows, 10,000 random groups
    are resampled, which gives the same interval in bounded time and memory. Of the AUC,
    its linear part is resampled, the placement values of [4]_.

    The *p-values* are those of the usual paired tests:

    - accuracy: McNemar's exact test [2]_. Of the rows that only one model gets right,
      each gets half, ``scipy.stats.binomtest(only_a, only_a + only_b)``;
    - log_loss: the paired t-test of the rows' losses, which is the test of Diebold and
      Mariano [3]_ for rows that are drawn independently;
    - roc_auc: the test of DeLong et al. [4]_ for two areas measured on the same rows,
      with the placement values of each class against the rest, averaged over classes.

    All of this is about new rows, for these two fitted models. How much models would
    differ that were trained on other rows, or from another seed, is not in it. An
    interval from 0 to 0 says that both models are right on the very same rows, and not
    that they would be on others.

    References
    ----------
    .. [1] B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall,
       1993.
    .. [2] Q. McNemar, "Note on the sampling error of the difference between correlated
       proportions or percentages", Psychometrika 12, 1947.
    .. [3] F. Diebold, R. Mariano, "Comparing Predictive Accuracy", Journal of Business
       & Economic Statistics 13, 1995.
    .. [4] E. DeLong, D. DeLong, D. Clarke-Pearson, "Comparing the Areas under Two or
       More Correlated Receiver Operating Characteristic Curves", Biometrics 44, 1988.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sk_ekd.inspection import compare
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> bayes = GaussianNB().fit(X[::2], y[::2])
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    >>> compare(bayes, tree, X[1::2], y[1::2]).round(3)
                  a      b  difference    low   high  p_value
    accuracy  0.930  0.912       0.018 -0.011  0.046    0.332
    log_loss  0.624  3.173      -2.549 -3.592 -1.566    0.000
    roc_auc   0.986  0.910       0.076  0.048  0.105    0.000
    """
    y = as_column(y)
    check_consistent_length(as_rows(X), y)
    classes, mark = _read_classes(a, b)
    labels, labeled = read_labels(y, mark)
    _check_labels(labels, classes)
    X = take_rows(as_rows(X), np.flatnonzero(labeled))
    y = encode_labels(labels, labeled, classes)[labeled]
    models = {"a": a, "b": b}
    proba = [_read_proba(m, X, classes, name) for name, m in models.items()]  # (n, c)
    quality = [measure_quality(p, y) for p in proba]
    table = pd.DataFrame(dict(zip(models, quality, strict=True))).loc[list(TESTS)]
    table["difference"] = table["a"] - table["b"]
    tested = [test(*proba, y) for test in TESTS.values()]
    rows, p_values = zip(*tested, strict=True)  # (n,) each
    table["low"], table["high"] = bootstrap_interval(
        np.column_stack(rows), random_state
    )
    return table.assign(p_value=p_values)


def _read_classes(a, b):
    """Return the classes of both models, and the mark of an unknown label."""
    of_a, of_b = known_classes(a, "a").tolist(), known_classes(b, "b").tolist()
    if not set(of_a) & set(of_b):
        raise ValueError(
            f"`a` and `b` must know the same labels, got classes {of_a} and {of_b}, "
            "none in common. Fit both on labels that are encoded alike."
        )
    classes = np.array(sorted({*of_a, *of_b}))
    distillers = [model for model in (a, b) if hasattr(model, "unlabeled_label")]
    if not distillers:
        return classes, None if -1 in (*of_a, *of_b) else -1
    marks = {model.unlabeled_label for model in distillers} - {None}
    if len(marks) > 1 or marks & {*of_a, *of_b}:
        raise ValueError(
            "The mark of an unknown label must be one for both models and no class of "
            f"either, got `unlabeled_label` {sorted(marks, key=str)} and classes "
            f"{of_a} and {of_b}. Fit both on labels that are encoded alike."
        )
    return classes, marks.pop() if marks else None


def _check_labels(labels, classes):
    """Raise unless there are labels to measure by, and every one is a class."""
    strange = sorted(set(labels.tolist()) - set(classes.tolist()))
    if strange:
        raise ValueError(
            f"y holds labels that neither model knows, {strange}: their classes are "
            f"{classes.tolist()}. Leave these rows out."
        )
    if len(labels) < 2:
        raise ValueError(
            f"Expected at least 2 labeled rows to compare on, got {len(labels)}: pass "
            "more rows, or label some."
        )


def _read_proba(model, X, classes, name):
    """Query a model, and check that each row has probabilities -> (n, c)."""
    proba = model_proba(model, X, classes, name)
    wrong = ~((proba.min(axis=1) >= 0) & (np.abs(proba.sum(axis=1) - 1) < 1e-3))
    if wrong.any():
        row = wrong.argmax()
        raise ValueError(
            f"`{name}` must predict probabilities that sum to one, got "
            f"{np.count_nonzero(wrong)} of {len(wrong)} labeled rows that do not, as "
            f"{proba[row].tolist()} for row {row} of them. Leave rows out that it does "
            "not predict."
        )
    return proba


# --- Tests ---------------------------------------------------------------------------
# each returns a value for every row, whose mean is the difference, and the p-value


def _accuracy(first, second, y):
    """Test whether one model is right more often, by McNemar's exact test."""
    first, second = first.argmax(axis=1) == y, second.argmax(axis=1) == y  # (n,)
    only_first = np.count_nonzero(first & ~second)
    only_one = np.count_nonzero(first != second)
    p_value = stats.binomtest(only_first, only_one).pvalue if only_one else 1.0
    return first.astype(float) - second, p_value


def _log_loss(first, second, y):
    """Test whether one model loses less, by the paired t-test."""
    rows = loss_by_row(first, y) - loss_by_row(second, y)  # (n,)
    error = rows.std(ddof=1) / np.sqrt(len(rows))
    return rows, _two_sided(rows.mean(), error, stats.t(len(rows) - 1))


def _roc_auc(first, second, y):
    """Test whether one model ranks better, by the test of DeLong et al."""
    rows = roc_auc_by_row(first, y) - roc_auc_by_row(second, y)  # (n,)
    error = rows.std() / np.sqrt(len(rows))
    return rows, _two_sided(rows.mean(), error, stats.norm)


def _two_sided(difference, error, distribution):
    """Return how likely a difference is at least as large, given its standard error."""
    if error == 0:  # every row has the same difference
        return float(difference == 0)
    return float(2 * distribution.sf(abs(difference) / error))


TESTS = {"accuracy": _accuracy, "log_loss": _log_loss, "roc_auc": _roc_auc}
