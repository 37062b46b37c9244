"""Write a fitted net as an ONNX model, from its inputs to probabilities."""

import copy
import logging
import warnings
from collections.abc import Mapping
from contextlib import contextmanager

import torch
from torch import nn

from .._torch_rows import as_sliceable
from ._epoch import as_tensor, forward, reads_plainly
from ._inputs import AS_GIVEN, read_inputs, settle
from ._output import first_of, is_binary, to_proba, uncompiled


class _Proba(nn.Module):
    """What a net answers, by its module alone."""

    def __init__(self, net):
        super().__init__()
        self.module = copy.deepcopy(uncompiled(net.module_)).cpu().eval()
        self.to_proba, self.is_binary = to_proba(net), is_binary(net)
        self.keys = list(net.inputs_) if isinstance(net.inputs_, Mapping) else None

    def forward(self, *parts):
        X = parts[0] if self.keys is None else dict(zip(self.keys, parts, strict=True))
        output = first_of(forward(self.module, X))
        if self.is_binary:  # of one column or none, as for skorch
            output = output.reshape(-1)
        return self.to_proba(output.double()).float()  # as the student does


def export_net(net, X, *, opset):
    """Write a fitted net as an ONNX model.

    Parameters
    ----------
    net : NeuralNet
        Fitted, without the steps of a Pipeline before it.
    X : array-like of shape (n_samples, ...), or Mapping of such
        Rows as the net takes them; only their shape matters.
    opset : int
        The version of ONNX's operators to use.

    Returns
    -------
    model : onnx.ModelProto
        Of one input, ``X``, or one for each key, of any number of rows in float32, or
        int64 where the net takes integers; and of one output, ``probabilities``, of
        shape (n_samples, n_classes) in float32.
    """
    if net.inputs_ == AS_GIVEN or not reads_plainly(net):
        raise ValueError(
            "The net reads its rows by a Dataset, a loader or a method of its own, "
            "which cannot be exported."
        )
    Z = settle(read_inputs(as_sliceable(X)[:2]), net.inputs_)
    parts, names = [as_tensor(Z, net.inputs_)], ["X"]
    if isinstance(Z, Mapping):
        names, parts = [*parts[0]], [*parts[0].values()]
    if len(parts[0]) == 1:  # all batches would be of one row
        parts = [torch.cat([part, part]) for part in parts]
    with _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of itself
        program = torch.onnx.export(
            _Proba(net),
            tuple(parts),
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=names,
            output_names=["probabilities"],
            dynamic_shapes={"parts": tuple({0: torch.export.Dim("n")} for _ in parts)},
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
