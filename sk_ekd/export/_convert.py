"""Convert a student of the user's own to ONNX, step by step."""

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline

from ._graph import OPSETS, Graph, add_labels, tensor_type
from ._rows import read_columns, run

SAME = 1e-3  # of what steps make of rows; the probabilities are held to less
BOOSTERS = {"lightgbm": "convert_lightgbm", "xgboost": "convert_xgboost"}


def convert_student(student, X, classes, dtype):
    """Convert a fitted student that takes rows like X -> ModelProto.

    `dtype` is the type that numbers are computed in before they reach the model.
    """
    steps, model = [], student
    if isinstance(student, Pipeline):
        steps, model = student.steps[:-1], student.steps[-1][1]
    is_net = hasattr(model, "module_")
    if is_net and steps:
        steps = steps[:-1]  # the last casts to float32
    front = _convert_steps(steps, X, dtype) if steps else _join_columns(X, dtype)
    rows = Pipeline(steps).transform(X) if steps else X
    back, proba = _convert_model(model, rows, np.float32 if is_net else dtype)
    known = np.arange(len(classes)) if is_net else np.asarray(model.classes_)
    return _connect(front, back, proba, known.astype(np.intp), classes)


# --- Steps ----------------------------------------------------------------------------


def _convert_steps(steps, X, dtype):
    """Convert the steps before the model -> ModelProto; name the one that cannot be."""
    try:
        return _convert_pipeline(Pipeline(steps), X, dtype)
    except Exception as error:  # whatever skl2onnx or a runtime raises
        for n_steps in range(1, len(steps) + 1):
            try:
                _convert_pipeline(Pipeline(steps[:n_steps]), X, dtype)
            except Exception as fault:
                name, step = steps[n_steps - 1]
                raise ValueError(
                    f"Step {name!r} of the student, a {type(step).__name__}, cannot "
                    f"be converted to ONNX by skl2onnx: {fault}"
                ) from fault
        raise error


def _convert_pipeline(steps, X, dtype):
    """Convert steps, and prove that they do the same to rows -> ModelProto."""
    columns = read_columns(X, dtype)
    types = [(name, _type_of(kind, shape)) for name, kind, shape in columns]
    converted = _run_skl2onnx(steps, types)
    if dtype == np.float64:
        _replace_imputers(converted.graph)
    expected = steps.transform(X)
    expected = np.asarray(expected.toarray() if issparse(expected) else expected)
    (found,) = run(converted, None, X, dtype)
    if found.shape != expected.shape:
        raise ValueError(f"it returns {found.shape[1:]} and not {expected.shape[1:]}")
    if not np.allclose(found, expected, rtol=SAME, atol=SAME, equal_nan=True):
        difference = np.nanmax(abs(found - expected))
        raise ValueError(f"it returns other values, by up to {difference:.2g}")
    return converted


def _run_skl2onnx(model, types, **options):
    """Convert by skl2onnx -> ModelProto."""
    from onnx import helper
    from skl2onnx import convert_sklearn

    make_attribute = helper.make_attribute
    # protobuf 7 takes no bools for ints, which skl2onnx 1.20 writes for boosted trees
    helper.make_attribute = lambda name, value, *args, **how: make_attribute(
        name, _as_ints(value), *args, **how
    )
    try:
        return convert_sklearn(
            model, initial_types=types, target_opset=OPSETS, **options
        )
    finally:
        helper.make_attribute = make_attribute


def _as_ints(value):
    """Turn the bools of a list into ints; leave all else."""
    has_bools = isinstance(value, list) and any(isinstance(v, bool) for v in value)
    return [*map(int, value)] if has_bools else value


def _replace_imputers(graph):
    """Write imputers by two other operations, since onnxruntime has none of float64."""
    from onnx import helper, numpy_helper

    nodes = [*graph.node]
    del graph.node[:]
    for node in nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values = attributes.get("imputed_value_floats")
        if not values or not np.isnan(attributes.get("replaced_value_float", np.nan)):
            graph.node.append(node)
            continue
        (source,), (target,) = node.input, node.output
        constant, is_nan = f"{target}_values", f"{target}_is_nan"
        row = np.array([values], dtype=np.float64)
        graph.initializer.append(numpy_helper.from_array(row, constant))
        graph.node.append(helper.make_node("IsNaN", [source], [is_nan]))
        found = [is_nan, constant, source]
        graph.node.append(helper.make_node("Where", found, [target]))


