"""Put a student's preprocessing, its model and its labels into one ONNX file."""

import json

from sklearn.utils.validation import check_is_fitted

from ._built_in import describe_columns, make_graph
from ._check import check_rows
from ._fold import fold, is_built_in
from ._own import make_own_graph
from ._packages import need
from ._write import write_file

FORMAT = 1  # of the metadata
OPEN = "session = onnxruntime.InferenceSession(path)\n"
ARRAY = (
    OPEN + 'feed = {"X": np.asarray(X, dtype="DTYPE")}\n'
    "label, probabilities = session.run(None, feed)"
)
COLUMNS = (
    OPEN + 'texts = {i.name: "string" in i.type for i in session.get_inputs()}\n'
    "label, probabilities = session.run(None, {name: "
    "frame[[name]].to_numpy(object).astype(str) if is_text else "
    "frame[[name]].to_numpy(float, na_value=np.nan) "
    "for name, is_text in texts.items()})"
)
# of a table without names: the columns are taken as they come
NAME = "\nframe = pd.DataFrame(X).set_axis([*texts], axis=1)\n"


def to_onnx(distiller, path, *, X=None):
    """Write a fitted student as one ONNX file, from raw rows to labels.

    The file has preprocessing, model and labels, and needs neither `sk_ekd` nor torch
    nor scikit-learn where it runs: any ONNX runtime reads it.

    Its inputs are the columns of the DataFrame that the student was fitted to, each of
    shape (n, 1) and named as the column: numbers as doubles, all else as strings. A
    missing value is NaN, or "". An array or a sparse matrix is one input ``X``, of
    doubles; of float32 for a net of your own without steps before it. The outputs are
    ``label``, of shape (n,), and ``probabilities``, of shape (n, n_classes) in float32,
    in the order of `classes_`. The metadata of the file name classes and columns, and
    have three lines of Python that feed it.

    Parameters
    ----------
    distiller : EnsembleDistiller
        Fitted.
    path : str or path-like
        The file to write, exactly as it is named; one that exists is replaced.
    X : array-like, sparse matrix or DataFrame, default=None
        A few rows, as `fit` saw them, for which the file must say what the student
        does: probabilities to 1e-4, and the same labels. An error says if it does not,
        and nothing is written. A student of your own needs them; for the built-in one,
        ``student=None``, they may be left out.

    Notes
    -----
    It needs ``pip install sk_ekd[export]``. The built-in student, or a model after its
    preprocessing, is written by the library itself. For a student of your own, steps
    and models of scikit-learn go through skl2onnx, nets through torch.onnx, LightGBM
    and XGBoost through onnxmltools, and CatBoost through its own export: what they
    cannot convert is refused.

    A graph computes, but does not refuse rows as the student does. Infinite numbers are
    limited as large ones are. Text is looked up: "1", "1.0", "True" and the like are
    one, as for the student, but only the usual spellings of a value are listed.
    """
    check_is_fitted(distiller)
    onnx = need("onnx")
    if X is not None:
        need("onnxruntime")
    if is_built_in(distiller.student_):
        graph, columns = _make_built_in(distiller, X)
    elif X is not None:
        graph, columns = make_own_graph(distiller, X)
    else:
        raise ValueError(
            "to_onnx needs a few rows X for a student of your own, a "
            f"{type(distiller.student_).__name__}: by them it chooses the file's "
            "inputs, and checks that converters have not changed what the student "
            "says. Pass X=X_train[:100]."
        )
    model = graph.model()
    _describe(model, distiller, columns)
    onnx.checker.check_model(model, full_check=True)
    write_file(path, model.SerializeToString())


def _make_built_in(distiller, X):
    """Return the graph of the built-in student, checked on X if given, its columns."""
    folded, table = fold(distiller), distiller.student_["preprocessing"]
    columns = describe_columns(folded, table.numbers_[table.is_text_])
    graph = make_graph(folded, columns)
    if X is not None:
        check_rows(graph.model().SerializeToString(), distiller, X)
    return graph, columns


def _describe(model, distiller, columns):
    """Write into the model's metadata what it reads and says, and how to ask it."""
    from onnx import helper

    import sk_ekd

    version = sk_ekd.__version__
    model.producer_name, model.producer_version = "sk_ekd", version
    feed = COLUMNS
    if columns[0][0] is None:
        tensor = model.graph.input[0].type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        feed = ARRAY.replace("DTYPE", dtype.name)
    elif not hasattr(distiller, "feature_names_in_"):
        feed = NAME.join(COLUMNS.rsplit("\n", 1))
    described = {
        "classes": json.dumps(distiller.classes_.tolist()),
        "columns": json.dumps(columns),
        "sk_ekd": version,
        "format": str(FORMAT),
        "feed": feed,
    }
    helper.set_model_props(model, described)
