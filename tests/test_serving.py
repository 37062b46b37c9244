"""A saved student predicts what the distiller does, by NumPy alone."""

import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetBinaryClassifier

from sk_ekd import EnsembleDistiller, serving
from sk_ekd._folded import to_arrays
from sk_ekd.export import save
from sk_ekd.export._fold import fold
from sk_ekd.students import MLP, default_student
from tests.strategies import NAMES, ROWS
from tests.tables import pyarrow
from tests.worlds import make_net


def fit(X, names=(0, 1), seed=0, epochs=2):
    """Return a distiller of a built-in student that has hardly trained."""
    rng = np.random.default_rng(seed)
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    y = np.array(names, dtype=object)[np.arange(n_rows) % len(names)]
    y = np.array(y.tolist())
    proba = rng.dirichlet(np.ones(len(names)), (n_rows, 1))
    student = default_student(X).set_params(net__max_epochs=epochs)
    distiller = EnsembleDistiller(None, student, random_state=seed)
    return distiller.fit(X, y, teacher_proba=proba)


def reload(distiller, folder):
    save(distiller, folder / "student.npz")
    return serving.load(folder / "student.npz")


def make_table(n_rows=80):
    """Return a table with columns of every kind."""
    rng = np.random.default_rng(0)
    rare = [f"r{i}" for i in range(70)] * 3
    table = pd.DataFrame({
        "float": rng.normal(size=n_rows),
        "int": rng.integers(0, 100, n_rows),
        "flag": rng.random(n_rows) > 0.5,
        "gaps": np.where(rng.random(n_rows) > 0.7, np.nan, rng.normal(size=n_rows)),
        "nullable": pd.array([1, 2, None, 7] * (n_rows // 4), dtype="Int64"),
        "decimal": [Decimal(i) / 4 for i in range(n_rows)],
        "numbers as text": [str(i / 8) for i in range(n_rows)],
        "text": rng.choice(["a", "b", "ü"], n_rows),
        "text with gaps": rng.choice(np.array(["x", "y", None], dtype=object), n_rows),
        "category": pd.Categorical(rng.choice(["u", "v"], n_rows)),
        "codes": pd.Categorical(rng.integers(0, 4, n_rows)),
        "many": (rare * n_rows)[:n_rows],
        "constant": "same",
        "zero": 0.0,
        "huge": rng.normal(size=n_rows) * 1e200,
    })  # fmt: skip
    return table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    X = make_table()
    distiller = fit(X, names=["no", "perhaps", "yes"])
    path = tmp_path_factory.mktemp("serving") / "student.npz"
    save(distiller, path)
    return SimpleNamespace(
        X=X, distiller=distiller, path=path, student=serving.load(path)
    )


# --- The same as the distiller --------------------------------------------------------


def assert_same(student, distiller, X, asked=None):
    asked = X if asked is None else asked
    expected = distiller.predict_proba(X)
    assert_allclose(student.predict_proba(asked), expected, atol=1e-6)
    sure = np.sort(expected)[:, -1] - np.sort(expected)[:, -2] > 1e-5
    predicted = student.predict(asked)
    assert_array_equal(predicted[sure], distiller.predict(X)[sure])
    assert predicted.dtype == distiller.classes_.dtype


@pytest.mark.parametrize("n_rows", [1, 3, 80])
def test_table_with_columns_of_every_kind(world, n_rows):
    X = world.X[:n_rows]
    assert_same(world.student, world.distiller, X)
    assert_same(world.student, world.distiller, X, X.to_dict("records"))
    assert_same(world.student, world.distiller, X[:1], X.iloc[0].to_dict())


def test_more_rows_than_a_block(world):
    X = pd.concat([world.X] * 110)
    assert len(X) > serving.BLOCK_ROWS
    assert_same(world.student, world.distiller, X)


@pytest.mark.parametrize(
    "change",
    [
        {"text": "unseen", "category": "unseen", "many": "unseen"},
        {"float": np.nan, "int": None, "flag": pd.NA, "text": None, "codes": np.nan},
        {"text": "nan", "text with gaps": "", "nullable": "<NA>", "float": "None"},
        {"flag": "true", "int": "7", "float": "1.5", "decimal": 2, "nullable": 3.0},
        {"flag": 1, "codes": "2", "category": "u"},
        {"codes": 2.0, "many": "r3", "numbers as text": 0.25},
        {"constant": "other", "zero": np.inf},
        {"constant": None, "zero": "no number"},
        {"huge": 1e300, "float": -1e30},
        {"text": b"a", "text with gaps": 1.0},
    ],
    ids=repr,
)
def test_values_in_every_spelling(world, change):
    X = world.X.astype(object)[:20].assign(**change)
    assert_same(world.student, world.distiller, X)
    assert_same(world.student, world.distiller, X[:1])
    assert_same(world.student, world.distiller, X, X.to_dict("records"))


def test_keys_of_a_row_may_come_in_any_order(world):
    row = world.X.iloc[0].to_dict()
    turned = dict(reversed(row.items()))
    assert_array_equal(
        world.student.predict_proba(row), world.student.predict_proba(turned)
    )


def test_polars_and_arrow_tables(world):
    plain = world.X.drop(columns=["decimal", "huge"]).astype({"codes": str})
    distiller = fit(plain)
    values = plain.astype(object).where(plain.notna(), None)
    polars = pl.DataFrame(values.to_dict("list"))
    for table in [polars] if pyarrow is None else [polars, polars.to_arrow()]:
        student = serving.Student(serving.from_arrays(arrays_of(distiller)))
        assert_same(student, distiller, plain, table)


def arrays_of(distiller):
    file = io.BytesIO()
    np.savez(file, **to_arrays(fold(distiller), "0"))
    file.seek(0)
    return serving._read_arrays(file)


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_every_kind(kind, tmp_path):
    X = ROWS[kind](np.random.default_rng(0).normal(size=(40, 3)))
    distiller = fit(X)
    assert_same(reload(distiller, tmp_path), distiller, X)


@pytest.mark.parametrize(
    "form", [sparse.csr_matrix, sparse.coo_array, sparse.csc_array]
)
def test_sparse_rows_and_their_dense_form(form, tmp_path):
    X = sparse.random(60, 8, density=0.3, random_state=0, format="csr")
    distiller = fit(X)
    student = reload(distiller, tmp_path)
    assert_same(student, distiller, X, form(X))
    assert_same(student, distiller, X, X.toarray())


def test_masked_rows(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3))
    masked = np.ma.masked_greater(X, 1.0)
    distiller = fit(masked)
    assert_same(reload(distiller, tmp_path), distiller, masked)


@pytest.mark.parametrize("kind", NAMES)
def test_labels_of_every_kind(kind, tmp_path):
    names = NAMES[kind][: 2 if kind == "bools" else 4]
    X = np.random.default_rng(0).normal(size=(40, 3))
    distiller = fit(X, names)
    student = reload(distiller, tmp_path)
    assert_same(student, distiller, X)
    assert student.classes_.tolist() == names


@pytest.mark.parametrize("n_classes", [2, 77])
def test_two_classes_and_many(n_classes, tmp_path):
    X = np.random.default_rng(0).normal(size=(160, 3))
    distiller = fit(X, names=range(n_classes))
    proba = reload(distiller, tmp_path).predict_proba(X)
    assert_allclose(proba, distiller.predict_proba(X), atol=1e-6)
    assert_allclose(proba.sum(axis=1), 1)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-10, 10),
    st.sampled_from(["a", "b", "1", "1.0", "true", "", "nan", "7", "-0.0"]),
)  # fmt: skip
COLUMNS = st.lists(st.lists(VALUES, min_size=12, max_size=12), min_size=1, max_size=3)


