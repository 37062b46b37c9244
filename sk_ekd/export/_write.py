"""What the exports share: check a distiller, and write a file whole or not at all."""

import os
from pathlib import Path

from sklearn.utils.validation import check_is_fitted


def check_fitted(distiller):
    """Raise an error unless this is a fitted distiller."""
    if not hasattr(distiller, "unlabeled_label"):
        raise TypeError(
            f"`distiller` must be a fitted EnsembleDistiller, got {distiller!r}. (Of a "
            "search, pass its `best_estimator_`; of a Pipeline, its last step.)"
        )
    check_is_fitted(distiller, "student_")


def write_whole(path, write):
    """Let `write` fill a file, and give it its name only then."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with open(draft, "wb") as file:  # with the rights of any new file
            write(file)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
