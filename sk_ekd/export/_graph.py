"""Grow an ONNX graph node by node, up to the two outputs that every file has."""

import numpy as np

OWN = "sk_ekd."  # what the names of own parts begin with
LABEL, PROBABILITIES = "label", "probabilities"
OPSETS = {"": 17, "ai.onnx.ml": 3}  # which runtimes of the last years read as well
IR_VERSION = 8


class Graph:
    """A graph to be: what adds something returns the name of its output."""

    def __init__(self):
        self.inputs, self.outputs, self.nodes, self.constants = [], [], [], []
        self.functions, self.opsets = [], dict(OPSETS)

    def add_input(self, name, dtype, *shape):
        """Add an input (n, *shape)."""
        from onnx.helper import make_tensor_value_info

        self.inputs.append(make_tensor_value_info(name, dtype, ["n", *shape]))
        return name

    def keep(self, values):
        """Keep an array, or a list of texts."""
        from onnx import TensorProto
        from onnx.helper import make_tensor
        from onnx.numpy_helper import from_array

        name = f"{OWN}constant{len(self.constants)}"
        if isinstance(values, list):
            texts = [text.encode() for text in values]
            tensor = make_tensor(name, TensorProto.STRING, [len(texts)], texts)
        else:
            tensor = from_array(np.ascontiguousarray(values), name)
        self.constants.append(tensor)
        return name

    def add(self, operator, *inputs, name=None, domain="", **options):
        """Add a node with one output."""
        from onnx.helper import make_node

        output = name or f"{OWN}{operator}{len(self.nodes)}"
        node = make_node(operator, [*inputs], [output], domain=domain, **options)
        self.nodes.append(node)
        return output

    def repeat(self, values, rows):
        """Add values (c,) once for each of some rows -> (n, c)."""
        n_rows = self.add("Shape", rows, start=0, end=1)
        n_values = self.keep(np.array([len(values)]))
        shape = self.add("Concat", n_rows, n_values, axis=0)
        return self.add("Expand", self.keep(values), shape)

    def add_output(self, name, dtype, shape):
        """Declare what a node has made as an output."""
        from onnx.helper import make_tensor_value_info

        self.outputs.append(make_tensor_value_info(name, dtype, shape))

    def include(self, model, prefix, feeds):
        """Add the nodes of a model, whose inputs are fed by what is there already.

        Returns the new names of the model's outputs.
        """
        from onnx.compose import add_prefix

        if prefix:
            model = add_prefix(model, prefix)
        for given in model.graph.input:
            source = feeds[given.name.removeprefix(prefix)]
            if source != given.name:
                self.add("Identity", source, name=given.name)
        for node in model.graph.node:
            node.ClearField("metadata_props")  # which older runtimes do not know
        self.nodes.extend(model.graph.node)
        self.constants.extend(model.graph.initializer)
        self.functions.extend(model.functions)
        for opset in model.opset_import:
            version = self.opsets.get(opset.domain, 0)
            self.opsets[opset.domain] = max(version, opset.version)
        return [output.name for output in model.graph.output]

    def model(self):
        """Return the model that it is."""
        from onnx.helper import make_graph, make_model, make_opsetid

        graph = make_graph(
            self.nodes, "student", self.inputs, self.outputs, self.constants
        )
        return make_model(
            graph,
            opset_imports=[make_opsetid(*opset) for opset in self.opsets.items()],
            functions=self.functions,
            ir_version=IR_VERSION,
        )


def check_names(names):
    """Raise for columns that cannot be inputs of one graph by their names."""
    taken = [LABEL, PROBABILITIES]
    wrong = {
        name
        for name in names
        if not name or name in taken or names.count(name) > 1 or name.startswith(OWN)
    }
    if wrong:
        raise ValueError(
            "The columns must have names of their own, to be the inputs of one file "
            f"whose outputs are {taken} and whose parts begin with {OWN!r}, got "
            f"{sorted(wrong)}: rename these columns, and fit the distiller again."
        )


def add_answers(graph, proba, classes):
    """Add the outputs: the label of each row, and its probabilities (n, c), float32."""
    from onnx import TensorProto

    if proba != PROBABILITIES:
        graph.add("Identity", proba, name=PROBABILITIES)
    graph.add_output(PROBABILITIES, TensorProto.FLOAT, ["n", len(classes)])
    dtype, labels = _as_labels(classes.tolist())
    options = {"axis": 1, "keepdims": 0}
    if dtype == TensorProto.INT64 and (labels == np.arange(len(labels))).all():
        graph.add("ArgMax", PROBABILITIES, name=LABEL, **options)
    else:
        place = graph.add("ArgMax", PROBABILITIES, **options)
        graph.add("Gather", graph.keep(labels), place, name=LABEL, axis=0)
    graph.add_output(LABEL, dtype, ["n"])
    graph.outputs.reverse()  # the label first, as in files of other libraries


def _as_labels(classes):
    """Return the type of the labels in ONNX, and the labels as a graph keeps them."""
    from onnx import TensorProto

    if all(isinstance(name, str) for name in classes):
        return TensorProto.STRING, classes
    if all(isinstance(name, bool) for name in classes):
        return TensorProto.BOOL, np.array(classes)
    if all(isinstance(name, int) for name in classes):
        return TensorProto.INT64, np.array(classes, dtype=np.int64)
    return TensorProto.DOUBLE, np.array(classes, dtype=np.float64)
