"""Ask a file what the student was asked, before anyone relies on it."""

import numpy as np

from ._feeds import make_feed

TOLERANCE = 1e-4  # of a probability; rounding in float32 takes 1e-6


def check_rows(content, distiller, X):
    """Raise unless the file says of the rows what the distiller does."""
    expected, expected_label = distiller.predict_proba(X), distiller.predict(X)
    try:
        label, proba = run(content, X)
    except Exception as error:  # of a runtime, which has types of its own
        raise ValueError(
            f"The file does not run on the rows X: {error}\n"
            "Pass rows as `fit` saw them; if they are, the student cannot be written "
            "as ONNX with the packages that are installed. Put steps that only read "
            "the rows before the distiller, or use student=None."
        ) from error
    off = np.abs(proba - expected).max(axis=1)
    is_far = ~(off <= TOLERANCE)  # NaN is
    first, second = np.sort(expected, axis=1)[:, [-1, -2]].T
    is_far |= (label != expected_label) & (first - second > 2 * TOLERANCE)
    if is_far.any():
        row = int(is_far.argmax())
        raise ValueError(
            "The file must say of the rows X what the student does, to "
            f"{TOLERANCE:g}, but for {is_far.sum()} of {len(off)} rows it does not: "
            f"of row {row} it says {label[row]!r}, probabilities "
            f"{proba[row].round(4).tolist()}, the student {expected_label[row]!r}, "
            f"{expected[row].round(4).tolist()}. Nothing is written. A step was "
            "converted into something else: put it before the distiller, or use "
            "student=None."
        )


def run(content, X):
    """Return the labels and the probabilities that a file gives rows."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, make_feed(X, session.get_inputs()))
