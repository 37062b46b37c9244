"""Run a benchmark into a file of results that survives a kill, and compare its methods.

How a benchmark is added: write one file, ``benchmarks/NAME.py``, with

1. a docstring that says what is asked, and of what;
2. a class of units, made of a set, a label budget, a seed and `Settings`: it computes
   what the methods share when they first ask for it (``units.Unit`` will often do);
3. METHODS, a dict of names to functions of a unit;
4. ``measure(unit, method)``, which returns the measures of one method as a dict;
5. ``report(table, path)``, which returns what to print of all results;
6. BENCHMARK, a `Benchmark` of these, and ``main(BENCHMARK, __doc__)`` at the end.

``python -m benchmarks.NAME DATA`` then computes the rows that results/NAME.csv lacks,
and can be stopped at any time; ``--report`` reports on those that are there. A method
that is added later is computed for the old units, too.
"""

import argparse
import csv
import io
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, parallel_config
from scipy.stats import wilcoxon

from benchmarks import sets

RESULTS, QUICK_RESULTS = Path(__file__).parent / "results", Path("build")
DRAWS = 10_000  # of a bootstrap


@dataclass(frozen=True)
class Settings:
    """What a run can afford."""

    data_dir: str | None = None
    cache: str | None = None  # a folder for the teachers' predictions
    effort: float = 1.0  # share of a student's training
    trees: int = 100  # of a teacher


QUICK = {"effort": 0.1, "trees": 30}


@dataclass(frozen=True)
class Subset:
    """What a quick run takes at full strength, to be held against the results."""

    sets: tuple
    budgets: tuple
    methods: tuple
    report: Callable  # (its results, the benchmark's) -> what to print
    seeds: int = 1


@dataclass(frozen=True)
class Benchmark:
    """One question: each method of each unit is a row of results/NAME.csv."""

    name: str
    keys: tuple  # the columns that name a row: of set, budget, seed and method
    columns: tuple  # the other columns
    methods: dict  # of str to a function of a unit
    unit: Callable  # (set, budget, seed, settings) -> what the methods share
    measure: Callable  # (unit, method) -> dict of the other columns
    report: Callable  # (results, their path) -> what to print
    budgets: tuple = (0.025, 0.1)
    seeds: int = 5
    sets: tuple = ()  # by default all
    quick: Subset | None = None  # by default all sets with little training


# --- The file of results --------------------------------------------------------------


