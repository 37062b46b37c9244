"""Open a fitted ensemble: its members as teachers that speak the ensemble's labels."""

import copy
from functools import partial

import numpy as np
from scipy.sparse import issparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._data import as_given


def open_ensemble(ensemble):
    """Return the members of a fitted ensemble, by the caller's names where it has some.

    Of a forest, or a Bagging, Voting, Stacking or CalibratedClassifierCV, bare or in a
    FrozenEstimator; any other classifier is one teacher.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> forest = RandomForestClassifier(2, random_state=0)
    >>> members = open_ensemble(forest.fit([[0], [1]], ["a", "b"]))
    >>> list(members)
    ['decisiontreeclassifier-1', 'decisiontreeclassifier-2']
    >>> members["decisiontreeclassifier-2"].predict([[1]])
    array(['b'], dtype='<U1')
    """
    thawed = ensemble
    while isinstance(thawed, FrozenEstimator):
        thawed = thawed.estimator
    for kind, (fitted, open_kind) in _KINDS.items():
        if isinstance(thawed, kind):
            _check_is_fitted(thawed, fitted)
            _check_one_output(thawed)
            return open_kind(thawed)
    return {type(ensemble).__name__.lower(): ensemble}


def weigh_members(teachers):
    """Return what their Voting weighs its members by -> (t,), or None if all alike."""
    weight = [t.weight if isinstance(t, Member) else 1.0 for t in teachers]
    return weight if len(set(weight)) > 1 else None


def read_once(teachers, X):
    """Check and cast rows once, where the teachers are the members of one ensemble."""
    members = list(teachers.values())
    first = members[0]
    if not all(isinstance(m, Member) and m.read is first.read for m in members):
        return X
    return X if first.read is as_given else _ReadRows(first.read(X))


class _ReadRows:
    """Rows that the members need not check and cast again."""

    def __init__(self, rows):
        self.rows = rows
        self.shape = rows.shape


def _if_model_has(method):
    return available_if(lambda member: hasattr(member.model, method))


class Member:
    """One model of an ensemble, which predicts the ensemble's labels.

    Or a teacher that was fitted here, if it takes the caller's labels or rows in
    another form only: `model` is what was fitted.

    `read` checks and casts rows as the ensemble does. `classes_` are the labels of the
    model's columns, `labels` those of the ensemble, where the model's `predict` returns
    positions in them. `columns` are those of X that the model was fitted on, None for
    all; `options` go to its methods. `weight` is what the ensemble weighs it by.
    """

    def __init__(
        self,
        model,
        read,
        classes_,
        *,
        labels=None,
        columns=None,
        options=None,
        weight=1.0,
    ):
        self.model = model
        self.read = read
        self.classes_ = classes_
        self.labels = labels
        self.columns = columns
        self.options = options or {}
        self.weight = weight

    def __repr__(self):
        return f"Member({type(self.model).__name__}(...))"

    @_if_model_has("predict_proba")
    def predict_proba(self, X):
        """Ask the model for probabilities -> (n, n_known)."""
        return self.model.predict_proba(self._rows(X), **self.options)

    @_if_model_has("decision_function")
    def decision_function(self, X):
        """Ask the model for margins -> (n,) or (n, n_known)."""
        return self.model.decision_function(self._rows(X), **self.options)

    @_if_model_has("predict")
    def predict(self, X):
        """Ask the model for labels -> (n,)."""
        predicted = self.model.predict(self._rows(X), **self.options)
        if self.labels is None:
            return predicted
        return self.labels[np.asarray(predicted).astype(np.intp)]  # trees' are floats

    @_if_model_has("get_params")  # tells margins of class pairs from those of classes
    def get_params(self, deep=True):
        """Return the parameters of the model."""
        return self.model.get_params(deep=deep)

    def _rows(self, X):
        X = X.rows if isinstance(X, _ReadRows) else self.read(X)
        return X if self.columns is None else X[:, self.columns]


def _open_forest(forest):
    # the forest's own way: rows are checked and cast once, not by each tree
    allow_nan = get_tags(forest.estimators_[0]).input_tags.allow_nan
    read = partial(_read_for_trees, _shell(forest), allow_nan)
    trees = [
        _as_member(tree, read, forest, options={"check_input": False})
        for tree in forest.estimators_
    ]
    return _numbered(trees)


