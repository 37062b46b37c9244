"""A student of the user's own is written whole, or not at all."""

import json
import sys
import warnings

import numpy as np
import onnx
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn
from xgboost import XGBClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.export import to_onnx
from sk_ekd.export._feeds import make_feed
from sk_ekd.students import MLP, default_student
from tests.export.onnx_files import ask, distill_noise, open_file
from tests.students.training import SoftmaxMLP
from tests.worlds import OneLogit, linear_net, make_net

N = 150
RNG = np.random.RandomState(0)
NUMBERS = RNG.randn(N, 4)
GAPS = np.where(NUMBERS > 1, np.nan, NUMBERS)
CODES = RNG.randint(0, 3, N)
SPARSE = sparse.csr_matrix(NUMBERS * (NUMBERS > 0))
FRAME = pd.DataFrame(
    {
        "number": NUMBERS[:, 0],
        "gaps": GAPS[:, 1],
        "code": CODES,
        "word": np.take(["a", "b ü", "c"], CODES[::-1]),
        "text": pd.Series(np.take(["x", "y", None], CODES), dtype=object),
        "flag": NUMBERS[:, 2] > 0,
        "category": pd.Categorical(RNG.randint(0, 3, N)),
    }
)
KNOWN = FRAME.drop(columns=["gaps", "text"])
ONE_HOT = OneHotEncoder(handle_unknown="ignore")
IMPUTED_TEXT = SimpleImputer(strategy="most_frequent", missing_values=None)


