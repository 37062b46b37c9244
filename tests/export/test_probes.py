"""Files answer rows that nobody passed as X as the student does, or are not written."""

import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.export import _converters, save, to_onnx
from tests.export.onnx_files import distill_noise, open_file

RNG = np.random.RandomState(0)
NUMBERS = RNG.randn(200, 3)
GAPS = np.where(RNG.rand(200, 3) < 0.2, np.nan, NUMBERS)
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
TREES = [
    TREE,
    RandomForestClassifier(5, random_state=0),
    ExtraTreesClassifier(5, random_state=0),
    BaggingClassifier(TREE, 5, random_state=0),
]


def distill(X, y, student):
    """Fit a student to labels of which the teacher is all but sure."""
    proba = np.eye(2)[y][:, np.newaxis] * 0.8 + 0.1
    model = EnsembleDistiller(None, student, random_state=0)
    return model.fit(X, y, teacher_proba=proba)


@pytest.mark.parametrize("student", TREES, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("X", [NUMBERS, GAPS], ids=["numbers", "gaps"])
def test_trees_send_missing_values_where_the_student_does(tmp_path, student, X):
    y = (np.isnan(X[:, 0]) | (X[:, 1] > 0.5)).astype(int)
    distiller = distill(X, y, student)
    to_onnx(distiller, tmp_path / "tree.onnx", X=X[~np.isnan(X).any(axis=1)])
    _, proba = open_file(tmp_path / "tree.onnx").run(None, {"X": GAPS})
    assert_allclose(proba, distiller.predict_proba(GAPS), atol=1e-6)


def test_split_of_missing_values_from_all_others_is_written(tmp_path):
    X = np.where(RNG.rand(200, 1) < 0.3, np.nan, RNG.randn(200, 1))
    distiller = distill(X, np.isnan(X[:, 0]).astype(int), TREE)
    assert np.isinf(distiller.student_.tree_.threshold).any()
    to_onnx(distiller, tmp_path / "tree.onnx", X=X)  # did not end
    rows = np.array([[np.nan], [1e30], [-1e30]])
    _, proba = open_file(tmp_path / "tree.onnx").run(None, {"X": rows})
    assert_allclose(proba, distiller.predict_proba(rows), atol=1e-6)


def test_tree_that_differs_on_a_missing_value_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_converters, "send_missing", lambda model, converted: None)
    distiller = distill(NUMBERS, (NUMBERS[:, 0] > 0.5).astype(int), TREE)
    with pytest.raises(ValueError, match="must say of the rows") as caught:
        to_onnx(distiller, tmp_path / "tree.onnx", X=NUMBERS)
    assert "X is fine" in caught.value.__notes__[0]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(
            encoded_missing_value=5,
            handle_unknown="use_encoded_value",
            unknown_value=-1,
        ),
    ],
    ids=["one-hot", "ordinal"],
)
def test_empty_text_is_the_missing_value_that_an_encoder_knows(
    tmp_path, encoder, missing
):
    column = pd.Series(RNG.choice(["x", "y", ""], 200), dtype=object)
    X = pd.DataFrame({"a": RNG.randn(200), "c": column.replace({"": missing})})
    y = (column == "").astype(int).to_numpy()
    columns = make_column_transformer((encoder, ["c"]), remainder="passthrough")
    distiller = distill(X, y, make_pipeline(columns, TREE))
    path = tmp_path / "student.onnx"
    to_onnx(distiller, path, X=X)
    feed = {"a": np.zeros((2, 1)), "c": np.array([[""], ["x"]], dtype=object)}
    label, _ = open_file(path).run(None, feed)
    assert label.tolist() == [1, 0]


def test_words_that_a_converter_cuts_apart_are_refused(tmp_path):
    words = ["red", "apple", "car", "naïve", "Éclair", "日本"]
    texts = [" ".join(RNG.choice(words, 5)) for _ in range(200)]
    y = np.array(["naïve" in text for text in texts]).astype(int)
    student = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression())
    distiller = distill(texts, y, student)
    plain = [text for text in texts if text.isascii()]
    with pytest.raises(ValueError, match="must say of the rows"):
        to_onnx(distiller, tmp_path / "student.onnx", X=plain)


@pytest.mark.parametrize("name", ["sk_ekd.constant0", "sk_ekd.Relu3"])
def test_columns_named_as_parts_of_a_file_are_refused(tmp_path, name):
    X = pd.DataFrame(NUMBERS, columns=["a", "b", name])
    distiller = distill_noise(X)
    with pytest.raises(ValueError, match="rename these columns"):
        to_onnx(distiller, tmp_path / "student.onnx")


def test_file_is_written_to_where_the_path_leads(tmp_path):
    distiller = distill_noise(pd.DataFrame(NUMBERS, columns=list("abc")))
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.write_bytes(b"old")
    link.symlink_to(real)
    save(distiller, link)
    assert link.is_symlink()
    assert real.stat().st_size > 1000
    long = tmp_path / ("n" * 240 + ".npz")
    save(distiller, long)
    assert long.exists()
    for path in (tmp_path / "no" / "such.npz", tmp_path):
        with pytest.raises(FileNotFoundError, match="a folder that exists"):
            save(distiller, path)


def test_threads_may_write_one_path(tmp_path):
    distiller = distill_noise(pd.DataFrame(NUMBERS, columns=list("abc")))
    path, errors = tmp_path / "student.npz", []

    def write():
        try:
            save(distiller, path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [*tmp_path.iterdir()] == [path]
