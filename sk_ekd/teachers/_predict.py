"""Ask the teachers: one aligned, checked array, whatever their interface."""

from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

import numpy as np
from joblib import cpu_count, effective_n_jobs, parallel_config
from scipy.special import expit, softmax
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

# _safe_indexing is documented but private in scikit-learn: the one function that takes
# rows of arrays, sparse matrices, DataFrames and lists alike
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, has_fit_parameter
from threadpoolctl import threadpool_limits


def name_teachers(teachers):
    """Give every teacher a unique name: the caller's, or that of its class.

    Parameters
    ----------
    teachers : list of classifiers, or list of (str, classifier)
        The teachers, as the caller passed them.

    Returns
    -------
    named : dict of str to classifier
        The same objects, in the same order.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> list(name_teachers([SVC(), SVC(), ("forest", SVC())]))
    ['svc-1', 'svc-2', 'forest']
    """
    if not isinstance(teachers, (list, tuple)):
        raise TypeError(
            "`teachers` must be a list of classifiers, of (name, classifier), or a "
            f"fitted ensemble, got {teachers!r}."
        )
    if not len(teachers):
        raise ValueError("`teachers` is empty: pass at least one classifier.")
    pairs = [t if _is_pair(t) else (type(t).__name__.lower(), t) for t in teachers]
    given = {name for (name, _), t in zip(pairs, teachers, strict=True) if _is_pair(t)}
    total, seen = Counter(name for name, _ in pairs), Counter()
    named = {}
    for name, teacher in pairs:
        _check_is_classifier(name, teacher)
        seen[name] += 1
        repeated = total[name] > 1 and name not in given
        unique = f"{name}-{seen[name]}" if repeated else name
        if unique in named:
            raise ValueError(f"Teacher names must be unique, got {unique!r} twice.")
        named[unique] = teacher
    return named


def known_classes(teachers):
    """Return the classes that each fitted teacher knows.

    Parameters
    ----------
    teachers : dict of str to fitted classifier
        The named teachers.

    Returns
    -------
    classes : dict of str to ndarray
        Each teacher's ``classes_``.
    """
    for name, teacher in teachers.items():
        _check_is_fitted(name, teacher)
    return {name: _classes(name, teacher) for name, teacher in teachers.items()}


