"""Write the built-in student as an ONNX graph."""

import numpy as np

from .._scale import bend
from .._values import BOOLS, MISSING_AS_TEXT, Places

ML = "ai.onnx.ml"
OPSETS, IR_VERSION = {"": 18, ML: 3}, 8  # what runtimes of the last three years read
AS_TEXT = [*MISSING_AS_TEXT, *BOOLS, *map(str.title, BOOLS), *map(str.upper, BOOLS)]


class Graph:
    """Nodes that follow each other; every method returns the name of what it adds."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def const(self, values):
        """Add a constant; of objects, it is text."""
        import onnx

        name, values = f"constant_{len(self.constants)}", np.asarray(values)
        if values.dtype.kind in "OU":
            texts = [str(value).encode() for value in values.ravel()]
            kind = onnx.TensorProto.STRING
            tensor = onnx.helper.make_tensor(name, kind, values.shape, texts)
        else:
            tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.constants.append(tensor)
        return name

    def op(self, kind, *inputs, name=None, domain="", **attributes):
        """Add an operation on what has these names."""
        import onnx

        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(
            onnx.helper.make_node(kind, inputs, [name], domain=domain, **attributes)
        )
        return name

    def input(self, name, dtype, *shape):
        """Add an input of the graph, of any number of rows of this shape."""
        info = onnx_info(name, dtype, ["n", *shape])
        self.inputs.append(info)
        return name

    def output(self, name, dtype, shape):
        """Make what has this name an output."""
        self.outputs.append(onnx_info(name, dtype, shape))

    def build(self):
        """Return the model, checked."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self.nodes, "student", self.inputs, self.outputs, self.constants
        )
        opsets = [helper.make_opsetid(name, opset) for name, opset in OPSETS.items()]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="sk_ekd"
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def onnx_info(name, dtype, shape):
    """Return what a graph says of an input or an output."""
    import onnx

    return onnx.helper.make_tensor_value_info(name, tensor_type(dtype), shape)


def tensor_type(dtype):
    """Return ONNX's name of a type of NumPy's; text is a string."""
    import onnx

    if np.dtype(dtype).kind in "OU":
        return onnx.TensorProto.STRING
    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def add_outputs(graph, logits, classes):
    """Turn logits (n, c) into the two outputs: labels (n,) and probabilities (n, c)."""
    graph.op("Softmax", logits, name="probabilities", axis=1)
    place = graph.op("ArgMax", logits, axis=1, keepdims=0)
    add_labels(graph, place, classes)
    graph.output("probabilities", np.float32, ["n", len(classes)])


def add_labels(graph, place, classes):
    """Look up the class of each row by its index (n,)."""
    classes = label_values(classes)
    graph.op("Gather", graph.const(classes), place, name="label", axis=0)
    graph.output("label", classes.dtype, ["n"])


def label_values(classes):
    """Return classes in a type that ONNX knows: int64, float64, bool or text."""
    kinds = {"i": np.int64, "u": np.int64, "f": np.float64, "b": np.bool_}
    return classes.astype(kinds.get(classes.dtype.kind, object))


# --- The built-in student -------------------------------------------------------------


def build_graph(folded):
    """Write preprocessing, network and labels of a Folded -> Graph."""
    graph = Graph()
    columns = _add_inputs(graph, folded)
    numbers, weight, bias = _add_numbers(graph, folded, columns)
    bias = _add_categories(graph, folded, columns, bias)
    if not numbers and not folded.categories:  # nothing was learned of any column
        bias = _repeat(graph, bias, len(folded.layers[0][1]), graph.inputs[0].name)
    hidden = graph.op("Gemm", numbers, graph.const(weight), bias) if numbers else bias
    for weight, bias in folded.layers[1:]:
        hidden = graph.op("Relu", hidden)
        hidden = graph.op("Gemm", hidden, graph.const(weight), graph.const(bias))
    add_outputs(graph, hidden, folded.classes)
    return graph


def input_columns(folded):
    """Return the inputs of a table -> list of (name, dtype); None for an array."""
    if folded.names is None and not folded.categories:
        return None
    names = folded.names or [f"x{i}" for i in range(folded.n_columns)]
    is_number = np.zeros(folded.n_columns, dtype=bool)
    is_number[folded.numbers[folded.is_read]] = True
    return [
        (name, np.dtype(np.float64 if number else object))
        for name, number in zip(names, is_number, strict=True)
    ]


def _add_inputs(graph, folded):
    """Add what goes in -> the names of the columns, or that of the array."""
    columns = input_columns(folded)
    if columns is None:
        return graph.input("X", np.float64, folded.n_columns)
    return [graph.input(name, dtype, 1) for name, dtype in columns]


