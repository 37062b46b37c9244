"""SeedEnsemble: one network from several seeds, trained together."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ._compat import Interval, fit_context
from ._data import as_rows
from ._online import OnlineDistiller
from ._summary import Summarized, summarize_student
from ._torch_rows import is_of_torch
from .students import _online, _predict


class SeedEnsemble(Summarized, ClassifierMixin, BaseEstimator):
    """The mean of one network trained from several seeds, all of them at once.

    Networks of one architecture that differ in nothing but their initial weights and
    their dropout are a strong ensemble [1]_. Here they are trained as one stack, in
    about half of the time that they take one after the other, on the same batches. As
    a teacher, ``EnsembleDistiller([SeedEnsemble(net)], net, cv=5)``, they are fitted
    and predict out of fold, and count as one.

    Parameters
    ----------
    net : skorch net, Pipeline that ends in one, or None, default=None
        As `student` of :class:`OnlineDistiller`; None is the built-in network.
    n_seeds : int, default=5
        How many networks are trained.
    random_state : int, RandomState instance or None, default=None
        Seeds the networks.
    verbose : int, default=0
        1 prints a line with the time of the training, after a bar in a terminal or a
        notebook; 2 also a line per epoch of the built-in network.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels in `y`, sorted.
    nets_ : list of skorch nets or Pipelines
        The fitted networks, which predict indices into `classes_`.
    history_ : DataFrame
        One line per epoch, with the mean of the networks' `train_loss`.
    n_features_in_ : int
        Number of columns of `X`, where it has columns; `feature_names_in_` are their
        names, where they are all strings.

    References
    ----------
    .. [1] Z. Allen-Zhu, Y. Li, "Towards Understanding Ensemble, Knowledge Distillation
       and Self-Distillation in Deep Learning", arXiv:2012.09816, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_ekd import EnsembleDistiller, SeedEnsemble
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1  # unknown
    >>> teachers = [SeedEnsemble(n_seeds=3)]
    >>> distiller = EnsembleDistiller(teachers, cv=3, random_state=0).fit(X, y)
    >>> distiller.predict(X[:3])
    array([0, 0, 0])
    """

    _parameter_constraints = {
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(self, net=None, n_seeds=5, *, random_state=None, verbose=0):
        self.net = net
        self.n_seeds = n_seeds
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Train the networks.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows.
        y : array-like of shape (n_samples,)
            Labels, all of them known.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : SeedEnsemble
            The fitted ensemble.
        """
        X = as_rows(X)
        validate_data(self, X, y, skip_check_array=True)
        training = _Together(
            self.net,
            n_students=self.n_seeds,
            alpha=0,
            unlabeled_label=None,
            random_state=self.random_state,
            verbose=self.verbose,
        ).fit(X, y, sample_weight=sample_weight)
        self.classes_, self.history_ = training.classes_, training.history_
        self.nets_ = _online.take_all(training.student_)
        return self

    def predict_proba(self, X):
        """Average the networks.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows, of the kind that `fit` saw.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        check_is_fitted(self)
        X = as_rows(X)
        if not is_of_torch(X):
            validate_data(self, X, reset=False, skip_check_array=True)
        return np.mean([_predict.student_proba(net, X) for net in self.nets_], axis=0)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
            Rows, of the kind that `fit` saw.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _summary(self):
        """Return what one would ask of a fitted ensemble first, by name."""
        network, size = summarize_student(self.nets_[0], built_in=self.net is None)
        return {
            "seeds": str(len(self.nets_)),
            "labels": f"{len(self.classes_)} classes",
            "network": network,
            "size": f"{size} each",
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(_Together(self.net)).input_tags
        return tags


class _Together(OnlineDistiller):
    """Trains networks together, and keeps them in one."""

    _fit_students = staticmethod(_online.fit_together)
