"""Fit clones of the teachers out of fold: no row is predicted by who has seen it."""

import copy
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import PredefinedSplit, check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import has_fit_parameter

from .._compat import safe_indexing
from .._data import as_float32, as_given, refuses_type
from .._estimator import clone_teacher
from .._progress import Stage
from .._splits import check_splitter, counted_rows, read_positions
from .._torch_state import draw_seed, seeded
from ._jobs import run_jobs
from ._members import Member
from ._predict import Named, predict_aligned


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
    run=None,
    verbose=0,
):
    """Fit clones of the teachers; each row is predicted by clones that never saw it.

    X and y are the labeled rows and the codes of their labels, `cv` is a splitter that
    tests each of them once. Clones are seeded where their own `random_state` is None.
    `run(function, rows, jobs, reach)` calls function(name, rows, *args) for each job,
    (name, *args), and says how many are done; None: in `n_jobs` processes. Returns the
    clones that are fitted on all labeled rows, and (n_labeled, t, c).
    """
    try:
        splits = list(cv.split(X, classes[y]))
    except ValueError as error:
        if "'groups'" in str(error):
            raise ValueError(
                f"`cv` as {cv!r} needs groups, which `fit` does not take: pass its "
                f"splits, cv=list({type(cv).__name__}(...).split(X, y, groups))."
            ) from error
        folds = f" of {cv.n_splits} folds" if hasattr(cv, "n_splits") else ""
        raise ValueError(
            f"`cv`, a {type(cv).__name__}{folds}, cannot split the {len(y)} labeled "
            f"rows: {error} Label more rows, lower `cv`, or pass an iterable of "
            "(train, test) positions."
        ) from error
    _check_partition(splits, len(y))
    rng = check_random_state(random_state)
    seeds = {name: draw_seed(rng) for name in teachers}
    everything = np.arange(len(y))
    parts = [  # the last ones refit on all rows
        (name, train, test)
        for train, test in [*splits, (everything, everything[:0])]
        for name in teachers
    ]
    jobs = [
        (
            name,
            _seeded_clone(name, teachers[name], seeds[name]),
            train,
            test,
            seeds[name],
        )
        for name, train, test in parts
    ]
    run = run or partial(run_jobs, n_jobs)
    rows = Rows(X, y, classes, sample_weight)
    with closing(Stage("fit teachers", verbose)) as stage:
        stage.expect(len(jobs), "fits")
        results = run(_fit_and_predict, rows, jobs, stage.reach)
    order = {name: t for t, name in enumerate(teachers)}
    proba = np.empty((len(y), len(teachers), len(classes)), dtype=np.float32)
    for (name, _, test), (_, predicted) in zip(parts, results, strict=True):
        proba[test, order[name]] = predicted
    many = "s" if len(teachers) > 1 else ""
    stage.end(f"{len(teachers)} teacher{many} on {len(y):,} labeled rows")
    refitted = results[-len(teachers) :]
    return dict(zip(teachers, (fitted for fitted, _ in refitted), strict=True)), proba


class Rows(NamedTuple):
    """The labeled rows, which all fits share."""

    X: object
    y: np.ndarray  # (n,), codes
    classes: np.ndarray  # (c,)
    sample_weight: np.ndarray | None  # (n,)


def _fit_and_predict(name, rows, teacher, train, test, seed):
    """Fit on the train rows, predict the test rows -> teacher, (b, c).

    Only a teacher without test rows comes back: the one that saw all of them.
    """
    X, y, classes, sample_weight = rows
    fit_params = {}
    if sample_weight is not None and has_fit_parameter(teacher, "sample_weight"):
        fit_params["sample_weight"] = sample_weight[train]
    try:
        with Named(name, "be fitted", X):
            known, labels = safe_indexing(X, train), classes[y[train]]
            teacher = _fit(name, teacher, known, labels, seed, fit_params)
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


