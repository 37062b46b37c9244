"""What a prediction means when y is a class: labels, classes, probabilities."""

import numbers

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

MISSING_AS_TEXT = {"nan", "NaN", "None", "<NA>", "NaT"}
UNLABELED = -1  # the code of a row without a label, whatever mark the caller uses


def as_column(y):
    """Return y as a 1-D array that pandas and scikit-learn agree to be 1-D."""
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
        _check_kind(labels, unlabeled_label)
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


def find_classes(labels, known, classes, unlabeled_label, n_columns):
    """Return the caller's classes, else those of labels and teachers -> (c,).

    `known` has the classes of each fitted teacher; `n_columns` is the number of classes
    in given predictions, or None.
    """
    _check_mark(known, unlabeled_label)
    if classes is not None:
        return _check_classes(classes, [labels, *known.values()], unlabeled_label)
    found = np.empty(0, dtype=int)
    if len(labels) or known:
        found = merge_classes(labels, known)
    if not len(found) and n_columns is not None:
        return np.arange(n_columns)  # no label, no teacher: nothing else names them
    if len(found) < 2:
        raise ValueError(
            f"Expected at least 2 classes, got one class, {found.tolist()}, in y and "
            f"the teachers, besides the unlabeled mark {unlabeled_label!r}. If the "
            "mark is one of your classes, set unlabeled_label=None; if y lacks "
            "classes, name them all in `classes`."
        )
    return found


def check_one_kind(labels, classes):
    """Check that labels are numbers where the classes are, or strings like them."""
    if _kind(labels) != _kind(classes):
        raise ValueError(
            "The labels in y and the distiller's `classes_` must be of one kind, all "
            f"numbers or all strings, got {_shown(np.unique(labels))} and "
            f"{_shown(classes)}."
        )


def weigh_classes(data, classes, class_weight):
    """Multiply the weights of labeled rows by those of their classes -> (n,)."""
    weight, labeled = data.weight.copy(), data.labeled
    y = data.y[labeled]
    if class_weight == "balanced" and len(y):
        # not scikit-learn's: a row of weight two counts as two here
        count = np.bincount(y, weight[labeled], minlength=len(classes))
        weight[labeled] *= count.sum() / np.count_nonzero(count) / count[y]
    elif isinstance(class_weight, dict):
        values = [class_weight.get(c, 1.0) for c in classes.tolist()]
        each = np.array(values, dtype=np.float64)
        strange = set(class_weight) - set(classes.tolist())
        if strange or not np.isfinite(each).all() or (each < 0).any():
            raise ValueError(
                "`class_weight` must give finite, non-negative weights to classes "
                f"among {classes.tolist()}, got {class_weight!r}."
            )
        with np.errstate(over="ignore"):  # refused below
            weight[labeled] *= each[y]
    largest = np.finfo(np.float32).max  # the loss is computed in float32
    if weight.max(initial=0) > largest:
        raise ValueError(
            f"`sample_weight` times `class_weight` must be at most {largest:.3g}, got "
            f"{weight.max():.3g}: divide the weights, best to a mean of one."
        )
    return weight


def scale_weight(data, classes, class_weight):
    """Multiply sample weights by class weights, at a mean of one -> (n,)."""
    weight = weigh_classes(data, classes, class_weight)
    if not weight.any():
        raise ValueError(f"`class_weight` {class_weight!r} leaves no row any weight.")
    return weight / weight.mean()


# --- Probabilities -------------------------------------------------------------------


def check_teacher_proba(teacher_proba, n_samples, names):
    """Check the shape of given predictions, before any of them is read."""
    if not isinstance(getattr(teacher_proba, "dtype", None), np.dtype):
        teacher_proba = np.asarray(teacher_proba)  # of a list, or of a torch tensor
    expected = (n_samples, len(names) or "n_teachers", "n_classes")
    shape = tuple(teacher_proba.shape)
    if (
        len(shape) != 3
        or shape[0] != n_samples
        or not shape[1]
        or (names and shape[1] != len(names))
    ):
        shown = ", ".join(map(str, expected))
        raise ValueError(
            f"`teacher_proba` must have shape ({shown}), got {shape}. `ask_teachers` "
            "makes it; rows come first."
        )
    if teacher_proba.dtype.kind not in "fiub":
        raise ValueError(
            f"`teacher_proba` must hold numbers, got dtype {teacher_proba.dtype}."
        )
    return teacher_proba


