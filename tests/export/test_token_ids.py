"""A net of token ids becomes a file whose inputs are the ids."""

import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from torch.utils.data import TensorDataset

from sk_ekd.export import to_onnx
from tests.export.onnx_files import open_file
from tests.students import tokens


@pytest.mark.parametrize("module", [tokens.Bag, tokens.MaskedBag, tokens.NamedBag])
def test_net_of_token_ids_takes_them_by_their_names(tmp_path, module):
    is_mapping = module is tokens.MaskedBag
    X = tokens.BATCH if is_mapping else tokens.IDS
    distiller = tokens.distill(X, tokens.net(module, max_epochs=2))
    path = tmp_path / "student.onnx"
    to_onnx(distiller, path, X=X)
    session = open_file(path)
    assert {given.type for given in session.get_inputs()} == {"tensor(int64)"}
    names = [given.name for given in session.get_inputs()]
    assert names == (list(X) if is_mapping else ["X"])
    feed = X if is_mapping else {"X": X}
    single = {key: part[:1] for key, part in feed.items()}
    label, proba = session.run(None, feed)
    assert_allclose(proba, distiller.predict_proba(X), atol=1e-6)
    assert_allclose(session.run(None, single)[1], proba[:1], atol=1e-6)
    assert_array_equal(label, distiller.predict(X))
    recipe = session.get_modelmeta().custom_metadata_map["recipe"]
    found = {"path": path, "X": X, "onnxruntime": onnxruntime}
    exec(recipe, found)
    assert_allclose(found["proba"], proba, atol=1e-6)


def test_pipeline_of_a_net_alone_takes_ids(tmp_path):
    student = make_pipeline(tokens.net(max_epochs=2))
    distiller = tokens.distill(tokens.IDS, student)
    path = tmp_path / "student.onnx"
    to_onnx(distiller, path, X=tokens.IDS)
    _, proba = open_file(path).run(None, {"X": tokens.IDS})
    assert_allclose(proba, distiller.predict_proba(tokens.IDS), atol=1e-6)


def test_net_of_a_dataset_is_an_error_that_says_so(tmp_path):
    rows = TensorDataset(torch.from_numpy(tokens.IDS))
    distiller = tokens.distill(rows, tokens.net(max_epochs=1))
    with pytest.raises(ValueError, match="reads its rows by a Dataset"):
        to_onnx(distiller, tmp_path / "student.onnx", X=rows)
