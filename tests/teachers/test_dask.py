"""Labeling and fitting on a cluster of two processes, which may be killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import dask
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.teachers import (
    _cluster,
    ask_on_dask,
    ask_partition,
    fit_out_of_fold,
    read_partitions,
)
from sk_ekd.teachers._cluster import run_tasks
from tests.errors import text_of
from tests.teachers.odd import Odd, die_once, pause
from tests.worlds import make_net, make_three_blobs

BLOBS, TRUTH = make_three_blobs()
FRAME = pd.DataFrame(BLOBS, columns=[*"abcd"]).assign(key=np.arange(len(BLOBS)) + 7)
X = FRAME[[*"abcd"]]
N_PARTS = 6
PARTS = np.array_split(np.arange(len(FRAME)), N_PARTS)


TEACHERS = [
    ("bayes", GaussianNB().fit(X, TRUTH)),
    ("tree", DecisionTreeClassifier(random_state=0).fit(X, TRUTH)),
]


def with_odd(happens, **params):
    """Return teachers of all columns, with an odd one."""
    odd = Odd(happens, **params).fit(FRAME, TRUTH)
    return [("bayes", GaussianNB().fit(FRAME, TRUTH)), ("odd", odd)]


@contextmanager
def two_processes():
    how = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 2}),
        LocalCluster(**how, dashboard_address=None, silence_logs=60) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with two_processes() as client:
        yield client


@pytest.fixture
def fragile():
    """A cluster to kill: Dask may give up a worker that ends while it starts."""
    with two_processes() as client:
        yield client


@pytest.fixture
def rows(tmp_path):
    """A folder of the rows, in six files."""
    write_rows(tmp_path / "rows")
    return tmp_path / "rows"


def write_rows(folder):
    folder.mkdir()
    for number, part in enumerate(PARTS):
        FRAME.iloc[part].to_parquet(folder / f"{number}.parquet")


def read_all(paths):
    return pd.concat([pd.read_parquet(path) for path in paths])


def expect(teachers=TEACHERS, **params):
    return ask_partition(FRAME, teachers, classes=[0, 1, 2], **params)


# --- Labeling -----------------------------------------------------------------------


def test_folder_of_files_is_answered_file_by_file(client, rows, tmp_path):
    out = tmp_path / "answers"
    paths = ask_on_dask(rows, TEACHERS, out, client=client, keep=["key"])
    assert sorted(paths) == sorted(out.iterdir())
    assert [path.name for path in paths] == [f"{n}.parquet" for n in range(N_PARTS)]
    pd.testing.assert_frame_equal(read_all(paths), expect(keep=["key"]))


def test_dask_frame_is_answered_partition_by_partition(client, tmp_path):
    frame = dd.from_pandas(FRAME, npartitions=N_PARTS)
    paths = ask_on_dask(frame, TEACHERS, tmp_path / "out", columns=[*"abcd"])
    assert len(paths) == N_PARTS
    pd.testing.assert_frame_equal(read_all(paths), expect(columns=[*"abcd"]))
    parts = read_partitions(paths, TEACHERS, classes=[0, 1, 2], rows=frame)
    assert sum(len(rows) for rows, _, _ in parts) == len(FRAME)


def test_relative_paths_are_those_of_the_caller(client, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no worker is
    paths = ask_on_dask("rows", TEACHERS, "out", client=client, keep=["key"])
    pd.testing.assert_frame_equal(read_all(paths), expect(keep=["key"]))


def test_one_partition_is_what_map_partitions_takes(client):
    frame = dd.from_pandas(X, npartitions=3)
    answers = frame.map_partitions(ask_partition, TEACHERS, classes=[0, 1, 2])
    pd.testing.assert_frame_equal(
        answers.compute(), expect(columns=[*"abcd"]), check_index_type=False
    )


def test_partitions_that_are_written_are_skipped(client, rows, tmp_path):
    out = tmp_path / "answers"
    how = {"client": client, "keep": ["key"]}
    paths = ask_on_dask(rows, TEACHERS, out, **how)
    before = {path: path.stat().st_mtime_ns for path in paths}
    lost = paths[2:4]
    for path in lost:
        path.unlink()
    (out / f".{uuid4().hex}-2.parquet").touch()  # of a worker that was killed
    assert ask_on_dask(rows, TEACHERS, out, **how) == paths
    after = {path: path.stat().st_mtime_ns for path in paths}
    assert {path for path in paths if after[path] != before[path]} == set(lost)
    assert sorted(paths) == sorted(out.iterdir())
    pd.testing.assert_frame_equal(read_all(paths), expect(keep=["key"]))


@pytest.mark.parametrize("what", ["teachers", "kept columns", "rows"])
def test_answers_of_another_run_are_not_taken_for_these(client, rows, tmp_path, what):
    how = {"client": client, "keep": ["key"], "out": tmp_path / "out"}
    ask_on_dask(rows, TEACHERS, **how)
    teachers = TEACHERS
    if what == "teachers":
        other = DecisionTreeClassifier(max_depth=1).fit(X, TRUTH[::-1])
        teachers = [TEACHERS[0], ("tree", other)]
    elif what == "kept columns":
        how |= {"keep": [], "columns": [*"abcd"]}
    else:
        FRAME.iloc[PARTS[0]].to_parquet(rows / f"{N_PARTS - 1}.parquet")
    (tmp_path / "out" / "2.parquet").unlink()
    for _ in range(2):  # nothing was added that a second call could take for these
        with pytest.raises(ValueError, match="holds other answers") as caught:
            ask_on_dask(rows, teachers, **how)
        assert "It was asked about the partition" in text_of(caught.value)
    assert not (tmp_path / "out" / "2.parquet").exists()


def test_folders_of_others_are_left_alone(client, rows, tmp_path):
    with pytest.raises(ValueError, match="`out` is the folder of `rows`"):
        ask_on_dask(rows, TEACHERS, rows, client=client)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="`out` must be a folder"):
        ask_on_dask(rows, TEACHERS, file, client=client)
    with pytest.raises(ValueError, match="got the address 's3://bucket/out': mount"):
        ask_on_dask(rows, TEACHERS, "s3://bucket/out", client=client)
    strange = tmp_path / "out"
    strange.mkdir()
    (strange / "mine.parquet").touch()
    with pytest.raises(ValueError, match=r"1 files that are not of these 6.*mine"):
        ask_on_dask(rows, TEACHERS, strange, client=client)


def test_partition_that_fails_names_itself_and_the_teacher(client, rows, tmp_path):
    due = int(FRAME["key"].iloc[PARTS[3][0]])
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError, match="no such thing") as caught:
        ask_on_dask(rows, with_odd("error", due=due), out, client=client)
    said = text_of(caught.value)
    assert "Teacher 'odd'" in said
    assert "the partition 3.parquet" in said
    # and once the teacher is mended, it goes on
    paths = ask_on_dask(rows, mended := with_odd("nothing"), out, client=client)
    pd.testing.assert_frame_equal(read_all(paths), expect(mended))


def test_line_says_how_much_was_done(client, rows, tmp_path, capsys):
    how = {"out": tmp_path / "out", "client": client, "keep": ["key"]}
    paths = ask_on_dask(rows, TEACHERS, **how)
    assert not capsys.readouterr().out
    paths[0].unlink()
    ask_on_dask(rows, TEACHERS, verbose=1, **how)
    (line,) = capsys.readouterr().out.splitlines()
    n_rows = len(PARTS[0])
    assert line.endswith(f"{n_rows} rows in 6 partitions, 5 written before")


# --- Workers and clients that end ---------------------------------------------------


def test_killed_worker_costs_its_partition_a_second_try(fragile, rows, tmp_path):
    due = int(FRAME["key"].iloc[PARTS[1][0]])
    mark = tmp_path / "mark"
    teachers = with_odd("kill once", due=due, mark=str(mark))
    paths = ask_on_dask(rows, teachers, tmp_path / "out", client=fragile)
    assert mark.exists()
    pd.testing.assert_frame_equal(read_all(paths), expect(teachers))


def test_all_workers_killed_at_once_go_on(fragile):
    done = []
    for name, _ in run_tasks(fragile, pause, None, dict.fromkeys(range(12), ())):
        done.append(name)
        if len(done) == 3:
            for pid in fragile.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)
    assert sorted(done) == list(range(12))


def test_partition_that_always_kills_is_named(fragile, client, rows, tmp_path):
    due = int(FRAME["key"].iloc[PARTS[0][0]])
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match=r"Workers ended .* with \d\.parquet among"):
        ask_on_dask(rows, with_odd("kill", due=due), out, client=fragile)
    paths = ask_on_dask(rows, with_odd("nothing"), out, client=client)
    assert len(read_all(paths)) == len(FRAME)


def test_worker_that_ends_while_it_imports_is_not_missed(
    fragile, tmp_path, monkeypatch
):
    mark = tmp_path / "mark"
    monkeypatch.setattr(_cluster, "import_module", partial(die_once, mark=str(mark)))
    done = [name for name, _ in run_tasks(fragile, pause, None, {0: (), 1: ()})]
    assert mark.exists()
    assert sorted(done) == [0, 1]


def test_package_that_workers_lack_is_said(client, monkeypatch):
    monkeypatch.setattr(_cluster, "__name__", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        list(run_tasks(client, pause, None, {0: ()}))


def test_class_that_a_worker_cannot_import_is_said(client, monkeypatch):
    net = make_net(module__in_features=4, module__out_features=3, max_epochs=1)
    net.fit(BLOBS.astype(np.float32), TRUTH)
    here = type("Here", (net.module,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "Here", here, raising=False)
    net.module_.__class__ = here  # as of a class that a notebook defines
    with pytest.raises(AttributeError, match="Here") as caught:
        list(run_tasks(client, pause, net, {0: ()}))
    assert "a notebook must move into a module" in text_of(caught.value)


def test_cluster_without_workers_is_not_waited_for_for_ever(fragile, monkeypatch):
    monkeypatch.setattr(_cluster, "PATIENCE", 1)
    fragile.cluster.scale(0)
    while fragile.nthreads():  # or one may do the task before it goes
        time.sleep(0.05)
    with pytest.raises(RuntimeError, match=r"none for 1 s, with 0 among"):
        list(run_tasks(fragile, pause, None, {0: ()}))


SCRIPT = """
import sys
import joblib
from distributed import Client
from sk_ekd.teachers import ask_on_dask

