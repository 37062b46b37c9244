"""Write the built-in student as one ONNX graph: what it reads, and what it computes."""

import numpy as np

from ._graph import Graph, add_answers, check_names
from ._spellings import spell


def describe_columns(folded, texts):
    """Return the name of each column, and whether it is "float64" or "text".

    `texts` are columns of text that are ignored. The name is None where one input has
    all columns.
    """
    kinds = np.full(folded.n_columns, "float64", dtype=object)
    kinds[texts] = "text"
    kinds[[category.position for category in folded.categories]] = "text"
    names = folded.names or [None] * len(kinds)
    if folded.names is None and "text" in kinds:
        names = [f"x{i}" for i in range(len(kinds))]
    return [*zip(names, kinds.tolist(), strict=True)]


def make_graph(folded, columns):
    """Return the graph of a folded student, whose inputs are the columns."""
    graph = Graph()
    first, *others = folded.layers
    hidden = add_table(graph, folded, columns, first)
    for weight, bias in others:
        hidden = graph.add("Relu", hidden)
        hidden = graph.add("Gemm", hidden, graph.keep(weight), graph.keep(bias))
    add_answers(graph, graph.add("Softmax", hidden, axis=1), folded.classes)
    return graph


def add_table(graph, folded, columns, layer):
    """Add the columns as inputs, and what a dense layer makes of them -> (n, h)."""
    _add_inputs(graph, columns)
    return _add_first_layer(graph, folded, layer, [name for name, _ in columns])


# --- What it reads --------------------------------------------------------------------


def _add_inputs(graph, columns):
    """Add an input for each column, or one for all where they have no names."""
    from onnx import TensorProto

    names = [name for name, _ in columns]
    if names[0] is None:
        graph.add_input("X", TensorProto.DOUBLE, len(columns))
        return
    check_names(names)
    for name, kind in columns:
        dtype = TensorProto.STRING if kind == "text" else TensorProto.DOUBLE
        graph.add_input(name, dtype, 1)


def _take(graph, columns, names):
    """Take columns of numbers, by position, out of the inputs -> (n, d)."""
    if names[0] is not None:
        return _join(graph, [names[i] for i in columns])
    if len(columns) == len(names):
        return "X"
    return graph.add("Gather", "X", graph.keep(columns), axis=1)


def _join(graph, parts):
    return graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


# --- What it computes -----------------------------------------------------------------


def _add_first_layer(graph, folded, layer, names):
    """Add the inputs times the weights, with the bias -> (n, h)."""
    weight, bias = layer
    k, m = len(folded.numbers), len(folded.missing)
    bias = bias - 2 * folded.share_missing @ weight[k : k + m]  # of the marks
    bias = bias.astype(np.float32)
    parts, weights = [], []
    valued = np.flatnonzero(folded.scale > 0)
    if len(valued):
        parts.append(_add_numbers(graph, folded, valued, names))
        weights.append(weight[valued] * np.float32(folded.bound or 1))
    if m:
        parts.append(_add_marks(graph, folded, names))
        weights.append(2 * weight[k : k + m])
    if folded.categories:
        bias = _add_categories(graph, folded, weight[k + m :], bias, names)
    elif parts:
        bias = graph.keep(bias)
    else:
        return graph.repeat(bias, names[0] or "X")  # nothing is read
    if not parts:
        return bias
    weight = graph.keep(np.concatenate(weights))
    return graph.add("Gemm", _join(graph, parts), weight, bias)


def _add_numbers(graph, folded, valued, names):
    """Add numbers, standardized and limited, in units of the bound -> (n, d)."""
    from onnx import TensorProto

    center, unit = folded.center[valued], folded.scale[valued] * (folded.bound or 1)
    fill = ((folded.median[valued] - center) / unit).astype(np.float32)
    Z = _take(graph, folded.numbers[valued], names)
    # as the student does, in float64: seconds of a date have no digits left in float32
    if center.any():
        Z = graph.add("Sub", Z, graph.keep(center))
    Z = graph.add("Cast", graph.add("Div", Z, graph.keep(unit)), to=TensorProto.FLOAT)
    Z = graph.add("Where", graph.add("IsNaN", Z), graph.keep(fill), Z)
    if folded.bound is None:
        return Z
    # z / sqrt(1 + z**2), without the square, which may be infinite
    return graph.add("Sin", graph.add("Atan", Z))


def _add_marks(graph, folded, names):
    """Add ones for missing numbers -> (n, m)."""
    from onnx import TensorProto

    columns = folded.numbers[folded.missing]
    marks = graph.add("IsNaN", _take(graph, columns, names))
    return graph.add("Cast", marks, to=TensorProto.FLOAT)


def _add_categories(graph, folded, weight, bias, names):
    """Add the weights of each row's categories, and the bias -> (n, h).

    A one among zeros, times weights, is a row of them: it is looked up.
    """
    none = np.zeros((1, len(bias)), dtype=np.float32)  # of a value that is not known
    tables, places, start = [], [], 0
    for i, category in enumerate(folded.categories):
        rows = weight[start - i : start - i + category.width]
        tables.append(np.concatenate([rows, none]))
        places.append(_add_places(graph, category, names[category.position], start))
        start += category.width + 1
    tables[0] += bias  # of which every row has one
    table = graph.keep(np.concatenate(tables))
    found = graph.add("Gather", table, _join(graph, places), axis=0)  # (n, c, h)
    return graph.add("ReduceSum", found, graph.keep(np.array([1])), keepdims=0)


def _add_places(graph, category, name, start):
    """Add the rows of a table that begins at `start` which texts mean -> (n, 1)."""
    texts, places = spell(category)
    return graph.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        keys_strings=texts,
        values_int64s=[start + place for place in places],
        default_int64=start + len(category.texts),  # of the rest, or of none
    )
