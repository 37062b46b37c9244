"""One network from several seeds: the mean of what they say, and a teacher."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sk_ekd import EnsembleDistiller, OnlineDistiller, SeedEnsemble
from sk_ekd.students import MLP
from tests.test_estimator import EXPECTED_FAILURES
from tests.worlds import make_net


def ensemble(net=None, n_seeds=3, **params):
    net = make_net() if net is None else net
    return SeedEnsemble(net, n_seeds, **{"random_state": 0, **params})


class Conv(nn.Module):
    """A module that is trained by autograd."""

    def __init__(self, out_features):
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 3)
        self.head = nn.Linear(4, out_features)

    def forward(self, X):
        return self.head(self.conv(X.unsqueeze(1)).flatten(1))


@parametrize_with_checks(
    [SeedEnsemble(make_net(max_epochs=20, lr=0.05), 2)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("module", [MLP, Conv])
def test_probabilities_are_the_mean_of_different_networks(blobs, module):
    X, y = blobs
    names = np.array(["a", "b", "c"])
    fitted = ensemble(make_net(module)).fit(X, names[y])
    parts = [net.predict_proba(X) for net in fitted.nets_]
    assert_allclose(fitted.predict_proba(X), np.mean(parts, axis=0), atol=1e-6)
    assert np.abs(parts[0] - parts[1]).max() > 0.01
    assert set(fitted.predict(X)) <= set(names)
    assert type(fitted.nets_[0].module_) is module


def test_first_network_is_that_of_an_online_distiller(blobs):
    X, y = blobs
    online = OnlineDistiller(make_net(), n_students=3, alpha=0, random_state=0)
    expected = online.fit(X, y).predict_proba(X)
    first = ensemble().fit(X, y).nets_[0]
    assert_allclose(first.predict_proba(X), expected, atol=1e-6)


def test_one_seed_is_one_network(blobs):
    X, y = blobs
    fitted = ensemble(n_seeds=1).fit(X, y)
    assert len(fitted.nets_) == 1
    alone = fitted.nets_[0].predict_proba(X)
    assert_allclose(fitted.predict_proba(X), alone, atol=1e-6)


def test_same_seed_gives_the_same_through_clone_and_pickle(blobs):
    X, y = blobs
    fitted = ensemble().fit(X, y)
    proba = fitted.predict_proba(X)
    assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), proba)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), proba)


def test_rows_of_weight_zero_count_as_removed(blobs):
    X, y = blobs
    weight = np.ones(len(X))
    weight[::3] = 0
    some = ensemble().fit(X, y, sample_weight=weight)
    kept = ensemble().fit(X[weight > 0], y[weight > 0])
    assert_allclose(some.predict_proba(X), kept.predict_proba(X), atol=1e-6)


def test_steps_before_the_network_are_fitted_once(blobs):
    X, y = blobs
    fitted = ensemble(make_pipeline(StandardScaler(), make_net())).fit(X, y)
    assert len(fitted.nets_) == 3
    assert_allclose(fitted.nets_[1][0].mean_, X.mean(axis=0), rtol=1e-5)


def test_seeds_are_a_teacher_out_of_fold_and_fitted(blobs):
    X, y = blobs
    partly = np.where(np.arange(len(y)) % 3, y, -1)
    distiller = EnsembleDistiller([ensemble()], make_net(), cv=3, random_state=0)
    distiller.fit(X, partly)
    assert distiller.teacher_names_ == ["seedensemble"]
    assert distiller.score(X, y) > 0.4
    fitted = ensemble().fit(X, y)
    usual = EnsembleDistiller([fitted], make_net(), random_state=0).fit(X, partly)
    assert usual.teachers_[0] is fitted


def test_what_is_no_network_is_an_error(blobs):
    with pytest.raises(TypeError, match="only networks learn"):
        SeedEnsemble(LogisticRegression()).fit(*blobs)
    with pytest.raises(ValueError, match="'n_seeds' parameter"):
        SeedEnsemble(n_seeds=0).fit(*blobs)
    net = make_net(MLP(4, 3, hidden=(8,)))
    with pytest.raises(ValueError, match="pass its class"):
        SeedEnsemble(net).fit(*blobs)
