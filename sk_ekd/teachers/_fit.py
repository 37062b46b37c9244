"""Fit clones of the teachers out of fold: no row is predicted by who has seen it."""

import copy
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter

from .._compat import safe_indexing
from .._data import read_positions
from .._torch_state import draw_seed, seeded
from ._jobs import share_cores
from ._predict import named, predict_aligned


def fit_teachers(
    teachers,
    X,
    y,
    classes,
    cv,
    *,
    sample_weight=None,
    n_jobs=None,
    random_state=None,
):
    """Fit clones of the teachers; each row is predicted by clones that never saw it.

    X and y are the labeled rows and the codes of their labels, `cv` is a splitter that
    tests each of them once. Clones are seeded where their own `random_state` is None.
    Returns the clones that are fitted on all labeled rows, and (n_labeled, t, c).
    """
    try:
        splits = list(cv.split(X, classes[y]))
    except ValueError as error:
        raise ValueError(
            f"`cv` as {cv!r} cannot split the {len(y)} labeled rows: {error} Label "
            "more rows, lower `cv`, or pass an iterable of (train, test) positions."
        ) from error
    _check_partition(splits, len(y))
    rng = check_random_state(random_state)
    seeds = {name: draw_seed(rng) for name in teachers}
    everything = np.arange(len(y))
    jobs = [  # the last ones refit on all rows
        (name, train, test)
        for train, test in [*splits, (everything, everything[:0])]
        for name in teachers
    ]
    calls = [
        (
            _fit_and_predict, name, _seeded_clone(name, teachers[name], seeds[name]),
            X, y, classes, train, test, sample_weight, seeds[name],
        )
        for name, train, test in jobs
    ]  # fmt: skip
    results = share_cores(calls, n_jobs)
    order = {name: t for t, name in enumerate(teachers)}
    proba = np.empty((len(y), len(teachers), len(classes)), dtype=np.float32)
    for (name, _, test), (_, predicted) in zip(jobs, results, strict=True):
        proba[test, order[name]] = predicted
    refitted = results[-len(teachers) :]
    return dict(zip(teachers, (fitted for fitted, _ in refitted), strict=True)), proba


def _fit_and_predict(name, teacher, X, y, classes, train, test, sample_weight, seed):
    """Fit on the train rows, predict the test rows -> teacher, (b, c).

    Only a teacher without test rows comes back: the one that saw all of them.
    """
    fit_params = {}
    if sample_weight is not None and has_fit_parameter(teacher, "sample_weight"):
        fit_params["sample_weight"] = sample_weight[train]
    try:
        with seeded(seed), named(name, "be fitted"):
            teacher.fit(safe_indexing(X, train), classes[y[train]], **fit_params)
        if not len(test):
            return teacher, np.empty((0, len(classes)), dtype=np.float32)
        return None, predict_aligned(name, teacher, safe_indexing(X, test), classes)
    except Exception as error:
        known = classes[np.unique(y[train])].tolist()
        if len(known) > 1:
            raise
        raise ValueError(
            f"Teacher {name!r} could not learn from a train part of `cv` that holds "
            f"one class, {known}: label more rows of every class, or "
            "use a splitter that shuffles or stratifies."
        ) from error


def _check_partition(splits, n_samples):
    tested = np.bincount(
        np.concatenate([[], *(test for _, test in splits)]).astype(int),
        minlength=n_samples,
    )
    if (tested != 1).any():
        raise ValueError(
            "`cv` must test every labeled row once, as KFold and StratifiedKFold do, "
            f"got a splitter that tests {(tested == 0).sum()} of {n_samples} rows "
            f"never and {(tested > 1).sum()} more than once."
        )
    for number, (train, test) in enumerate(splits):
        both = np.intersect1d(train, test)
        if len(both):
            raise ValueError(
                f"Split {number} of `cv` (counted from 0) trains on {len(both)} of the "
                f"{len(test)} rows that it tests: no teacher may have seen the rows "
                "that it predicts."
            )


def _seeded_clone(name, teacher, seed):
    """Clone, and fix each nested `random_state` that the caller left at None."""
    try:
        teacher = clone(teacher)
    except TypeError as error:
        raise TypeError(
            f"Teacher {name!r} cannot be cloned, and so not fitted out of fold: "
            f"{error} Fit it yourself, and set cv='prefit'."
        ) from error
    if isinstance(teacher, FrozenEstimator):
        return teacher
    params = teacher.get_params()
    unset = [p for p in params if p.split("__")[-1] == "random_state"]
    return teacher.set_params(**{p: seed for p in unset if params[p] is None})


def open_splitter(cv, data, seed):
    """Return a splitter of the labeled rows; it draws by the seed if it has none.

    The positions of an iterable are those in the caller's X.
    """
    if cv is not None and not isinstance(cv, Integral) and not hasattr(cv, "split"):
        index = data.index[data.labeled]
        return check_cv(
            [
                tuple(_renumber(part, index, data.n_samples) for part in parts)
                for parts in cv
            ]
        )
    splitter = check_cv(cv, data.y[data.labeled], classifier=True)
    if getattr(splitter, "random_state", seed) is None:
        splitter = copy.copy(splitter)
        splitter.random_state = seed
    return splitter


def _renumber(part, index, n_samples):
    """Let positions in the caller's X count the labeled rows that train only."""
    part = read_positions(part, n_samples)
    return np.searchsorted(index, part[np.isin(part, index)])
