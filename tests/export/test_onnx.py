"""An ONNX file predicts what the distiller does."""

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch import NeuralNetBinaryClassifier
from torch import nn

from sk_ekd import EnsembleDistiller
from sk_ekd.export import to_onnx
from sk_ekd.students import default_student
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


def test_array_of_objects_has_an_input_a_column(tmp_path):
    X = np.array([[1.5, "a"], [2.0, "b"], [None, "a"], [4.0, None]] * 10, dtype=object)
    session = assert_same(fit(X), tmp_path / "a.onnx", X)
    assert [node.name for node in session.get_inputs()] == ["x0", "x1"]


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


def test_many_classes(tmp_path):
    X = np.random.default_rng(0).normal(size=(160, 3))
    distiller = fit(X, names=range(77))
    to_onnx(distiller, tmp_path / "a.onnx")
    proba = open_session(tmp_path / "a.onnx").run(["probabilities"], {"X": X})[0]
    assert_allclose(proba, distiller.predict_proba(X), atol=1e-6)


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


def test_binary_net_and_images(tmp_path):
    binary = distill(make_net(OneLogit, NeuralNetBinaryClassifier), DIGITS, FLAGS)
    assert_same(binary, tmp_path / "a.onnx", DIGITS, X=DIGITS[:50])
    images = DIGITS.reshape(-1, 1, 8, 8).astype(np.float32)
    distiller = distill(make_net(Net), images, CODES)
    assert_same(distiller, tmp_path / "a.onnx", images, X=images[:1])


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
