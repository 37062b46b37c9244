"""A stack that is trained by hand is what autograd leaves, up to rounding."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sk_ekd import OnlineDistiller
from sk_ekd.students import MLP, _stacked_by_hand
from sk_ekd.students._stacked_by_hand import _draw_mask
from tests.worlds import make_net

N, D, C = 103, 6, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = np.where(np.arange(N) % 3, -1, RNG.integers(C, size=N))


class Subclass(MLP):
    """The same, of another name."""


def fit(net=None, **params):
    params = {"n_students": 3, "random_state": 0, **params}
    return OnlineDistiller(make_plain() if net is None else net, **params).fit(X, Y)


def make_plain(module=MLP, **params):
    how = {
        "optimizer": torch.optim.AdamW, "batch_size": 16, "max_epochs": 4,
        "module__hidden": (8, 7), "module__dropout": 0.0, **params,
    }  # fmt: skip
    return make_net(module, **how)


@pytest.fixture
def epochs(monkeypatch):
    """Count the epochs that are trained by hand."""
    seen, train = [], _stacked_by_hand.train_epoch

    def count(net, batches):
        seen.append(len(batches.dataset))
        return train(net, batches)

    monkeypatch.setattr(_stacked_by_hand, "train_epoch", count)
    return seen


CASES = {
    "a trunk": ({}, {}),
    "no trunk": ({}, {"share": "nothing"}),
    "a long trunk": ({"module__hidden": (9, 7, 5, 3)}, {}),
    "one layer": ({"module__hidden": ()}, {}),
    "no temperature": ({}, {"temperature": 1.0}),
    "a low temperature": ({}, {"temperature": 0.5}),
    "labels only": ({}, {"alpha": 0}),
    "much of the mean": ({}, {"alpha": 0.9}),
    "two students": ({}, {"n_students": 2}),
    "weights of classes": ({}, {"class_weight": "balanced"}),
    "validation": ({}, {"validation_fraction": 0.3}),
    "Adam": ({"optimizer": torch.optim.Adam, "optimizer__weight_decay": 0.1}, {}),
    "a batch of all": ({"batch_size": 200}, {}),
    "no last batch": ({"iterator_train__drop_last": True}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_student_and_history_are_those_of_autograd(name, epochs, monkeypatch):
    of_net, params = CASES[name]
    by_hand = fit(make_plain(**of_net), **params)
    assert epochs
    monkeypatch.setattr(_stacked_by_hand, "can_train", lambda net, batches: False)
    other = fit(make_plain(**of_net), **params)
    pairs = zip(
        by_hand.student_.module_.parameters(),
        other.student_.module_.parameters(),
        strict=True,
    )
    for a, b in pairs:
        assert_allclose(a.detach(), b.detach(), atol=2e-5)
    columns = [c for c in other.history_ if c.endswith("loss")]
    assert_allclose(by_hand.history_[columns], other.history_[columns], atol=1e-5)
    assert [*by_hand.history_] == [*other.history_]


OTHERS = {
    "another module": make_plain(Subclass),
    "another optimizer": make_plain(optimizer=torch.optim.RMSprop),
    "smoothed labels": make_plain(criterion__label_smoothing=0.1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_go_by_autograd(name, epochs):
    fit(OTHERS[name])
    assert not epochs


@pytest.mark.parametrize("shape", [(3, 40, 50), (1001,)])
@pytest.mark.parametrize("keep", [0.9, 0.5, 0.01])
def test_mask_keeps_its_share(keep, shape):
    torch.manual_seed(0)
    mask = _draw_mask(torch.empty(shape), keep)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    error = (keep * (1 - keep) / mask.numel()) ** 0.5
    assert abs(mask.mean().item() - keep) < 4 * error


def test_dropout_trains_another_student(epochs):
    plain, dropped = (fit(make_plain(module__dropout=p)) for p in (0.0, 0.3))
    assert not np.allclose(plain.predict_proba(X), dropped.predict_proba(X))
    assert dropped.history_["label_loss"].iloc[-1] < dropped.history_["label_loss"][0]
