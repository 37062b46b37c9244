"""Check the teachers' answers that the caller gives, and look them up."""

import numpy as np

from ._rows import take_rows


def make_lookup(teacher_proba, rows):
    """Return the function that looks up given answers to a block of rows.

    Parameters
    ----------
    teacher_proba : ndarray or memmap of shape (n_samples, n_teachers, n_classes)
        The answers to all rows of the caller.
    rows : TrainingRows
        Labeled and unlabeled rows.

    Returns
    -------
    ask : callable
        Maps positions (b,) to X of length b and probabilities (b, t, c).
    """

    def ask(index):
        taken = teacher_proba[rows.index[index]]
        return take_rows(rows.X, index), as_proba(taken, rows.index[index])

    return ask


def check_teacher_proba(teacher_proba, n_samples, names):
    """Check the shape of given answers, before any of them is read.

    Parameters
    ----------
    teacher_proba : array-like of shape (n_samples, n_teachers, n_classes)
        What the caller passed.
    n_samples : int
        Number of rows of X.
    names : list of str
        Names of the teachers; empty where there are none.

    Returns
    -------
    teacher_proba : ndarray or memmap of shape (n_samples, n_teachers, n_classes)
    """
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


def as_proba(answers, positions):
    """Return given answers as probabilities, or say what is wrong with them.

    What `ask_teachers` made passes unchanged, to the bit.

    Parameters
    ----------
    answers : ndarray of shape (n_samples, n_teachers, n_classes)
        A block of rows.
    positions : ndarray of shape (n_samples,)
        What the rows are called in an error.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_teachers, n_classes), dtype float32
    """
    if answers.dtype == bool:  # votes
        answers = answers.astype(np.float32)
    total = answers.sum(axis=2, dtype=np.float64)  # (b, t)
    with np.errstate(invalid="ignore"):
        wrong = ~((answers.min(axis=2) > -1e-6) & (np.abs(total - 1) < 1e-3))
    if wrong.any():
        row, teacher = np.argwhere(wrong)[0]
        values = answers[row, teacher].tolist()
        raise ValueError(
            "`teacher_proba` must hold probabilities that sum to one over the classes, "
            f"got {np.count_nonzero(wrong.any(axis=1))} of {len(answers)} rows that do "
            f"not, first row {positions[row]}, teacher {teacher}, which sums to "
            f"{total[row, teacher]:.4g}: {_shown(values)}."
        )
    proba = answers.clip(min=0).astype(np.float32)
    rough = np.abs(total - 1) > 1e-6  # more than float32 rounds
    proba[rough] /= proba[rough].sum(axis=1, keepdims=True)
    return proba


def _shown(values, most=6):
    more = ", ..." if len(values) > most else ""
    return "[" + ", ".join(f"{v:.4g}" for v in values[:most]) + more + "]"
