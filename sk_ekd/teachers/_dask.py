"""Ask the teachers on a Dask cluster, partition by partition of the rows."""

import os
import uuid
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from .._progress import Stage
from ._cluster import open_client, run_tasks
from ._partition import Asker, as_path, list_partitions, load_partition

CHECKED = 100  # rows of a partition that an earlier run wrote


def ask_on_dask(
    rows,
    teachers,
    out,
    *,
    client=None,
    classes=None,
    columns=None,
    keep=(),
    verbose=0,
):
    """Ask fitted teachers about a table on a Dask cluster, into a folder of files.

    The workers get the teachers once, and then one partition of the rows at a time,
    whose answers they write to a parquet file. A file appears under its name once it is
    complete, and partitions that have one are skipped: a run that was killed, or whose
    workers were, goes on when it is called again. The first rows of the first and of
    the last such file are compared with what would be written now. Memory is that of
    one partition a thread of a worker.

    Parameters
    ----------
    rows : str, path, list of paths, or Dask DataFrame
        Parquet files, each of them a partition, or a folder of such files; all workers
        must be able to read them. Or a Dask DataFrame. A partition must fit into
        the memory of a worker; some ten to hundred MB are good.
    teachers : list of classifiers, of (str, classifier), or a fitted ensemble
        As in :class:`~sk_ekd.EnsembleDistiller`, all of them fitted. Each is asked
        within one thread.
    out : str or path
        The folder to write to; all workers must be able to write there. It gets a file
        for each partition, named as the file of its rows, or ``part-00000.parquet`` and
        so on. One run at a time may write to it.
    client : distributed.Client, default=None
        The connection to the cluster; None: the one that was opened last.
    classes : array-like of shape (n_classes,), default=None
        All classes, sorted; None: those that the teachers know.
    columns : list of str, default=None
        The columns that the teachers see, in this order. None: all columns that are
        not in `keep`.
    keep : list of str, default=()
        Columns to pass on before the answers, such as a key or the label.
    verbose : int, default=0
        1 prints a line at the end, and draws a bar where somebody looks on.

    Returns
    -------
    paths : list of Path
        The file of each partition: a DataFrame as :func:`ask_partition` returns it.

    Raises
    ------
    Exception
        What a teacher raises, with a note that says which teacher and which partition
        it was. Partitions that are done stay written.
    RuntimeError
        If workers end again and again over one partition, mostly for want of memory.

    See Also
    --------
    ask_partition : The same for one partition, for any engine.
    read_partitions : Read rows and answers, to train a student.

    Notes
    -----
    Dask reads text as another type than pandas, whose missing value is ``pd.NA``. An
    encoder in a teacher may take it for a category of its own: fit the teachers on a
    part of the same Dask DataFrame, as ``frame.partitions[0].compute()``, or pass the
    files.

    Examples
    --------
    >>> from distributed import Client
    >>> from sk_ekd.teachers import ask_on_dask
    >>> client = Client(n_workers=2, threads_per_worker=1)  # doctest: +SKIP
    >>> ask_on_dask("rows", teachers, "answers", client=client)  # doctest: +SKIP
    """
    client = open_client(client)
    asker = Asker(teachers, classes, columns, keep)
    parts, out = list_partitions(rows), as_path(out)
    _check_folder(out, parts)
    out.mkdir(parents=True, exist_ok=True)
    paths = {name: out / name for name in parts}
    written = [name for name, path in paths.items() if path.exists()]
    # before anything is added: a second call would find what the first one wrote
    looked_at = {
        name: (parts[name], paths[name], True) for name in {*written[:1], *written[-1:]}
    }
    for _ in run_tasks(client, answer_partition, asker, looked_at):
        pass
    skipped = set(written)
    todo = {
        name: (part, paths[name], False)
        for name, part in parts.items()
        if name not in skipped
    }
    n_rows, n_done = 0, len(written)
    with closing(Stage("ask teachers", verbose)) as stage:
        stage.expect(len(parts), "partitions")
        for _, length in run_tasks(client, answer_partition, asker, todo):
            n_rows, n_done = n_rows + length, n_done + 1
            stage.reach(n_done)
    before = f", {len(written):,} written before" if written else ""
    stage.end(f"{n_rows:,} rows in {len(parts):,} partitions{before}")
    for left in out.glob(f".{'[0-9a-f]' * 32}-*.parquet"):  # of killed workers
        left.unlink(missing_ok=True)
    return list(paths.values())


def answer_partition(name, asker, part, path, is_written):
    """Answer for a partition, and write it under its name -> number of rows."""
    try:
        rows = load_partition(part) if isinstance(part, Path) else part
        if is_written:
            _check_written(path, asker, rows)
            return 0
        answers = asker(rows)
        started = path.with_name(f".{uuid.uuid4().hex}-{name}")  # a task may run twice
        answers.to_parquet(started)
        os.replace(started, path)
    except Exception as error:
        error.add_note(f"It was asked about the partition {name}.")
        raise
    return len(answers)


def _check_written(path, asker, rows):
    """Raise where a file of an earlier run is not what would be written now."""
    written, answers = pd.read_parquet(path), asker(rows[:CHECKED])
    same = (
        len(written) == len(rows)
        and written.columns.equals(answers.columns)
        and written.index[:CHECKED].equals(answers.index)
        and np.allclose(
            written[:CHECKED][asker.answers], answers[asker.answers], atol=1e-5
        )
    )
    if not same:
        raise ValueError(
            f"{path} holds other answers than these teachers give for these rows: it "
            "is of another run. Delete the folder, or write to another one."
        )


def _check_folder(out, parts):
    """Raise where the folder of answers is that of the rows, or of other partitions."""
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"`out` must be a folder, and {out} is a file.")
    of_rows = {p.absolute().parent for p in parts.values() if isinstance(p, Path)}
    if out in of_rows:
        raise ValueError(f"`out` is the folder of `rows`, {out}: name another one.")
    strange = [p.name for p in out.glob("[!._]*.parquet") if p.name not in parts]
    if strange:
        raise ValueError(
            f"{out} holds {len(strange)} files that are not of these {len(parts)} "
            f"partitions, such as {strange[0]}: delete the folder, or write to another "
            "one."
        )
