"""A file says what the student says, whatever the columns are and hold."""

import json
import sys
import warnings
from decimal import Decimal

import numpy as np
import onnx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetBinaryClassifier

import sk_ekd
from sk_ekd import EnsembleDistiller
from sk_ekd.export import to_onnx
from sk_ekd.export._feeds import make_feed
from sk_ekd.students import MLP, default_student
from tests.export.onnx_files import ask, distill_noise, open_file
from tests.tables import DRIFTS, tables
from tests.worlds import make_net

N = 80
RNG = np.random.RandomState(0)
NUMBERS = RNG.randn(N, 5)
CODES = RNG.randint(0, 4, N)
COLUMNS = {
    "float": NUMBERS[:, 0],
    "int": CODES * 1000 + 2**40,
    "bool": CODES > 1,
    "text": np.take(["a", "b ü", "1", "0.5"], CODES),
    "object": pd.Series(np.take(["a", "b", "c", None], CODES), dtype=object),
    "category": pd.Categorical(np.take(["a", "b", "c", "d"], CODES)),
    "category of ints": pd.Categorical(CODES),
    "category of floats": pd.Categorical(np.take([0.1, 2.5, 1.0, -0.0], CODES)),
    "category of bools": pd.Categorical(CODES > 1),
    "nullable int": pd.array(np.take([1, 2, 3, None], CODES), "Int64"),
    "nullable bool": pd.array(np.take([True, False, None, True], CODES), "boolean"),
    "nullable text": pd.array(np.take(["a", "b", "c", None], CODES), "string"),
    "Decimal": [Decimal(int(code)) / 3 for code in CODES],
    "numbers as text": np.take(["1.5", "2", "-3e2", "0"], CODES),
    "gaps": np.where(CODES == 1, np.nan, NUMBERS[:, 1]),
    "far out": np.where(np.arange(N) == 3, 1e300, NUMBERS[:, 2]),
    "constant": 7.5,
    "constant text": "same",
    "nothing": np.nan,
}


def make_frame(*names):
    return pd.DataFrame({"age": NUMBERS[:, 4]} | {n: COLUMNS[n] for n in names})


def assert_same(distiller, path, X, rows=None):
    """Assert that a file written beside X says of rows what the distiller does."""
    rows = X if rows is None else rows
    to_onnx(distiller, path, X=X)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    feed = make_feed(rows, open_file(path).get_inputs())
    label, proba = ask(path, feed)
    expected = distiller.predict_proba(rows)
    assert proba.dtype == np.float32
    assert_allclose(proba, expected, atol=2e-6, rtol=0)
    assert_array_equal(label, distiller.predict(rows))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "student.onnx"


@pytest.fixture(scope="module")
def mixed():
    """A frame of every kind of column, and a distiller that was fitted to it."""
    X = make_frame(*COLUMNS)
    return X, distill_noise(X)


# --- Columns --------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_column_of_each_kind_is_read_as_the_student_reads_it(path, name):
    X = make_frame(name)
    assert_same(distill_noise(X), path, X)


@pytest.mark.parametrize("name", COLUMNS)
def test_column_alone_is_read_as_the_student_reads_it(path, name):
    X = make_frame(name)[[name]]
    assert_same(distill_noise(X), path, X)


def test_missing_values_are_read_where_the_fit_saw_none(path, mixed):
    X, distiller = mixed
    for name in X:
        rows = X.astype({name: object})
        rows.loc[::3, name] = None
        assert_same(distiller, path, X, rows)


@pytest.mark.parametrize("missing", ["", "nan", "None", "<NA>", "NA", "null", "NaT"])
def test_text_of_a_missing_value_is_one(path, mixed, missing):
    X, distiller = mixed
    texts = ["text", "object", "category", "category of ints", "nullable text"]
    assert_same(distiller, path, X, X.assign(**dict.fromkeys(texts, missing)))


def test_values_that_were_never_seen_are_read_as_the_student_reads_them(path, mixed):
    X, distiller = mixed
    texts = ["text", "object", "category", "category of floats", "constant text"]
    numbers = {"float": 1e30, "int": -5, "gaps": -np.inf, "constant": np.nan}
    rows = X.assign(**dict.fromkeys(texts, "never seen"), **numbers)
    rows["gaps"] = -1e200
    assert_same(distiller, path, X, rows)


@pytest.mark.parametrize(
    ("name", "spellings"),
    {
        "category of ints": ["1", "1.0", "1.00", "true", "True", "TRUE"],
        "category of floats": ["0.1", "0.10", "0.10000000149011612"],
        "category of bools": ["False", "false", "0", "0.0", "-0.0", "0.00"],
        "text": ["0.5", "0.50", "0.500000"],
    }.items(),
)
def test_spellings_of_a_value_are_one(path, mixed, name, spellings):
    X, distiller = mixed
    rows = X[: len(spellings)].astype({name: object})
    rows[name] = spellings
    assert_same(distiller, path, X, rows)