def stack_proba(teachers, X, classes, *, n_jobs=None, limited=nullcontext):
    """Ask every teacher once and stack the aligned answers.

    Parameters
    ----------
    teachers : dict of str to fitted classifier
        The named teachers.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Rows, handed to the teachers as they are.
    classes : ndarray of shape (n_classes,)
        All classes; a class that a teacher does not know gets probability 0 from it.
    n_jobs : int, default=None
        Number of teachers asked at the same time, in threads unless joblib is set to
        another backend. They share the cores: a teacher's own `n_jobs` is then 1.
    limited : callable, default=nullcontext
        ``limited(n_threads)`` is a context manager around it, for teachers with threads
        that neither joblib nor threadpoolctl reaches.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
        Every row of every teacher sums to one.
    """
    calls = [(_ask, name, teacher, X, classes) for name, teacher in teachers.items()]
    answers = _share_cores(calls, n_jobs, limited, prefer="threads")
    return np.stack(answers, axis=1)


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
    seeded=nullcontext,
    limited=nullcontext,
):
    """Fit clones of the teachers, and answer each row by clones that never saw it.

    Parameters
    ----------
    teachers : dict of str to classifier
        The named teachers; they are cloned, never fitted themselves. A
        ``FrozenEstimator`` stays as it is.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        The labeled rows.
    y : ndarray of shape (n_samples,), dtype int64
        Codes of the labels.
    classes : ndarray of shape (n_classes,)
        All classes; the teachers are fitted on ``classes[y]``.
    cv : cross-validation splitter
        Splits the labeled rows; every row must be in one test part.
    sample_weight : ndarray of shape (n_samples,), default=None
        Given to the teachers whose ``fit`` takes it.
    n_jobs : int, default=None
        Number of fits at the same time, as in `stack_proba`; in processes.
    random_state : int, RandomState instance or None, default=None
        Seeds the teachers whose own `random_state` is None.
    seeded : callable, default=nullcontext
        ``seeded(seed)`` is a context manager around every fit, for teachers that draw
        from a generator which no `random_state` reaches.
    limited : callable, default=nullcontext
        As in `stack_proba`.

    Returns
    -------
    fitted : dict of str to classifier
        Clones fitted on all the labeled rows.
    proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
        Out-of-fold probabilities.
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
    seeds = {name: rng.randint(np.iinfo(np.int32).max) for name in teachers}
    everything = np.arange(len(y))
    jobs = [  # the last ones refit on all rows
        (name, train, test)
        for train, test in [*splits, (everything, everything[:0])]
        for name in teachers
    ]
    calls = [
        (
            _fit_and_ask, name, _seeded_clone(name, teachers[name], seeds[name]), X, y,
            classes, train, test, sample_weight, partial(seeded, seeds[name]),
        )
        for name, train, test in jobs
    ]  # fmt: skip
    results = _share_cores(calls, n_jobs, limited)
    order = {name: t for t, name in enumerate(teachers)}
    proba = np.empty((len(y), len(teachers), len(classes)), dtype=np.float32)
    for (name, _, test), (_, answer) in zip(jobs, results, strict=True):
        proba[test, order[name]] = answer
    refitted = results[-len(teachers) :]
    return dict(zip(teachers, (fitted for fitted, _ in refitted), strict=True)), proba


def _share_cores(calls, n_jobs, limited, prefer=None):
    """Make several calls at the same time, with no more threads than cores."""
    n_workers = min(effective_n_jobs(n_jobs), len(calls))
    if n_workers == 1:
        return [function(*args) for function, *args in calls]
    n_threads = max(1, cpu_count() // n_workers)
    # BLAS has one limit a process, OpenMP one a thread
    with threadpool_limits(n_threads, "blas"), limited(n_threads):
        return Parallel(n_jobs=n_workers, prefer=prefer)(
            delayed(_beside_others)(n_threads, *call) for call in calls
        )


def _beside_others(n_threads, function, *args):
    with parallel_config(backend="sequential"), threadpool_limits(n_threads, "openmp"):
        return function(*args)


def _fit_and_ask(name, teacher, X, y, classes, train, test, sample_weight, seeded):
    """Fit on the train rows, answer the test rows -> teacher, (b, c).

    Only a teacher without test rows comes back: the one that saw all of them.
    """
    fit_params = {}
    if sample_weight is not None and has_fit_parameter(teacher, "sample_weight"):
        fit_params["sample_weight"] = sample_weight[train]
    try:
        with seeded(), _named(name, "be fitted"):
            teacher.fit(_safe_indexing(X, train), classes[y[train]], **fit_params)
        if not len(test):
            return teacher, np.empty((0, len(classes)), dtype=np.float32)
        return None, _ask(name, teacher, _safe_indexing(X, test), classes)
    except Exception as error:
        known = classes[np.unique(y[train])].tolist()
        if len(known) > 1:
            raise
        raise ValueError(
            f"Teacher {name!r} could not learn from a train part of `cv` that holds "
            f"one class, {known}: label more rows of every class, or "
            "use a splitter that shuffles or stratifies."
        ) from error


def _ask(name, teacher, X, classes):
    """Return the teacher's probabilities over all `classes` -> (n, c)."""
    response, answer = _respond(name, teacher, X)
    known = _classes(name, teacher)
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    if answer.shape[:1] != (n_samples,):
        raise ValueError(
            f"{response} of teacher {name!r} must answer all {n_samples} rows, got an "
            f"array of shape {answer.shape}."
        )
    answer = _TO_PROBA[response](name, answer, known)
    position = {value: code for code, value in enumerate(classes.tolist())}
    columns = [position[value] for value in known.tolist()]
    proba = np.zeros((n_samples, len(classes)), dtype=np.float32)
    proba[:, columns] = answer / answer.sum(axis=1, keepdims=True)
    return proba


def _respond(name, teacher, X):
    """Return the name of the method that answered, and its answer."""
    for response in _TO_PROBA:
        if hasattr(teacher, response):
            if response == "decision_function":
                _check_one_against_rest(name, teacher)
            with _named(name, "answer"):
                return response, np.asarray(getattr(teacher, response)(X))
    raise TypeError(
        f"Teacher {name!r} has no predict_proba, decision_function or predict."
    )