def each_column(model):
    """Return a student that reads every column of the frame."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1]),
            ("categories", ONE_HOT, ["code", "word", "flag", "category"]),
            ("text", make_pipeline(IMPUTED_TEXT, ONE_HOT), ["text"]),
        ]
    )
    return make_pipeline(columns, model)


def built_in_steps(X, model):
    return make_pipeline(default_student(X)["preprocessing"], model)


def write_and_compare(path, X, student, **params):
    """Assert that the file of a student says what the student does; return both."""
    distiller = distill_noise(X, student=student, **params)
    to_onnx(distiller, path, X=X[:50])
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = open_file(path)
    label, proba = ask(path, make_feed(X, session.get_inputs()))
    assert proba.dtype == np.float32
    expected = distiller.predict_proba(X)
    assert_allclose(proba, expected, atol=2e-6, rtol=0)
    first, second = np.sort(expected)[:, [-1, -2]].T
    is_clear = first - second > 1e-5  # trees have ties
    assert_array_equal(label[is_clear], distiller.predict(X)[is_clear])
    return distiller, session


@pytest.fixture
def path(tmp_path):
    return tmp_path / "student.onnx"


# --- Classifiers ----------------------------------------------------------------------

CLASSIFIERS = {
    "LightGBM": LGBMClassifier(n_estimators=5, verbose=-1),
    "XGBoost": XGBClassifier(n_estimators=5),
    "CatBoost": CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False),
    "tree": DecisionTreeClassifier(max_depth=4),
    "forest": RandomForestClassifier(5),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=5),
    "GradientBoosting": GradientBoostingClassifier(n_estimators=5),
    "LogisticRegression": LogisticRegression(),
    "SGD": SGDClassifier(loss="log_loss"),
    "GaussianNB": GaussianNB(),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_is_written_for_an_array(path, name):
    _, session = write_and_compare(path, NUMBERS, CLASSIFIERS[name])
    inputs = [(i.name, i.type, i.shape) for i in session.get_inputs()]
    assert inputs == [("X", "tensor(double)", ["n", 4])]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_is_written_for_a_frame(path, name):
    X = FRAME[["number", "code"]]
    _, session = write_and_compare(path, X, CLASSIFIERS[name])
    inputs = [(i.name, i.type, i.shape) for i in session.get_inputs()]
    assert inputs == [(name, "tensor(double)", ["n", 1]) for name in X]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_is_written_with_its_steps(path, name):
    write_and_compare(path, FRAME, each_column(CLASSIFIERS[name]))


@pytest.mark.parametrize("name", ["LightGBM", "XGBoost", "HistGradientBoosting"])
def test_classifier_is_written_for_missing_numbers(path, name):
    write_and_compare(path, GAPS, CLASSIFIERS[name])


@pytest.mark.parametrize("known", [[0, 2], [1]])
@pytest.mark.parametrize("name", ["LightGBM", "tree", "LogisticRegression"])
def test_class_that_a_student_never_saw_has_no_probability(path, name, known):
    proba = np.zeros((N, 1, 3))
    proba[:, 0, known] = RNG.dirichlet(np.ones(len(known)), N)
    distiller = EnsembleDistiller(None, CLASSIFIERS[name], random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The target of every row is one class")
        distiller.fit(NUMBERS, np.full(N, -1), teacher_proba=proba)
    to_onnx(distiller, path, X=NUMBERS)
    found = ask(path, {"X": NUMBERS})[1]
    assert_allclose(found, distiller.predict_proba(NUMBERS), atol=2e-6)
    assert not np.delete(found, known, axis=1).any()


def test_classifier_after_the_built_in_steps_is_written(path):
    write_and_compare(path, FRAME, built_in_steps(FRAME, CLASSIFIERS["LightGBM"]))


# --- Nets -----------------------------------------------------------------------------


class Convolution(nn.Module):
    """A module of rows with two axes, which returns more than its logits."""

    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv1d(2, 3, 2), nn.Linear(3, 3)

    def forward(self, X):
        hidden = self.convolution(X).flatten(1)
        return self.linear(hidden), hidden


@pytest.mark.parametrize("X", [NUMBERS, NUMBERS.astype(np.float32), NUMBERS[:1]])
def test_net_reads_doubles(path, X):
    _, session = write_and_compare(path, X, linear_net())
    inputs = [(i.name, i.type, i.shape) for i in session.get_inputs()]
    assert inputs == [("X", "tensor(double)", ["n", 4])]


NETS = {
    "probabilities": (NUMBERS, make_net(SoftmaxMLP, criterion=nn.NLLLoss)),
    "rows with two axes": (NUMBERS.reshape(N, 2, 2), linear_net(Convolution)),
    "frame of numbers": (FRAME[["number", "code", "flag"]], linear_net()),
    "sparse matrix": (SPARSE, linear_net()),
    "own softmax": (
        NUMBERS,
        linear_net(predict_nonlinearity=lambda output: (output / 2).softmax(dim=1)),
    ),
}


@pytest.mark.parametrize("kind", NETS)
def test_net_of_each_kind_is_written(path, kind):
    write_and_compare(path, *NETS[kind])


@pytest.mark.parametrize("module", [OneLogit, MLP])
@pytest.mark.parametrize("with_steps", [False, True])
def test_net_of_one_logit_is_written(path, module, with_steps):
    student = make_net(module, NeuralNetBinaryClassifier)
    if with_steps:
        student = built_in_steps(NUMBERS, student)
    write_and_compare(path, NUMBERS, student, n_classes=2, classes=["no", "yes"])


IS_NUMBER = make_column_selector(dtype_include="number")
IS_TEXT = make_column_selector(dtype_exclude="number")
BY_KIND = ColumnTransformer(
    [("numbers", StandardScaler(), IS_NUMBER), ("texts", OrdinalEncoder(), IS_TEXT)]
)
STEPS = {
    "scaler": (NUMBERS, [StandardScaler()]),
    "scaler of a frame": (FRAME[["number", "code"]], [StandardScaler()]),
    "scaler of a sparse matrix": (SPARSE, [MaxAbsScaler()]),
    "imputer": (GAPS, [SimpleImputer(), StandardScaler(), PCA(2)]),
    "imputer with marks": (
        GAPS,
        [SimpleImputer(strategy="median", add_indicator=True)],
    ),
    "imputer of another mark": (
        np.where(NUMBERS > 1, -1, NUMBERS),
        [SimpleImputer(missing_values=-1)],
    ),
    "imputer of a column of nothing": (
        np.column_stack([GAPS, np.full(N, np.nan)]),
        [SimpleImputer(add_indicator=True)],
    ),
    "encoder of texts": (KNOWN[["word"]], [ONE_HOT]),
    "encoder of an array of texts": (FRAME[["word"]].to_numpy(object), [ONE_HOT]),
    "columns by kind": (KNOWN, [BY_KIND]),
    "columns that pass": (
        FRAME.drop(columns="text"),
        [
            ColumnTransformer(
                [("one", ONE_HOT, ["word", "category"])], remainder="passthrough"
            ),
            SimpleImputer(),
        ],
    ),
    "built-in": (FRAME, [default_student(FRAME)["preprocessing"]]),
    "built-in and another": (FRAME, [default_student(FRAME)["preprocessing"], PCA(3)]),
}


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("kind", STEPS)
def test_steps_before_a_net_are_written(path, kind):
    X, steps = STEPS[kind]
    write_and_compare(path, X, make_pipeline(*steps, linear_net()))


def test_number_may_be_missing_where_the_rows_have_all(path):
    X = FRAME[["number", "code"]]
    student = make_pipeline(SimpleImputer(), linear_net())
    distiller, session = write_and_compare(path, X, student)
    rows = X.astype(float)
    rows[::2] = np.nan
    _, proba = ask(path, make_feed(rows, session.get_inputs()))
    assert_allclose(proba, distiller.predict_proba(rows), atol=2e-6)


@pytest.mark.parametrize("missing", ["", "nan", "None", "<NA>"])
def test_text_of_a_missing_value_is_imputed(path, missing):
    X = FRAME[["text"]]
    student = make_pipeline(IMPUTED_TEXT, ONE_HOT, linear_net())
    distiller, _ = write_and_compare(path, X, student)
    rows = pd.DataFrame({"text": [None, "x"]}, dtype=object)
    expected = distiller.predict_proba(rows)
    feed = {"text": np.array([[missing], ["x"]], dtype=object)}
    assert_allclose(ask(path, feed)[1], expected, atol=2e-6)


def test_rows_may_be_a_list(path):
    distiller = distill_noise(NUMBERS, student=linear_net())
    to_onnx(distiller, path, X=NUMBERS[:5].tolist())
    expected = distiller.predict_proba(NUMBERS)
    found = ask(path, {"X": NUMBERS})[1]
    assert_allclose(found, expected, atol=2e-6)


class Halver(TransformerMixin, BaseEstimator):
    """A step without a state."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X / 2