@given(columns=COLUMNS, later=st.lists(VALUES, min_size=12, max_size=12))
def test_any_table_and_any_value_later(columns, later):
    X = pd.DataFrame(
        {f"c{i}": pd.Series(c, dtype=object) for i, c in enumerate(columns)}
    )
    X["known"] = np.arange(12.0)
    distiller = fit(X, epochs=1)
    student = serving.Student(serving.from_arrays(arrays_of(distiller)))
    new = X.assign(c0=pd.Series(later, dtype=object))
    try:
        expected = distiller.predict_proba(new)
    except ValueError as error:  # text in a column of numbers
        with pytest.raises(ValueError, match=re.escape(str(error)[:60])):
            student.predict_proba(new)
        return
    for rows in (new, new.to_dict("records")):
        assert_allclose(student.predict_proba(rows), expected, atol=1e-6)


# --- Bad rows -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: X[X.columns[::-1]], "in the same order"),
        (lambda X: X.rename(columns={"int": "Int"}), "Lacking: .'int'.. Unknown"),
        (lambda X: X.drop(columns="int"), "Lacking: .'int'"),
        (lambda X: X.assign(more=1), "Unknown: .'more'"),
        (lambda X: X[:0], "at least 1 row"),
        (lambda X: X.iloc[0].drop("int").to_dict(), "Lacking: .'int'"),
        (lambda X: {**X.iloc[0].to_dict(), "more": 1}, "Unknown: .'more'"),
        (lambda X: X.assign(int="seven"), "Column 'int' must hold numbers.*'seven'"),
        (lambda X: X.assign(float=np.inf), "infinity"),
        (lambda X: X.to_numpy()[:, :3], "15 columns of the fit, got 3"),
        (lambda X: X["int"].tolist(), r"got list of shape \(80,\)"),
        (lambda X: [], "got 0 rows"),
    ],
)  # fmt: skip
def test_bad_rows_are_refused(world, spoil, message):
    with pytest.raises(ValueError, match=message):
        world.student.predict_proba(spoil(world.X))


