"""Hear what a hidden layer of a net says, in training or of any rows."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from .._data import as_float32, refuses_type
from ._steps import end_of


@contextmanager
def listening(net, layer):
    """Collect the outputs of a layer, (b, ...) of each call, the last one last."""
    heard = []
    hook = find_layer(net, layer).register_forward_hook(
        lambda module, inputs, output: heard.append(_keep(output))
    )
    try:
        yield heard
    finally:
        hook.remove()


def _keep(output):
    """Return an output that an activation after it, in place, does not change."""
    output = output[0] if isinstance(output, tuple) else output  # of a recurrent layer
    return output.clone()


def find_layer(net, layer):
    """Return the part of an initialized net's module that has this name."""
    layers = dict(net.module_.named_modules())
    layers.pop("")  # the module itself
    if layer not in layers:
        raise ValueError(
            f"The module {type(net.module_).__name__} has no layer named {layer!r}: "
            f"it must be one of {[*layers]}."
        )
    return layers[layer]


def as_features(heard, layer):
    """Forget what was heard, and return the last of it as features -> (b, d)."""
    if not heard:
        raise ValueError(
            f"The layer {layer!r} was not called when its module was: name one that "
            "the module's forward calls."
        )
    output = heard[-1]
    heard.clear()
    return output.flatten(1)


def layer_output(model, X, layer):
    """Ask a hidden layer of a fitted net about rows, for a hint to a student.

    Pass it to the `fit` of a distiller with a `hint` as `teacher_features`; of several
    teachers, side by side by :func:`numpy.hstack`.

    Parameters
    ----------
    model : NeuralNet, Pipeline that ends in one, or distiller
        A fitted skorch net.
    X : {array-like, sparse, Mapping, Dataset} of length n_samples
        Rows, as the model takes them.
    layer : str
        The name of a layer, one of ``dict(net.module_.named_modules())``.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features), dtype float32
        What the layer returns, flattened.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_ekd.students import default_student
    >>> X, y = np.eye(20), np.arange(20) % 2
    >>> net = default_student(X)["net"].set_params(module__in_features=20)
    >>> net = net.set_params(module__out_features=2).fit(X.astype(np.float32), y)
    >>> layer_output(net, X, "3").shape  # the second layer of 128 hidden units
    (20, 128)
    """
    model = getattr(model, "student_", model)
    net = end_of(model)
    if not isinstance(net, NeuralNet):
        raise TypeError(
            f"`model` must be a fitted skorch net, or a Pipeline that ends in one, got "
            f"{type(net).__name__}."
        )
    check_is_fitted(model)
    if isinstance(model, Pipeline):
        X = model[:-1].transform(X)
    with listening(net, layer) as heard:
        try:
            return _ask(net, X, heard, layer)
        except RuntimeError as error:
            if not refuses_type(error, X):
                raise
        return _ask(net, as_float32(X), heard, layer)


def _ask(net, X, heard, layer):
    parts = []
    for _ in net.forward_iter(X, training=False):
        with torch.no_grad():
            parts.append(as_features(heard, layer).float().cpu().numpy())
    return np.concatenate(parts)
