"""Measure what a service pays for each answer: time, bytes, and right or wrong.

On each set, an ensemble of tree models and one with an SVM as well are distilled into
the built-in student, all rows labeled. Timed are the teachers, the ensemble as Python
calls it, the ensemble compiled to ONNX, and the student by `predict_proba`, by NumPy
alone and as ONNX. All take turns, on one thread; a figure is the median of the rounds,
in CPU time. Compiled teachers of a table get rows that are encoded already, so that
their time lacks that part.

``python -m benchmarks.service DATA`` takes about ten minutes for digits, letter and
adult.
"""

import argparse
import pickle
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from benchmarks import sets
from benchmarks.units import Ensemble, make_lightgbm
from sk_ekd import EnsembleDistiller, serving
from sk_ekd.export import save, to_onnx

SETS = ["digits", "letter", "adult"]
MAX_ROWS = 5000
BATCHES = 1, 1000
ROUNDS = 7
SECONDS = 0.05  # of each round, at least


# --- Teachers -------------------------------------------------------------------------


def make_teachers(X):
    """Return four tree models and an SVM, not fitted -> dict of str to classifier."""
    from catboost import CatBoostClassifier

    trees = {
        "forest": RandomForestClassifier(100, random_state=0),
        "extra trees": ExtraTreesClassifier(100, random_state=0),
        "LightGBM": make_lightgbm(0, n_estimators=100),
        "CatBoost": CatBoostClassifier(
            iterations=100, thread_count=1, allow_writing_files=False, verbose=0
        ),
    }
    teachers = trees | {"SVM": make_pipeline(StandardScaler(), SVC(probability=True))}
    if isinstance(X, pd.DataFrame):
        teachers = {k: make_pipeline(encoder(), v) for k, v in teachers.items()}
    return teachers


def encoder():
    """Return what makes numbers of a table's categories."""
    texts = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((one_hot, texts), remainder="passthrough")


def as_onnx(model, n_columns):
    """Compile a fitted teacher of numbers -> bytes."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    from skl2onnx import to_onnx as convert

    kind = type(model).__name__
    if kind == "CatBoostClassifier":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            model.save_model(str(path), format="onnx")
            return path.read_bytes()
    if kind == "LGBMClassifier":
        inputs = [("X", Floats([None, n_columns]))]
        return convert_lightgbm(
            model, initial_types=inputs, zipmap=False, target_opset=15
        ).SerializeToString()
    row = np.zeros((1, n_columns), dtype=np.float32)
    return convert(model, row, options={"zipmap": False}).SerializeToString()


class Compiled:
    """Teachers as ONNX, one after the other, and the mean of what they predict."""

    def __init__(self, models, n_columns):
        self.graphs = [as_onnx(model, n_columns) for model in models]
        self.n_bytes = sum(map(len, self.graphs))
        self.sessions = [open_session(graph) for graph in self.graphs]

    def predict_proba(self, X):
        """Ask every graph."""
        return sum(self._ask(session, X) for session in self.sessions) / len(
            self.graphs
        )

    @staticmethod
    def _ask(session, X):
        proba = session.run(None, {session.get_inputs()[0].name: X})[1]
        if isinstance(proba, list):  # CatBoost's dicts
            return np.array([[*row.values()] for row in proba], dtype=np.float32)
        return proba


def open_session(graph):
    """Open a graph for one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])


# --- The student ----------------------------------------------------------------------


def ask_onnx(session, rows):
    """Ask the student's graph for a DataFrame, an array, or a dict of one row."""
    if isinstance(rows, dict):
        numbers = [node.type == "tensor(double)" for node in session.get_inputs()]
        kinds = dict(zip(rows, numbers, strict=True))
        feeds = {
            name: np.array([[value]], dtype=float if kinds[name] else object)
            for name, value in rows.items()
        }
    elif isinstance(rows, pd.DataFrame):
        feeds = {
            name: column.to_numpy(float if column.dtype.kind in "iuf" else object)[
                :, None
            ]
            for name, column in rows.items()
        }
    else:
        feeds = {"X": rows.astype(float, copy=False)}
    return session.run(["probabilities"], feeds)[0]


# --- Measure --------------------------------------------------------------------------


