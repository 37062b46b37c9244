"""Export a fitted net as an ONNX model."""

import copy
import logging
import warnings
from contextlib import contextmanager

import torch
from torch import nn

from ._epoch import as_tensor, reads_plainly
from ._inputs import as_matrix
from ._output import first_of, to_proba


class _Predictor(nn.Module):
    """A module whose output is turned into probabilities."""

    def __init__(self, net):
        super().__init__()
        self.module = copy.deepcopy(net.module_).cpu().eval()
        self.to_proba = to_proba(net)

    def forward(self, features):
        return self.to_proba(first_of(self.module(features)))


def export_net(net, X, opset):
    """Export what a fitted net predicts for rows like X -> ModelProto.

    Its input is "features", float32 of any number of rows, its output "proba".
    """
    if not reads_plainly(net):
        raise ValueError(
            "The student's net reads its rows by a Dataset, a loader or a method of "
            "its own, which cannot be exported."
        )
    rows = as_tensor(as_matrix(X)[:2])
    if len(rows) == 1:  # which would be taken for the only number there is
        rows = rows.repeat(2, *[1] * (rows.ndim - 1))
    with _in_silence():
        program = torch.onnx.export(
            _Predictor(net),
            (rows,),
            dynamo=True,
            input_names=["features"],
            output_names=["proba"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
            opset_version=opset,
            verbose=False,
        )
    return program.model_proto


@contextmanager
def _in_silence():
    """Keep torch from telling what it has not installed, and what it will change."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