def _add_numbers(graph, folded, columns):
    """Scale the numbers, and mark the missing ones.

    Return the name of both side by side (n, d), None for none; their weights in the
    first layer (d, h); and its bias (h,), to which is added what all rows share.
    """
    weight, bias = folded.layers[0]
    k, m = len(folded.numbers), len(folded.missing)
    of_numbers, of_missing = weight[:k], 2 * weight[k : k + m]
    shown = folded.is_read & (folded.scale > 0)
    marked = np.flatnonzero(folded.is_read[folded.missing])
    bias = bias - folded.share_missing.astype(np.float32) @ of_missing
    bias = bias + _encode_unread(folded) @ of_numbers
    used = np.union1d(np.flatnonzero(shown), folded.missing[marked])
    if not len(used):
        return None, None, bias.astype(np.float32)
    values = _take(graph, columns, folded.numbers[used])
    is_nan = graph.op("IsNaN", values)
    values = graph.op("Where", is_nan, graph.const(folded.median[used][None]), values)
    scale = np.where(shown, folded.scale, 1.0)[used] * (folded.bound or 1.0)
    values = graph.op("Sub", values, graph.const(folded.center[used][None]))
    values = graph.op("Div", values, graph.const(scale[None]))
    values = graph.op("Cast", values, to=tensor_type(np.float32))
    if folded.bound is not None:
        values = graph.op("Sin", graph.op("Atan", values))  # z / sqrt(1 + z²)
    weight = np.where(shown, folded.bound or 1.0, 0.0)[used, None] * of_numbers[used]
    if len(marked):
        places = np.searchsorted(used, folded.missing[marked])
        marks = graph.op("Gather", is_nan, graph.const(places), axis=1)
        marks = graph.op("Cast", marks, to=tensor_type(np.float32))
        values = graph.op("Concat", values, marks, axis=1)
        weight = np.concatenate([weight, of_missing[marked]])
    return values, weight.astype(np.float32), bias.astype(np.float32)


def _encode_unread(folded):
    """Encode the numbers that are the same for all rows -> (k,), 0 for the others."""
    scale = np.where(folded.scale > 0, folded.scale, 1.0)
    unread = ~folded.is_read & (folded.scale > 0)
    with np.errstate(over="ignore"):
        encoded = ((folded.median - folded.center) / scale).astype(np.float32)
    bend(encoded, folded.bound)
    return np.where(unread, encoded, np.float32(0))


def _repeat(graph, bias, width, rows):
    """Repeat a row (h,) for each of the rows of an input -> (n, h)."""
    n_rows = graph.op("Shape", rows, start=0, end=1)
    shape = graph.op("Concat", n_rows, graph.const(np.array([width])), axis=0)
    return graph.op("Expand", bias, shape)


def _take(graph, columns, positions):
    """Put columns side by side -> (n, k)."""
    if isinstance(columns, str):
        return graph.op("Gather", columns, graph.const(positions), axis=1)
    return graph.op("Concat", *(columns[position] for position in positions), axis=1)


def _add_categories(graph, folded, columns, bias):
    """Add what the first layer makes of the categories to its bias -> its name."""
    if not folded.categories:
        return graph.const(bias)
    start = len(folded.numbers) + len(folded.missing)
    weight = folded.layers[0][0][start:]  # (categories, h)
    table = np.concatenate([weight, np.zeros_like(weight[:1])])  # the last: of none
    first, found = 0, []
    for category in folded.categories:
        places = Places(category, first, len(weight))
        name = columns[category.position]
        found.append(_look_up(graph, name, category, places))
        first += category.width
    index = graph.op("Concat", *found, axis=1)  # (n, g)
    rows = graph.op("Gather", graph.const(table), index, axis=0)  # (n, g, h)
    total = graph.op("ReduceSum", rows, graph.const(np.array([1])), keepdims=0)
    return graph.op("Add", total, graph.const(bias))


def _look_up(graph, name, category, places):
    """Turn the texts of a column into places (n, 1), whatever they are written as."""
    rest = places.start + len(category.texts) if category.has_rest else places.none
    spelled = [text for text in category.texts if text is not None]
    keys = {*AS_TEXT, *spelled, *(f"{text}.0" for text in spelled)}
    known = {key: places.of(key) for key in sorted(keys)}
    known = {key: place for key, place in known.items() if place != rest}
    return graph.op(
        "LabelEncoder", name, domain=ML, keys_strings=[*known],
        values_int64s=[*known.values()], default_int64=rest,
    )  # fmt: skip