def _fit(name, teacher, X, y, seed, fit_params):
    """Fit a teacher on the labels, or if it refuses them on codes -> fitted teacher.

    XGBoost takes 0 to k - 1 only, without a gap, and a torch net no text: who fails on
    the labels is tried with their codes, and then speaks the labels as a Member.
    """
    _check_stops_by_itself(name, teacher)
    known, codes = np.unique(y, return_inverse=True)
    errors = []
    for target in _ways_to_write(y, known, codes):
        if target.dtype == np.float32 and not isinstance(errors[-1], RuntimeError):
            break  # torch's for what is of another type
        for read in (as_given, as_float32):
            model = clone(teacher) if errors else teacher
            try:
                with seeded(seed):
                    model.fit(read(X), target, **fit_params)
            except Exception as error:
                errors.append(error)
                if not refuses_type(error, X):
                    break
            else:
                return _as_teacher(model, read, known, recoded=target is not y)
    for error in errors:
        if "early stopping" in str(error).lower():
            raise _early_stopping_error(name, error) from error
    for error in errors[1:]:
        if str(error) != str(errors[0]):
            errors[0].add_note(
                f"Nor could it be fitted on codes of its labels: {error}"
            )
    raise errors[0]


def _as_teacher(model, read, known, *, recoded):
    """Let a fitted model take the caller's rows and speak the labels -> teacher."""
    if recoded:
        own = known[np.asarray(model.classes_).astype(np.intp)]
        return Member(model, read, own, labels=known)
    return model if read is as_given else Member(model, read, model.classes_)


def _ways_to_write(y, known, codes):
    """Return the labels, and what may stand for them -> list of (n,)."""
    ways = [y]
    if len(known) > 1 and (y.dtype != codes.dtype or (y != codes).any()):
        ways.append(codes)
    if len(known) == 2:
        ways.append(codes.astype(np.float32))  # of a net with one output
    return ways


def _check_stops_by_itself(name, teacher):
    """Raise where CatBoost would ignore what it has no rows for."""
    parts = teacher.get_params().values() if hasattr(teacher, "get_params") else ()
    for part in (teacher, *parts):
        fit = getattr(type(part), "fit", None)
        if str(getattr(fit, "__module__", "")).startswith("catboost"):
            given = {p: v for p, v in part.get_params().items() if v is not None}
            for param in {"early_stopping_rounds", "od_wait", "od_pval"} & set(given):
                raise _early_stopping_error(name, f"{param}={given[param]!r}.")


def _early_stopping_error(name, reason):
    return ValueError(
        f"Teacher {name!r} is to stop early, but `cv` passes it no rows to watch: "
        f"{reason} Leave early stopping out, or let the teacher hold out rows of its "
        'own: see "Early stopping" on the page "Teachers" of the documentation.'
    )


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
        if not len(train):
            raise ValueError(
                f"The train part of split {number} of `cv` (counted from 0) has no "
                "labeled row to fit the teachers on: leave some in, or label more."
            )
        both = np.intersect1d(train, test)
        if len(both):
            raise ValueError(
                f"Split {number} of `cv` (counted from 0) trains on {len(both)} of the "
                f"{len(test)} rows that it tests: no teacher may have seen the rows "
                "that it predicts."
            )


def _seeded_clone(name, teacher, seed):
    """Clone, and fix each nested `random_state` that the caller left at None."""
    teacher = clone_teacher(name, teacher)
    if isinstance(teacher, FrozenEstimator):
        return teacher
    params = teacher.get_params()
    unset = [p for p in params if p.split("__")[-1] == "random_state"]
    return teacher.set_params(**{p: seed for p in unset if params[p] is None})


def open_splitter(cv, data, seed):
    """Return a splitter of the labeled rows; it draws by the seed if it has none.

    The positions of an iterable are those in the caller's X.
    """
    cv = 5 if cv is None else check_splitter(cv)
    index = data.index[data.labeled]
    if isinstance(cv, list):
        return check_cv(
            [
                tuple(_renumber(part, index, data.n_samples) for part in parts)
                for parts in cv
            ]
        )
    if isinstance(cv, PredefinedSplit):
        labeled = np.isin(np.arange(data.n_samples), index)
        if len(counted_rows(cv, labeled)) > len(index):
            return PredefinedSplit(cv.test_fold[index])
    splitter = check_cv(cv, data.y[data.labeled], classifier=True)
    if getattr(splitter, "random_state", seed) is None:
        splitter = copy.copy(splitter)
        splitter.random_state = seed
    return splitter


def _renumber(part, index, n_samples):
    """Let positions in the caller's X count the labeled rows that train only."""
    part = read_positions(part, n_samples)
    return np.searchsorted(index, part[np.isin(part, index)])
