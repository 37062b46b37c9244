"""Measure what a model costs: its time and its size."""

import pickle
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._data import as_float32, as_rows, count_rows, refuses_type, take_rows

BATCH_ROWS = 1000  # rows of one timed call
BATCH_CALLS = 7
SINGLE_CALLS = 20  # a teacher may be a remote model
TIMING_SECONDS = 0.5  # after which no further call is timed


def measure_costs(distiller, teachers, baseline, X):
    """Measure every model that can be called here -> dict of name to costs."""
    rows = _timed_rows(X)
    costs = {name: _teacher_cost(t, rows) for name, t in teachers.items()}
    if teachers and hasattr(distiller.teachers, "predict"):
        # an ensemble checks the rows once, where its members would do so each
        costs["ensemble"] = _teacher_cost(distiller.teachers, rows)
    elif teachers:
        total = pd.DataFrame(costs).sum(axis=1)
        size = _pickled_bytes(list(teachers.values()))
        costs["ensemble"] = {**total, "bytes": size}
    costs["student"] = _cost(distiller.predict_proba, distiller.student_, rows)
    if baseline is not None:
        shipped = getattr(baseline, "student_", baseline)
        costs["baseline"] = _cost(baseline.predict_proba, shipped, rows)
    return costs


class _TimedRows(NamedTuple):
    """Rows to time a model with."""

    batch: object  # (b, d)
    n_batch: int
    single: list  # of (1, d)


def _timed_rows(X):
    """Take a batch from the top of X, and single rows that are spread over it."""
    X = as_rows(X)
    n_samples = count_rows(X)
    n_batch = min(n_samples, BATCH_ROWS)
    spread = np.linspace(0, n_samples - 1, SINGLE_CALLS).astype(int)
    single = [take_rows(X, [row]) for row in spread]
    return _TimedRows(take_rows(X, np.arange(n_batch)), n_batch, single)


def _teacher_cost(model, rows):
    """Measure a teacher by the method with which the distiller queries it."""
    methods = "predict_proba", "decision_function", "predict"
    predict = next(getattr(model, name) for name in methods if hasattr(model, name))
    try:
        return _cost(predict, model, rows)
    except RuntimeError as error:
        if not refuses_type(error, rows.batch):
            raise
    return _cost(lambda X: predict(as_float32(X)), model, rows)


def _cost(predict, shipped, rows):
    """Time the call, and measure the size of what one would ship."""
    return {**_times(predict, rows), "bytes": _pickled_bytes(shipped)}


def _times(predict, rows):
    """Return microseconds per row of a batch, and per call with a single row."""
    batches = [rows.batch] * BATCH_CALLS
    return {
        "us_per_row": _seconds(predict, batches) / rows.n_batch * 1e6,
        "us_single": _seconds(predict, rows.single) * 1e6,
    }


def _seconds(predict, calls):
    """Return the median duration of the calls, of which a slow model gets fewer."""
    durations = []
    for rows in calls:
        start = time.perf_counter()
        predict(rows)
        durations.append(time.perf_counter() - start)
        if sum(durations) > TIMING_SECONDS:
            break
    return np.median(durations)


class _Counter:
    """A file that counts what is written to it, and keeps nothing."""

    def __init__(self):
        self.total = 0

    def write(self, data):
        self.total += memoryview(data).nbytes


def _pickled_bytes(model):
    """Return the length of the pickle, or NaN where the model cannot be pickled."""
    file = _Counter()
    try:
        pickle.dump(model, file)
    except Exception:  # whatever a foreign model raises
        return np.nan
    return file.total