def test_dict_needs_names(tmp_path):
    student = reload(fit(np.random.default_rng(0).normal(size=(40, 3))), tmp_path)
    with pytest.raises(ValueError, match="fitted on an array: pass an array"):
        student.predict({"x0": 1, "x1": 2, "x2": 3})


def test_names_on_one_side_only_are_warned_of(world, tmp_path):
    with pytest.warns(UserWarning, match="X has no column names"):
        world.student.predict(world.X.to_numpy())
    student = reload(fit(np.random.default_rng(0).normal(size=(40, 2))), tmp_path)
    with pytest.warns(UserWarning, match="X has column names"):
        student.predict(pd.DataFrame({"a": [1.0], "b": [2.0]}))


# --- Alone ----------------------------------------------------------------------------

ALONE = """
import sys
for name in ("torch", "skorch", "sklearn", "pandas", "scipy", "joblib"):
    sys.modules[name] = None
from sk_ekd import serving
student = serving.load(sys.argv[1])
print(student.predict(eval(sys.argv[2]))[0])
"""


def test_serving_needs_numpy_alone(world):
    row = world.X.drop(columns=["decimal"]).iloc[0].to_dict()
    row = {k: getattr(v, "item", lambda v=v: v)() for k, v in row.items()} | {
        "decimal": 0.25
    }
    command = [sys.executable, "-c", ALONE, str(world.path), repr(row)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [world.student.predict(row)[0]]


def test_student_can_be_pickled_and_shows_what_it_is(world):
    again = pickle.loads(pickle.dumps(world.student))
    row = world.X.iloc[0].to_dict()
    assert_array_equal(again.predict_proba(row), world.student.predict_proba(row))
    assert repr(again) == "<sk_ekd.serving.Student of 15 columns and 3 classes>"
    assert again.n_features_in_ == len(again.feature_names_in_) == 15


# --- Bad files ------------------------------------------------------------------------


def change_header(arrays, **changes):
    header = json.loads(arrays["header"].tobytes()) | changes
    header = {k: v for k, v in header.items() if v is not ...}
    return arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}


