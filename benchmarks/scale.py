"""Label tables that outgrow a process: throughput, memory, and the cost of a kill.

Five fitted teachers are asked about 1, 3 and 10 million rows of 50 columns, in parquet
files of 250,000 rows: in one process, which takes file by file and as many threads as
the teachers like; in one process of one thread; in two such processes, each with its
half of the files; and on a Dask cluster of two workers of one thread each, by
``ask_on_dask``. The ways take turns; each run has a process of its
own. Last, a run over three million rows is killed at half, workers and all, and called
again.

``python -m benchmarks.scale`` runs what the results lack, about 25 minutes on two quiet
cores and 3 GB of disk; ``--report`` makes the tables, ``--quick`` shows the path.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.harness import RESULTS, append, mend, read
from sk_ekd.teachers import ask_on_dask, ask_partition

N_COLUMNS, CLASSES, PART = 50, [0, 1, 2], 250_000
ROUNDS = {1_000_000: 3, 3_000_000: 3, 10_000_000: 1}  # by number of rows
KILLED = 3_000_000
ONE, ONE_THREAD = "one process", "one process, one thread"
BY_HAND, TWO = "two processes, half of the files each", "two workers"
AGAIN = "two workers, killed at half and called again"
COLUMNS = ["rows", "round", "way", "seconds", "peak_mb", "start_seconds"]
KEYS = COLUMNS[:3]


def write_teachers(path, n_rows=10_000):
    """Fit five classifiers of different kinds into a file, unless it is there."""
    if path.exists():
        return
    X, y = make_classification(
        n_rows, N_COLUMNS, n_informative=15, n_classes=3, random_state=0
    )
    X = pd.DataFrame(X.astype(np.float32), columns=[f"x{i}" for i in range(N_COLUMNS)])
    teachers = {
        "forest": RandomForestClassifier(50, random_state=0),
        "boosting": HistGradientBoostingClassifier(max_iter=50, random_state=0),
        "mlp": MLPClassifier((64,), max_iter=20, random_state=0),
        "linear": LogisticRegression(max_iter=200),
        "bayes": GaussianNB(),
    }
    joblib.dump([(name, t.fit(X, y)) for name, t in teachers.items()], path)


def read_teachers(rows):
    """Return the teachers, which lie beside the folder of rows."""
    return joblib.load(rows.with_name("teachers.joblib"))


def write_rows(folder, n_rows, part):
    """Write random rows into parquet files, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_rows // part):
        path = folder / f"{number:04d}.parquet"
        if not path.exists():
            rng = np.random.default_rng(number)
            X = rng.normal(size=(part, N_COLUMNS)).astype(np.float32)
            names = [f"x{i}" for i in range(N_COLUMNS)]
            pd.DataFrame(X, columns=names).to_parquet(folder / ".part")
            os.replace(folder / ".part", path)


# --- The ways ------------------------------------------------------------------------


def peak():
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def label_files(files, out, n_threads=None):
    """Label in this process, file by file -> seconds, peak MB."""
    teachers = read_teachers(files[0].parent)
    start = time.perf_counter()
    with threadpool_limits(n_threads):
        for path in files:
            frame = pd.read_parquet(path)
            ask_partition(frame, teachers, classes=CLASSES).to_parquet(out / path.name)
    return time.perf_counter() - start, peak()


def label_here(rows, out, n_threads=None):
    """Label in this process -> dict of measures."""
    out.mkdir()
    seconds, most = label_files(sorted(rows.iterdir()), out, n_threads)
    return {"seconds": seconds, "peak_mb": most}


def label_by_two(rows, out):
    """Label in two processes, half of the files each: what the machine has to give."""
    out.mkdir()
    files = sorted(rows.iterdir())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        halves = pool.map(label_files, [files[::2], files[1::2]], [out] * 2, [1] * 2)
        seconds, most = zip(*halves, strict=True)
    return {"seconds": max(seconds), "peak_mb": max(most)}


def label_on_dask(rows, out):
    """Label on two workers -> dict of measures."""
    from distributed import Client, LocalCluster

    teachers, start = read_teachers(rows), time.perf_counter()
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        started = time.perf_counter()
        ask_on_dask(rows, teachers, out, client=client)
        return {
            "seconds": time.perf_counter() - started,
            "peak_mb": max(client.run(peak).values()),
            "start_seconds": started - start,
        }


