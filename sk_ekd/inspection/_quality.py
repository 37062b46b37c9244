"""Measure how good probabilities are, given the labels."""

import numpy as np
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
    proba, y = proba[known].astype(np.float64), y[known]
    # teachers predict in float32, and scikit-learn wants sums of one in float64
    proba /= proba.sum(axis=1, keepdims=True)
    right = proba.argmax(axis=1) == y
    present = np.unique(y)
    return {
        "accuracy": right.mean(),
        "balanced_accuracy": np.mean([right[y == code].mean() for code in present]),
        "log_loss": log_loss(y, proba, labels=np.arange(proba.shape[1])),
        "roc_auc": _roc_auc(proba, y) if len(present) == proba.shape[1] else np.nan,
        "ece": expected_calibration_error(proba, y),
    }


def _roc_auc(proba, y):
    """Return the AUC of the second of two classes, or else the mean over classes."""
    score = proba[:, 1] if proba.shape[1] == 2 else proba
    return roc_auc_score(y, score, multi_class="ovr")
