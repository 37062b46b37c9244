"""Write the built-in student into a file of arrays and JSON."""

from importlib.metadata import version

import numpy as np

from .._estimator import check_distiller
from .._folded import to_arrays
from ._fold import fold, is_built_in
from ._write import write_whole


def save(distiller, path):
    """Save a fitted distiller's built-in student, for NumPy alone to ask.

    The file has the preprocessing, the network, the columns and the class labels, and
    no teachers. It holds arrays and JSON, and no code. :func:`sk_ekd.serving.load`
    reads it.

    Parameters
    ----------
    distiller : EnsembleDistiller
        A fitted distiller whose student is the built-in one, ``student=None``.
    path : str or path-like
        Where to write the file, by exactly this name; usually it ends in ".npz".

    Raises
    ------
    TypeError
        If the student is another one: :func:`to_onnx` takes more of them, and a pickle
        of :func:`compact` takes all.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sk_ekd import EnsembleDistiller
    >>> from sk_ekd.export import save
    >>> X, y = load_iris(return_X_y=True)
    >>> distiller = EnsembleDistiller([SVC()], cv=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(distiller, Path(folder, "student.npz"))
    ...     Path(folder, "student.npz").stat().st_size < 100_000
    True
    """
    check_distiller(distiller)
    if not is_built_in(distiller.student_):
        raise TypeError(
            "`save` writes the built-in student, student=None, got "
            f"{type(distiller.student_).__name__}. Use `to_onnx`, or pickle "
            "`compact(distiller)`."
        )
    arrays = to_arrays(fold(distiller), version("sk_ekd"))
    write_whole(path, lambda file: np.savez(file, **arrays))
