"""Put a student's preprocessing, its model and its labels into one ONNX file."""

import json
from importlib.metadata import version

from .._data import as_rows, count_rows
from .._estimator import check_distiller
from ._built_in import describe_columns, make_graph
from ._check import OpenFile, check_rows
from ._fold import fold, is_built_in
from ._own import make_own_graph
from ._packages import need
from ._write import write_whole

RECIPE = """\
session = onnxruntime.InferenceSession(path)
feeds = {i.name: np.array([[row[i.name]] for row in rows], dtype=float if "double" in \
i.type else object) for i in session.get_inputs()}  # a missing value is nan, or ""
label, proba = session.run(["label", "probabilities"], feeds)"""
RECIPE_ARRAY = """\
session = onnxruntime.InferenceSession(path)
label, proba = session.run(["label", "probabilities"], {"X": X})"""

RECIPE_MAPPING = """\
session = onnxruntime.InferenceSession(path)
feeds = {i.name: X[i.name] for i in session.get_inputs()}
label, proba = session.run(["label", "probabilities"], feeds)"""


def to_onnx(distiller, path, *, X=None):
    """Write a fitted student as one ONNX file, from raw rows to labels.

    The file has preprocessing, model and labels, and needs neither `sk_ekd` nor torch
    nor scikit-learn where it runs: any ONNX runtime reads it.

    Its inputs are the columns of the DataFrame that the student was fitted to, each of
    shape (n, 1) and named as the column: numbers as doubles, all else as strings. A
    missing value is NaN, or "". An array or a sparse matrix is one input ``X``, of
    doubles, token ids one of int64; a Mapping has an input for each key, of int64,
    float32 or bool. The outputs are ``label``, of shape (n,), and ``probabilities``, of
    shape (n, n_classes) in float32, in the order of `classes_`. The metadata of the
    file, ``session.get_modelmeta().custom_metadata_map``, have the classes, the
    columns, versions, and a recipe in Python.

    Parameters
    ----------
    distiller : EnsembleDistiller
        Fitted.
    path : str or path-like
        The file to write, exactly as it is named; one that exists is replaced.
    X : array-like, sparse matrix, DataFrame or Mapping, default=None
        A few rows, as `fit` saw them, for which the file must say what the student
        does: probabilities to 1e-4, and the same labels. An error says if it does not,
        and nothing is written. A student of your own needs them, and is asked about
        copies of them with missing values and rare words, too; for the built-in one,
        ``student=None``, they may be left out.

    Notes
    -----
    It needs ``pip install "sk_ekd[export]"``. The library itself writes the built-in
    student, and its preprocessing before a model of your own. Other steps and models of
    scikit-learn go through skl2onnx, nets through torch.onnx, LightGBM and XGBoost
    through onnxmltools, and CatBoost through its own export: what they cannot convert
    is refused.

    A graph computes, but does not refuse rows as the student does. Infinite numbers are
    limited as large ones are. Text is looked up: "1", "1.0", "True" and the like are
    one, as for the student, but only the usual spellings of a value are listed.

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
    check_distiller(distiller)
    onnx = need("onnx")
    if X is not None:
        need("onnxruntime")
    if is_built_in(distiller.student_):
        graph, columns = _make_built_in(distiller, X)
    elif X is not None and count_rows(X := as_rows(X)):
        graph, columns = make_own_graph(distiller, X)
    else:
        raise ValueError(
            "to_onnx needs a few rows X for a student of your own, a "
            f"{type(distiller.student_).__name__}: by them it chooses the file's "
            "inputs, and checks that converters have not changed what the student "
            "says: pass some, to_onnx(distiller, path, X=X[:100])."
        )
    model = graph.model()
    _describe(model, distiller.classes_, columns)
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, lambda file: file.write(model.SerializeToString()))


def _make_built_in(distiller, X):
    """Return the graph of the built-in student, checked on X if given, its columns."""
    folded, table = fold(distiller), distiller.student_["preprocessing"]
    columns = describe_columns(folded, table.numbers_[table.is_text_])
    graph = make_graph(folded, columns)
    if X is not None:
        check_rows(OpenFile(graph.model().SerializeToString()), distiller, X)
    return graph, columns


def _describe(model, classes, columns):
    """Write into the model's metadata what it reads and says, and how to ask it."""
    from onnx import helper

    model.producer_name, model.producer_version = "sk_ekd", version("sk_ekd")
    is_array, is_table = columns[0][0] is None, columns[0][1] in ("float64", "text")
    recipe = RECIPE if is_table else RECIPE_MAPPING
    described = {
        "format": "sk_ekd student 1",
        "sk_ekd": model.producer_version,
        "classes": json.dumps(classes.tolist()),
        "columns": json.dumps(None if is_array else dict(columns)),
        "recipe": RECIPE_ARRAY if is_array else recipe,
    }
    helper.set_model_props(model, described)
