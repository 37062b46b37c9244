"""The built-in student: a network with its own preprocessing, for any table."""

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.utils import check_array
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

MAX_CATEGORIES = 64  # of a column; the rarest share one


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


def default_student(X, *, decay=True, verbose=0):
    """Build the network that `EnsembleDistiller` trains when `student` is None.

    Parameters
    ----------
    X : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
        The training rows; only their kind of columns and number matter.
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
    Numbers are imputed by their median, marked where they were missing, and
    standardized; every other column is one-hot encoded, a missing value being one more
    category. Sparse matrices are scaled by their largest absolute values and stay
    sparse. The net is trained for about 2,000 steps of AdamW, more above 50,000 rows,
    fewer below 150. The more rows, the larger a batch, from 16 to 512, and with its
    square root the learning rate, from 2.5e-3 to 1.4e-2, which falls along a cosine.

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
    batch_size = int(np.clip(2 ** np.ceil(np.log2(n_samples / 64)), 16, 512))
    max_epochs = int(np.clip(2000 * batch_size / n_samples, 20, 200))
    lr = 2.5e-3 * (batch_size / 16) ** 0.5
    net = NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
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
    preprocessing = _preprocessing(X).set_output(transform="default")  # no DataFrames
    return Pipeline([("preprocessing", preprocessing), ("net", net)])


def _preprocessing(X):
    """Choose scikit-learn transformers by the kind of X."""
    if issparse(X):
        return MaxAbsScaler()
    if not isinstance(X, pd.DataFrame):
        X = _as_array(X)
        if X.ndim == 1 and X.dtype == object:
            raise ValueError(
                "student=None takes tables: arrays, sparse matrices and DataFrames, "
                "got a list of strings or objects. Pass a student that reads it: "
                "student=make_pipeline(TfidfVectorizer(), net)."
            )
        if X.dtype != object:
            if X.ndim > 2:
                raise ValueError(
                    f"student=None takes tables, got an array with dim {X.ndim}, shape "
                    f"{X.shape}: pass a student that reads it."
                )
            if X.dtype.kind in "mM":
                raise ValueError(
                    "student=None cannot read dates or durations, got an array of "
                    f"{X.dtype}: turn them into numbers first."
                )
            check_array(X, ensure_all_finite="allow-nan", input_name="X")
            return _number_preprocessing()
    return make_pipeline(
        FunctionTransformer(_as_frame), _frame_preprocessing(_as_frame(X))
    )


def _number_preprocessing():
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )


def _frame_preprocessing(frame):
    dates = frame.select_dtypes(["datetime", "datetimetz", "timedelta"]).columns
    if len(dates):
        raise ValueError(
            "student=None cannot read columns of dates or durations, got "
            f"{list(dates)}: turn them into numbers first."
        )
    is_number = np.array(
        [
            pd.api.types.is_numeric_dtype(dtype)
            and not pd.api.types.is_bool_dtype(dtype)
            for dtype in frame.dtypes
        ]
    )
    categories = make_pipeline(
        FunctionTransformer(_as_categories),
        OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=MAX_CATEGORIES,
            sparse_output=False,
        ),
    )
    # by position: column names need not be strings
    return ColumnTransformer(
        [
            ("numbers", _number_preprocessing(), np.flatnonzero(is_number)),
            ("categories", categories, np.flatnonzero(~is_number)),
        ]
    )


def _as_array(X):
    """Return X as an array, of objects where it mixes text with anything else."""
    array = np.asarray(X)
    return np.array(X, dtype=object) if array.dtype.kind in "US" else array


def _as_frame(X):
    """Return X as a DataFrame whose columns of objects have types of their own."""
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(_as_array(X))
    if not frame.dtypes.eq(object).any():
        return frame
    columns = [_as_typed(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return pd.concat(columns, axis=1)


def _as_typed(column):
    if column.dtype != object:
        return column
    # pandas infers no numbers beside pd.NA
    return column.where(column.notna(), None).infer_objects()


def _as_categories(frame):
    """Write every value as text, and each kind of missing value as None."""
    text = frame.astype(object).map(_as_text)
    return text.where(frame.notna(), None).to_numpy(dtype=object)


def _as_text(value):
    """Write 1.0 as 1: pandas makes floats of ints where one is missing."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)
