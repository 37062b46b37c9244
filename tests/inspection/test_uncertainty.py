"""How unsure a student is, whatever its kind."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import entropy
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetBinaryClassifier
from torch import nn

from sk_ekd import EnsembleDistiller
from sk_ekd.export import compact
from sk_ekd.inspection import uncertainty
from tests.students.training import SoftmaxMLP
from tests.worlds import OneLogit, make_net, unfitted_trio

pytestmark = pytest.mark.filterwarnings("ignore:The fitted teachers are all but")

KINDS = ["entropy", "energy"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_value_a_row_whatever_the_others_are(shown, kind):
    found = uncertainty(shown.distiller, shown.X, kind=kind)
    assert found.shape == (100,)
    assert found.dtype == np.float64
    order = np.random.RandomState(0).permutation(100)
    again = uncertainty(shown.distiller, shown.X[order], kind=kind)
    assert_allclose(again, found[order], rtol=1e-6)


def test_entropy_is_that_of_what_is_predicted(shown):
    found = uncertainty(shown.distiller, shown.X)
    proba = shown.distiller.predict_proba(shown.X)
    assert_allclose(found, entropy(proba, axis=1), atol=1e-12)
    assert (found <= np.log(3)).all()


def test_energy_is_that_of_the_modules_logits(shown):
    found = uncertainty(shown.distiller, shown.X, kind="energy")
    logits = shown.distiller.student_.forward(shown.X).numpy()
    assert_allclose(found, -logsumexp(logits, axis=1), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_between_the_classes_are_the_least_sure(kind):
    X = np.linspace(-3, 3, 61)[:, np.newaxis].astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    teacher = LogisticRegression().fit(X, y)
    for student in (None, one_logit()):
        distiller = EnsembleDistiller([teacher], student, random_state=0).fit(X, y)
        found = uncertainty(distiller, X, kind=kind)
        assert abs(X[found.argmax(), 0]) < 1
        assert found[[0, -1]].max() < found.max()


def one_logit():
    return make_net(OneLogit, NeuralNetBinaryClassifier, max_epochs=30, lr=0.05)


def test_one_logit_sorts_by_energy_as_by_entropy(shown):
    y = (shown.y_train > 0).astype(int)
    teachers = [GaussianNB().fit(shown.X_train, y)]
    distiller = EnsembleDistiller(teachers, one_logit(), random_state=0)
    distiller.fit(shown.X_train, y)
    by_entropy, by_energy = (
        uncertainty(distiller, shown.X, kind=kind) for kind in KINDS
    )
    assert_array_equal(by_entropy.argsort(), by_energy.argsort())


@pytest.mark.parametrize("kind", KINDS)
def test_students_of_every_form_are_asked(shown, kind):
    frame = pd.DataFrame(shown.X_train, columns=list("abcde"))
    rows = pd.DataFrame(shown.X, columns=list("abcde"))
    students = {
        "built-in": (None, frame, rows),
        "pipeline": (
            make_pipeline(StandardScaler(), make_net()), shown.X_train, shown.X,
        ),
        "mapping": (
            make_net(Named), {"a": shown.X_train}, {"a": shown.X},
        ),
    }  # fmt: skip
    for student, X_train, X in students.values():
        proba = np.full((200, 2, 3), 1 / 3)
        distiller = EnsembleDistiller(None, student, random_state=0)
        distiller.fit(X_train, shown.y_train, teacher_proba=proba)
        found = uncertainty(distiller, X, kind=kind)
        assert found.shape == (100,)
        assert np.isfinite(found).all()


class Named(nn.Module):
    """Takes its rows by their name."""

    def __init__(self, out_features=3):
        super().__init__()
        self.layer = nn.Linear(5, out_features)

    def forward(self, a):
        return self.layer(a)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_rows(kind):
    texts = ["a small ant", "an ant", "one bee", "a busy bee"] * 5
    y = np.array(["ant", "ant", "bee", "bee"] * 5)
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    student = make_pipeline(TfidfVectorizer(), make_net(max_epochs=40))
    distiller = EnsembleDistiller([teacher], student, random_state=0).fit(texts, y)
    found = uncertainty(distiller, ["an ant", "a bee", "seven whales"], kind=kind)
    assert found.argmax() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_teachers_are_not_needed(shown, kind):
    alone = compact(shown.distiller)
    expected = uncertainty(shown.distiller, shown.X, kind=kind)
    assert_array_equal(uncertainty(alone, shown.X, kind=kind), expected)


# --- What cannot be -------------------------------------------------------------------


def test_tree_has_an_entropy_and_no_energy(shown):
    distiller = EnsembleDistiller(shown.teachers, DecisionTreeClassifier(max_depth=2))
    distiller.fit(shown.X_train, shown.y_train)
    assert np.isfinite(uncertainty(distiller, shown.X)).all()
    expected = "a DecisionTreeClassifier, is no net, and its probabilities come from no"
    with pytest.raises(TypeError, match=f"{expected}.*kind='entropy'"):
        uncertainty(distiller, shown.X, kind="energy")


def test_net_of_probabilities_has_an_entropy_and_no_energy(shown):
    student = make_net(SoftmaxMLP, criterion=nn.NLLLoss)
    distiller = EnsembleDistiller(shown.teachers, student, random_state=0)
    distiller.fit(shown.X_train, shown.y_train)
    assert np.isfinite(uncertainty(distiller, shown.X)).all()
    with pytest.raises(TypeError, match=r"with NLLLoss.*torch\.nn\.CrossEntropyLoss"):
        uncertainty(distiller, shown.X, kind="energy")


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_checked_as_by_predict(shown, kind):
    with pytest.raises(ValueError, match="4 features, but EnsembleDistiller is expec"):
        uncertainty(shown.distiller, shown.X[:, :4], kind=kind)


@pytest.mark.parametrize("kind", ["margin", None, 1])
def test_unknown_kind_is_refused(shown, kind):
    expected = f"`kind` must be one of ['entropy', 'energy'], got {kind!r}."
    with pytest.raises(ValueError, match=re.escape(expected)):
        uncertainty(shown.distiller, shown.X, kind=kind)


def test_unfitted_distiller_is_refused(shown):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        uncertainty(EnsembleDistiller(unfitted_trio()), shown.X)
    with pytest.raises(TypeError, match="must be a fitted EnsembleDistiller, got Gau"):
        uncertainty(GaussianNB(), shown.X)
