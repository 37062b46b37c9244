"""Write a fitted net as an ONNX model, from its inputs to probabilities."""

import copy
import logging
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from scipy.sparse import issparse
from torch import nn

from ._epoch import reads_plainly
from ._inputs import as_matrix
from ._output import first_of, is_binary, to_proba, uncompiled


class _Proba(nn.Module):
    """What a net answers, by its module alone."""

    def __init__(self, net):
        super().__init__()
        self.module = copy.deepcopy(uncompiled(net.module_)).cpu().eval()
        self.to_proba, self.is_binary = to_proba(net), is_binary(net)

    def forward(self, X):
        output = first_of(self.module(X))
        if self.is_binary:  # of one column or none, as for skorch
            output = output.reshape(-1)
        return self.to_proba(output.double()).float()  # as the student does


def export_net(net, X, *, opset):
    """Write a fitted net as an ONNX model.

    Parameters
    ----------
    net : NeuralNet
        Fitted, without the steps of a Pipeline before it.
    X : array-like of shape (n_samples, ...)
        Rows as the net takes them; only their shape matters.
    opset : int
        The version of ONNX's operators to use.

    Returns
    -------
    model : onnx.ModelProto
        Of one input, ``X``, any number of rows in float32, and one output,
        ``probabilities``, of shape (n_samples, n_classes) in float32.
    """
    if not reads_plainly(net):
        raise ValueError(
            "The net reads its rows by a Dataset, a loader or a method of its own, "
            "which cannot be exported."
        )
    Z = as_matrix(X[:2])
    Z = Z.toarray() if issparse(Z) else Z
    rows = torch.from_numpy(np.resize(Z, (2, *Z.shape[1:])))  # of one, all are one
    with _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of itself
        program = torch.onnx.export(
            _Proba(net),
            (rows,),
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["X"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=opset,
        )
    return program.model_proto


@contextmanager
def _quiet():
    """Let nothing be logged but errors: torch lists all that it does without."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
