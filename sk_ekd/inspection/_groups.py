"""Measure accuracy within groups of rows, and find the worst group."""

import numpy as np
import pandas as pd

MOST_SHOWN = 20  # of more groups, only the worst has a column


def read_groups(groups, n_samples):
    """Sort the rows into groups -> index of each row's group (n,), their names.

    Missing values are a group of their own, the last one.

    Examples
    --------
    >>> read_groups(["b", "a", None, "b"], 4)
    (array([1, 0, 2, 1]), ['a', 'b', 'missing'])
    """
    shape = getattr(groups, "shape", None) or (len(groups),)
    if shape != (n_samples,):
        raise ValueError(
            "`groups` must have one value for each row, shape "
            f"{(n_samples,)}, got shape {tuple(shape)}. For groups by several columns, "
            "pass a list of tuples."
        )
    column = pd.Series([*groups], dtype=object)
    try:
        names = _sort(column.dropna().unique())
    except TypeError as error:  # a list or a dict
        raise TypeError(
            f"`groups` must have values that can be hashed, such as text: {error}."
        ) from error
    codes = column.map({name: code for code, name in enumerate(names)})
    missing = "missing value" if "missing" in names else "missing"
    return codes.fillna(len(names)).to_numpy(dtype=int), [*names, missing]


def _sort(values):
    """Return the values in their order, else as they came."""
    try:
        return sorted(values)
    except TypeError:  # of several kinds
        return [*values]


def measure_groups(right, codes, names):
    """Return what the report says of groups -> DataFrame of (k, 2 + g) columns.

    `right` (n, k) is 1 or 0, or NaN where an entry predicts nothing.
    """
    mean = right.groupby(codes).mean().T  # (k, g), of groups that have rows
    names = [names[code] for code in mean.columns]
    lowest = mean.fillna(np.inf).to_numpy().argmin(axis=1)  # (k,)
    found = pd.DataFrame({"worst_group_accuracy": mean.min(axis=1)})
    found["worst_group"] = pd.Series([names[i] for i in lowest], mean.index, object)
    found.loc[mean.isna().all(axis=1), "worst_group"] = None
    if len(names) <= MOST_SHOWN:
        found[_titles(names)] = mean.to_numpy()
    return found


def _titles(names):
    """Return the columns of the groups, none of them like another."""
    titles = [f"accuracy[{name}]" for name in names]
    if len({*titles}) < len(titles):  # such as of 1 and "1"
        titles = [f"accuracy[{name!r}]" for name in names]
    return titles
