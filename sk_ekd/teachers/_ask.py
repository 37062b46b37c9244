"""Ask the teachers about every row once, out of fold where they are fitted here."""

import copy
import os
import time
from contextlib import suppress
from math import prod
from numbers import Integral

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from .._data import is_prefit, read_training
from .._progress import print_progress
from .._rows import as_rows, read_positions, take_rows
from ..students._net import limited, seeded
from ._members import open_ensemble
from ._predict import fit_teachers, name_teachers, stack_proba

BLOCK_VALUES = 2**24  # of one block of teachers' answers: 64 MB as float32
ROW_VALUES = 2**24  # of the rows that they answer


def ask_teachers(
    teachers,
    X,
    y=None,
    *,
    classes=None,
    cv="prefit",
    unlabeled_label=-1,
    sample_weight=None,
    out=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Ask every teacher about every row, once for all fits to come.

    Pass the answers as ``EnsembleDistiller.fit(X, y, teacher_proba=proba)``. With the
    same parameters this is, to the bit, what `fit` by itself asks the teachers, and a
    search over students need not ask them again. Answers from elsewhere (a remote
    model, another machine, a file) can have the same shape and stand in for them.

    Parameters
    ----------
    teachers : list of classifiers, of (str, classifier), or a fitted ensemble
        As in :class:`EnsembleDistiller`.
    X : array-like, sparse matrix, DataFrame or list of length n_samples
        Labeled and unlabeled rows, in any order.
    y : array-like of shape (n_samples,), default=None
        Labels; `unlabeled_label` or a missing value where unknown. Needed with `cv`;
        with fitted teachers they only add classes that no teacher knows.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted; None: the labels in `y` and the teachers' classes.
    cv : "prefit", int, splitter or iterable, default="prefit"
        As in :class:`EnsembleDistiller`: "prefit" asks fitted teachers; else a labeled
        row is answered by clones that never saw it, an unlabeled row by clones that
        saw all labeled rows.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`.
    sample_weight : array-like of shape (n_samples,), default=None
        With `cv`, the weights in the teachers' fits; a row of weight 0 is not in them.
    out : str or path, default=None
        A ``.npy`` file to write the answers to, block by block, for more rows than fit
        into memory; it appears under its name once it is complete.
    n_jobs : int, default=None
        Number of teachers fitted (processes) or asked (threads) at the same time.
    random_state : int, RandomState instance or None, default=None
        With `cv`, seeds the teachers, and the splitter, whose own is None.
    verbose : int, default=0
        1 prints a line once the teachers are fitted, and for each block of rows.

    Returns
    -------
    proba : ndarray or memmap of shape (n_samples, n_teachers, n_classes), dtype float32
        Columns in the order of the sorted classes; the classes of each row and teacher
        sum to one. With `out`, the file as a memmap.

    Notes
    -----
    Answers out of fold were given by teachers that saw all labels. In a
    cross-validation over them the test rows' labels have thus had a part in the
    answers to the train rows: good for comparing students that follow the teachers
    alike, too kind as an estimate of accuracy (by five points where it was measured,
    see "Model selection" in the documentation), and not for a choice of `alpha`.
    Teachers fitted on other rows have no such flaw.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd import ask_teachers
    >>> X, y = load_iris(return_X_y=True)
    >>> teachers = [GaussianNB(), LogisticRegression(max_iter=1000)]
    >>> ask_teachers(teachers, X, y, cv=5).shape
    (150, 2, 3)
    """
    if teachers is None:
        raise ValueError("`teachers` is None: pass classifiers to ask.")
    teachers, read = open_teachers(teachers, cv)
    rows, classes = read_training(
        X, y, sample_weight, teachers,
        cv=cv, classes=classes, unlabeled_label=unlabeled_label,
    )  # fmt: skip
    seed = draw_seed(check_random_state(random_state))
    with seeded(seed):  # for teachers that are torch nets
        teachers, out_of_fold = fit_or_keep(
            teachers, rows, classes, cv,
            n_jobs=n_jobs, random_state=seed, verbose=verbose,
        )  # fmt: skip
        ask = make_ask(teachers, read, rows, classes, n_jobs=n_jobs)
        if out_of_fold is not None:
            ask = remember(ask, rows, out_of_fold)
        shape = rows.n_samples, len(teachers), len(classes)
        blocks = plan_blocks(rows, shape[1:], labeled_first=out_of_fold is not None)
        removed = np.setdiff1d(np.arange(rows.n_samples), rows.index)

        def fill(proba):
            for index in print_progress(blocks, verbose):
                proba[rows.index[index]] = ask(index)[1]
            # not in the teachers' fits, and answered all the same
            for index in _split(removed, shape[1:], rows.X):
                X_removed = read(take_rows(as_rows(X), index))
                proba[index] = stack_proba(
                    teachers, X_removed, classes, n_jobs=n_jobs, limited=limited
                )
            return proba

        if out is None:
            return fill(np.empty(shape, dtype=np.float32))
        return _write(fill, out, shape)


def open_teachers(teachers, cv):
    """Return named teachers, and how X is read once for all of them.

    Parameters
    ----------
    teachers : list of classifiers, of (str, classifier), a fitted ensemble, or None
        The teachers, as the caller passed them.
    cv : "prefit", int, splitter or iterable
        Whether they are fitted.

    Returns
    -------
    named : dict of str to classifier
        Empty where there are none.
    read : callable
        Maps a block of X to what the teachers are asked with.
    """
    if teachers is None:
        return {}, _as_it_is
    is_bare = hasattr(teachers, "predict") and not isinstance(teachers, type)
    if not is_bare:
        return name_teachers(teachers), _as_it_is
    name_teachers([teachers])  # a classifier
    if not is_prefit(cv):
        raise ValueError(
            f"cv={cv!r} fits a list of teachers, got a bare "
            f"{type(teachers).__name__}: pass [{type(teachers).__name__}(...)] to "
            "have it fitted as one teacher. (A bare ensemble stands for its fitted "
            "members, with cv='prefit'.)"
        )
    return open_ensemble(teachers)


def fit_or_keep(teachers, rows, classes, cv, *, n_jobs, random_state, verbose):
    """Fit clones of the teachers on the labeled rows, unless they are fitted.

    Parameters
    ----------
    teachers : dict of str to classifier
        Named teachers.
    rows : TrainingRows
        Labeled and unlabeled rows.
    classes : ndarray of shape (n_classes,)
        All classes.
    cv : "prefit", int, splitter or iterable
        Splits the labeled rows; the positions of an iterable are those in the
        caller's X.
    n_jobs : int or None
        Number of fits at the same time.
    random_state : int
        Seeds the teachers, and the splitter, whose own is None.
    verbose : int
        0 is silent.

    Returns
    -------
    fitted : dict of str to classifier
        The same where they were fitted.
    out_of_fold : ndarray of shape (n_labeled, n_teachers, n_classes) or None
        Answers by clones that never saw the row; None where the teachers were fitted.
    """
    if is_prefit(cv):
        return teachers, None
    known = np.flatnonzero(rows.labeled)
    y, weight = rows.y[known], rows.sample_weight[known]
    start = time.monotonic()
    fitted = fit_teachers(
        teachers,
        take_rows(rows.X, known),
        y,
        classes,
        _open_splitter(cv, rows, known, random_state),
        sample_weight=None if (weight == 1).all() else weight,
        n_jobs=n_jobs,
        random_state=random_state,
        seeded=seeded,
        limited=limited,
    )
    if verbose:
        duration = time.monotonic() - start
        print(f"{len(teachers)} teachers fitted to {len(y):,} rows in {duration:.1f} s")
    return fitted


def plan_blocks(rows, shape, *, labeled_first):
    """Split the rows into blocks, so that memory does not grow with the teachers.

    Parameters
    ----------
    rows : TrainingRows
        Labeled and unlabeled rows.
    shape : tuple of int
        Number of teachers and of classes.
    labeled_first : bool
        Whether labeled rows have blocks of their own.

    Returns
    -------
    blocks : list of ndarray
        Positions in `rows`, each once.
    """
    parts = [np.arange(len(rows.y))]
    if labeled_first:
        parts = [np.flatnonzero(rows.labeled), np.flatnonzero(~rows.labeled)]
    return [block for part in parts for block in _split(part, shape, rows.X)]


def _split(positions, shape, X):
    """Split positions into blocks of as many values as may be held at once."""
    columns = max(1, prod(X.shape[1:])) if isinstance(X, np.ndarray) else 1
    size = max(1, min(BLOCK_VALUES // prod(shape), ROW_VALUES // columns))
    return [positions[i : i + size] for i in range(0, len(positions), size)]


def make_ask(teachers, read, rows, classes, *, n_jobs):
    """Return the function that asks the teachers about a block of rows.

    Parameters
    ----------
    teachers : dict of str to fitted classifier
        Named teachers.
    read : callable
        Maps a block of X to what they are asked with.
    rows : TrainingRows
        Labeled and unlabeled rows.
    classes : ndarray of shape (n_classes,)
        All classes.
    n_jobs : int or None
        Number of teachers asked at the same time.

    Returns
    -------
    ask : callable
        Maps positions (b,) to X of length b and probabilities (b, t, c).
    """

    def ask(index):
        X = take_rows(rows.X, index)
        return X, stack_proba(
            teachers, read(X), classes, n_jobs=n_jobs, limited=limited
        )

    return ask


def ask_labeled(ask, rows, shape):
    """Ask about all labeled rows.

    Parameters
    ----------
    ask : callable
        Maps positions (b,) to X of length b and probabilities (b, t, c).
    rows : TrainingRows
        Labeled and unlabeled rows.
    shape : tuple of int
        Number of teachers and of classes.

    Returns
    -------
    answers : ndarray of shape (n_labeled, n_teachers, n_classes), dtype float32
    """
    known = np.flatnonzero(rows.labeled)
    empty = np.empty((0, *shape), dtype=np.float32)
    blocks = _split(known, shape, rows.X)
    return np.concatenate([empty, *(ask(index)[1] for index in blocks)])


def remember(ask, rows, answers):
    """Return a function that asks about unlabeled rows only.

    Parameters
    ----------
    ask : callable
        Maps positions (b,) to X of length b and probabilities (b, t, c).
    rows : TrainingRows
        Labeled and unlabeled rows.
    answers : ndarray of shape (n_labeled, n_teachers, n_classes)
        Answers to the labeled rows, which are there already.

    Returns
    -------
    ask : callable
        The same, for blocks of either labeled or unlabeled rows.
    """
    order = rows.labeled.cumsum() - 1  # of a labeled row among the labeled rows

    def ask_or_remember(index):
        if rows.labeled[index[0]]:
            return take_rows(rows.X, index), answers[order[index]]
        return ask(index)

    return ask_or_remember


def draw_seed(rng):
    """Return a seed.

    Parameters
    ----------
    rng : RandomState
        Where it is drawn from.

    Returns
    -------
    seed : int
    """
    return rng.randint(np.iinfo(np.int32).max)


def _write(fill, out, shape):
    """Fill a file, which gets its name once it is full -> memmap."""
    part = f"{os.fspath(out)}.part"
    try:
        fill(np.lib.format.open_memmap(part, "w+", dtype=np.float32, shape=shape))
        os.replace(part, out)
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)
    return np.load(out, mmap_mode="r")


def _as_it_is(X):
    return X


def _open_splitter(cv, rows, known, seed):
    """Return a splitter of the labeled rows; it draws by the seed if it has none."""
    if cv is not None and not isinstance(cv, Integral) and not hasattr(cv, "split"):
        index = rows.index[known]
        return check_cv(
            [
                tuple(_renumber(part, index, rows.n_samples) for part in parts)
                for parts in cv
            ]
        )
    splitter = check_cv(cv, rows.y[known], classifier=True)
    if getattr(splitter, "random_state", seed) is None:
        splitter = copy.copy(splitter)
        splitter.random_state = seed
    return splitter


def _renumber(part, index, n_samples):
    """Let positions in the caller's X count the labeled rows that train only."""
    part = read_positions(part, n_samples)
    return np.searchsorted(index, part[np.isin(part, index)])
