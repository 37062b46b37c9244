"""Fit a stacker: a logarithmic pool of the teachers, and a map of what they say."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

LEAST = 1e-3  # what a smaller probability is read as
BLOCK = 4096  # rows that are held in float64 at a time


class Stacker(NamedTuple):
    """What was fitted: ``softmax(Σ_t power_t log p_t + bias + X @ map / scale)``.

    X holds the log-probabilities of all teachers, each teacher's centered.
    """

    power: np.ndarray  # (t,)
    bias: np.ndarray  # (c,)
    map: np.ndarray | None  # (t * c, c), None where there is none
    scale: float

    def predict_proba(self, proba):
        """Predict rows that all teachers predict, (n, t, c) -> (n, c), float32."""
        stacked = np.empty((len(proba), len(self.bias)), dtype=np.float32)
        for rows in _blocks(len(proba)):
            log_proba = _log(proba[rows]).astype(np.float64)
            z = _pool(log_proba, self.power, self.bias)
            if self.map is not None:
                z += _center(log_proba) @ self.map / self.scale
            stacked[rows] = softmax(z, axis=1)
        return stacked


def fit_stacker(proba, y, row_weight, *, ridge, map_ridge, with_map=True):
    """Fit a stacker by log-loss, to rows that all teachers predict -> Stacker.

    `row_weight` sums to the number of rows that they are worth against the ridges.
    Classes without a label are left out of the losses: what the teachers say of them
    is taken as it is, in proportion to the others.
    """
    counted = row_weight > 0
    proba, y, row_weight = proba[counted], y[counted], row_weight[counted]
    n_teachers, n_classes = proba.shape[1:]
    known, y = np.unique(y, return_inverse=True)
    log_proba = _log(proba)  # (n, t, c)

    of_known = log_proba[:, :, known]
    args = of_known, y, row_weight, ridge
    found = _descend(pool_loss, n_teachers + len(known), args)
    away, bias_of_known = np.split(found, [n_teachers])
    power = 1 / n_teachers + away
    bias = np.zeros(n_classes)
    bias[known] = bias_of_known
    if not with_map:
        return Stacker(power, bias, None, 1.0)

    X = _center(log_proba)  # (n, t * c)
    scale = _root_mean_square(X, row_weight)
    X /= scale
    base = _pool(of_known, power, bias_of_known)  # (n, k), k classes with a label
    args = X, base, y, row_weight, map_ridge
    found = _descend(map_loss, X.shape[1] * len(known), args)
    map_ = np.zeros((X.shape[1], n_classes))
    map_[:, known] = found.reshape(-1, len(known))
    return Stacker(power, bias, map_, scale)


def pool_loss(params, log_proba, y, row_weight, ridge):
    """Return the log-loss of a logarithmic pool, plus the ridge, and its gradient.

    `params` are the powers less ``1 / t``, and the biases (t + c,). Both are divided by
    the sum of the weights.
    """
    n_teachers = log_proba.shape[1]
    away, bias = params[:n_teachers], params[n_teachers:]
    loss, gradient = ridge / 2 * params @ params, ridge * params
    for rows in _blocks(len(y)):
        block = log_proba[rows].astype(np.float64)
        z = _pool(block, 1 / n_teachers + away, bias)
        part, slope = _log_loss(z, y[rows], row_weight[rows])
        loss += part
        gradient[:n_teachers] += np.einsum("nc,ntc->t", slope, block)
        gradient[n_teachers:] += slope.sum(axis=0)
    return loss / row_weight.sum(), gradient / row_weight.sum()


def map_loss(params, X, base, y, row_weight, ridge):
    """Return the log-loss of a map added to a base, plus the ridge, and its gradient.

    `params` is the map (t * c, c), raveled. Both are divided by the sum of the weights.
    """
    map_ = params.reshape(X.shape[1], base.shape[1])
    loss, gradient = ridge / 2 * params @ params, ridge * map_
    for rows in _blocks(len(y)):
        block = X[rows].astype(np.float64)
        part, slope = _log_loss(base[rows] + block @ map_, y[rows], row_weight[rows])
        loss += part
        gradient += block.T @ slope
    return loss / row_weight.sum(), gradient.ravel() / row_weight.sum()


def _blocks(n_samples):
    return [slice(first, first + BLOCK) for first in range(0, n_samples, BLOCK)]


def _descend(loss_and_gradient, n_params, args):
    start = np.zeros(n_params)
    return minimize(
        loss_and_gradient, start, args=args, jac=True, method="L-BFGS-B", tol=1e-8
    ).x


def _log_loss(z, y, row_weight):
    """Return the weighted sum of the rows' log-losses, and its gradient (n, c)."""
    log_proba, rows = log_softmax(z, axis=1), np.arange(len(y))
    slope = np.exp(log_proba)
    slope[rows, y] -= 1
    return -row_weight @ log_proba[rows, y], slope * row_weight[:, np.newaxis]


def _pool(log_proba, power, bias):
    return np.einsum("ntc,t->nc", log_proba, power) + bias


def _log(proba):
    return np.log(np.maximum(proba, LEAST, dtype=np.float32))


def _center(log_proba):
    """Take each teacher's mean over the classes away -> (n, t * c)."""
    centered = log_proba - log_proba.mean(axis=2, keepdims=True)
    return centered.reshape(len(centered), -1)


def _root_mean_square(X, row_weight):
    """Return the size of the values, 1 where all are zero."""
    squares = np.einsum("nk,nk->n", X, X, dtype=np.float64)
    size = np.sqrt(row_weight @ squares / row_weight.sum() / X.shape[1])
    return size if size > 0 else 1.0