def write(arrays, path, save=np.savez):
    with open(path, "wb") as file:
        save(file, **arrays)


CHANGES = {
    "a newer format": lambda a: change_header(a, format=2),
    "no format": lambda a: change_header(a, format=...),
    "a format of text": lambda a: change_header(a, format="1"),
    "another kind": lambda a: change_header(a, kind="a model"),
    "a header that is a list": lambda a: a | {"header": np.frombuffer(b"[]", np.uint8)},
    "no JSON": lambda a: a | {"header": np.frombuffer(b"{", np.uint8)},
    "no header": lambda a: {k: v for k, v in a.items() if k != "header"},
    "no weight": lambda a: {k: v for k, v in a.items() if k != "weight_1"},
    "a layer less": lambda a: change_header(a, n_layers=2),
    "a million layers": lambda a: change_header(a, n_layers=10**6),
    "NaN in a weight": lambda a: a | {"weight_1": a["weight_1"] * np.float32("nan")},
    "weights in float64": lambda a: a | {"weight_0": a["weight_0"].astype(float)},
    "a weight that is cut": lambda a: a | {"weight_0": a["weight_0"][:-1]},
    "a short median": lambda a: a | {"median": a["median"][:-1]},
    "a negative scale": lambda a: a | {"scale": -1 - a["scale"]},
    "positions that come twice": lambda a: a | {"numbers": 0 * a["numbers"]},
    "a missing one out of range": lambda a: a | {"missing": a["missing"] + 99},
    "too few names": lambda a: change_header(a, names=["a"]),
    "classes that come twice": lambda a: change_header(a, classes=["no"] * 3),
    "classes that are dates": lambda a: change_header(a, classes_dtype="<M8[s]"),
    "categories that are numbers": lambda a: change_header(a, categories=[1, 2]),
    "a bound of zero": lambda a: change_header(a, bound=0),
    "a pickle": lambda a: a | {"median": a["median"].astype(object)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_file_is_refused(world, change, tmp_path):
    path = tmp_path / "changed.npz"
    with open(world.path, "rb") as file:
        write(CHANGES[change](serving._read_arrays(file)), path)
    with pytest.raises(ValueError, match=r"changed.npz' is no student"):
        serving.load(path)


def test_newer_format_says_what_to_do(world, tmp_path):
    with open(world.path, "rb") as file:
        write(change_header(serving._read_arrays(file), format=2), tmp_path / "new")
    with pytest.raises(ValueError, match=r"format 2.*upgrade sk_ekd"):
        serving.load(tmp_path / "new")


def cut(content, path):
    path.write_bytes(content[: len(content) // 2])


def flip(content, path):
    middle = len(content) // 2
    path.write_bytes(
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )


def compress(content, path):
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))


def claim_too_much(content, path):
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**50,)}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, claim)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weight_0.npy", file.getvalue())


