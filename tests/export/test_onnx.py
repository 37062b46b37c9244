"""An ONNX file predicts what the distiller does."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetBinaryClassifier
from torch import nn
from xgboost import XGBClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.export import to_onnx
from sk_ekd.students import default_student
from tests.strategies import NAMES, ROWS
from tests.tables import tables
from tests.test_serving import fit, make_table
from tests.worlds import OneLogit, make_net


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def feeds_of(session, rows):
    """Write rows as the page on deploying does: numbers as float64, others by `str`."""
    if not isinstance(rows, pd.DataFrame):
        rows = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
        if [node.name for node in session.get_inputs()] == ["X"]:
            return {"X": rows.astype(float)}
        rows = pd.DataFrame(rows, columns=[f"x{i}" for i in range(rows.shape[1])])
    feeds = {}
    for node, (_, column) in zip(session.get_inputs(), rows.items(), strict=True):
        is_number = node.type == "tensor(double)"
        missing = np.nan if is_number else ""
        values = [missing if pd.isna(v) else v if is_number else str(v) for v in column]
        dtype = float if is_number else object
        feeds[node.name] = np.array(values, dtype=dtype)[:, np.newaxis]
    return feeds


def assert_same(distiller, path, rows, X=None):
    to_onnx(distiller, path, X=X)
    onnx.checker.check_model(path, full_check=True)
    session = open_session(path)
    label, proba = session.run(["label", "probabilities"], feeds_of(session, rows))
    expected = distiller.predict_proba(rows)
    assert_allclose(proba, expected, atol=1e-6 if X is None else 1e-4)
    top = np.sort(expected, axis=1)
    is_sure = top[:, -1] - top[:, -2] > 1e-3
    assert_array_equal(label[is_sure], distiller.predict(rows)[is_sure])
    assert is_sure.any()
    return session


# --- The built-in student -------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    X = make_table().drop(columns=["decimal", "numbers as text"])
    return X, fit(X, names=["no", "perhaps", "yes"])


def test_table_with_columns_of_every_kind(table, tmp_path):
    X, distiller = table
    session = assert_same(distiller, tmp_path / "a.onnx", X)
    kinds = {node.name: node.type for node in session.get_inputs()}
    assert [*kinds] == [*X.columns]
    assert kinds["gaps"] == kinds["flag"] == kinds["nullable"] == "tensor(double)"
    assert kinds["text"] == kinds["constant"] == kinds["codes"] == "tensor(string)"


@pytest.mark.parametrize(
    "change",
    [
        {"text": "unseen", "category": "unseen", "many": "unseen"},
        {"float": np.nan, "int": np.nan, "flag": np.nan, "text": None, "codes": None},
        {"text": "nan", "text with gaps": "<NA>", "nullable": 3, "category": "None"},
        {"flag": 1, "codes": "2", "category": "u"},
        {"codes": 2.0, "many": "r3"},
        {"constant": "other", "zero": 7.0, "huge": 1e300, "float": -1e30},
    ],
    ids=repr,
)
def test_values_in_every_spelling(table, change, tmp_path):
    X, distiller = table
    rows = X.astype(object)[:20].assign(**change)
    assert_same(distiller, tmp_path / "a.onnx", rows)


def test_infinity_is_a_large_number_to_the_file(table, tmp_path):
    X, distiller = table
    path = tmp_path / "a.onnx"
    to_onnx(distiller, path)
    session = open_session(path)
    proba = [
        session.run(["probabilities"], feeds_of(session, X[:5].assign(float=value)))
        for value in (np.inf, 1e30)
    ]
    assert_allclose(proba[0], proba[1], atol=1e-6)


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_every_kind(kind, tmp_path):
    X = ROWS[kind](np.random.default_rng(0).normal(size=(40, 3)))
    assert_same(fit(X), tmp_path / "a.onnx", X)


def test_sparse_rows(tmp_path):
    X = sparse.random(60, 8, density=0.3, random_state=0, format="csr")
    assert_same(fit(X), tmp_path / "a.onnx", X)


def test_array_of_objects_has_an_input_a_column(tmp_path):
    X = np.array([[1.5, "a"], [2.0, "b"], [None, "a"], [4.0, None]] * 10, dtype=object)
    session = assert_same(fit(X), tmp_path / "a.onnx", X)
    assert [node.name for node in session.get_inputs()] == ["x0", "x1"]


def test_table_without_a_number_and_with_numbers_alone(table, tmp_path):
    X, _ = table
    for columns in (["text", "many"], ["text"], ["float", "gaps"], ["constant", "int"]):
        assert_same(fit(X[columns]), tmp_path / "a.onnx", X[columns])


@pytest.mark.parametrize("bound", [None, 2.0])
def test_limit_of_the_numbers(bound, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3)) ** 5
    student = default_student(X).set_params(
        net__max_epochs=2, preprocessing__bound=bound
    )
    proba = np.tile([0.5, 0.5], (40, 1, 1))
    distiller = EnsembleDistiller(None, student, random_state=0)
    distiller.fit(X, np.arange(40) % 2, teacher_proba=proba)
    assert_same(distiller, tmp_path / "a.onnx", X)


@pytest.mark.parametrize("hidden", [(), (5,), (8, 8, 8)])
@pytest.mark.parametrize("columns", [["text"], ["float"], ["float", "text"]])
def test_any_number_of_layers(table, hidden, columns, tmp_path):
    X = table[0][columns]
    student = default_student(X).set_params(
        net__max_epochs=2, net__module__hidden=hidden
    )
    proba = np.tile([0.5, 0.5], (len(X), 1, 1))
    distiller = EnsembleDistiller(None, student, random_state=0)
    distiller.fit(X, np.arange(len(X)) % 2, teacher_proba=proba)
    assert_same(distiller, tmp_path / "a.onnx", X)


@pytest.mark.parametrize("kind", NAMES)
def test_labels_of_every_kind(kind, tmp_path):
    names = NAMES[kind][: 2 if kind == "bools" else 4]
    X = np.random.default_rng(0).normal(size=(40, 3))
    session = assert_same(fit(X, names), tmp_path / "a.onnx", X)
    types = {"ints": "int64", "other ints": "int64", "floats": "double"}
    types |= {"text": "string", "bools": "bool"}
    assert session.get_outputs()[0].type == f"tensor({types[kind]})"


def test_many_classes(tmp_path):
    X = np.random.default_rng(0).normal(size=(160, 3))
    distiller = fit(X, names=range(77))
    to_onnx(distiller, tmp_path / "a.onnx")
    proba = open_session(tmp_path / "a.onnx").run(["probabilities"], {"X": X})[0]
    assert_allclose(proba, distiller.predict_proba(X), atol=1e-6)


@settings(max_examples=20)
@given(table=tables(), seed=st.integers(0, 9))
def test_any_table(table, seed, tmp_path_factory):
    distiller = fit(table, seed=seed, epochs=1)
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    to_onnx(distiller, path)
    session = open_session(path)
    proba = session.run(["probabilities"], feeds_of(session, table))[0]
    assert_allclose(proba, distiller.predict_proba(table), atol=1e-6)


def test_metadata_says_what_goes_in_and_comes_out(table, tmp_path):
    X, distiller = table
    session = assert_same(distiller, tmp_path / "a.onnx", X)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == ["no", "perhaps", "yes"]
    assert json.loads(facts["columns"])["text"] == "text"
    assert json.loads(facts["columns"])["float"] == "float64"
    assert facts["sk_ekd"]
    assert facts["format"] == "sk_ekd student 1"


def test_recipe_of_the_metadata_runs(table, tmp_path):
    X, distiller = table
    path = tmp_path / "a.onnx"
    to_onnx(distiller, path)
    recipe = open_session(path).get_modelmeta().custom_metadata_map["recipe"]
    plain = X.astype({"category": str, "codes": str})
    rows = plain.astype(object).where(plain.notna(), None).to_dict("records")
    for row in rows:
        row["text with gaps"] = row["text with gaps"] or ""
    known = {"np": np, "onnxruntime": onnxruntime, "path": path, "rows": rows}
    exec(recipe, known)
    assert_allclose(known["proba"], distiller.predict_proba(X), atol=1e-6)
    X = np.random.default_rng(0).normal(size=(40, 3))
    distiller = fit(X)
    to_onnx(distiller, path)
    recipe = open_session(path).get_modelmeta().custom_metadata_map["recipe"]
    known = {"onnxruntime": onnxruntime, "path": path, "X": X}
    exec(recipe, known)
    assert_allclose(known["proba"], distiller.predict_proba(X), atol=1e-6)


# --- Students of the user's own -------------------------------------------------------


def distill(student, X, y, **params):
    """Fit a student to predictions that are rather sure of the labels."""
    classes, codes = np.unique(y, return_inverse=True)
    proba = np.full((len(y), 1, len(classes)), 0.1 / (len(classes) - 1))
    proba[np.arange(len(y)), 0, codes] = 0.9
    distiller = EnsembleDistiller(None, student, random_state=0, weighting="uniform")
    return distiller.set_params(**params).fit(X, y, teacher_proba=proba)


DIGITS, CODES = load_digits(return_X_y=True)
DIGITS, CODES = DIGITS[:600] / 16, CODES[:600]
FLAGS = np.where(CODES > 4, "high", "low")


class Net(nn.Sequential):
    """A small convolutional network, with normalization."""

    def __init__(self, out_features):
        super().__init__(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
            nn.Linear(4 * 36, out_features),
        )  # fmt: skip


def make_catboost():
    return CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)


def make_lightgbm():
    return LGBMClassifier(n_estimators=5, verbose=-1)


def make_histogram_boosting():
    return HistGradientBoostingClassifier(max_iter=5, early_stopping=False)


STUDENTS = {
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "histogram boosting": make_histogram_boosting,
    "logistic": lambda: LogisticRegression(max_iter=500),
    "LightGBM": make_lightgbm,
    "XGBoost": lambda: XGBClassifier(n_estimators=5),
    "CatBoost": make_catboost,
    "net": make_net,
    "steps and net": lambda: make_pipeline(StandardScaler(), PCA(9), make_net()),
    "steps and tree": lambda: make_pipeline(StandardScaler(), make_lightgbm()),
}


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("y", [CODES, FLAGS], ids=["ten classes", "two of text"])
def test_student_of_the_users_own(name, y, tmp_path):
    distiller = distill(STUDENTS[name](), DIGITS, y)
    assert_same(distiller, tmp_path / "a.onnx", DIGITS, X=DIGITS[:50])


def test_binary_net_and_images(tmp_path):
    binary = distill(make_net(OneLogit, NeuralNetBinaryClassifier), DIGITS, FLAGS)
    assert_same(binary, tmp_path / "a.onnx", DIGITS, X=DIGITS[:50])
    images = DIGITS.reshape(-1, 1, 8, 8).astype(np.float32)
    distiller = distill(make_net(Net), images, CODES)
    assert_same(distiller, tmp_path / "a.onnx", images, X=images[:1])


def test_student_that_never_saw_a_class(tmp_path):
    proba = np.tile([0.0, 0.5, 0.5, 0.0], (len(DIGITS), 1, 1))
    distiller = EnsembleDistiller(
        None, DecisionTreeClassifier(max_depth=3, random_state=0), classes=[0, 1, 2, 3]
    )
    known = np.isin(CODES, [1, 2])
    distiller.fit(DIGITS[known], CODES[known], teacher_proba=proba[known])
    assert distiller.student_.classes_.tolist() == [1, 2]
    assert_same(distiller, tmp_path / "a.onnx", DIGITS[known], X=DIGITS[:50])


@pytest.mark.parametrize("end", [make_net, make_lightgbm, make_catboost])
def test_columns_of_a_table_reach_their_steps(end, tmp_path):
    X = make_table(600)[["float", "int", "gaps", "text", "flag"]]
    X = X.astype({"flag": float})
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["float", "gaps"]), (OneHotEncoder(), ["text"]),
        ("passthrough", ["flag"]),
    )  # fmt: skip
    distiller = distill(make_pipeline(columns, end()), X, FLAGS)
    session = assert_same(distiller, tmp_path / "a.onnx", X, X=X[:50])
    assert [node.name for node in session.get_inputs()] == [*X.columns]


def test_table_of_numbers_reaches_a_bare_model(tmp_path):
    X = pd.DataFrame(DIGITS[:, 10:14], columns=list("abcd"))
    for student in (make_net(), DecisionTreeClassifier(max_depth=3, random_state=0)):
        distiller = distill(student, X, FLAGS)
        assert_same(distiller, tmp_path / "a.onnx", X, X=X[:50])


# --- What cannot be exported ----------------------------------------------------------


class Doubler(TransformerMixin, BaseEstimator):
    """A step of the user's own."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X


