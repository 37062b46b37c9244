"""The logits behind what a student predicts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd.students import MLP, student_logits
from sk_ekd.students._predict import student_proba
from tests.students.training import NETS, fit, make_data, plain_net


class TwoOutputs(MLP):
    """Returns its logits first, and something else."""

    def forward(self, X):
        return super().forward(X), X


class Halved(NeuralNetClassifier):
    """Asks its module in its own way."""

    def infer(self, x, **fit_params):
        return super().infer(x, **fit_params) / 2


class Certain(NeuralNetClassifier):
    """Has its own probabilities."""

    def predict_proba(self, X):
        return np.eye(3)[super().predict_proba(X).argmax(axis=1)]


STUDENTS = {
    "logits": NETS["logits"],
    "one logit": NETS["binary"],
    "first of two outputs": plain_net(TwoOutputs),
    "own infer": plain_net(kind=Halved, criterion=nn.CrossEntropyLoss),
    "pipeline": make_pipeline(StandardScaler(), plain_net()),
}


@pytest.mark.parametrize("name", STUDENTS)
def test_softmax_of_the_logits_is_what_the_student_predicts(name):
    n_classes = 2 if name == "one logit" else 3
    X, y, target = make_data(n_classes)
    student, _ = fit(STUDENTS[name], X, y, target)
    logits = student_logits(student, X)
    assert logits.shape == (len(X), n_classes)
    assert logits.dtype == np.float64
    assert_allclose(softmax(logits, axis=1), student_proba(student, X), atol=1e-12)


def test_one_logit_favors_no_class_by_its_size():
    X, y, target = make_data(2)
    student, _ = fit(NETS["binary"], X, y, target)
    assert_allclose(student_logits(student, X).sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (NETS["proba"], "with NLLLoss, returns probabilities"),
        (plain_net(kind=Certain, criterion=nn.CrossEntropyLoss), "of its own, and its"),
    ],
)
def test_net_without_logits_is_refused(net, message):
    X, y, target = make_data()
    student, _ = fit(net, X, y, target)
    with pytest.raises(TypeError, match=message):
        student_logits(student, X)


def test_what_no_distiller_fitted_is_refused():
    X, y, _ = make_data()
    with pytest.raises(NotFittedError):
        student_logits(plain_net(), X)
    with pytest.raises(TypeError, match="a DecisionTreeClassifier, is no net, and its"):
        student_logits(DecisionTreeClassifier().fit(X, y), X)