SPOILERS = {
    "empty": lambda content, path: path.write_bytes(b""),
    "text": lambda content, path: path.write_text("a student"),
    "a pickle": lambda content, path: path.write_bytes(pickle.dumps({})),
    "one array": lambda content, path: np.save(path.open("wb"), np.ones(3)),
    "cut": cut,
    "a flipped bit": flip,
    "compressed": compress,
    "a claim of petabytes": claim_too_much,
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_spoiled_file_is_refused(world, spoiler, tmp_path):
    path = tmp_path / "spoiled.npz"
    SPOILERS[spoiler](world.path.read_bytes(), path)
    with pytest.raises(ValueError, match=r"spoiled.npz' is no student"):
        serving.load(path)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        serving.load(tmp_path / "nothing.npz")
    with pytest.raises(IsADirectoryError):
        serving.load(tmp_path)


# --- Save -----------------------------------------------------------------------------


def test_file_has_exactly_the_name(world, tmp_path):
    save(world.distiller, tmp_path / "model")
    save(world.distiller, str(tmp_path / "model"))  # over it
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    serving.load(tmp_path / "model")


def test_failed_save_leaves_the_old_file(world, tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_text("old")
    monkeypatch.setattr(np, "savez", lambda file, **arrays: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(world.distiller, path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_only_a_fitted_distiller_of_the_built_in_student_is_saved(world, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    proba = np.tile([0.5, 0.5], (40, 1, 1))
    other = EnsembleDistiller(None, make_net()).fit(X, y, teacher_proba=proba)
    with pytest.raises(
        TypeError, match=r"student=None, got NeuralNetClassifier.*to_onnx"
    ):
        save(other, tmp_path / "a")
    with pytest.raises(NotFittedError):
        save(EnsembleDistiller(None), tmp_path / "a")
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller"):
        save(world.distiller.student_, tmp_path / "a")
    assert not [*tmp_path.iterdir()]


def test_student_of_one_logit_is_saved(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3))
    student = default_student(X)
    student.steps[-1] = ("net", make_net(MLP, NeuralNetBinaryClassifier))
    proba = np.random.default_rng(0).dirichlet([1, 1], (40, 1))
    distiller = EnsembleDistiller(None, student, random_state=0)
    distiller.fit(X, np.arange(40) % 2, teacher_proba=proba)
    assert_same(reload(distiller, tmp_path), distiller, X)


# --- What NumPy would cast ------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [np.timedelta64(1, "h"), np.complex128(1 + 5j), 1 + 5j]
)
def test_values_that_only_numpy_takes_for_numbers_are_refused(tmp_path, value):
    X = pd.DataFrame(np.random.RandomState(0).randn(80, 2), columns=["a", "b"])
    student = reload(fit(X), tmp_path)
    with pytest.raises(ValueError, match="'a' must hold numbers"):
        student.predict({"a": value, "b": 0.0})
    many = pd.DataFrame({"a": [value] * 80, "b": X["b"]})
    with pytest.raises(ValueError, match="'a' must hold numbers"):
        student.predict(many)
    if not isinstance(value, complex):
        many = np.full((3, 2), value)
        with pytest.raises(ValueError, match="turn dates and durations into numbers"):
            student.predict(many)


def test_limit_of_numbers_is_saved_with_its_fraction(tmp_path):
    X = pd.DataFrame(np.random.RandomState(0).randn(80, 2) * 3, columns=["a", "b"])
    own = default_student(X).set_params(
        preprocessing__bound=np.float32(2.5), net__max_epochs=2
    )
    proba = np.full((80, 1, 2), 0.5)
    distiller = EnsembleDistiller(None, own, random_state=0)
    distiller.fit(X, np.arange(80) % 2, teacher_proba=proba)
    expected = distiller.predict_proba(X)
    assert_allclose(reload(distiller, tmp_path).predict_proba(X), expected, atol=1e-6)


def test_row_may_be_any_mapping_or_a_series(tmp_path):
    X = pd.DataFrame(np.random.RandomState(0).randn(80, 2), columns=["a", "b"])
    student = reload(fit(X), tmp_path)
    expected = student.predict_proba(X[:1])
    for row in (MappingProxyType(X.iloc[0].to_dict()), X.iloc[0]):
        assert_allclose(student.predict_proba(row), expected)
    with pytest.raises(ValueError, match=r"Out of place, or there twice: \['b', 'a'\]"):
        student.predict(X[["b", "a"]])
    with pytest.raises(TypeError, match="Each row of the list must be a dict"):
        student.predict([{"a": 1, "b": 2}, [1, 2]])
    of_array = reload(fit(X.to_numpy()), tmp_path)
    with pytest.raises(ValueError, match="fitted on an array: pass an array"):
        of_array.predict({})