class Odd(GaussianNB):
    """A classifier that is not what it inherits from."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


class Reader(type(make_net())):
    """A net that reads its rows by itself."""

    def get_dataset(self, X, y=None):
        return super().get_dataset(X, y)


@pytest.mark.parametrize(
    ("student", "X", "message"),
    [
        (make_pipeline(Doubler(), make_net()), DIGITS, "Step 'doubler'.*a Doubler"),
        (
            make_pipeline(StandardScaler(), Doubler(), make_lightgbm()),
            DIGITS,
            "Step 'doubler'",
        ),
        (Reader(make_net().module, criterion=nn.CrossEntropyLoss, verbose=0), DIGITS,
         "reads its rows by a Dataset"),
        (Odd(), DIGITS, "Odd"),
    ],
    ids=["step", "later step", "reader", "subclass"],
)  # fmt: skip
def test_what_cannot_be_converted_is_named(student, X, message, tmp_path):
    distiller = distill(student, X, FLAGS)
    with pytest.raises(ValueError, match=message):
        to_onnx(distiller, tmp_path / "a.onnx", X=X[:50])
    assert not [*tmp_path.iterdir()]


def test_student_of_the_users_own_needs_rows(tmp_path):
    distiller = distill(make_net(), DIGITS, CODES)
    for rows in (None, DIGITS[:0]):
        with pytest.raises(
            ValueError, match=r"pass some, to_onnx\(distiller, path, X="
        ):
            to_onnx(distiller, tmp_path / "a.onnx", X=rows)


def test_only_a_fitted_distiller_is_exported(table, tmp_path):
    with pytest.raises(NotFittedError):
        to_onnx(EnsembleDistiller(None), tmp_path / "a.onnx")
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller"):
        to_onnx(table[1].student_, tmp_path / "a.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_missing_package_names_the_extra(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    distiller = distill(make_net(), DIGITS, CODES)
    with pytest.raises(ImportError, match=rf"{missing}: pip install 'sk_ekd.export.'"):
        to_onnx(distiller, tmp_path / "a.onnx", X=DIGITS[:9])
