"""Ask the teachers about every row once, for all fits to come."""

import os
from contextlib import suppress
from functools import partial
from math import prod

import numpy as np
from sklearn.utils import check_random_state

from .._classes import encode_labels
from .._data import as_rows, read_data, take_rows
from .._progress import followed_blocks
from .._torch_state import draw_seed, seeded
from ._cluster import run_jobs
from ._open import is_prefit
from ._predictions import Predictions

CHUNK = 2**24  # bytes that are written at once


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

    Pass the predictions as ``EnsembleDistiller.fit(X, y, teacher_proba=proba)``. With
    the same parameters they are, to the bit, those that `fit` itself would ask for, and
    a search over students need not ask again. Predictions from elsewhere (a remote
    model, another machine, a file) in the same shape can take their place.

    Parameters
    ----------
    teachers : list of classifiers, of (str, classifier), or a fitted ensemble
        As in :class:`EnsembleDistiller`.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        Labeled and unlabeled rows, in any order.
    y : array-like of shape (n_samples,), default=None
        Labels; `unlabeled_label` or a missing value where unknown. Needed with `cv`;
        with fitted teachers they only add classes that no teacher knows.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted; None: the labels in `y` and the teachers' classes.
    cv : "prefit", int, splitter or iterable, default="prefit"
        As in :class:`EnsembleDistiller`: "prefit" asks fitted teachers. Otherwise
        clones that were not fitted on a labeled row predict it, and clones fitted on
        all labeled rows predict the unlabeled ones.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`.
    sample_weight : array-like of shape (n_samples,), default=None
        With `cv`, the weights in the teachers' fits; a row of weight 0 is not in them.
    out : str or path, default=None
        A ``.npy`` file to write the predictions to, block by block, for more rows than
        fit into memory; it appears under its name once it is complete.
    n_jobs : int, default=None
        Number of teachers fitted (in processes) or asked (in threads) at a time.
    random_state : int, RandomState instance or None, default=None
        With `cv`, seeds the teachers, and the splitter, whose own is None.
    verbose : int, default=0
        1 prints a line with the time of each stage, after a bar in a terminal or a
        notebook.

    Returns
    -------
    proba : ndarray or memmap of shape (n_samples, n_teachers, n_classes), dtype float32
        Columns in the order of the sorted classes; the classes of each row and teacher
        sum to one, or are all zero where the teacher does not predict. With `out`, the
        file as a memmap.

    Notes
    -----
    Out-of-fold predictions for all rows have seen all labels: in a cross-validation
    over them, the labels of the test rows have had a part in the predictions for the
    train rows. They are good for comparing students that follow the teachers alike, too
    kind as an estimate of accuracy (by five points where it was measured, see "Model
    selection" in the documentation), and not fit for a choice of `alpha`. Teachers
    fitted on other rows have no such flaw.

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
    how = classes, cv, unlabeled_label, sample_weight, random_state
    return _ask(teachers, X, y, *how, out=out, n_jobs=n_jobs, verbose=verbose)[1]


def fit_out_of_fold(
    teachers,
    X,
    y,
    *,
    cv=5,
    client=None,
    classes=None,
    unlabeled_label=-1,
    sample_weight=None,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    """Fit the teachers out of fold, here or on a Dask cluster, and keep them.

    For large data: fit the teachers on the labeled rows, have the fitted ones asked
    about all others, partition by partition, and train the student on both.

    Parameters
    ----------
    teachers : list of classifiers or of (str, classifier)
        As in :class:`~sk_ekd.EnsembleDistiller`; clones are fitted.
    X : {array-like, sparse, DataFrame, list, Mapping, Dataset} of length n_samples
        The labeled rows, and some without a label if there are.
    y : array-like of shape (n_samples,)
        Labels; `unlabeled_label` or a missing value where unknown.
    cv : int, splitter or iterable, default=5
        As in :class:`~sk_ekd.EnsembleDistiller`.
    client : distributed.Client, default=None
        The Dask cluster whose workers make the fits; None: they are made here.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted; None: the labels in `y`.
    unlabeled_label : scalar or None, default=-1
        The mark of an unknown label in `y`.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights in the teachers' fits; a row of weight 0 is not in them.
    n_jobs : int, default=None
        Number of teachers fitted at a time, in processes, where there is no `client`.
    random_state : int, RandomState instance or None, default=None
        Seeds the teachers, and the splitter, whose own is None.
    verbose : int, default=0
        As in :func:`~sk_ekd.ask_teachers`.

    Returns
    -------
    fitted : list of (str, classifier)
        The teachers, fitted on all labeled rows.
    proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
        What :func:`~sk_ekd.ask_teachers` returns with the same parameters: predictions
        out of fold for labeled rows, those of `fitted` for the others.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd.teachers import fit_out_of_fold
    >>> X, y = load_iris(return_X_y=True)
    >>> fitted, proba = fit_out_of_fold([GaussianNB()], X, y)
    >>> fitted
    [('gaussiannb', GaussianNB())]
    >>> proba.shape
    (150, 1, 3)
    """
    if is_prefit(cv):
        raise ValueError(
            "cv='prefit' fits nothing: set cv=5, or pass fitted teachers to "
            "ask_teachers."
        )
    run = None if client is None else partial(run_jobs, client)
    how = classes, cv, unlabeled_label, sample_weight, random_state
    predictions, proba = _ask(
        teachers, X, y, *how, n_jobs=n_jobs, verbose=verbose, run=run
    )
    return list(predictions.teachers.items()), proba


def _ask(
    teachers, X, y, classes, cv, unlabeled_label, sample_weight, random_state,
    *, out=None, n_jobs, verbose, run=None,
):  # fmt: skip
    """Fit the teachers if `cv` says so, and ask them -> Predictions, (n, t, c)."""
    if teachers is None:
        raise ValueError("`teachers` is None: pass classifiers to ask.")
    predictions = Predictions(teachers, cv, X)
    labels, data = read_data(X, y, sample_weight, unlabeled_label)
    classes = predictions.find_classes(labels, classes, unlabeled_label)
    data = data._replace(y=encode_labels(labels, data.labeled, classes))
    seed = draw_seed(check_random_state(random_state))
    how = {"n_jobs": n_jobs, "seed": seed, "verbose": verbose, "run": run}
    with seeded(seed):  # for teachers that are torch nets
        predictions.fit(data, classes, **how)
        shape = data.n_samples, *predictions.shape
        if out is None:
            proba = _fill(np.empty(shape, np.float32), predictions, X, verbose)
        else:
            proba = _write(out, shape, predictions, X, verbose)
    return predictions, proba


def _fill(proba, predictions, X, verbose):
    """Fill an array, or a file, block by block -> the same (n, t, c)."""
    data = predictions.data
    for block in followed_blocks(predictions.blocks(), verbose):
        proba[data.index[block]] = predictions.block(block)[1]
    # rows of weight zero had no part in the teachers' fits, and are predicted as well
    removed = np.setdiff1d(np.arange(data.n_samples), data.index)
    for block in predictions.split(removed):
        proba[block] = predictions.ask(take_rows(as_rows(X), block))
    return proba


def _write(out, shape, *what):
    """Fill a file, which gets its name once it is full -> memmap."""
    part = f"{os.fspath(out)}.part"
    try:
        file = open(part, "xb")  # noqa: SIM115, closed below
    except FileExistsError as error:
        raise FileExistsError(
            f"{part} exists: another process is writing it, or one was killed while it "
            "did. Wait for the first, or delete it."
        ) from error
    try:
        with file:
            _reserve(file, shape)
        _fill(np.lib.format.open_memmap(part, "r+"), *what)
        os.replace(part, out)
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)
    return np.load(out, mmap_mode="r")


def _reserve(file, shape):
    """Write the header, and reserve the space: a full disk kills whoever maps it."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
    size = prod(shape) * np.dtype(np.float32).itemsize
    try:
        if hasattr(os, "posix_fallocate"):
            file.flush()
            os.posix_fallocate(file.fileno(), 0, file.tell() + size)
            return
        for start in range(0, size, CHUNK):  # on macOS and Windows
            file.write(bytes(min(CHUNK, size - start)))
    except OSError as error:
        message = f"No space for {size / 2**20:,.1f} MB of predictions"
        raise OSError(error.errno, f"{message}: {error.strerror}", file.name) from error
