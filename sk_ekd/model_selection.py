"""Split the labeled rows; let the unlabeled ones train in every split."""

import copy
from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import check_consistent_length

from ._classes import as_column, read_labels
from ._splits import check_splitter, counted_rows, read_positions

__all__ = ["SemiSupervisedSplit"]


class SemiSupervisedSplit(BaseCrossValidator):
    """Split labeled rows into train and test parts; unlabeled rows always train.

    scikit-learn's own splitters and scorers take the mark -1 for one more class: rows
    without a label are tested, and each counts as an error. Here every train part holds
    all unlabeled rows, and every test part labeled rows only, so that any scorer works.
    For `cv` of :func:`~sklearn.model_selection.cross_validate`,
    :class:`~sklearn.model_selection.GridSearchCV` and the like.

    Parameters
    ----------
    cv : int, splitter or iterable, default=5
        How labeled rows are split. An int is the number of stratified folds. A splitter
        is given the labeled rows only: their positions in place of `X`, their labels
        and their groups. The (train, test) pairs of an iterable hold positions of rows
        in `X`, or masks over them; so does a `PredefinedSplit` as long as `X`.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`; missing values (None, NaN, ``pd.NA``) are
        unknown labels too. None: there is no mark. The same as the distiller's.

    Notes
    -----
    With groups, unlabeled rows of a tested group do train, and with `TimeSeriesSplit`
    those later than a tested row: they have no label, but the teachers' predictions for
    them train the student. Where that is a leak, leave such rows out of `X`.

    What scikit-learn's tools make of a partly labeled `y`:

    - Train scores count unlabeled rows as errors, or fail on them; only the default,
      `EnsembleDistiller.score`, leaves them out. Pass ``return_train_score=False`` to a
      halving search, and ignore those of `learning_curve` and `validation_curve`.
    - Scorers get `y` in its own dtype. Numbers in an array of objects (beside None or
      -1) are of an "unknown" type to them: use integers with -1, floats with NaN, or
      the pandas type "Int64".
    - `cross_val_predict` raises, since it needs each row to be tested once. Use
      ``cross_validate(..., return_estimator=True, return_indices=True)``, and ask each
      estimator for the rows of its test part.
    - `learning_curve` takes the first rows of a train part, labeled or not: pass
      ``shuffle=True``, and `train_sizes` large enough to hold some labels.
    - A halving search whose resource is ``"n_samples"`` draws labeled and unlabeled
      rows alike, and its default `min_resources` sorts `y`, which fails on missing
      values and on strings beside -1: pass an int, or another resource, such as
      ``"student__max_epochs"``.

    - Meta-estimators that learn the classes from all of `y` (Calibrated, Stacking,
      Voting, Bagging, LogisticRegressionCV, TunedThreshold) take the mark for a class,
      whatever `cv` they are given: fit them on labeled rows only.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_ekd.model_selection import SemiSupervisedSplit
    >>> X = np.arange(12).reshape(6, 2)
    >>> y = np.array([0, -1, 1, 0, 1, -1])
    >>> for train, test in SemiSupervisedSplit(cv=2).split(X, y):
    ...     print(train, test)
    [1 3 4 5] [0 2]
    [0 1 2 5] [3 4]

    With the tools of scikit-learn that fit and score, and any scorer:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.svm import SVC
    >>> from sk_ekd import EnsembleDistiller
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1  # unknown
    >>> distiller = EnsembleDistiller([SVC()], cv=3, random_state=0)
    >>> cv = SemiSupervisedSplit(cv=2)
    >>> scores = cross_val_score(distiller, X, y, cv=cv, scoring="balanced_accuracy")
    >>> print(scores > 0.8)
    [ True  True]
    """

    # so that scikit-learn hands groups on to the wrapped splitter
    __metadata_request__split = {"groups": True}

    def __init__(self, cv=5, *, unlabeled_label=-1):
        self.cv = check_splitter(cv)
        self.unlabeled_label = unlabeled_label

    @property
    def shuffle(self):
        """Whether the wrapped splitter draws; a halving search asks."""
        return getattr(self.cv, "shuffle", hasattr(self.cv, "random_state"))

    @property
    def random_state(self):
        """The wrapped splitter's seed, None without one; a halving search asks."""
        return getattr(self.cv, "random_state", None)

    @random_state.setter
    def random_state(self, random_state):  # as StackingClassifier does
        if hasattr(self.cv, "random_state"):
            self.cv = copy.copy(self.cv)
            self.cv.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield the train and test part of each split.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list of length n_samples, or None
            Labeled and unlabeled rows; only their number is looked at.
        y : array-like of shape (n_samples,), default=None
            Labels; `unlabeled_label` or a missing value where unknown. Required.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter that uses them; those of unlabeled rows
            are ignored.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int64
            Positions in `X`, sorted: labeled rows, and all unlabeled ones.
        test : ndarray of shape (n_test,), dtype int64
            Positions in `X` of labeled rows.
        """
        labels, labeled, groups = self._read(X, y, groups)
        splitter, rows = self._open(labels, labeled)
        unlabeled = np.flatnonzero(~labeled)
        for number, parts in enumerate(splitter.split(rows, labels, groups=groups)):
            train, test = (rows[read_positions(part, len(rows))] for part in parts)
            train, test = train[labeled[train]], test[labeled[test]]
            if not len(test):
                raise ValueError(
                    f"The test part of split {number} (counted from 0) has no labeled "
                    "row, so nothing could be scored: leave this split out of `cv`, "
                    "or label some of its rows."
                )
            yield np.sort(np.concatenate([train, unlabeled])), test

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X : array-like of length n_samples, default=None
            Labeled and unlabeled rows; only their number is looked at.
        y : array-like of shape (n_samples,), default=None
            Labels; needed where the number depends on them, as with `LeaveOneOut`.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows.

        Returns
        -------
        n_splits : int
            Number of (train, test) pairs that `split` yields.
        """
        if y is None:
            return check_cv(self.cv).get_n_splits()
        labels, labeled, groups = self._read(X, y, groups)
        splitter, rows = self._open(labels, labeled)
        return splitter.get_n_splits(rows, labels, groups=groups)

    def _read(self, X, y, groups):
        """Check the input -> labels, which rows have one, groups of those rows."""
        if y is None:
            raise ValueError(
                "y is None, but it says which rows have a label: pass y, with "
                "`unlabeled_label` or a missing value where the label is unknown."
            )
        y = as_column(y)
        check_consistent_length(X, y, groups)
        labels, labeled = read_labels(y, self.unlabeled_label)
        if not len(labels):
            raise ValueError(
                f"y has no labeled row to split: each of its {len(y)} values is "
                f"missing, or the mark {self.unlabeled_label!r}. Label some rows, or "
                "set another `unlabeled_label`."
            )
        if groups is not None:
            groups = np.asarray(groups)[labeled]
        return labels, labeled, groups

    def _open(self, labels, labeled):
        """Return a splitter, and the rows of X that its positions count."""
        if isinstance(self.cv, Integral):
            _check_enough_labels(labels, self.cv)
        splitter = check_cv(self.cv, labels, classifier=True)
        return splitter, counted_rows(self.cv, labeled)


def _check_enough_labels(labels, n_folds):
    most = np.unique(labels, return_counts=True)[1].max()
    if most < n_folds:
        raise ValueError(
            f"cv={n_folds} needs {n_folds} labeled rows in at least one class, got at "
            f"most {most}: lower `cv`, or label more rows."
        )