def test_step_that_cannot_be_written_is_named_though_it_has_no_state(path):
    student = make_pipeline(StandardScaler(), Halver(), linear_net())
    distiller = distill_noise(NUMBERS, student=student)
    with pytest.raises(ValueError, match="Step 'halver' of the student, a Halver"):
        to_onnx(distiller, path, X=NUMBERS)


def test_texts_are_read_by_a_vectorizer(path):
    texts = [f"word{i % 7} other{i % 3}" for i in range(N)]
    X = np.array(texts, dtype=object)
    vectorizer = TfidfVectorizer(lowercase=False)  # else by the machine's locales
    write_and_compare(path, X, make_pipeline(vectorizer, linear_net()))


def test_metadata_name_the_columns(path):
    _, session = write_and_compare(path, FRAME, each_column(LogisticRegression()))
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    texts = {"word", "text"}
    assert columns == {n: "text" if n in texts else "float64" for n in FRAME}


# --- Errors ---------------------------------------------------------------------------


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, X):
        return self.linear(X if X.sum() > 0 else -X)


class Reversed(NeuralNetClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


ERRORS = {
    "step without a converter": (
        NUMBERS,
        make_pipeline(StandardScaler(), SplineTransformer(), linear_net()),
        "Step 'splinetransformer' of the student, a SplineTransformer, cannot be conv",
    ),
    "function": (
        NUMBERS,
        make_pipeline(FunctionTransformer(np.abs), GaussianNB()),
        "Step 'functiontransformer' of the student, a FunctionTransformer, cannot",
    ),
    "module that branches": (
        NUMBERS,
        linear_net(Branches),
        "The student's module, a Branches, cannot be exported by torch.onnx: Could",
    ),
    "net with its own predict_proba": (
        NUMBERS,
        linear_net(kind=Reversed, criterion=nn.CrossEntropyLoss),
        "for 150 of 150 rows it does not: of row 0 it says",
    ),
    "categories of CatBoost": (
        FRAME[["number", "word"]],
        CatBoostClassifier(
            iterations=2, verbose=0, allow_writing_files=False, cat_features=("word",)
        ),
        r"Columns of text, \['word'\], reach the model as it is",
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_student_that_cannot_be_written_is_refused(path, kind, capfd):
    X, student, message = ERRORS[kind]
    distiller = distill_noise(X, student=student)
    with pytest.raises(ValueError, match=message):
        to_onnx(distiller, path, X=X)
    assert not path.exists()


def test_rows_are_asked_for(path):
    distiller = distill_noise(NUMBERS, student=linear_net())
    with pytest.raises(ValueError, match=r"needs a few rows X .* NeuralNetClassifier"):
        to_onnx(distiller, path)


@pytest.mark.parametrize(
    ("package", "student"),
    [
        ("onnxruntime", linear_net()),
        ("onnxscript", linear_net()),
        ("skl2onnx", LogisticRegression()),
        ("onnxmltools", CLASSIFIERS["LightGBM"]),
    ],
)
def test_package_that_is_missing_is_named(path, monkeypatch, package, student):
    distiller = distill_noise(NUMBERS, student=student)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}: pip install .sk_ekd\[export\]"):
        to_onnx(distiller, path, X=NUMBERS)


def test_nothing_is_warned_of(path):
    distiller = distill_noise(NUMBERS, student=linear_net())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(distiller, path, X=NUMBERS)
