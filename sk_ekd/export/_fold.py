"""Read a fitted built-in student into arrays."""

import numpy as np
from sklearn.pipeline import Pipeline

from .._folded import Folded
from .._table import TableEncoder


def is_built_in(student):
    """Return whether a fitted student is the one that `student=None` trains."""
    from ..students import MLP

    if not isinstance(student, Pipeline):
        return False
    if list(student.named_steps) != ["preprocessing", "float32", "net"]:
        return False
    net = student["net"]
    return (
        type(student["preprocessing"]) is TableEncoder
        and type(getattr(net, "module_", None)) is MLP
        and type(net).__module__.startswith("skorch.")  # no child that predicts itself
        and net.predict_nonlinearity == "auto"
    )


def fold(distiller):
    """Return what the distiller's built-in student computes, with its class labels."""
    net = distiller.student_["net"]
    layers = [*_layers(net.module_, len(distiller.classes_))]
    return fold_table(distiller.student_["preprocessing"], distiller.classes_, layers)


def fold_table(table, classes, layers):
    """Return what a fitted TableEncoder computes, and the layers that follow it."""
    names = getattr(table, "feature_names_in_", None)
    return Folded(
        names=None if names is None else [str(name) for name in names],
        n_columns=table.n_features_in_,
        is_sparse=table.is_sparse_,
        classes=classes,
        numbers=table.numbers_,
        is_read=table.is_read_,
        median=table.median_,
        center=table.center_,
        scale=table.scale_,
        missing=table.missing_,
        share_missing=table.share_missing_,
        bound=table.bound,
        categories=table.categories_,
        layers=layers,
    )


def _layers(module, n_classes):
    """Yield weights (d_in, d_out) and biases (d_out,), the last ones of all classes."""
    parameters = [p.detach().cpu().numpy() for p in module.parameters()]
    *others, last = zip(parameters[::2], parameters[1::2], strict=True)
    for weight, bias in others:
        yield np.ascontiguousarray(weight.T), bias.copy()
    weight, bias = last[0].T, last[1]
    if len(bias) < n_classes:  # the logit of one of two
        halves = np.array([[-0.5, 0.5]], dtype=np.float32)
        weight, bias = weight @ halves, bias @ halves
    yield np.ascontiguousarray(weight), bias.copy()