if __name__ == "__main__":
    teachers, rows, out = sys.argv[1:]
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**how) as client:
        ask_on_dask(rows, joblib.load(teachers), out, client=client)
"""


def test_killed_client_goes_on_where_it_was(client, rows, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    joblib.dump(with_odd("nothing", pause=0.4), tmp_path / "teachers")
    root = str(Path(__file__).parents[2])
    run = subprocess.Popen(
        [sys.executable, script, tmp_path / "teachers", rows, out],
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        limit = time.monotonic() + 60
        while len(list(out.glob("[0-9]*.parquet"))) < 2:
            assert time.monotonic() < limit
            assert run.poll() is None
            time.sleep(0.02)
    finally:
        os.killpg(run.pid, signal.SIGKILL)  # the workers, too
        run.wait()
    before = {path: path.stat().st_mtime_ns for path in out.glob("[0-9]*.parquet")}
    assert 2 <= len(before) < N_PARTS
    teachers = with_odd("nothing")
    paths = ask_on_dask(rows, teachers, out, client=client)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    pd.testing.assert_frame_equal(read_all(paths), expect(teachers))


def test_run_that_is_left_leaves_nothing_to_do(client):
    calls = run_tasks(client, pause, None, dict.fromkeys(range(50), ()))
    next(calls)
    calls.close()  # as by Ctrl-C
    assert not client.futures


# --- Fitting, and training from the files -------------------------------------------


def test_fits_on_the_cluster_are_those_made_here(client):
    y = TRUTH.copy()
    y[::3] = -1
    teachers = [LogisticRegression(), ("tree", DecisionTreeClassifier())]
    how = {"cv": 3, "random_state": 0}
    fitted, proba = fit_out_of_fold(teachers, X, y, client=client, **how)
    here, proba_here = fit_out_of_fold(teachers, X, y, **how)
    assert_array_equal(proba, proba_here)
    assert_array_equal(proba, ask_teachers(teachers, X, y, **how))
    assert [name for name, _ in fitted] == ["logisticregression", "tree"]
    for (_, one), (_, other) in zip(fitted, here, strict=True):
        assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert_array_equal(ask_teachers(fitted, X)[::3], proba[::3])


def test_fit_on_the_cluster_that_fails_names_the_teacher(client, fragile):
    with pytest.raises(ValueError, match="C") as caught:
        fit_out_of_fold([LogisticRegression(C=-1)], X, TRUTH, client=client)
    assert "'logisticregression'" in text_of(caught.value)
    with pytest.raises(RuntimeError, match=r"Workers ended .* with odd among"):
        fit_out_of_fold([Odd("kill in fit")], X, TRUTH, client=fragile)


def test_threads_of_a_worker_fit_one_by_one():
    # all draw from torch's one generator
    net = make_net(module__in_features=4, module__out_features=3, max_epochs=2)
    rows = BLOBS.astype(np.float32)
    how = {"cv": 3, "random_state": 0}
    threads = {"n_workers": 1, "threads_per_worker": 3, "processes": False}
    with Client(**threads, dashboard_address=None) as client:
        _, proba = fit_out_of_fold([net, net], rows, TRUTH, client=client, **how)
    assert_array_equal(proba, fit_out_of_fold([net, net], rows, TRUTH, **how)[1])


def test_fitted_teachers_are_not_fitted_out_of_fold():
    with pytest.raises(ValueError, match="ask_teachers"):
        fit_out_of_fold(TEACHERS, X, TRUTH, cv="prefit")


def test_fit_of_a_file_is_that_of_memory(client, rows, tmp_path):
    paths = ask_on_dask(rows, TEACHERS, tmp_path / "out", columns=[*"abcd"])
    shape = len(FRAME), 2, 3
    proba = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.float32, shape)
    how = {"classes": [0, 1, 2], "rows": rows, "columns": [*"abcd"], "shuffle": False}
    start = 0
    for part, _, answers in read_partitions(paths, TEACHERS, **how):
        proba[start : start + len(part)] = answers
        start += len(part)
    y = np.where(np.arange(len(X)) % 4, -1, TRUTH)
    students = [
        EnsembleDistiller(TEACHERS, make_net(), pooling="mean", random_state=0).fit(
            BLOBS.astype(np.float32), y, teacher_proba=given
        )
        for given in (proba, ask_teachers(TEACHERS, X))
    ]
    one, other = (student.predict_proba(BLOBS) for student in students)
    assert_array_equal(one, other)


# --- Without a cluster --------------------------------------------------------------


def test_missing_cluster_or_package_says_what_to_do(rows, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("distributed.get_client", _no_client)
        with pytest.raises(ValueError, match=r"no Dask cluster: open one"):
            ask_on_dask(rows, TEACHERS, tmp_path / "out")
    with pytest.raises(TypeError, match=r"distributed.Client.*got 'localhost'"):
        ask_on_dask(rows, TEACHERS, tmp_path / "out", client="localhost")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sk_ekd\[dask\]"):
        ask_on_dask(rows, TEACHERS, tmp_path / "out")


def _no_client():
    raise ValueError("No global client found and no address provided")