def label_twice(rows, out):
    """Kill a run on two workers at half, workers and all, and call it again."""
    start, files = time.perf_counter(), len(list(rows.iterdir()))
    command = [sys.executable, "-m", "benchmarks.scale", "--label", rows, out]
    run = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while len(list(out.glob("[0-9]*.parquet"))) < files // 2:
        if run.poll() is not None:
            raise RuntimeError("The run to be killed ended by itself.")
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    killed = time.perf_counter() - start
    before = {path: path.stat().st_mtime_ns for path in out.glob("[0-9]*.parquet")}
    measures = label_on_dask(rows, out)
    kept = sum(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    print(f"killed with {len(before)} of {files} files written, {kept} of them kept")
    return measures | {"start_seconds": killed}


WAYS = {
    ONE: label_here,
    ONE_THREAD: partial(label_here, n_threads=1),
    BY_HAND: label_by_two,
    TWO: label_on_dask,
    AGAIN: label_twice,
}


def measure(way, rows, folder):
    """Label in a fresh process, into a folder that goes -> dict of measures."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "answers"
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(WAYS[way], rows, out).result()
    finally:
        shutil.rmtree(out.parent)


# --- Running and reporting -----------------------------------------------------------


def plan(table, rounds, killed):
    """Yield what the results lack -> (rows, round, way)."""
    done = set(table[KEYS].itertuples(index=False, name=None))
    for n_rows, n_rounds in rounds.items():
        ways = [ONE, ONE_THREAD, BY_HAND, TWO] + [AGAIN] * (n_rows == killed)
        for number in range(n_rounds):
            yield from (
                key for way in ways if (key := (n_rows, number, way)) not in done
            )


def run(path, folder, rounds, killed, part):
    """Measure what the results lack, and add each line as it comes."""
    mend(path)
    for n_rows, number, way in plan(read(path, COLUMNS), rounds, killed):
        rows = folder / f"rows-{n_rows}"
        write_rows(rows, n_rows, part)
        write_teachers(folder / "teachers.joblib")
        measures = measure(way, rows, folder)
        line = {"rows": n_rows, "round": number, "way": way} | {
            name: round(value, 2) for name, value in measures.items()
        }
        append(path, [line], COLUMNS)
        print(line, flush=True)


def report(path):
    """Print the medians, and how often faster two workers are, pair by pair."""
    table = read(path, COLUMNS)
    table["way"] = pd.Categorical(table["way"], WAYS)
    table = table.sort_values(KEYS)
    medians = table.groupby(["rows", "way"], observed=True).median(numeric_only=True)
    seconds = table.pivot(index=["rows", "round"], columns="way", values="seconds")
    lines = []
    for (n_rows, way), line in medians.iterrows():
        ratio = (seconds[way] / seconds[TWO]).dropna().loc[n_rows]
        pairs = f"{ratio.median():.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
        lines.append(
            {
                "rows": f"{n_rows:,}",
                "": way,
                "seconds": f"{line['seconds']:.1f}",
                "rows a second": f"{n_rows / line['seconds']:,.0f}",
                "peak of a process, MB": f"{line['peak_mb']:,.0f}",
                "time over that of two workers": "" if way == TWO else pairs,
            }
        )
    print(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True))
    if AGAIN in set(table["way"]):
        both = table[table["way"] == AGAIN]
        total = (both["start_seconds"] + both["seconds"]).median()
        once = table[(table["way"] == TWO) & table["rows"].isin(both["rows"])]
        print(
            f"\nKilled at half and called again, with the start of two clusters: "
            f"{total:.1f} s; never killed, with the start of one: "
            f"{(once['start_seconds'] + once['seconds']).median():.1f} s."
        )


def main(args=None):
    """Run, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "scale.csv")
    parser.add_argument("--folder", type=Path, help="for the rows; None: a temporary")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the path, not figures")
    parser.add_argument("--label", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    if options.label:
        label_on_dask(*options.label)
        return
    if not options.report:
        rounds, killed, part = ROUNDS, KILLED, PART
        if options.quick:
            rounds, killed, part = {4000: 1}, 4000, 500
            options.out = Path(tempfile.mkdtemp()) / "scale.csv"
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary)
            run(options.out, folder, rounds, killed, part)
    report(options.out)


if __name__ == "__main__":
    main()
