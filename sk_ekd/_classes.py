"""Read labels: which rows have one, which classes there are, and each label's code."""

import numbers

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

UNLABELED = -1  # the code of a row without a label, whatever mark the caller uses


def as_column(y):
    """Return y as a 1-D array that pandas and scikit-learn agree to be 1-D.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        Labels; a pandas extension type (nullable, categorical, string) becomes an
        array of objects.

    Returns
    -------
    y : ndarray of shape (n_samples,)
    """
    if np.ma.isMaskedArray(y):
        y = np.where(np.ma.getmaskarray(y), None, y.data.astype(object))
    if issparse(y):
        raise TypeError("y is sparse, expected one label a row: pass y.toarray().")
    if isinstance(y, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)) and (
        isinstance(y.dtype, pd.api.extensions.ExtensionDtype)
    ):
        y = y.astype(object)  # nullable, categorical or string: pd.NA has no NumPy type
    if isinstance(y, (list, tuple)) and any(isinstance(v, str) for v in y):
        y = np.array(y, dtype=object)  # else NumPy turns the mark -1 into the text "-1"
    y = np.asarray(y)
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must hold class labels.")
    return column_or_1d(y, warn=True)


def read_labels(y, unlabeled_label):
    """Separate the labels in `y` from the rows that have none.

    Missing values (None, NaN, ``pd.NA``) mean "no label" too, whatever the mark.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, with `unlabeled_label` or a missing value where there is none.
    unlabeled_label : scalar or None
        The mark of a row without a label; None when every value is a label.

    Returns
    -------
    labels : ndarray of shape (n_labeled,)
        The labels, in the order of the rows.
    labeled : ndarray of shape (n_samples,), dtype bool
        Whether the row has a label.

    Examples
    --------
    >>> labels, labeled = read_labels(np.array(["a", -1, "b"], dtype=object), -1)
    >>> labels, labeled
    (array(['a', 'b'], dtype='<U1'), array([ True, False,  True]))
    """
    labeled = ~np.asarray(pd.isna(y), dtype=bool)
    if unlabeled_label is not None:
        # as objects, since NumPy compares no array of strings with a number
        labeled[labeled] = y[labeled].astype(object) != unlabeled_label
    labels = y[labeled]
    if len(labels):
        _check_one_kind(labels, unlabeled_label)
        # of objects, an array of their own type; NumPy would write a member of a
        # string enumeration by its name
        labels = np.array(
            [str.__str__(v) if isinstance(v, str) else v for v in labels.tolist()]
        )
        if labels.dtype.kind == "f" and np.isinf(labels).any():
            raise ValueError(
                "Input y contains infinity: expected class labels, and the unlabeled "
                "mark or a missing value where the label is unknown."
            )
        check_classification_targets(labels)
    return labels, labeled


def merge_classes(labels, teacher_classes):
    """Merge the labels in `y` and the teachers' classes into one sorted array.

    Parameters
    ----------
    labels : ndarray of shape (n_labeled,)
        The labels that stand in `y`.
    teacher_classes : dict of str to ndarray
        The classes that each teacher knows.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted and unique, by value: 1, 1.0 and True are one class, written as the
        teachers write it.

    Examples
    --------
    >>> merge_classes(np.array([2.0, 0.0]), {"forest": np.array([0, 1])})
    array([0, 1, 2])
    """
    known = {name: np.asarray(classes) for name, classes in teacher_classes.items()}
    kinds = {name: _kind(classes) for name, classes in known.items()}
    if len(labels):
        kinds = {"y": _kind(labels), **kinds}
        known["y"] = np.unique(labels)
    if len(set(kinds.values())) > 1:
        shown = "; ".join(f"{name}: {_shown(known[name])}" for name in kinds)
        raise ValueError(
            "The labels in y and the classes of all teachers must be of one kind, "
            f"all numbers or all strings, got {shown}. Encode them alike."
        )
    _check_overlap(known)
    # a dict keeps the first of equal keys: the teachers' 1 before the 1.0 of y,
    # which is a float only because y has missing values
    merged = {value: None for classes in known.values() for value in classes.tolist()}
    classes = np.array(sorted(merged))
    ints = any(c.dtype.kind in "iu" for name, c in known.items() if name != "y")
    if ints and classes.dtype.kind == "f" and (classes == classes.round()).all():
        return classes.astype(int)
    return classes