def _type_of(dtype, shape):
    """Return skl2onnx's name of a type and a shape."""
    from skl2onnx.common import data_types

    kinds = {"O": "StringTensorType", "f": "FloatTensorType"}
    name = "DoubleTensorType" if dtype == np.float64 else kinds[dtype.kind]
    return getattr(data_types, name)([None, *shape])


def _join_columns(X, dtype):
    """Write a graph that puts columns of numbers side by side -> ModelProto."""
    columns = read_columns(X, dtype)
    text = [name for name, dtype, _ in columns if dtype.kind == "O"]
    if text:
        raise ValueError(
            f"The student takes columns of text as they are, {text}, which ONNX does "
            "not: encode them in a step of a Pipeline that ends in the model."
        )
    graph = Graph()
    names = [graph.input(name, dtype, *shape) for name, dtype, shape in columns]
    kind = "Concat" if len(names) > 1 else "Identity"
    axis = {"axis": 1} if len(names) > 1 else {}
    graph.op(kind, *names, name="columns", **axis)
    width = [len(columns)] if len(names) > 1 else columns[0][2]
    graph.output("columns", dtype, ["n", *width])
    return graph.build()


# --- Models ---------------------------------------------------------------------------


def _convert_model(model, rows, dtype):
    """Convert the model -> ModelProto of one input, the name of the probabilities."""
    library = type(model).__module__.split(".")[0]
    if hasattr(model, "module_"):
        from ..students import export_net

        converted = export_net(model, rows, OPSETS[""])
    elif library == "catboost":
        converted = _convert_catboost(model)
    elif library in BOOSTERS:
        converted = _convert_booster(model, library, rows.shape[1])
    else:
        converted = _convert_sklearn(model, rows.shape[1], dtype)
    return converted, _find_proba(converted)


def _convert_sklearn(model, width, dtype):
    types = [("features", _type_of(np.dtype(dtype), (width,)))]
    try:
        return _run_skl2onnx(model, types, options={id(model): {"zipmap": False}})
    except Exception as error:  # whatever skl2onnx raises
        raise ValueError(
            f"A {type(model).__name__} cannot be converted to ONNX by skl2onnx: {error}"
        ) from error


def _convert_booster(model, library, width):
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("features", FloatTensorType([None, width]))]
    options = {"zipmap": False} if library == "lightgbm" else {}
    convert = getattr(onnxmltools, BOOSTERS[library])
    return convert(model, initial_types=types, **options)


def _convert_catboost(model):
    import onnx
    from catboost.utils import convert_to_onnx_object

    converted = convert_to_onnx_object(model)
    return onnx.load_from_string(converted.SerializeToString())


def _find_proba(converted):
    """Return the name of the probabilities (n, c), without a ZipMap around them."""
    name = converted.graph.output[-1].name
    for node in converted.graph.node:
        if node.op_type == "ZipMap" and name in node.output:
            return node.input[0]
    return name


# --- The whole ------------------------------------------------------------------------


def _connect(front, back, proba, known, classes):
    """Let the model follow its steps, and labels follow it -> ModelProto."""
    from onnx import compose

    back = compose.add_prefix(back, "model_")
    front = compose.add_prefix(front, "steps_", rename_inputs=False)
    graph = Graph()
    graph.nodes += front.graph.node
    features = back.graph.input[0]
    kind = features.type.tensor_type.elem_type
    joined = front.graph.output[-1].name
    graph.op("Cast", joined, name=features.name, to=kind)
    graph.nodes += [node for node in back.graph.node if node.op_type != "ZipMap"]
    graph.constants += [*front.graph.initializer, *back.graph.initializer]
    found = graph.op("Cast", f"model_{proba}", to=tensor_type(np.float32))
    if not np.array_equal(known, np.arange(len(classes))):
        places = np.zeros((len(known), len(classes)), dtype=np.float32)
        places[np.arange(len(known)), known] = 1
        found = graph.op("MatMul", found, graph.const(places))
    graph.op("Identity", found, name="probabilities")
    place = graph.op("ArgMax", found, axis=1, keepdims=0)
    add_labels(graph, place, classes)
    graph.output("probabilities", np.float32, ["n", len(classes)])
    graph.inputs += front.graph.input
    return graph.build()
