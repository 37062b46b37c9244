"""Ask a file what the student was asked, before anyone relies on it."""

from functools import cached_property

import numpy as np

from ._feeds import make_feed
from ._probes import make_probes

TOLERANCE = 1e-4  # of a probability; rounding in float32 takes 1e-6


def check_model(content, distiller, X):
    """Raise unless a file says of the rows, and odd ones, what the student does."""
    file = OpenFile(content)
    check_rows(file, distiller, X)
    for rows in make_probes(distiller, X):
        try:
            check_rows(file, distiller, rows)
        except ValueError as error:
            error.add_note(
                f"X is fine; it is a row like these that differs, which the student "
                f"would answer:\n{rows if isinstance(rows, list) else rows[:1]}"
            )
            raise


def check_rows(file, distiller, X):
    """Raise unless the file says of the rows what the distiller does."""
    expected, expected_label = distiller.predict_proba(X), distiller.predict(X)
    try:
        label, proba = file.run(X)
    except Exception as error:  # of a runtime, which has types of its own
        raise ValueError(
            f"The file does not run on the rows X: {error}\n"
            "If it fails to construct a locale, it is lowercase=True of a vectorizer "
            "that needs one: set it to False, and lower texts before. Else pass rows "
            "as `fit` saw them; if they are, the student cannot be written as ONNX "
            "with the packages that are installed: put steps that only read the rows "
            "before the distiller, or use student=None."
        ) from error
    if proba.shape != expected.shape:
        raise ValueError(
            f"The file must give the rows X probabilities of shape {expected.shape}, "
            f"as the student does, got {proba.shape}: a converter has made something "
            "else of it. Nothing is written; use another model, or student=None."
        )
    off = np.abs(proba - expected).max(axis=1)
    is_far = ~(off <= TOLERANCE)  # NaN is
    first, second = np.sort(expected, axis=1)[:, [-1, -2]].T
    is_far |= (label != expected_label) & (first - second > 2 * TOLERANCE)
    if is_far.any():
        row = int(is_far.argmax())
        raise ValueError(
            "The file must say of the rows X what the student does, to "
            f"{TOLERANCE:g}, but for {is_far.sum()} of {len(off)} rows it does not: "
            f"of row {row} it says {_shown(label[row], proba[row])}, and the student "
            f"{_shown(expected_label[row], expected[row])}. Nothing is written. A "
            "converter has made something else of a step: put that one before the "
            "distiller, or use student=None."
        )


def _shown(label, proba):
    return f"{np.asarray(label).item()!r}, {proba.astype(float).round(4).tolist()}"


class OpenFile:
    """A file, opened when it is first asked."""

    def __init__(self, content):
        self.content = content

    @cached_property
    def session(self):
        """The session of a runtime, of one thread."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # an error is raised, and need not be printed
        return onnxruntime.InferenceSession(
            self.content, options, providers=["CPUExecutionProvider"]
        )

    def run(self, X):
        """Return the labels and the probabilities that it gives rows."""
        return self.session.run(None, make_feed(X, self.session.get_inputs()))