def encode_labels(labels, labeled, classes):
    """Write each label as its position in `classes`, -1 where there is none.

    Parameters
    ----------
    labels : ndarray of shape (n_labeled,)
        The labels that stand in `y`.
    labeled : ndarray of shape (n_samples,), dtype bool
        Whether the row has a label.
    classes : ndarray of shape (n_classes,)
        All classes.

    Returns
    -------
    codes : ndarray of shape (n_samples,), dtype int64
        A label that is not among `classes` gets ``n_classes``.

    Examples
    --------
    >>> encode_labels(
    ...     np.array(["b", "a"]), np.array([True, False, True]), np.array(["a", "b"])
    ... )
    array([ 1, -1,  0])
    """
    position = {value: code for code, value in enumerate(classes.tolist())}
    values, inverse = np.unique(labels, return_inverse=True)
    codes = np.full(len(labeled), UNLABELED, dtype=np.int64)
    if len(values):
        found = [position.get(value, len(classes)) for value in values.tolist()]
        codes[labeled] = np.array(found)[inverse]
    return codes


def check_one_kind(labels, classes):
    """Check that labels are numbers where the classes are, or strings like them.

    Parameters
    ----------
    labels : ndarray of shape (n_labeled,)
        The labels that stand in `y`.
    classes : ndarray of shape (n_classes,)
        All classes.
    """
    if _kind(labels) != _kind(classes):
        raise ValueError(
            "The labels in y and the distiller's `classes_` must be of one kind, all "
            f"numbers or all strings, got {_shown(np.unique(labels))} and "
            f"{_shown(classes)}."
        )


def _check_one_kind(labels, unlabeled_label):
    kind = _kind(labels)
    if kind == "mixed":
        first = _shown(_first_of_each_type(labels))
        shown = first if labels.dtype == object else labels.dtype
        raise ValueError(
            f"The labels in y must be all numbers or all strings, got {shown}: no "
            "other type and no mix of them is supported."
        )
    if kind == "text" and unlabeled_label == UNLABELED and "-1" in set(labels.tolist()):
        raise ValueError(
            'y holds the string "-1" beside other strings: NumPy turns -1 into text in '
            "an array of strings. Build y with dtype=object, or write None or NaN "
            'where the label is unknown. (If "-1" is a class, set '
            "unlabeled_label=None.)"
        )


def _kind(values):
    if values.dtype.kind in "biuf":
        return "number"
    if values.dtype.kind == "U":
        return "text"
    if values.dtype.kind != "O":
        return "mixed"  # bytes and dates; NumPy would list dates as numbers
    types = set(map(type, values.tolist()))
    if all(issubclass(t, str) for t in types):
        return "text"
    is_number = all(issubclass(t, (numbers.Real, np.bool_)) for t in types)
    return "number" if is_number else "mixed"


def _check_overlap(known):
    """Raise where labels or a teacher share no class with all the others."""
    # y first: where all teachers know other classes, y is the odd one out
    for name, classes in sorted(known.items(), key=lambda item: item[0] != "y"):
        others = {v for other in known if other != name for v in known[other].tolist()}
        if others and not others & set(classes.tolist()):
            whose = (
                "The labels in y" if name == "y" else f"The classes of teacher {name!r}"
            )
            raise ValueError(
                f"{whose}, {_shown(classes)}, have nothing in common with "
                f"{'the teachers' if name == 'y' else 'the others'}, who know "
                f"{_shown(sorted(others))}. Encode all of them alike."
            )


def _first_of_each_type(values):
    return list({type(v): v for v in reversed(values.tolist())}.values())


def _shown(values, most=6):
    values = list(values.tolist() if isinstance(values, np.ndarray) else values)
    more = ", ..." if len(values) > most else ""
    return "[" + ", ".join(map(repr, values[:most])) + more + "]"
