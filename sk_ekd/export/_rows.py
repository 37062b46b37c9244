"""What rows are to a graph: its inputs."""

import numpy as np
import pandas as pd
from scipy.sparse import issparse


def read_columns(X, dtype):
    """Return the inputs for rows like X -> list of (name, dtype, shape of a row)."""
    if isinstance(X, pd.DataFrame):
        is_number = [
            pd.api.types.is_numeric_dtype(kind)
            and not isinstance(kind, pd.CategoricalDtype)
            for kind in X.dtypes
        ]
        kinds = [dtype if number else object for number in is_number]
        return [(str(c), np.dtype(k), (1,)) for c, k in zip(X, kinds, strict=True)]
    rows = X if issparse(X) else np.asarray(X)
    if getattr(rows, "ndim", 2) < 2 or rows.dtype.kind not in "biuf":
        raise ValueError(
            "A student that reads texts or objects cannot be exported to ONNX from a "
            f"list of them, got X of {rows.dtype} and shape {rows.shape}: pass a "
            "DataFrame of columns to the distiller, or an array of numbers."
        )
    return [("X", np.dtype(dtype), rows.shape[1:])]


def run(model, outputs, X, dtype):
    """Ask a model about rows, whose numbers go in as this type -> list of ndarray."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    return session.run(outputs, as_feeds(X, dtype))


def as_feeds(X, dtype):
    """Turn rows into the inputs of a graph -> dict of str to ndarray."""
    columns = read_columns(X, dtype)
    if not hasattr(X, "columns"):
        rows = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        return {"X": rows.astype(dtype)}
    return {
        name: _as_input(X.iloc[:, i], kind) for i, (name, kind, _) in enumerate(columns)
    }


def _as_input(column, kind):
    """Turn a column into an input (n, 1)."""
    if kind.kind != "O":
        return column.to_numpy(kind, na_value=np.nan)[:, np.newaxis]
    text = [
        "" if missing else str(v)
        for v, missing in zip(column, column.isna(), strict=True)
    ]
    return np.array(text, dtype=object)[:, np.newaxis]
