"""Measure how good probabilities are, given the labels."""

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import log_loss, roc_auc_score

MEASURES = "accuracy", "balanced_accuracy", "log_loss", "roc_auc", "ece"


def expected_calibration_error(proba, y, *, n_bins=15):
    """Measure how far confidence is from accuracy, over bins of confidence.

    ``Σ_b |B_b| / n · |accuracy(B_b) - confidence(B_b)|`` over bins of equal width of
    the highest probability, as in [1]_.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes)
        Probabilities; rows sum to one.
    y : array-like of shape (n_samples,)
        Index of the true class.
    n_bins : int, default=15
        Number of bins between 0 and 1.

    Returns
    -------
    error : float
        Between 0 and 1. It is 0 where, in every bin, the share of rows that are right
        is their mean confidence.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sk_ekd.inspection import expected_calibration_error
    >>> proba = [[0.75, 0.25]] * 4
    >>> expected_calibration_error(proba, [0, 0, 0, 1])
    0.0
    >>> expected_calibration_error(proba, [0, 0, 1, 1])
    0.25
    """
    proba, y = np.asarray(proba, dtype=np.float64), np.asarray(y)
    if proba.ndim != 2 or not len(proba) or y.shape != proba.shape[:1]:
        raise ValueError(
            "`proba` must have shape (n_samples, n_classes) and `y` (n_samples,), got "
            f"{proba.shape} and {y.shape}."
        )
    confidence, right = proba.max(axis=1), proba.argmax(axis=1) == y  # (n,)
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)  # b / m is in bin b
    gap = np.bincount(bins, weights=right - confidence)  # |B| · (accuracy - confidence)
    return float(np.abs(gap).sum() / len(proba))


def measure_quality(proba, y):
    """Return every measure of quality that the report has, by its column.

    On the rows that are predicted; a row of zeros is none.
    """
    known = proba.any(axis=1)
    if not known.any():
        return dict.fromkeys(MEASURES, np.nan)
    proba, y = _scale_to_one(proba[known]), y[known]
    right = proba.argmax(axis=1) == y
    present = np.unique(y)
    return {
        "accuracy": right.mean(),
        "balanced_accuracy": np.mean([right[y == code].mean() for code in present]),
        "log_loss": log_loss(y, proba, labels=np.arange(proba.shape[1])),
        "roc_auc": _roc_auc(proba, y) if len(present) == proba.shape[1] else np.nan,
        "ece": expected_calibration_error(proba, y),
    }


def loss_by_row(proba, y):
    """Return the log-loss of each row, as scikit-learn takes it -> (n,)."""
    of_label = _scale_to_one(proba)[np.arange(len(y)), y]
    least = np.finfo(np.float64).eps
    return -np.log(of_label.clip(least, 1 - least))


def roc_auc_by_row(proba, y):
    """Return what each row has to do with the AUC, which is their mean -> (n,).

    The AUC of a class is the share of pairs, one row of the class and one of the rest,
    in which the former has the higher score. The placement value of a row is its share
    of such pairs (DeLong et al., 1988), by the ranks of Sun and Xu (IEEE Signal
    Processing Letters 21, 2014). NaN where a class has fewer than two rows: it says
    nothing of their variance.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]])
    >>> float(roc_auc_by_row(proba, np.array([0, 0, 1, 1])).mean())
    0.75
    """
    n_classes = proba.shape[1]
    count = np.bincount(y, minlength=n_classes)
    if count.min() < 2:
        return np.full(len(y), np.nan)
    proba = _scale_to_one(proba)
    codes = [1] if n_classes == 2 else range(n_classes)
    return np.mean([_placement(proba[:, c], y == c) for c in codes], axis=0)


def _placement(score, is_positive):
    """Return the AUC, moved by how much each row deviates from it -> (n,)."""
    rank, share = rankdata(score), np.empty(len(score))
    for part in (is_positive, ~is_positive):
        n_others = len(part) - part.sum()
        share[part] = (rank[part] - rankdata(score[part])) / n_others
    share[~is_positive] = 1 - share[~is_positive]  # below which positives it is
    auc = share[is_positive].mean()
    rows = np.empty(len(score))
    for part in (is_positive, ~is_positive):
        n = part.sum()
        # n - 1, as DeLong et al. divide the variance
        rows[part] = (share[part] - auc) * len(score) / np.sqrt(n * (n - 1))
    return auc + rows


def _scale_to_one(proba):
    """Let rows sum to one in float64, as scikit-learn wants: some are float32."""
    proba = proba.astype(np.float64)
    return proba / proba.sum(axis=1, keepdims=True)


def _roc_auc(proba, y):
    """Return the AUC of the second of two classes, or else the mean over classes."""
    score = proba[:, 1] if proba.shape[1] == 2 else proba
    return roc_auc_score(y, score, multi_class="ovr")
