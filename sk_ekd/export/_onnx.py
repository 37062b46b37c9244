"""Write a student, with its preprocessing and class labels, as one ONNX file."""

import json
from importlib import import_module
from importlib.metadata import version

import numpy as np

from .._data import count_rows
from ._convert import convert_student
from ._fold import fold, is_built_in
from ._graph import build_graph, input_columns
from ._rows import read_columns, run
from ._write import check_fitted, write_whole

NEEDED = ["onnx", "onnxruntime", "onnxscript", "skl2onnx", "onnxmltools"]
TOLERANCE = 1e-4  # of a probability, between the file and the distiller
RECIPE = """\
session = onnxruntime.InferenceSession(path)
feeds = {i.name: np.array([[row[i.name]] for row in rows], dtype=float if "double" in \
i.type else object) for i in session.get_inputs()}  # a missing value is nan, or ""
label, proba = session.run(["label", "probabilities"], feeds)"""
RECIPE_ARRAY = """\
session = onnxruntime.InferenceSession(path)
label, proba = session.run(["label", "probabilities"], {"X": X})"""


def to_onnx(distiller, path, *, X=None):
    """Write a fitted distiller's student as one ONNX file, for raw rows.

    The file has the preprocessing, the network and the class labels, and no teachers.
    onnxruntime, and other runtimes in many languages, answer from it.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller.
    path : str or path-like
        Where to write the file, by exactly this name; usually it ends in ".onnx".
    X : array, sparse matrix or DataFrame of shape (n_samples, n_features), default=None
        Some rows, a hundred are plenty. The built-in student needs none. Any other is
        converted for rows like these, and has to predict for them from the file what
        the distiller predicts.

    Raises
    ------
    ValueError
        If a step cannot be converted, or if the file predicts otherwise; the file is
        not written then.

    Notes
    -----
    Each column of a DataFrame is an input of shape (n, 1) by its name: float64 for
    numbers, text for all else. A missing value is NaN, or "". An array or a sparse
    matrix is one input "X" of shape (n, d). The outputs are "label" of shape (n,), as
    int64, float64, bool or text, and "probabilities" of shape (n, c), float32.

    Values are read as they are written by Python's `str`: 1, 1.0, "1", True and "true"
    are the same category, as they are to the distiller, but "1.00" is not. Infinite
    numbers, which the distiller refuses, are taken for very large ones.

    The metadata of the file, ``session.get_modelmeta().custom_metadata_map``, has the
    classes, the columns, versions, and a recipe in Python.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import onnxruntime
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EnsembleDistiller([SVC()], cv=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "student.onnx")
    ...     to_onnx(distiller, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> session.run(["label"], {"X": X[:2]})[0].tolist()
    [0, 0]
    """
    check_fitted(distiller)
    if is_built_in(distiller.student_):
        _import_needed(NEEDED[:1])
        folded = fold(distiller)
        model, columns = build_graph(folded).build(), input_columns(folded)
        if columns is not None:
            columns = {name: dtype.kind == "f" for name, dtype in columns}
    else:
        _import_needed(NEEDED)
        model, columns = _convert_checked(distiller, X)
    _describe(model, columns, distiller.classes_)
    write_whole(path, lambda file: file.write(model.SerializeToString()))


def _import_needed(names):
    """Raise an error that names the extra where a package is missing."""
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise ImportError(
                f"to_onnx needs {name}: pip install 'sk_ekd[export]'."
            ) from error


def _describe(model, columns, classes):
    """Write the metadata; columns are named with whether they are numbers."""
    from onnx import helper

    kinds = {True: "float64", False: "text"}
    shown = columns and {name: kinds[number] for name, number in columns.items()}
    facts = {
        "format": "sk_ekd student 1",
        "sk_ekd": version("sk_ekd"),
        "classes": json.dumps(classes.tolist()),
        "columns": json.dumps(shown),
        "recipe": RECIPE if columns else RECIPE_ARRAY,
    }
    helper.set_model_props(model, facts)


# --- Students of the user's own -------------------------------------------------------


def _convert_checked(distiller, X):
    """Convert a student in the first precision in which it predicts the same for X."""
    if X is None or not count_rows(X):
        raise ValueError(
            "A student other than the built-in one is converted for rows like yours, "
            "and proved on them: pass some, to_onnx(distiller, path, X=X[:100])."
        )
    expected = distiller.predict_proba(X)
    faults = []
    for dtype in (np.float64, np.float32):
        try:
            model = convert_student(distiller.student_, X, distiller.classes_, dtype)
            fault = _find_fault(model, X, dtype, expected, distiller.classes_)
        except Exception as error:  # whatever a converter or a runtime raises
            fault = error
        if fault is None:
            is_table = hasattr(X, "columns")
            columns = {n: k.kind == "f" for n, k, _ in read_columns(X, dtype)}
            return model, columns if is_table else None
        faults.append(fault)
    raise ValueError(
        f"The student, a {type(distiller.student_).__name__}, cannot be exported to "
        f"ONNX: {faults[0]}"
    ) from (faults[0] if isinstance(faults[0], Exception) else None)


def _find_fault(model, X, dtype, expected, classes):
    """Run the model on rows, and say what it predicts otherwise -> str or None."""
    label, proba = run(model, ["label", "probabilities"], X, dtype)
    difference = abs(proba - expected).max(axis=1)
    wrong = np.flatnonzero(~(difference <= TOLERANCE))
    if len(wrong):
        return (
            f"the file predicts otherwise for {len(wrong)} of {len(expected)} rows, "
            f"by up to {np.nanmax(difference):.2g} in a probability, first for row "
            f"{wrong[0]}."
        )
    top = np.sort(expected, axis=1)
    is_sure = top[:, -1] - top[:, -2] > 2 * TOLERANCE
    if (label != classes[expected.argmax(axis=1)])[is_sure].any():
        return "the file predicts other labels."
    return None