@pytest.mark.parametrize("share_missing", [0, 0.2])
def test_rare_values_and_those_never_seen_share_a_place(path, share_missing):
    names = np.array([f"name {i}" for i in range(100)], dtype=object)
    X = pd.DataFrame(
        {"name": names[RNG.randint(0, 100, 600)], "number": RNG.randn(600)}
    )
    X.loc[RNG.rand(600) < share_missing, "name"] = None
    distiller = distill_noise(X)
    rows = pd.DataFrame({"name": [*names, "new", "", None], "number": 0.0})
    assert distiller.student_["preprocessing"].categories_[0].has_rest
    assert_same(distiller, path, X, rows)


def test_infinite_number_is_limited_as_a_large_one(path, mixed):
    X, distiller = mixed
    to_onnx(distiller, path)
    feed = make_feed(X[:3], open_file(path).get_inputs())
    large = {**feed, "float": np.array([[1e30], [-1e30], [0]])}
    infinite = {**feed, "float": np.array([[np.inf], [-np.inf], [0]])}
    assert_allclose(ask(path, infinite)[1], ask(path, large)[1], atol=1e-6)


@given(tables(), st.sampled_from(list(DRIFTS)), st.integers(0, 2**16))
def test_table_is_read_as_the_student_reads_it(tmp_path_factory, table, before, seed):
    path = tmp_path_factory.getbasetemp() / "drawn.onnx"
    train = DRIFTS[before](table)
    if isinstance(train, list):
        train = np.array(train, dtype=object)
    distiller = distill_noise(train, seed=seed)
    to_onnx(distiller, path)
    session = open_file(path)
    for after, drift in DRIFTS.items():
        X = drift(table)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X (does not have|has) ")
            expected = distiller.predict_proba(X)
        _, proba = session.run(None, make_feed(X, session.get_inputs()))
        assert_allclose(proba, expected, atol=1e-5, rtol=0, err_msg=after)


# --- Tables ---------------------------------------------------------------------------

TABLES = {
    "array": NUMBERS,
    "array of float32": NUMBERS.astype(np.float32),
    "array of ints": CODES.reshape(-1, 1) * [1, 2, 3],
    "array with gaps": np.where(NUMBERS > 1, np.nan, NUMBERS),
    "array with constants": NUMBERS * [1, 0, 1, 0, 1] + [0, 3, 0, 0, 0],
    "array of constants": np.ones((N, 2)),
    "sparse matrix": sparse.csr_matrix(NUMBERS * (NUMBERS > 0.5)),
    "frame of floats": pd.DataFrame(NUMBERS, columns=list("abcde")),
    "frame without names": pd.DataFrame(NUMBERS),
    "mixed frame without names": pd.DataFrame({0: NUMBERS[:, 0], 1: COLUMNS["text"]}),
    "array of objects": make_frame("text", "bool").to_numpy(dtype=object),
    "array of objects, text ignored": make_frame("constant text").to_numpy(object),
    "frame of texts": make_frame("text", "category")[["text", "category"]],
    "frame of constants": make_frame("constant", "constant text").iloc[:, 1:],
    "frame of one column, X": pd.DataFrame({"X": COLUMNS["text"]}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_table_of_each_kind_is_read_as_the_student_reads_it(path, kind):
    X = TABLES[kind]
    assert_same(distill_noise(X), path, X)


@pytest.mark.parametrize("n_rows", [1, 2, 50])
def test_any_number_of_rows_is_read(path, mixed, n_rows):
    X, distiller = mixed
    assert_same(distiller, path, X, X[:n_rows])


def test_inputs_are_the_columns_of_a_frame(path, mixed):
    X, distiller = mixed
    to_onnx(distiller, path)
    inputs = {
        given.name: (given.type, given.shape) for given in open_file(path).get_inputs()
    }
    texts = {"text", "object", "category", "category of ints", "category of floats",
             "category of bools", "nullable text", "constant text"}  # fmt: skip
    assert inputs == {
        name: ("tensor(string)" if name in texts else "tensor(double)", ["n", 1])
        for name in X
    }


def test_input_of_an_array_is_one(path):
    to_onnx(distill_noise(NUMBERS), path)
    inputs = open_file(path).get_inputs()
    assert [(i.name, i.type, i.shape) for i in inputs] == [
        ("X", "tensor(double)", ["n", 5])
    ]


# --- Students and classes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        ([0, 1, 2], np.int64),
        ([-7, 3, 2**40], np.int64),
        ([0.0, 0.5, 2.0], np.float64),
        ([False, True], np.bool_),
        (["bad", "good", "ü"], np.object_),
        (list(range(77)), np.int64),
    ],
)
def test_label_is_one_of_the_classes_in_their_type(path, classes, dtype):
    X = NUMBERS
    distiller = distill_noise(X, len(classes), classes=classes)
    assert_same(distiller, path, X)
    assert ask(path, {"X": X})[0].dtype == dtype