@contextmanager
def _named(name, task):
    """Let a teacher's own error say whose it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"Teacher {name!r} could not {task}.")
        raise


def _check_one_against_rest(name, teacher):
    """Raise for margins of class pairs: three pairs look like three classes."""
    while isinstance(teacher, FrozenEstimator):  # which hides the parameters
        teacher = teacher.estimator
    params = teacher.get_params() if hasattr(teacher, "get_params") else {}
    ovo = any(
        p.split("__")[-1] == "decision_function_shape" and v == "ovo"
        for p, v in params.items()
        if isinstance(v, str)
    )
    if ovo and len(_classes(name, teacher)) > 2:
        raise ValueError(
            f"decision_function of teacher {name!r} must have one column for each "
            "class, not one for each pair: set decision_function_shape='ovr'."
        )


def _from_proba(name, answer, known):
    answer = _as_finite(name, answer, "predict_proba")
    if answer.shape[1:] != known.shape:
        raise ValueError(
            f"predict_proba of teacher {name!r} must have one column for each of its "
            f"{len(known)} classes, got an array of shape {answer.shape}."
        )
    total = answer.sum(axis=1)
    if len(answer) and (answer.min() < -1e-6 or np.abs(total - 1).max() > 1e-3):
        raise ValueError(
            f"predict_proba of teacher {name!r} must return probabilities, got values "
            f"from {answer.min():.3g} to {answer.max():.3g} in rows that sum to "
            f"{total.min():.3g} to {total.max():.3g}. If the teacher is a network that "
            "returns logits, let its predict_proba end in a softmax."
        )
    return answer.clip(min=0)


def _from_decision(name, answer, known):
    """Read margins as logits: a sigmoid for two classes, a softmax for more."""
    answer = _as_finite(name, answer, "decision_function")
    if len(known) == 2 and answer.size == len(answer):
        positive = expit(answer.reshape(-1, 1))
        return np.hstack([1 - positive, positive])
    if answer.shape[1:] != known.shape:
        raise ValueError(
            f"decision_function of teacher {name!r} must have one column for each of "
            f"its {len(known)} classes, got an array of shape {answer.shape}."
        )
    return softmax(answer, axis=1)


def _from_votes(name, answer, known):
    votes = np.ravel(answer)[:, np.newaxis] == known
    if not votes.any(axis=1).all():
        stranger = np.ravel(answer)[~votes.any(axis=1)][0]
        raise ValueError(
            f"predict of teacher {name!r} returned {stranger!r}, which is not among "
            f"its classes_ {known.tolist()}."
        )
    return votes.astype(np.float64)


# in the order of preference
_TO_PROBA = {
    "predict_proba": _from_proba,
    "decision_function": _from_decision,
    "predict": _from_votes,
}


def _as_finite(name, answer, method):
    if answer.dtype.kind not in "biuf" or answer.ndim not in (1, 2):
        raise ValueError(
            f"{method} of teacher {name!r} must return one array of numbers, got an "
            f"array of shape {answer.shape} and dtype {answer.dtype}."
        )
    answer = answer.astype(np.float64)
    bad = ~np.isfinite(answer.reshape(len(answer), -1)).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{method} of teacher {name!r} is NaN or infinite in {bad.sum()} of "
            f"{len(answer)} rows, first in row {np.flatnonzero(bad)[0]} of those "
            "asked. Mend the teacher or leave it out."
        )
    return answer


def _classes(name, teacher):
    classes = getattr(teacher, "classes_", None)
    if classes is None:
        raise TypeError(
            f"Teacher {name!r} has no `classes_`: expected a fitted classifier, got "
            f"{type(teacher).__name__}."
        )
    if any(np.ndim(value) for value in classes):
        raise ValueError(
            f"Teacher {name!r} must predict one label a row, but its `classes_` are "
            f"those of several outputs: {classes!r}."
        )
    return np.asarray(classes)


def _check_is_classifier(name, teacher):
    if not isinstance(name, str):
        raise TypeError(f"A teacher's name must be a string, got {name!r}.")
    if isinstance(teacher, type):
        raise TypeError(
            f"Teacher {name!r} must be a classifier, got {teacher!r}, a class: pass an "
            "instance."
        )
    can_answer = any(hasattr(teacher, response) for response in _TO_PROBA)
    with suppress(AttributeError):  # other libraries' models have no tags
        can_answer = can_answer or is_classifier(teacher)  # once it is fitted
    if not can_answer:
        raise TypeError(
            f"Teacher {name!r} must be a classifier, got {teacher!r}, which has no "
            "predict_proba, decision_function or predict."
        )
    with suppress(AttributeError):
        if is_regressor(teacher):
            raise TypeError(
                f"Teacher {name!r} is a regressor: expected a classifier, got "
                f"{type(teacher).__name__}."
            )


def _check_is_fitted(name, teacher):
    try:
        # only scikit-learn's own protocol: LightGBM, XGBoost and CatBoost pass by it
        check_is_fitted(teacher)
    except NotFittedError as error:
        raise NotFittedError(
            f"Teacher {name!r} is not fitted: fit it first, or set cv=5 to have the "
            "teachers fitted out of fold. (A search clones the teachers that stand in "
            "its grid, which unfits them: wrap those in FrozenEstimator.)"
        ) from error
    except (AttributeError, TypeError):
        # not a scikit-learn estimator; it is taken at its `classes_`
        _classes(name, teacher)


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
                "that it answers."
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


def _is_pair(teacher):
    return isinstance(teacher, tuple) and len(teacher) == 2
