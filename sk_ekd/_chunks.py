"""What only all rows together can tell, and what must stay the same over chunks."""

import numpy as np


def check_chunkwise(validation_fraction, class_weight):
    """Raise for parameters that look at all rows."""
    if validation_fraction is not None:
        raise ValueError(
            "`validation_fraction` stops the training of a whole fit: set it to "
            "None for partial_fit, and watch the score on rows of your own."
        )
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' counts the labels of all rows, which "
            "partial_fit does not see: pass a dict of weights, or None."
        )


def check_same_classes(classes, before):
    """Raise where classes are not those of the calls before."""
    if classes is not None and not np.array_equal(classes, before):
        raise ValueError(
            "`classes` must be the same in every call of partial_fit, got "
            f"{np.asarray(classes).tolist()} after {before.tolist()}. To "
            "start anew, call it on a clone."
        )


def teachers_by_now(teachers, cv, fitted, teacher_proba):
    """Return the teachers of a later call, and their cv: the first call fitted them."""
    if isinstance(cv, str):
        return teachers, cv
    if fitted:
        return list(fitted.items()), "prefit"
    if teacher_proba is None:
        raise ValueError(
            f"cv={cv!r} fits the teachers in the first call, which came with "
            "`teacher_proba` instead: pass it in every call."
        )
    return teachers, cv


def check_same_teachers(predictions, before):
    """Raise where a pool, and the names of weights, would be those of others."""
    now = predictions.names
    if predictions.given is not None and len(now) == len(before):
        return  # given predictions have no names
    if now != before:
        raise ValueError(
            "The teachers must be the same, in the same order, in every call of "
            f"partial_fit, got {now} after {before}. To start anew, call it on a "
            "clone."
        )


def check_classes_are_named(predictions, data, classes):
    """Raise where only the number of columns would say which classes there are."""
    are_named = any(given is not None for given in classes)
    if not are_named and not predictions.known and not data.labeled.any():
        raise ValueError(
            "The first chunk has no label, and there are no teachers whose classes are "
            "known: name all classes, as in partial_fit(X, y, classes=[...]), in the "
            f"order of the {predictions.given.shape[2]} columns of `teacher_proba`."
        )
