"""A fitted built-in student as arrays, for NumPy to ask and a file to hold."""

from typing import NamedTuple

import numpy as np

from ._values import Category


class Folded(NamedTuple):
    """What a fitted built-in student computes: k numbers, m of them once missing.

    A row's numbers are imputed by `median`, centered, divided by `scale` and limited by
    `bound`. Beside them are two times (missing - `share_missing`), and a one for each
    category. Dense layers follow, with ReLU between, and a softmax.
    """

    names: list | None  # of the columns, as text; None for an array
    n_columns: int
    is_sparse: bool  # whether `fit` saw a sparse matrix: center and median are 0
    classes: np.ndarray  # (c,), integers, bools, floats or text
    numbers: np.ndarray  # (k,), positions in the table
    is_read: np.ndarray  # (k,), bool; the others teach nothing, whatever they hold
    median: np.ndarray  # (k,), float64, as are the next two
    center: np.ndarray
    scale: np.ndarray  # 0 for a column that is always 0
    missing: np.ndarray  # (m,), which of the k are marked where they are missing
    share_missing: np.ndarray  # (m,)
    bound: float | None
    categories: list[Category]
    layers: list[tuple[np.ndarray, np.ndarray]]  # (d_in, d_out) and (d_out,), float32
