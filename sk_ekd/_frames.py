"""Look at who within scikit-learn calls, and what it takes the unlabeled mark for."""

import contextlib
import sys

import numpy as np

from ._classes import as_column, read_labels
from ._compat import warn


def warn_of_scikit_learn(unlabeled_label, own):
    """Warn where a caller within scikit-learn takes the unlabeled mark for a class.

    The fit alone cannot know: it sees the train part only, and maybe encoded. So look
    at who calls. Where scikit-learn changes its names, nothing is said.

    Parameters
    ----------
    unlabeled_label : scalar or None
        The mark of an unlabeled row.
    own : type
        The estimator that calls, and that knows the mark.
    """
    if unlabeled_label is None:
        return
    frame = sys._getframe()
    while frame := frame.f_back:
        if not frame.f_globals.get("__name__", "").startswith("sklearn."):
            continue
        with contextlib.suppress(Exception):  # foreign objects may raise anything
            if _takes_mark_for_class(frame, unlabeled_label, own):
                break
    else:
        return
    warn(
        f"scikit-learn takes {unlabeled_label!r}, the mark of an unknown label, for a "
        "class here: folds are stratified by it, and every scorer but the default "
        "counts these rows as errors. To a search or cross-validation pass "
        "cv=SemiSupervisedSplit(5) from sk_ekd.model_selection, to a meta-estimator "
        "labeled rows only. (If it is a class, set unlabeled_label=None.)"
    )


def _takes_mark_for_class(frame, unlabeled_label, own):
    """Return whether a frame of scikit-learn tests or encodes unlabeled rows."""
    names, caller = frame.f_locals, frame.f_code.co_name
    if caller in ("_fit_and_score", "_fit_and_predict", "_permutation_test_score"):
        y = names["y"]
        y = as_column(np.ravel(y) if np.ndim(y) > 1 else y)  # without its warning
        return not read_labels(y[names["test"]], unlabeled_label)[1].all()
    if caller == "cross_val_predict":
        return unlabeled_label in names["le"].classes_.tolist()
    meta = names["self"]
    return not isinstance(meta, own) and (
        unlabeled_label in np.asarray(meta.classes_).tolist()
    )