def time_in_turn(calls, rounds=ROUNDS):
    """Time functions in turn -> dict of name to the median of seconds a call."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.process_time()
        call()
        taken = max(time.process_time() - start, 1e-6)
        repeats[name] = int(np.clip(SECONDS / taken, 1, 5000))
    found = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                call()
            found[name].append((time.process_time() - start) / repeats[name])
    return {name: float(np.median(times)) for name, times in found.items()}


def measure(name, data_dir):
    """Measure everything on one set -> DataFrame, one row a model."""
    data = sets.load(name, data_dir, MAX_ROWS)
    X, y, X_test, y_test = sets.split(data, seed=0)
    models, calls, n_bytes, proba = {}, {}, {}, {}
    fitted = {k: v.fit(X, y) for k, v in make_teachers(X).items()}
    classes = np.unique(y)
    trees = {k: v for k, v in fitted.items() if k != "SVM"}
    is_table = isinstance(X, pd.DataFrame)
    table = fitted["forest"][0] if is_table else None

    def encode(rows):
        rows = table.transform(rows) if is_table else rows
        return np.ascontiguousarray(rows, dtype=np.float32)

    def bare(model):
        return model[-1] if is_table else model

    n_columns = encode(X[:1]).shape[1]
    models |= fitted | {
        "ensemble of trees": Ensemble(trees, classes),
        "ensemble with the SVM": Ensemble(fitted, classes),
    }
    compiled = {
        "LightGBM, ONNX": Compiled([bare(fitted["LightGBM"])], n_columns),
        "CatBoost, ONNX": Compiled([bare(fitted["CatBoost"])], n_columns),
        "ensemble of trees, ONNX": Compiled(map(bare, trees.values()), n_columns),
    }
    distiller = EnsembleDistiller([*make_teachers(X).items()], cv=5, random_state=0)
    distiller.fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "student.npz"), Path(folder, "student.onnx")
        save(distiller, paths[0])
        to_onnx(distiller, paths[1])
        alone, session = serving.load(paths[0]), open_session(paths[1].read_bytes())
        sizes = [path.stat().st_size for path in paths]

    for key, model in models.items():
        proba[key] = model.predict_proba(X_test)
        calls[key] = model.predict_proba
        n_bytes[key] = len_of(model)
    for key, model in compiled.items():
        proba[key] = model.predict_proba(encode(X_test))
        calls[key] = model.predict_proba
        n_bytes[key] = model.n_bytes
    students = {
        "student, predict_proba": (distiller.predict_proba, len_of(distiller.student_)),
        "student, NumPy": (alone.predict_proba, sizes[0]),
        "student, ONNX": (partial(ask_onnx, session), sizes[1]),
    }
    for key, (ask, size) in students.items():
        proba[key], calls[key], n_bytes[key] = ask(X_test), ask, size

    found = pd.DataFrame(
        {
            "accuracy (%)": {
                k: 100 * (p.argmax(axis=1) == y_test).mean() for k, p in proba.items()
            },
            "kB": {k: size / 1000 for k, size in n_bytes.items()},
        }
    )
    for n_rows in BATCHES:
        rows = X_test[:n_rows]
        inputs = {k: encode(rows) if k in compiled else rows for k in calls}
        ready = {k: partial(call, inputs[k]) for k, call in calls.items()}
        if is_table and n_rows == 1:
            row = rows.iloc[0].to_dict()
            for key in ("student, NumPy", "student, ONNX"):
                ready[f"{key}, a dict"] = partial(calls[key], row)
        times = time_in_turn(ready)
        found = found.reindex([*dict.fromkeys([*found.index, *times])])
        found[f"{n_rows} rows: µs a row"] = pd.Series(times) * 1e6 / n_rows
    return found


def len_of(model):
    """Return the bytes of a pickle."""
    return len(pickle.dumps(model))


def main(args=None):
    """Measure, and print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", help="folder of sets")
    parser.add_argument("--sets", nargs="+", default=SETS)
    options = parser.parse_args(args)
    for name in options.sets:
        found = measure(name, options.data)
        print(f"\n{name}\n\n{found.round(1).fillna('').to_markdown()}", flush=True)


if __name__ == "__main__":
    main()
