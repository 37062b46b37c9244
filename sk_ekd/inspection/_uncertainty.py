"""Say how unsure a student is of each row, by what it predicts alone."""

import numpy as np
from scipy.special import entr, logsumexp
from sklearn.utils.validation import validate_data

from .._data import as_rows
from .._estimator import check_distiller
from .._torch_rows import is_of_torch


def uncertainty(distiller, X, *, kind="entropy"):
    """Return how unsure the student is of each row, in one pass and without teachers.

    Rows of which it is least sure are those to hand to a human, or to another model:
    see :class:`UncertaintyDisplay` for what is gained.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Rows of the kind that `fit` saw.
    kind : {"entropy", "energy"}, default="entropy"
        What to measure:

        - "entropy": that of the predicted probabilities, ``-Σ_c p_c log p_c``, in nats
          from 0 to log(n_classes). Every student has it.
        - "energy": ``-log Σ_c exp(logit_c)`` [1]_, on a scale of its own. It is there
          where the student is a net that returns logits, and may tell rows that are
          unlike all that it learned from. For a net of one logit, which stands for two
          of opposite sign, it sorts rows as the entropy does.

    Returns
    -------
    uncertainty : ndarray of shape (n_samples,)
        The higher, the less sure.

    Notes
    -----
    The highest probability, which is the usual baseline [2]_, is nearly the same as the
    entropy: with two classes, both sort rows alike. A student that is sure of a row can
    be wrong, and rows far from all that it saw may leave it sure.

    References
    ----------
    .. [1] W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based Out-of-distribution
       Detection", NeurIPS 2020, arXiv:2010.03759.
    .. [2] D. Hendrycks, K. Gimpel, "A Baseline for Detecting Misclassified and
       Out-of-Distribution Examples in Neural Networks", ICLR 2017, arXiv:1610.02136.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.inspection import uncertainty
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EnsembleDistiller([GaussianNB()], cv=5, random_state=0).fit(X, y)
    >>> unsure = uncertainty(distiller, X)
    >>> bool(unsure[y > 0].mean() > unsure[y == 0].mean())  # two kinds overlap
    True
    """
    check_distiller(distiller)
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {list(KINDS)}, got {kind!r}.")
    return KINDS[kind](distiller, X)


def _entropy(distiller, X):
    """Return the entropy of what the student predicts -> (n,)."""
    return entr(distiller.predict_proba(X)).sum(axis=1, dtype=np.float64)


def _energy(distiller, X):
    """Return minus the log of the sum of the exponentials of the logits -> (n,)."""
    from ..students import student_logits  # torch, which not every student needs

    X = as_rows(X)
    if not is_of_torch(X):  # as for `predict_proba`
        validate_data(distiller, X, reset=False, skip_check_array=True)
    logits = student_logits(distiller.student_, X)  # (n, c)
    return -logsumexp(logits, axis=1)


KINDS = {"entropy": _entropy, "energy": _energy}
