"""The built-in student: a network with its own preprocessing, for any table."""

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from .._columns import as_table, check_no_dates
from .._table import TableEncoder
from ._adamw import AdamW

MORE_STEPS = 2.5  # times those without synthetic rows


class MLP(nn.Sequential):
    """A multilayer perceptron that returns logits.

    Parameters
    ----------
    in_features : int
        Number of input columns; `EnsembleDistiller` sets it.
    out_features : int
        Number of classes; `EnsembleDistiller` sets it.
    hidden : tuple of int, default=(128, 128)
        Width of each hidden layer.
    dropout : float, default=0.1
        Share of hidden units dropped at each training step.

    Examples
    --------
    >>> import torch
    >>> MLP(in_features=4, out_features=3)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, in_features, out_features, hidden=(128, 128), dropout=0.1):
        layers = []
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU(), nn.Dropout(dropout)]
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, out_features))


class _CosineDecay(Callback):
    """Let the learning rate fall along a cosine over the net's `max_epochs`.

    Epochs beyond them, of `partial_fit`, have the full rate again.

    skorch's LRScheduler fixes the number of epochs beforehand, and holds the optimizer
    and with it a second copy of the network in a pickle.
    """

    def on_epoch_begin(self, net, **kwargs):
        progress = (len(net.history) - 1) / net.max_epochs
        fall = 0.5 * (1 + np.cos(np.pi * progress)) if progress < 1 else 1.0
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * fall


def default_student(X, *, synthetic=0, decay=True, verbose=0):
    """Build the network that `EnsembleDistiller` trains when `student` is None.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The training rows; only their number matters, and whether they can be read.
    synthetic : int, default=0
        How many synthetic rows for each of X train as well, as with the parameter of
        `EnsembleDistiller`: 2.5 times the steps, in batches of the same size.
    decay : bool, default=True
        Whether the learning rate falls along a cosine over all epochs. In
        `EnsembleDistiller.partial_fit`, which cannot know their number, it is constant.
    verbose : int, default=0
        1 prints a line an epoch.

    Returns
    -------
    student : Pipeline
        Not fitted; its steps are ``"preprocessing"`` and ``"net"``, a
        :class:`skorch.NeuralNetClassifier` around an :class:`MLP`.

    Notes
    -----
    What a column is, is decided once, at fit: a number, a category, or nothing to learn
    from. Whatever comes later is read as that, in a table of any library and as any
    type: 1, 1.0, "1", True and "true" are the same, and so is a missing value however
    it is written.

    - Numbers are imputed by their median, marked where they were missing, standardized
      and limited smoothly to five standard deviations. Flags, numbers as text and
      ``Decimal`` objects are numbers.
    - All else is one-hot encoded, a missing value being one more category. Dates and
      durations are refused.
    - A column with a single value at fit, or none, is ignored.

    A sparse matrix, or a sparse DataFrame, is scaled by the largest absolute values,
    limited in the same way, and stays sparse.

    The net is trained for about 2,000 steps of AdamW, more above 50,000 rows, fewer
    below 150. The more rows, the larger a batch, from 16 to 512, and with its square
    root the learning rate, from 2.5e-3 to 1.4e-2, which falls along a cosine.

    Examples
    --------
    >>> student = default_student(np.zeros((1000, 4)))
    >>> student["net"].set_params(lr=1e-3).lr
    0.001
    """
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    if not n_samples:
        raise ValueError(
            "X must have at least 1 row to choose a student by, got 0 rows."
        )
    _check_readable(X)
    if synthetic:  # beside which no value is rare
        TableEncoder().fit(X)  # to warn of columns that teach nothing
    batch_size = int(np.clip(2 ** np.ceil(np.log2(n_samples / 64)), 16, 512))
    max_epochs = int(np.clip(2000 * batch_size / n_samples, 20, 200))
    if synthetic:  # as many steps as they are worth, whatever their number
        max_epochs = max(1, round(MORE_STEPS * max_epochs / (1 + synthetic)))
    lr = 2.5e-3 * (batch_size / 16) ** 0.5
    net = NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        optimizer=AdamW,
        optimizer__weight_decay=1e-2,
        optimizer__fused=True,
        lr=lr,
        batch_size=batch_size,
        max_epochs=max_epochs,
        train_split=None,
        callbacks=[("cosine", _CosineDecay)] if decay else None,
        device="cuda" if torch.cuda.is_available() else "cpu",
        verbose=verbose,
    )
    encoder = TableEncoder().set_output(transform="default")  # no DataFrames
    return Pipeline([("preprocessing", encoder), ("net", net)])


def _check_readable(X):
    """Raise, before anything is trained, for what cannot be read; look at few rows."""
    table = as_table(X)
    if isinstance(table, pd.DataFrame):
        check_no_dates(table[:1000])
    elif not issparse(table):
        check_array(table, ensure_all_finite="allow-nan", input_name="X")
