"""Mix the teachers into soft targets: the formula of the method on one screen."""

import numpy as np


def soft_targets(proba, weight, temperature, even=1.0):
    """Soften the teachers, mix them row by row, and weigh the rows.

    A teacher known only by probabilities is softened as ``p^(1/T)``, renormalised: the
    same as dividing its logits by T, as long as no p has underflowed to zero.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_teachers, n_classes)
        Probabilities of each teacher.
    weight : ndarray of shape (n_samples, n_teachers)
        Non-negative weights; their shape within a row mixes the teachers, their sum
        weighs the row.
    temperature : float
        Above 1 softens, below 1 sharpens.
    even : float or ndarray of shape (n_teachers,), default=1.0
        The mix of a row of weight zero.

    Returns
    -------
    target : ndarray of shape (n_samples, n_classes), dtype float32
        Rows sum to one.
    row_weight : ndarray of shape (n_samples,), dtype float64
        The sum of each row's weights.

    Examples
    --------
    >>> proba = np.array([[[0.9, 0.1], [0.3, 0.7]]])
    >>> soft_targets(proba, np.array([[1.0, 1.0]]), temperature=1.0)
    (array([[0.6, 0.4]], dtype=float32), array([2.]))
    """
    weight = weight.astype(np.float64)
    row_weight = weight.sum(axis=1)  # (n,)
    share = np.where(row_weight[:, np.newaxis] > 0, weight, even)  # (n, t)
    share /= share.sum(axis=1, keepdims=True)
    softened = _soften(proba.astype(np.float64), temperature)  # (n, t, c)
    target = np.einsum("ntc,nt->nc", softened, share)
    return target.astype(np.float32), row_weight


def _soften(proba, temperature):
    if temperature == 1:
        return proba
    # relative to the largest, so that a small temperature does not underflow
    softened = (proba / proba.max(axis=2, keepdims=True)) ** (1 / temperature)
    return softened / softened.sum(axis=2, keepdims=True)
