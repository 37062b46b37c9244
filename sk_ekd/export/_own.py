"""Write a student of the user's own as one ONNX graph, of parts that are converted."""

from functools import cache, partial

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from .._table import TableEncoder
from .._torch_rows import is_of_torch
from ._built_in import add_table, describe_columns
from ._check import check_model
from ._converters import OPSET, convert_classifier, convert_steps, first_line, root_of
from ._fold import fold_table
from ._graph import Graph, add_answers
from ._packages import need
from ._rows import TYPES, Rows, add_inputs, cast, describe_inputs, join

# what steps and model compute in: as they do, else as their converters can
PRECISIONS = [("float64", "float64"), ("float64", "float32"), ("float32", "float32")]


def make_own_graph(distiller, X):
    """Return a graph that says of the rows X what the student does, and its columns."""
    steps, model = _split(distiller.student_)
    X = np.asarray(X) if isinstance(X, (list, tuple)) else X
    if not steps and getattr(model, "inputs_", "float32") != "float32":
        return _make_graph_of_ids(distiller, X, model)
    convert = _find_converter(model, _transform(steps, X))
    for precision, model_precision in PRECISIONS:
        try:
            graph = Graph()
            rows, columns = _add_rows(graph, X, steps, precision)
            proba = _add_model(graph, rows, *convert(model_precision))
            proba = _add_all_classes(graph, proba, model, len(distiller.classes_))
            add_answers(graph, proba, distiller.classes_)
            check_model(graph.model().SerializeToString(), distiller, X)
        except ValueError as error:
            reason = error
        else:
            return graph, columns
    raise reason


def _make_graph_of_ids(distiller, X, net):
    """Return the graph of a bare net of integers, or of a Mapping, and its inputs."""
    converted = _export_net(net, X)
    graph, columns = Graph(), []
    is_array = not is_of_torch(X)
    for given in converted.graph.input:
        given_type = given.type.tensor_type
        _, *shape = (size.dim_value for size in given_type.shape.dim)
        graph.add_input(given.name, given_type.elem_type, *shape)
        dtype = next(k for k, v in TYPES.items() if v == given_type.elem_type)
        columns.append((None if is_array else given.name, dtype))
    names = [given.name for given in converted.graph.input]
    # without a prefix, which onnx does not write into every body of a loop
    graph.include(converted, "", {name: name for name in names})
    add_answers(graph, converted.graph.output[0].name, distiller.classes_)
    check_model(graph.model().SerializeToString(), distiller, X)
    return graph, columns


def _split(student):
    """Return the student's own steps, None where there are none, and its model."""
    if not isinstance(student, Pipeline):
        return None, student
    *steps, (_, model) = student.steps
    if steps and getattr(steps[-1][1], "func", None) in (check_array, np.asarray):
        steps.pop()  # the distiller's, which makes an array
    return Pipeline(steps) if steps else None, model


def _transform(steps, X):
    """Return what the steps make of rows; a Pipeline refuses one without a state."""
    for _, step in steps.steps if steps else ():
        X = X if step in (None, "passthrough") else step.transform(X)
    return X


def _is_net(model):
    return hasattr(model, "module_")


# --- Rows and steps -------------------------------------------------------------------


def _add_rows(graph, X, steps, precision):
    """Add inputs and steps -> the rows that the model is fed, and the columns of X."""
    if steps and type(steps[0]) is TableEncoder:
        rows, columns = _add_encoder(graph, steps[0])
        steps = Pipeline(steps.steps[1:]) if len(steps) > 1 else None
        return _add_steps(graph, [rows], steps), columns
    inputs = add_inputs(graph, X)
    columns = describe_inputs(X, inputs)
    each = [cast(graph, rows, precision) for rows in inputs]
    if not _takes_columns(steps, inputs):
        each = [join(graph, each)]
    return _add_steps(graph, each, steps), columns


def _takes_columns(steps, inputs):
    """Return whether the first step is to get the columns one by one."""
    names = [rows.name for rows in inputs if rows.dtype == "text"]
    if 0 < len(names) < len(inputs):
        if steps:
            return True
        raise ValueError(
            f"Columns of text, {names}, reach the model as it is, for which a file has "
            "no inputs: put an encoder before it, or use student=None."
        )
    by_name = steps and isinstance(steps[0], ColumnTransformer)
    return by_name and inputs[0].name != "X"


def _add_encoder(graph, table):
    """Add what the built-in preprocessing makes of rows, as the student's has it."""
    folded = fold_table(table, None, [])
    columns = describe_columns(folded, table.numbers_[table.is_text_])
    width = len(folded.numbers) + len(folded.missing)
    width += sum(category.width for category in folded.categories)
    same = np.eye(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
    tensor = add_table(graph, folded, columns, same)
    return Rows("X", tensor, "float32", (width,)), columns


def _add_steps(graph, inputs, steps):
    """Add the steps, if any -> what they make of the inputs."""
    if not steps:
        return inputs[0]
    model = convert_steps(steps, [(r.name, r.dtype, r.shape[0]) for r in inputs])
    feeds = {rows.name: rows.tensor for rows in inputs}
    tensor = graph.include(model, "steps/", feeds)[0]
    return Rows("X", tensor, "float32", ())


# --- The model ------------------------------------------------------------------------


def _find_converter(model, Z):
    """Return what converts a student's end, given a precision -> a model, its output.

    `Z` are rows that it was fed.
    """
    if _is_net(model):
        converted = _export_net(model, Z)
        return lambda precision: (converted, "probabilities")
    if len(model.classes_) == 1:
        return lambda precision: (None, None)  # a constant
    return cache(partial(convert_classifier, model, Z.shape[1]))


def _add_model(graph, rows, converted, output):
    """Add what a student ends in -> probabilities of the classes it knows, float32."""
    if converted is None:
        return graph.repeat(np.ones(1, dtype=np.float32), rows.tensor)
    given = converted.graph.input[0]
    tensor = graph.add("Cast", rows.tensor, to=given.type.tensor_type.elem_type)
    graph.include(converted, "model/", {given.name: tensor})
    return graph.add("Cast", f"model/{output}", to=TYPES["float32"])


def _export_net(net, Z):
    """Export a net, or say why it cannot be."""
    from ..students import export_net

    need("onnxscript")
    try:
        return export_net(net, Z, opset=OPSET)
    except Exception as error:  # of torch's exporter, which has many
        if isinstance(root_of(error), ImportError):
            raise ImportError(
                "to_onnx needs an onnxscript that goes with this torch: "
                "pip install --upgrade onnxscript"
            ) from error
        raise ValueError(
            f"The student's module, a {type(net.module_).__name__}, cannot be "
            f"exported by torch.onnx: {first_line(root_of(error))} Write its forward "
            "without branches that depend on values, or use another module."
        ) from error


def _add_all_classes(graph, proba, model, n_classes):
    """Add zeros for the classes that the model never saw -> (n, c)."""
    if _is_net(model) or len(model.classes_) == n_classes:
        return proba
    place = np.eye(n_classes, dtype=np.float32)[model.classes_.astype(int)]
    return graph.add("MatMul", proba, graph.keep(place))