def read(path, columns=()):
    """Return the rows of a results file, without a last line that a kill cut off."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    return pd.read_csv(io.StringIO(whole)) if whole else pd.DataFrame(columns=columns)


def mend(path):
    """Cut off a last line that a kill left unfinished: the next one starts afresh."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def append(path, rows, columns):
    """Add rows in one write; what a row does not have stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        writer.writeheader()
    writer.writerows(rows)
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())


def rounded(measures, digits=5):
    """Return measures as the results have them.

    >>> rounded({"accuracy": np.float64(2 / 3)})
    {'accuracy': 0.66667}
    """
    return {name: round(float(value), digits) for name, value in measures.items()}


def sort(path, keys):
    """Sort the lines by unit, in one go: the same file, whichever worker was first."""
    order = read(path).sort_values(list(keys[:-1])).index  # methods as they came
    header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    part = path.with_suffix(".part")
    part.write_text("".join([header, *(lines[i] for i in order)]), encoding="utf-8")
    os.replace(part, path)


def cached(kind, path, compute):
    """Return arrays that an earlier run kept, or compute and keep them.

    `kind` is the NamedTuple of arrays that `compute` returns; without a path, nothing
    is kept.
    """
    if path is None:
        return compute()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **compute()._asdict())
        os.replace(part, path)
    with np.load(path) as file:
        return kind(**file)


# --- The run --------------------------------------------------------------------------


def plan(benchmark, table, units):
    """List the units with the methods that the results lack."""
    done = set(table[list(benchmark.keys)].itertuples(index=False, name=None))
    for key in units:
        missing = [name for name in benchmark.methods if (*key, name) not in done]
        if missing:
            yield key, missing


def run_unit(benchmark, key, methods, settings):
    """Run methods on a unit in a worker -> its key, rows, seconds of each, errors.

    The first method that needs what all share waits for it.
    """
    torch.set_num_threads(1)
    unit = benchmark.unit(*key, settings)
    rows, seconds, errors = [], {}, []
    for name in methods:
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                measures = benchmark.measure(unit, benchmark.methods[name])
        except Exception:  # reported by the caller; the other methods go on
            errors.append(f"{name}: {traceback.format_exc()}")
            continue
        rows.append(dict(zip(benchmark.keys, (*key, name), strict=True)) | measures)
        seconds[name] = time.perf_counter() - start
    return key, rows, seconds, "\n".join(errors)


def run(benchmark, path, units, settings, *, jobs=1):
    """Run what the results lack of (set, budget, seed) -> how many units failed.

    One run at a time writes a file.
    """
    columns = [*benchmark.keys, *benchmark.columns]
    table = read(path, columns)
    if list(table) != columns:
        raise ValueError(
            f"{path} has the columns {list(table)}, expected {columns}: name another "
            "file by --out."
        )
    mend(path)
    todo, failed, start = list(plan(benchmark, table, units)), 0, time.monotonic()
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        work = Parallel(return_as="generator_unordered", pre_dispatch=jobs)(
            delayed(run_unit)(benchmark, *unit, settings) for unit in todo
        )
        for count, (key, rows, seconds, error) in enumerate(work, 1):
            append(path, rows, columns)
            failed += bool(error)
            done = f"{count} of {len(todo)}, {(time.monotonic() - start) / 60:.0f} min"
            line = f"{done}: {key}: {show_seconds(seconds)} {error}"
            print(line, file=sys.stderr, flush=True)
    if todo:
        sort(path, benchmark.keys)
    return failed


def show_seconds(seconds, most=6):
    """Write the total, and the longest methods.

    >>> show_seconds({"mean": 2.0, "ensemble": 11.0})
    '13 s (ensemble 11, mean 2)'
    """
    longest = sorted(seconds, key=seconds.get, reverse=True)[:most]
    stages = ", ".join(f"{name} {seconds[name]:.0f}" for name in longest)
    return f"{sum(seconds.values()):.0f} s ({stages})"


# --- The command line -----------------------------------------------------------------


def read_options(benchmark, doc, args=None):
    """Read the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(
        "data", nargs="?", help='folder of sets, or "openml"; by default bundled sets'
    )
    parser.add_argument("--out", type=Path, help="results, a CSV file")
    parser.add_argument("--cache", help="folder that keeps the teachers' predictions")
    parser.add_argument("--sets", nargs="+", help="by default all")
    parser.add_argument("--budgets", nargs="+", type=float, help="of labeled rows")
    parser.add_argument("--seeds", type=int, help="how many")
    parser.add_argument("--methods", nargs="+", choices=benchmark.methods, metavar="M")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a part, and a report")
    parser.add_argument("--report", action="store_true", help="no run, only the report")
    return parser.parse_args(args)


def main(benchmark, doc, args=None):
    """Run a benchmark as the command line says, or report on its results."""
    options, failed = read_options(benchmark, doc, args), 0
    path = results_path(benchmark, options)
    subset = benchmark.quick if options.quick else None
    if subset:
        take_subset(subset, options)
    if not options.report:
        failed = run_options(benchmark, path, options)
    table = select(benchmark, read(path), options)
    if subset:
        print(subset.report(table, read(RESULTS / f"{benchmark.name}.csv")))
    elif options.report or options.quick:
        print(benchmark.report(table, path))
    sys.exit(bool(failed))


def take_subset(subset, options):
    """Take from the subset what the command line does not name."""
    known = [name for name in subset.sets if name in sets.names(options.data)]
    options.sets = options.sets or known or sets.names(options.data)
    options.budgets = options.budgets or subset.budgets
    options.methods = options.methods or subset.methods
    options.seeds = options.seeds or subset.seeds


def results_path(benchmark, options):
    """Return the file that the command line names, or the benchmark's own."""
    if options.quick:
        return options.out or QUICK_RESULTS / f"{benchmark.name}_quick.csv"
    return options.out or RESULTS / f"{benchmark.name}.csv"


def run_options(benchmark, path, options):
    """Run the sets, budgets, seeds and methods that the command line names."""
    chosen = options.methods or benchmark.methods
    methods = {k: v for k, v in benchmark.methods.items() if k in chosen}
    seeds = options.seeds or (2 if options.quick else benchmark.seeds)
    names = options.sets or benchmark.sets or sets.names(options.data)
    budgets = options.budgets or benchmark.budgets
    # all sets of a seed first: a run that is stopped early has seen all equally often
    units = [(n, b, s) for s in range(seeds) for n in names for b in budgets]
    limits = QUICK if options.quick and not benchmark.quick else {}
    settings = Settings(options.data, options.cache, **limits)
    benchmark = replace(benchmark, methods=methods)
    return run(benchmark, path, units, settings, jobs=options.jobs)


