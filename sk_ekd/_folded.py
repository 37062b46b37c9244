"""A fitted built-in student as arrays, for NumPy to ask and a file to hold."""

import json
from typing import NamedTuple

import numpy as np

from ._values import Category

KIND, FORMAT = "sk_ekd student", 1  # what a file says that it is
LABELS = "biufUO"  # kinds of classes; of objects, they are text
VECTORS = {  # of a file, the type of each and where its length comes from
    "numbers": (np.int64, "numbers"),
    "is_read": (np.bool_, "numbers"),
    "median": (np.float64, "numbers"),
    "center": (np.float64, "numbers"),
    "scale": (np.float64, "numbers"),
    "missing": (np.int64, "missing"),
    "share_missing": (np.float64, "missing"),
}


class Folded(NamedTuple):
    """What a fitted built-in student computes: k numbers, m of them once missing.

    A row's numbers are imputed by `median`, centered, divided by `scale` and limited by
    `bound`. Beside them are two times (missing - `share_missing`), and a one for each
    category. Dense layers follow, with ReLU between, and a softmax.
    """

    names: list | None  # of the columns, as text; None for an array
    n_columns: int
    is_sparse: bool  # whether `fit` saw a sparse matrix: center and median are 0
    classes: np.ndarray  # (c,), integers, bools, floats or text
    numbers: np.ndarray  # (k,), positions in the table
    is_read: np.ndarray  # (k,), bool; the others teach nothing, whatever they hold
    median: np.ndarray  # (k,), float64, as are the next two
    center: np.ndarray
    scale: np.ndarray  # 0 for a column that is always 0
    missing: np.ndarray  # (m,), which of the k are marked where they are missing
    share_missing: np.ndarray  # (m,)
    bound: float | None
    categories: list[Category]
    layers: list[tuple[np.ndarray, np.ndarray]]  # (d_in, d_out) and (d_out,), float32


# --- Write ----------------------------------------------------------------------------


def to_arrays(folded, version):
    """Return what a file holds -> dict of str to ndarray, none of them of objects."""
    header = {
        "kind": KIND,
        "format": FORMAT,
        "sk_ekd": version,
        "names": folded.names,
        "n_columns": folded.n_columns,
        "is_sparse": bool(folded.is_sparse),
        "classes": folded.classes.tolist(),
        "classes_dtype": folded.classes.dtype.str,
        "bound": folded.bound,
        "categories": [category._asdict() for category in folded.categories],
        "n_layers": len(folded.layers),
    }
    text = json.dumps(header, default=lambda value: value.item())  # of NumPy's
    arrays = {"header": np.frombuffer(text.encode(), dtype=np.uint8)}
    arrays |= {
        name: getattr(folded, name).astype(t) for name, (t, _) in VECTORS.items()
    }
    for i, (weight, bias) in enumerate(folded.layers):
        arrays |= {f"weight_{i}": weight, f"bias_{i}": bias}
    return arrays


# --- Read, and trust nothing ----------------------------------------------------------


def from_arrays(arrays):
    """Return what a file means -> Folded; raise a ValueError for what cannot be."""
    header = _read_header(arrays)
    vectors = {name: _take(arrays, name, t, 1) for name, (t, _) in VECTORS.items()}
    for name, (_, like) in VECTORS.items():
        _check(len(vectors[name]) == len(vectors[like]), f"{name} has a wrong length")
    folded = Folded(
        names=header["names"],
        n_columns=header["n_columns"],
        is_sparse=header["is_sparse"],
        classes=np.array(header["classes"], dtype=np.dtype(header["classes_dtype"])),
        bound=header["bound"],
        categories=[Category(**category) for category in header["categories"]],
        layers=[
            (
                _take(arrays, f"weight_{i}", np.float32, 2),
                _take(arrays, f"bias_{i}", np.float32, 1),
            )
            for i in range(header["n_layers"])
        ],
        **vectors,
    )
    _check_columns(folded)
    _check_categories(folded)
    _check_numbers(folded)
    _check_layers(folded)
    return folded


def _read_header(arrays):
    """Return the JSON document, its format checked before anything else."""
    header = json.loads(_take(arrays, "header", np.uint8, 1).tobytes())
    _check(isinstance(header, dict) and header.get("kind") == KIND, "no such header")
    version = header.get("format")
    _check(type(version) is int and version > 0, f"format {version!r}")
    if version > FORMAT:
        raise ValueError(
            f"it has format {version}, written by sk_ekd {header.get('sk_ekd')}, and "
            f"this version reads formats up to {FORMAT}: upgrade sk_ekd"
        )
    types = {
        "names": (list, type(None)), "n_columns": int, "is_sparse": bool,
        "classes": list, "classes_dtype": str, "bound": (float, int, type(None)),
        "categories": list, "n_layers": int,
    }  # fmt: skip
    for name, kind in types.items():
        _check(isinstance(header.get(name, ...), kind), f"{name} in the header")
    is_known = np.dtype(header["classes_dtype"]).kind in LABELS
    _check(is_known, f"classes of type {header['classes_dtype']}")
    return header


def _take(arrays, name, dtype, n_dim):
    """Return an array of a file, which is to have this type and so many axes."""
    _check(name in arrays, f"it lacks {name}")
    array = arrays[name]
    is_right = array.dtype == dtype and array.ndim == n_dim
    _check(is_right, f"{name} is an array of {array.dtype} with {array.ndim} axes")
    return array


def _check_columns(folded):
    names, n_columns = folded.names, folded.n_columns
    if names is not None:
        _check(all(isinstance(name, str) for name in names), "names are no text")
        _check(len(names) == len(set(names)) == n_columns, "names of the columns")
    positions = [category.position for category in folded.categories]
    found = sorted([*folded.numbers.tolist(), *positions])
    _check(found == list(range(n_columns)), "positions of the columns")


def _check_categories(folded):
    for category in folded.categories:
        texts = category.texts
        _check(isinstance(texts, list) and len(texts) > 0, "categories")
        known = all(text is None or isinstance(text, str) for text in texts)
        _check(known and len(set(texts)) == len(texts), "categories are no text")
        _check(isinstance(category.has_rest, bool), "categories")
    classes = folded.classes
    is_text = classes.dtype != object or all(isinstance(c, str) for c in classes)
    _check(is_text and classes.ndim == 1, "classes")
    _check(0 < len(classes) == len(set(classes.tolist())), "classes are not distinct")


def _check_numbers(folded):
    for name in ("median", "center", "scale", "share_missing"):
        _check(np.isfinite(getattr(folded, name)).all(), f"{name} is not finite")
    _check((folded.scale >= 0).all(), "scale is negative")
    bound = folded.bound
    _check(bound is None or 0 < bound < np.inf, f"bound {bound}")
    k, missing = len(folded.numbers), folded.missing
    _check(((missing >= 0) & (missing < k)).all(), "missing is out of range")


def _check_layers(folded):
    width = len(folded.numbers) + len(folded.missing)
    width += sum(category.width for category in folded.categories)
    for weight, bias in folded.layers:
        is_right = weight.shape == (width, len(bias))
        _check(is_right, f"a layer of shape {weight.shape} takes {width}")
        is_finite = np.isfinite(weight).all() and np.isfinite(bias).all()
        _check(is_finite, "a weight is not finite")
        width = len(bias)
    _check(folded.layers and width == len(folded.classes), "the last layer's width")


def _check(is_right, fault):
    if not is_right:
        raise ValueError(f"it was changed, or written by something else: {fault}")
