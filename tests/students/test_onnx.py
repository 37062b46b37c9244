"""A net is written as a model that says what the net says."""

import logging

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose

from sk_ekd.students import export_net
from tests.export.onnx_files import open_file
from tests.students.training import NETS, fit, make_data
from tests.worlds import Normed, linear_net


@pytest.fixture(scope="module", params=["logits", "proba", "binary", "normed"])
def fitted(request):
    """Return rows, and a net that was fitted to them."""
    nets = {**NETS, "normed": linear_net(Normed)}
    X, y, target = make_data(2 if request.param == "binary" else 3)
    return X, fit(nets[request.param], X, y, target)[0]


@pytest.fixture(scope="module")
def model(fitted):
    X, net = fitted
    return export_net(net, X, opset=18)


def test_model_says_what_the_net_says(fitted, model):
    X, net = fitted
    onnx.checker.check_model(model, full_check=True)
    session = open_file(model.SerializeToString())
    for rows in (X, X[:1]):
        (proba,) = session.run(["probabilities"], {"X": rows})
        assert proba.dtype == np.float32
        assert_allclose(proba, net.predict_proba(rows), atol=1e-6)


def test_model_is_written_from_one_row_or_many(fitted, model):
    X, net = fitted
    of_one = export_net(net, X[:1], opset=18)
    assert of_one.SerializeToString() == model.SerializeToString()


def test_net_stays_as_it_was(fitted):
    X, net = fitted
    net.module_.train()
    before = net.module_.state_dict()
    export_net(net, X, opset=18)
    assert net.module_.training
    for name, value in net.module_.state_dict().items():
        assert (value == before[name]).all()
    assert logging.root.manager.disable == logging.NOTSET