def _open_bagging(bagging):
    read = partial(_read_for_bagged, _shell(bagging))
    everything = np.arange(bagging.n_features_in_)
    drawn = [
        None if np.array_equal(columns, everything) else columns
        for columns in bagging.estimators_features_
    ]
    members = [
        _as_member(model, read, bagging, columns=columns)
        for model, columns in zip(bagging.estimators_, drawn, strict=True)
    ]
    return _numbered(members)


def _open_named(ensemble):
    """Open a Voting or Stacking by its user's names, without those dropped."""
    cv = getattr(ensemble, "cv", None)  # Voting has none
    prefit = isinstance(cv, str) and cv == "prefit"
    named = ensemble.named_estimators_
    weights = getattr(ensemble, "weights", None)  # Stacking has none
    if weights is None:
        weights = np.ones(len(named))
    return {
        name: _as_member(model, as_given, ensemble, prefit=prefit, weight=float(weight))
        for (name, model), weight in zip(named.items(), weights, strict=True)
        if not isinstance(model, str)  # "drop"
    }


def _open_calibrated(calibrated):
    # no classes_ of their own: they predict all labels, whatever their fold knew
    pairs = calibrated.calibrated_classifiers_
    members = [Member(pair, as_given, calibrated.classes_) for pair in pairs]
    return _numbered(members, "calibrated")


# kind: (its fitted attribute, how it is opened); subclasses count
_KINDS = {
    RandomForestClassifier: ("estimators_", _open_forest),
    ExtraTreesClassifier: ("estimators_", _open_forest),
    BaggingClassifier: ("estimators_", _open_bagging),
    VotingClassifier: ("named_estimators_", _open_named),
    StackingClassifier: ("named_estimators_", _open_named),
    CalibratedClassifierCV: ("calibrated_classifiers_", _open_calibrated),
}


def _as_member(model, read, ensemble, *, prefit=False, **how):
    """Wrap a model that was fitted on codes of the labels, or beforehand on labels."""
    known, labels = np.asarray(model.classes_), ensemble.classes_
    if _are_codes(known, labels, prefit or isinstance(model, FrozenEstimator)):
        own = labels[known.astype(np.intp)]
        return Member(model, read, own, labels=labels, **how)
    return Member(model, read, known, **how)


def _are_codes(known, labels, prefit):
    """Tell codes of labels from labels: a model that knows some may fit both."""
    known = set(known.tolist())
    return known <= set(range(len(labels))) and not (
        prefit and known <= set(labels.tolist())
    )


def _numbered(members, name=None):
    name = name or type(members[0].model).__name__.lower()
    if len(members) == 1:
        return {name: members[0]}
    return {f"{name}-{number}": m for number, m in enumerate(members, start=1)}


def _shell(ensemble):
    """Return what the ensemble knows of columns, so that a member's pickle is small."""
    shell = copy.copy(ensemble)
    vars(shell).pop("estimators_")
    return shell


def _read_for_trees(forest, allow_nan, X):
    """Check rows as the forest does, for trees that do not -> float32, C or CSR."""
    return validate_data(
        forest,
        X,
        reset=False,
        dtype=np.float32,
        order="C",
        accept_sparse="csr",
        ensure_all_finite="allow-nan" if allow_nan and not issparse(X) else True,
    )


def _read_for_bagged(bagging, X):
    """Check rows as the bagging does: an array, any dtype, NaN left to the members."""
    return validate_data(
        bagging,
        X,
        reset=False,
        dtype=None,
        accept_sparse=["csr", "csc"],
        ensure_all_finite=False,
    )


def _check_is_fitted(ensemble, attribute):
    try:
        check_is_fitted(ensemble, attribute)
    except NotFittedError as error:
        raise NotFittedError(
            f"`teachers` as {type(ensemble).__name__} is not fitted: fit it first, to "
            "have its members as the teachers. (A search clones the teachers that "
            "stand in its grid, which unfits them: wrap those in FrozenEstimator.)"
        ) from error


def _check_one_output(ensemble):
    if any(np.ndim(value) for value in ensemble.classes_):
        raise ValueError(
            f"`teachers` as {type(ensemble).__name__} must predict one label a row, "
            "but its `classes_` are those of several outputs: "
            f"{ensemble.classes_!r}."
        )