@pytest.mark.parametrize(
    "params",
    [
        {"net__module__hidden": ()},
        {"net__module__hidden": (8, 8, 8)},
        {"preprocessing__bound": None},
        {"preprocessing__bound": 0.5},
    ],
)
@pytest.mark.parametrize("kind", ["array with gaps", "frame of texts"])
def test_student_of_other_parameters_is_written(path, kind, params):
    X = TABLES[kind]
    student = default_student(X).set_params(net__max_epochs=2, **params)
    assert_same(distill_noise(X, student=student), path, X)


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"]])
def test_student_of_one_logit_is_written(path, classes):
    student = default_student(NUMBERS)
    net = make_net(MLP, NeuralNetBinaryClassifier)
    student.steps[-1] = ("net", net)
    distiller = distill_noise(NUMBERS, 2, student=student, classes=classes)
    assert_same(distiller, path, NUMBERS)
    to_onnx(distiller, path)  # it needs no rows


def test_net_that_predicts_in_its_own_way_is_not_the_built_in_one(path):
    student = default_student(NUMBERS).set_params(
        net__max_epochs=2,
        net__predict_nonlinearity=lambda logits: (logits / 2).softmax(dim=1),
    )
    distiller = distill_noise(NUMBERS, student=student)
    with pytest.raises(ValueError, match="a few rows X"):
        to_onnx(distiller, path)
    assert_same(distiller, path, NUMBERS)


def test_ignored_column_may_hold_anything_where_there_is_no_bound(path):
    X = TABLES["array with constants"]
    student = default_student(X).set_params(
        net__max_epochs=2, preprocessing__bound=None
    )
    rows = X.copy()
    rows[::2, 1] = np.inf
    assert_same(distill_noise(X, student=student), path, X, rows)


def test_file_without_rows_to_check_is_the_same(path, mixed):
    X, distiller = mixed
    to_onnx(distiller, path)
    before = path.read_bytes()
    to_onnx(distiller, str(path), X=X)
    assert path.read_bytes() == before


# --- What the file says of itself -----------------------------------------------------


def test_metadata_name_classes_columns_and_versions(path):
    X = make_frame("text", "constant", "constant text", "gaps")
    classes = ["bad", "fair", "good"]
    to_onnx(distill_noise(X, classes=classes), path)
    described = open_file(path).get_modelmeta().custom_metadata_map
    assert json.loads(described["classes"]) == classes
    assert json.loads(described["columns"]) == {
        "age": "float64",
        "text": "text",
        "constant": "float64",
        "constant text": "text",
        "gaps": "float64",
    }
    assert described["format"] == "sk_ekd student 1"
    assert described["sk_ekd"] == sk_ekd.__version__


def test_operators_are_those_of_older_runtimes(path, mixed):
    to_onnx(mixed[1], path)
    model = onnx.load(path)
    assert model.ir_version == 8
    versions = {imported.domain: imported.version for imported in model.opset_import}
    assert versions == {"": 17, "ai.onnx.ml": 3}


# --- Errors ---------------------------------------------------------------------------


def test_distiller_that_is_not_fitted_is_refused(path):
    with pytest.raises(NotFittedError):
        to_onnx(EnsembleDistiller(None), path)


def test_package_that_is_missing_is_named_with_the_extra(path, mixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"onnx: pip install .sk_ekd\[export\]"):
        to_onnx(mixed[1], path)


@pytest.mark.parametrize("name", ["label", "probabilities", ""])
def test_column_that_cannot_be_an_input_is_named(path, name):
    X = pd.DataFrame(NUMBERS[:, :2], columns=["age", name])
    with pytest.raises(ValueError, match=f"got \\['{name}'\\]: rename"):
        to_onnx(distill_noise(X), path)


def test_rows_that_are_not_those_of_the_student_are_refused(path, mixed):
    with pytest.raises(ValueError, match="feature names should match"):
        to_onnx(mixed[1], path, X=mixed[0].rename(columns={"text": "words"}))
    assert not path.exists()


def test_file_that_differs_from_the_student_is_not_written(path, mixed, monkeypatch):
    X, distiller = mixed
    path.write_bytes(b"before")
    proba = 1 - distiller.predict_proba(X)
    monkeypatch.setattr(distiller, "predict_proba", lambda X: proba)
    with pytest.raises(ValueError, match="for 80 of 80 rows it does not"):
        to_onnx(distiller, path, X=X)
    assert path.read_bytes() == b"before"
    assert [*path.parent.iterdir()] == [path]
