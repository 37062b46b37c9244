"""Ask the teachers about one partition of a table, and read what they answered."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from .._classes import find_classes
from ._ask import ask_teachers
from ._open import known_classes, open_teachers


def ask_partition(frame, teachers, *, classes, columns=None, keep=(), n_jobs=None):
    """Ask fitted teachers about one partition of a table that is too large for memory.

    The one function that an engine needs: it is the argument of Dask's
    ``map_partitions``, of Ray's ``map_batches(batch_format="pandas")``, and is called
    for each frame within Spark's ``mapInPandas``. For Dask there is also
    :func:`ask_on_dask`, which goes on where an earlier run ended.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
        The rows of the partition; there may be none.
    teachers : list of classifiers, of (str, classifier), or a fitted ensemble
        As in :class:`~sk_ekd.EnsembleDistiller`, all of them fitted.
    classes : array-like of shape (n_classes,)
        All classes, sorted, so that every partition gets the same columns.
    columns : list of str, default=None
        The columns that the teachers see, in this order. None: all columns that are
        not in `keep`.
    keep : list of str, default=()
        Columns to pass on before the answers, such as a key or the label.
    n_jobs : int, default=None
        Number of teachers asked at a time, in threads.

    Returns
    -------
    answers : DataFrame of shape (n_samples, n_kept + n_teachers * n_classes)
        The columns in `keep`, and a float32 column ``<teacher>_<class>`` for each
        teacher and class, those of the first teacher first. The index is that of
        `frame`. The values are, to the bit, those of
        ``ask_teachers(teachers, frame[columns], classes=classes)``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_ekd.teachers import ask_partition
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> teachers = [("bayes", GaussianNB().fit(X, y))]
    >>> ask_partition(X[:2], teachers, classes=[0, 1, 2]).columns.tolist()
    ['bayes_0', 'bayes_1', 'bayes_2']
    """
    return Asker(teachers, classes, columns, keep, n_jobs)(frame)


class Asker:
    """The fitted teachers, and all that a partition needs to know to be asked about."""

    def __init__(self, teachers, classes, columns=None, keep=(), n_jobs=None):
        named = open_teachers(teachers, "prefit")
        if not named:
            raise ValueError("`teachers` is None: pass fitted classifiers to ask.")
        classes = find_classes([], known_classes(named), classes, None, None)
        _check_lists(columns=columns, keep=keep)
        if not all(isinstance(name, str) for name in keep):
            raise TypeError(f"Columns to `keep` must have text names, got {keep!r}.")
        self.teachers = teachers
        self.classes = np.asarray(classes)
        self.columns = None if columns is None else list(columns)
        self.keep = list(keep)
        self.n_jobs = n_jobs
        self.answers = name_answers(list(named), self.classes, self.keep)

    def __call__(self, frame):
        """Answer for one partition -> DataFrame."""
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(
                "A partition must be a pandas DataFrame, got "
                f"{type(frame).__name__}. (Of Ray: batch_format='pandas'; of polars: "
                "frame.to_pandas().)"
            )
        wanted = [*(self.columns or ()), *self.keep]
        missing = [name for name in wanted if name not in frame.columns]
        if missing:
            raise ValueError(
                f"The partition has no column {missing}, which `columns` or `keep` "
                f"names; it has {_shown(frame.columns)}."
            )
        columns = self.columns
        if columns is None:
            columns = [name for name in frame.columns if name not in self.keep]
        proba = np.empty((0, len(self.answers)), dtype=np.float32)
        if len(frame):
            proba = ask_teachers(
                self.teachers, frame[columns], classes=self.classes, n_jobs=self.n_jobs
            ).reshape(len(frame), -1)
        answers = pd.DataFrame(proba, index=frame.index, columns=self.answers)
        return pd.concat([frame[self.keep], answers], axis=1) if self.keep else answers


def name_answers(names, classes, keep=()):
    """Name the columns of the answers, those of the first teacher first -> list.

    Examples
    --------
    >>> name_answers(["svc"], ["cat", "dog"])
    ['svc_cat', 'svc_dog']
    """
    columns = [f"{name}_{label}" for name in names for label in classes]
    twice = [name for name, n in Counter([*keep, *columns]).items() if n > 1]
    if twice:
        raise ValueError(
            f"Columns of answers would be named {twice} twice, from the teachers "
            f"{names}, the classes and keep={list(keep)}: give the teachers other "
            "names, as in [(name, classifier), ...]."
        )
    return columns


def read_partitions(
    answers,
    teachers,
    *,
    classes,
    rows=None,
    label=None,
    columns=None,
    shuffle=True,
    random_state=None,
):
    """Read rows and the teachers' answers, one partition at a time, to train on.

    One pass over all partitions; memory is that of one of them. Each item is what
    `partial_fit` takes::

        for X, y, proba in read_partitions("answers", teachers, classes=classes, ...):
            distiller.partial_fit(X, y, classes=classes, teacher_proba=proba)

    Parameters
    ----------
    answers : str, path or list of paths
        Parquet files of what :func:`ask_partition` returned, or a folder of them, such
        as :func:`ask_on_dask` writes.
    teachers : list of classifiers, of (str, classifier) or of str, or a fitted ensemble
        The teachers that were asked, or their names.
    classes : array-like of shape (n_classes,)
        The classes that they were asked with.
    rows : str, path, list of paths, or Dask DataFrame, default=None
        The partitions that were asked about; those of one name belong together. A Dask
        DataFrame is computed in each pass, partition by partition: write one that was
        shuffled or joined to files first. None: the rows are in `answers`, in columns
        that were kept.
    label : str, default=None
        The column of labels, a missing value or the unlabeled mark where unknown. None:
        no row has a label.
    columns : list of str, default=None
        The columns of `X`, in this order; None: all but `label` and the answers.
    shuffle : bool, default=True
        Whether the partitions come in random order. Rows within one are shuffled when a
        net is trained on them.
    random_state : int, RandomState instance or None, default=None
        Seeds the order.

    Yields
    ------
    X : DataFrame of shape (n_samples, n_features)
        The rows of a partition.
    y : ndarray of shape (n_samples,)
        Their labels; all NaN, which is unknown, without a `label`.
    teacher_proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
        The teachers' predictions.
    """
    _check_lists(columns=columns)
    classes = find_classes([], {}, classes, None, None)
    if not _are_names(teachers):
        teachers = list(open_teachers(teachers, "prefit"))
    wanted = name_answers(teachers, classes)
    parts = list_partitions(answers)
    sources = parts if rows is None else list_partitions(rows)
    apart = sorted(parts.keys() ^ sources.keys())
    if apart:
        raise ValueError(
            f"`answers` has {len(parts)} partitions and `rows` has {len(sources)}; "
            f"{_shown(apart)} are in one of them only. Answers are in files of the "
            "same names as the rows (of a Dask DataFrame, part-00000.parquet and so "
            "on). If a run was cut off, let it finish first."
        )
    pairs = [(name, part, sources[name]) for name, part in parts.items()]
    if shuffle:
        check_random_state(random_state).shuffle(pairs)
    for name, part, source in pairs:
        answered = load_partition(part)
        missing = [column for column in wanted if column not in answered.columns]
        if missing:
            raise ValueError(
                f"{name} has no column {_shown(missing)} of the teachers' answers, it "
                f"has {_shown(answered.columns)}: pass the teachers and classes that "
                "were asked."
            )
        frame = answered if rows is None else load_partition(source)
        if not frame.index.equals(answered.index):
            raise ValueError(
                f"{name} does not answer for the partition of `rows` in its place: "
                f"their indices differ ({len(answered)} and {len(frame)} rows)."
            )
        if len(frame):
            X, y = _split_label(frame, label, columns, wanted if rows is None else [])
            yield (
                X,
                y,
                answered[wanted]
                .to_numpy(np.float32)
                .reshape(len(frame), len(teachers), len(classes)),
            )


def list_partitions(rows):
    """Return the partitions by name -> dict of paths, or of Dask's delayed frames."""
    if hasattr(rows, "to_delayed"):
        parts = rows.to_delayed()
        return {f"part-{n:05d}.parquet": part for n, part in enumerate(parts)}
    if isinstance(rows, (list, tuple)):
        paths = [as_path(path) for path in rows]
    elif not isinstance(rows, (str, os.PathLike)):
        raise TypeError(
            "Partitions must be a folder or a list of parquet files, or a Dask "
            f"DataFrame, got {type(rows).__name__}. (A table in memory is one "
            "partition: ask_partition.)"
        )
    elif (path := as_path(rows)).is_file():
        paths = [path]
    else:  # those that begin with a dot are not complete
        paths = sorted(p for p in path.glob("*.parquet") if p.name[0] not in "._")
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise FileNotFoundError(
            f"No parquet file in {_shown(missing) if missing else rows}: expected a "
            "folder of files *.parquet, or a list of them."
        )
    named = {path.name: path for path in paths}
    if len(named) < len(paths):
        raise ValueError("Partitions need files of different names, got some twice.")
    return named