def as_proba(given, positions):
    """Return given predictions as probabilities, or say what is wrong with them.

    What `ask_teachers` made passes unchanged, to the bit. All zero is no prediction.
    """
    if given.dtype == bool:  # votes
        given = given.astype(np.float32)
    silent = find_silent(given)  # (b, t)
    total = given.sum(axis=2, dtype=np.float64)  # (b, t)
    with np.errstate(invalid="ignore"):
        wrong = ~((given.min(axis=2) > -1e-6) & (np.abs(total - 1) < 1e-3)) & ~silent
    if wrong.any():
        row, teacher = np.argwhere(wrong)[0]
        values = given[row, teacher].tolist()
        raise ValueError(
            "`teacher_proba` must hold probabilities that sum to one over the classes, "
            f"got {np.count_nonzero(wrong.any(axis=1))} of {len(given)} rows that do "
            f"not, first row {positions[row]}, teacher {teacher}, which sums to "
            f"{total[row, teacher]:.4g}: {_shown_floats(values)}. If they are logits, "
            "pass scipy.special.softmax(logits, axis=-1)."
        )
    proba = given.clip(min=0).astype(np.float32)
    proba[silent] = 0
    rough = ~silent & (np.abs(total - 1) > 1e-6)  # more than float32 rounds
    proba[rough] /= proba[rough].sum(axis=1, keepdims=True)
    return proba


def find_silent(proba):
    """Find the rows that hold no prediction: all of them NaN, or all zero -> bool.

    Examples
    --------
    >>> find_silent(np.array([[0.5, 0.5], [0.0, 0.0], [np.nan, np.nan]]))
    array([False,  True,  True])
    """
    return np.isnan(proba).all(axis=-1) | ~proba.any(axis=-1)


def align(proba, known, classes):
    """Put the columns of `known` where they stand among all classes -> (n, c)."""
    position = {value: code for code, value in enumerate(classes.tolist())}
    aligned = np.zeros((len(proba), len(classes)), dtype=proba.dtype)
    aligned[:, [position[value] for value in known.tolist()]] = proba
    return aligned


def _shown_floats(values, most=6):
    more = ", ..." if len(values) > most else ""
    return "[" + ", ".join(f"{v:.4g}" for v in values[:most]) + more + "]"


# --- Checks --------------------------------------------------------------------------


def _check_classes(classes, found, unlabeled_label):
    """Check that the caller's classes are sorted, and hold all that were found."""
    classes = np.asarray(classes)
    if classes.ndim != 1 or len(classes) < 2:
        raise ValueError(
            "`classes` must be a 1D array of at least 2 classes, got an array of shape "
            f"{classes.shape}."
        )
    values = classes.tolist()
    kinds = {isinstance(value, str) for value in values}
    if len(kinds) > 1 or pd.isna(classes).any():
        raise ValueError(f"`classes` must be all numbers or all strings, got {values}.")
    if sorted(set(values)) != values:
        raise ValueError(
            "`classes` must be sorted and unique, as scikit-learn's metrics expect of "
            f"`classes_`, got {values}: sort it, and the columns of `teacher_proba` "
            "with it."
        )
    if unlabeled_label is not None and unlabeled_label in values:
        raise ValueError(
            f"`classes` holds {unlabeled_label!r}, which marks unlabeled rows in y: "
            "leave it out, or set `unlabeled_label` to another mark or None."
        )
    found = [part for part in found if len(part)]
    for part in found:
        check_one_kind(part, classes)
    strange = sorted({v for part in found for v in part.tolist()} - set(values))
    if strange:
        raise ValueError(
            "`classes`, given or of the first call of partial_fit, must name all "
            f"classes of y and the teachers, got {values} without {strange}."
        )
    return classes


def _check_mark(known, unlabeled_label):
    for name, classes in known.items():
        if unlabeled_label is not None and unlabeled_label in classes.tolist():
            raise ValueError(
                f"Teacher {name!r} knows the class {unlabeled_label!r}, which marks "
                "unlabeled rows in y: set `unlabeled_label` to another mark, or to "
                "None if every row is labeled or unlabeled rows are NaN or None."
            )


def _check_kind(labels, unlabeled_label):
    kind = _kind(labels)
    if kind == "mixed":
        first = _shown(_first_of_each_type(labels))
        shown = first if labels.dtype == object else labels.dtype
        raise ValueError(
            f"The labels in y must be all numbers or all strings, got {shown}: no "
            "other type and no mix of them is supported."
        )
    if kind == "text" and unlabeled_label is not None:
        _check_no_mark_as_text(set(labels.tolist()), unlabeled_label)


def _check_no_mark_as_text(labels, mark):
    marks = {*MISSING_AS_TEXT, str(mark)}
    if isinstance(mark, numbers.Real):
        marks.add(str(float(mark)))
    found = sorted(marks & labels)
    if found:
        raise ValueError(
            f'y holds the string "{found[0]}" beside other strings: NumPy and files '
            f"turn {mark!r} and missing values into text in an array of strings. Build "
            "y with dtype=object, or write None or NaN where the label is unknown. (If "
            f'"{found[0]}" is a class, set unlabeled_label=None.)'
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