def select(benchmark, table, options):
    """Return the results that the command line names."""
    chosen = options.sets, options.budgets, None, options.methods
    for column, values in zip(benchmark.keys, chosen, strict=True):
        table = table[table[column].isin(values)] if values else table
    return table


# --- Paired statistics ----------------------------------------------------------------
# The unit of every statistic is the set: the seeds of a set share its rows, so they are
# not independent, and are averaged first.


def pair(table, method, reference, measure):
    """Subtract the reference's measure, pair by pair -> (sets, seeds), NaN if missing.

    >>> units = {"set": "iris", "seed": [0, 0, 1], "method": ["a", "b", "a"]}
    >>> pair(pd.DataFrame({**units, "ece": [0.3, 0.1, 0.3]}), "a", "b", "ece")
    seed    0   1
    set
    iris  0.2 NaN
    """
    values = table.pivot(index=["set", "seed"], columns="method", values=measure)
    values = values.reindex(columns=[method, reference])
    return (values[method] - values[reference]).unstack("seed").dropna(how="all")


def compare(table, pairs, measure, *, tie=0.0):
    """Compare pairs of methods -> DataFrame, one row a pair that has results.

    The mean difference over sets, its interval, p and Holm's p over all rows, and of
    how many sets the mean is higher, tied (differs by at most `tie`) or lower.
    """
    lines = []
    for method, reference in pairs:
        difference = pair(table, method, reference, measure)  # (s, k)
        if len(difference):
            names = {"method": method, "against": reference}
            lines.append(names | summarize(difference.to_numpy(), tie=tie))
    columns = ["method", "against", "difference", "low", "high", "p"]
    columns += ["higher", "tie", "lower", "sets", "pairs"]
    found = pd.DataFrame(lines, columns=columns)
    return found.assign(p_holm=holm(found["p"]))


def summarize(difference, *, tie=0.0):
    """Say what differences (sets, seeds) come to -> dict, see `compare`."""
    means = np.nanmean(difference, axis=1)  # (s,)
    low, high = bootstrap_interval(difference)
    return {
        "difference": means.mean(),
        "low": low,
        "high": high,
        "p": signed_rank_p(means),
        "higher": int((means > tie).sum()),
        "tie": int((np.abs(means) <= tie).sum()),
        "lower": int((means < -tie).sum()),
        "sets": len(means),
        "pairs": int(np.isfinite(difference).sum()),
    }


def bootstrap_interval(difference, *, level=0.95, draws=DRAWS, seed=0):
    """Resample sets, and seeds within them -> the interval of the mean over sets.

    >>> bootstrap_interval(np.array([[1.0, 1.0], [1.0, 1.0]]))
    (1.0, 1.0)
    """
    values = [row[~np.isnan(row)] for row in difference]
    count = tuple(len(row) for row in values)
    padded = np.array([np.resize(row, max(count)) for row in values])  # (s, k)
    means = padded[_draw(count, draws, seed)].mean(axis=(1, 2))  # (b,)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@lru_cache(maxsize=4)  # the pairs of a table are drawn alike
def _draw(count, draws, seed):
    """Draw sets, and as many seeds as a set has at most -> two indices (b, s, k)."""
    rng, count = np.random.default_rng(seed), np.array(count)
    drawn = rng.integers(len(count), size=(draws, len(count)))  # (b, s)
    seeds = rng.random((*drawn.shape, count.max())) * count[drawn][..., np.newaxis]
    return drawn[..., np.newaxis], seeds.astype(int)


def signed_rank_p(means):
    """Return Wilcoxon's p over the sets' mean differences; 1 where all are zero."""
    if not np.any(means):
        return 1.0
    return float(wilcoxon(means, zero_method="zsplit").pvalue)


def holm(p):
    """Correct p-values for their number, in their order.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, dtype=float)
    order = p.argsort(kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = stepped.clip(max=1)
    return corrected


def show_p(p):
    """Write a p-value.

    >>> show_p(0.0312), show_p(0.0001)
    ('p=0.031', 'p<0.001')
    """
    return "p<0.001" if p < 0.0005 else f"p={p:.3f}"


def show_differences(found, *, scale=1, digits=2):
    """Write comparisons as they are read, "difference [interval]" -> list of str.

    >>> show_differences(pd.DataFrame({"difference": [0.012], "low": 0, "high": 0.02}))
    ['+0.01 [+0.00, +0.02]']
    """
    numbers = scale * found[["difference", "low", "high"]]
    return [
        f"{middle:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
        for middle, low, high in numbers.itertuples(index=False)
    ]
