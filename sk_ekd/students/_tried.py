"""Try what a net's module takes, on a few rows, before it trains."""

from collections.abc import Mapping

import numpy as np
import torch
from skorch import NeuralNet

from .._compat import safe_indexing
from .._data import TYPES, count_rows
from ._inputs import (
    AS_GIVEN,
    OUT_OF_RANGE,
    check_vocabulary,
    choices,
    is_array_of,
    settle,
)
from ._output import first_of
from ._predict import outputs


def _take_few(Z):
    """Return some rows, among them those of the smallest and largest integers."""
    index = [*range(min(8, count_rows(Z)))]
    for part in Z.values() if isinstance(Z, Mapping) else [Z]:
        if is_array_of(part, "iu") and part.size:
            width = max(1, part.size // len(part))
            index += [int(part.argmin()) // width, int(part.argmax()) // width]
    return safe_indexing(Z, np.unique(index))


def try_inputs(net, X):
    """Find what the module takes, `inputs_` of the net -> few rows, their outputs."""
    few = _take_few(X)
    errors, tried = [], choices(few)
    for inputs in tried:
        net.inputs_ = inputs
        try:
            # a lazy module makes its parameters now; the binary net would check the
            # output
            rows = settle(few, inputs)
            found = list(outputs(net, rows, torch.no_grad, NeuralNet.infer))
        except Exception as error:
            errors.append(error)
            continue
        is_last = inputs is tried[-1]
        if is_last or all(first_of(output).is_floating_point() for output in found):
            return few, found
    _refuse_inputs(few, tried, errors)


def _refuse_inputs(few, tried, errors):
    """Raise for rows that the module cannot take, with its own reason."""
    for error in errors:
        if OUT_OF_RANGE.search(str(error.__cause__)):  # said well already
            raise error
        check_vocabulary(error, few)
    # of two ways to feed integers, one fails for the type
    reason = next((e for e in errors if not TYPES.search(str(e))), errors[-1])
    if isinstance(few, Mapping):
        parts = (f"{k}, {v.dtype} {v.shape[1:]}" for k, v in few.items())
        form = f"rows of {' and '.join(parts)}"
        cure = (
            "The keys must be names of arguments of the module's forward, and token "
            "ids integers."
        )
    elif tried == [AS_GIVEN]:
        form, cure = (
            f"the rows of a {type(few).__name__}",
            "Its Dataset must make them so.",
        )
    else:
        form = f"{' or '.join(tried)} rows of shape {few.shape[1:]}"
        cure = (
            "If it expects another width, give it that one, or leave "
            "`module__in_features` unset where the module's __init__ takes "
            "`in_features`."
        )
        if not is_array_of(few, "iu"):
            cure += " If it expects integers, such as token ids: X.astype(np.int64)."
    raise ValueError(
        f"The student's module cannot take {form}: {reason}. {cure}"
    ) from reason