def as_path(given):
    """Return a path that means the same on a worker, which may be in another folder."""
    if isinstance(given, str) and "://" in given:
        raise ValueError(
            f"Partitions must be in files or folders, got the address {given!r}: "
            "mount it as a folder. (Rows may also be a Dask DataFrame.)"
        )
    return Path(given).expanduser().absolute()


def load_partition(part):
    """Read a partition, a parquet file or Dask's delayed frame -> DataFrame."""
    return pd.read_parquet(part) if isinstance(part, Path) else part.compute()


def _split_label(frame, label, columns, answers):
    """Split a frame -> X, y (n,)."""
    for name in [*(columns or ()), *([] if label is None else [label])]:
        if name not in frame.columns:
            raise ValueError(
                f"`rows` has no column {name!r}, it has {_shown(frame.columns)}."
            )
    if columns is None:
        columns = [c for c in frame.columns if c != label and c not in set(answers)]
    y = np.full(len(frame), np.nan) if label is None else frame[label].to_numpy()
    return frame[columns], y


def _are_names(teachers):
    is_list = isinstance(teachers, (list, tuple)) and len(teachers) > 0
    return is_list and all(isinstance(name, str) for name in teachers)


def _check_lists(**given):
    for parameter, names in given.items():
        if isinstance(names, str):
            raise TypeError(
                f"`{parameter}` must be a list of column names, got {names!r}."
            )


def _shown(names):
    names = list(names)
    return names if len(names) <= 10 else [*names[:10], f"{len(names) - 10} more"]
