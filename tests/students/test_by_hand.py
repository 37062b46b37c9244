"""A step by hand leaves what autograd leaves, up to rounding."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from sk_ekd import EnsembleDistiller
from sk_ekd.losses import DistillationLoss
from sk_ekd.students import MLP, _by_hand
from sk_ekd.students._output import Logits, Output
from sk_ekd.students._packed import TargetBatch

N, D, C = 103, 6, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype(np.float32)
Y = RNG.integers(C, size=N)
FEW = np.where(np.arange(N) % 3, -1, Y)
PROBA = RNG.dirichlet(np.ones(C), (N, 2)).astype(np.float32)


def make_net(module=MLP, **params):
    how = {
        "criterion": nn.CrossEntropyLoss, "optimizer": torch.optim.AdamW, "lr": 3e-3,
        "batch_size": 16, "max_epochs": 4, "verbose": 0, **params,
    }  # fmt: skip
    if module is MLP:
        how = {"module__hidden": (8, 8), **how}
    return NeuralNetClassifier(module, **how)


def distill(net, y=FEW, rows=X, **params):
    distiller = EnsembleDistiller(None, net, random_state=0, **params)
    return distiller.fit(rows, y, teacher_proba=PROBA)


@pytest.fixture
def epochs(monkeypatch):
    """Count the epochs that are trained by hand."""
    seen, train = [], _by_hand.train_epoch

    def count(net, batches):
        seen.append(len(batches.dataset))
        return train(net, batches)

    monkeypatch.setattr(_by_hand, "train_epoch", count)
    return seen


def by_autograd(fit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_by_hand, "can_train", lambda net, batches: False)
        return fit()


def assert_same_student(one, other):
    pairs = zip(
        one.student_.module_.parameters(),
        other.student_.module_.parameters(),
        strict=True,
    )
    for a, b in pairs:
        assert_allclose(a.detach(), b.detach(), atol=2e-5)
    columns = [c for c in other.history_ if c.endswith("loss")]
    assert_allclose(one.history_[columns], other.history_[columns], atol=1e-5)
    assert [*one.history_] == [*other.history_]


CASES = {
    "both terms": {},
    "a temperature": {"temperature": 3.0},
    "a low temperature": {"temperature": 0.5},
    "labels only": {"alpha": 0.0},
    "teachers only": {"alpha": 1.0},
    "weights": {"weighting": "unified"},
    "validation": {"validation_fraction": 0.3},
}


@pytest.mark.parametrize("y", [Y, FEW], ids=["all labeled", "few labeled"])
@pytest.mark.parametrize("name", CASES)
def test_student_and_history_are_those_of_autograd(name, y, epochs):
    def fit():
        return distill(make_net(), y, **CASES[name])

    other = by_autograd(fit)
    assert not epochs
    assert_same_student(fit(), other)
    assert epochs


NETS = {
    "no hidden layer": {"module__hidden": ()},
    "one": {"module__hidden": (5,)},
    "three": {"module__hidden": (9, 7, 5)},
    "no dropout": {"module__dropout": 0.0},
    "much dropout": {"module__dropout": 0.7},
    "a batch of all": {"batch_size": 200},
    "batches of one": {"batch_size": 1, "max_epochs": 1},
    "no last batch": {"iterator_train__drop_last": True},
    "in order": {"iterator_train__shuffle": False},
    "fused": {"optimizer__fused": True},
    "decay": {"optimizer__weight_decay": 0.3},
    "Adam": {"optimizer": torch.optim.Adam, "optimizer__weight_decay": 0.1},
    "betas": {"optimizer__betas": (0.5, 0.9)},
}


@pytest.mark.parametrize("name", NETS)
def test_nets_are_those_of_autograd(name, epochs):
    def fit():
        return distill(make_net(**NETS[name]))

    other = by_autograd(fit)
    assert_same_student(fit(), other)
    assert epochs


def test_blocks_of_rows_change_nothing(monkeypatch):
    whole = distill(make_net())
    monkeypatch.setattr(_by_hand, "BLOCK_VALUES", 2 * 16 * D)
    assert_same_student(distill(make_net()), whole)


def test_same_seed_gives_the_same_bits():
    one, other = (distill(make_net()).predict_proba(X) for _ in range(2))
    assert_array_equal(one, other)


def test_chunks_go_on_where_the_optimizer_was(epochs):
    def fit():
        distiller = EnsembleDistiller(None, make_net(), random_state=0)
        for part in (slice(0, 50), slice(50, N), slice(0, 50)):
            distiller.partial_fit(
                X[part], FEW[part], classes=range(C), teacher_proba=PROBA[part]
            )
        return distiller

    assert_same_student(fit(), by_autograd(fit))
    assert len(epochs) == 3


def test_autograd_goes_on_where_a_step_by_hand_was(monkeypatch):
    def fit(switch):
        distiller = EnsembleDistiller(None, make_net(), random_state=0)
        for i in range(4):
            if switch:
                by_hand = _by_hand.can_train if i % 2 else lambda net, batches: False
                monkeypatch.setattr(_by_hand, "can_train", by_hand)
            distiller.partial_fit(X, FEW, classes=range(C), teacher_proba=PROBA)
            monkeypatch.undo()
        return distiller

    assert_same_student(fit(switch=True), fit(switch=False))


class Listener(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


class OwnMLP(MLP):
    pass


class OwnLoss(DistillationLoss):
    def forward(self, output, targets):
        return super().forward(output, targets)


def hooked(*args, **kwargs):
    module = MLP(*args, **kwargs)
    module[0].register_forward_hook(lambda *args: None)
    return module


def frozen(*args, **kwargs):
    module = MLP(*args, **kwargs)
    module[0].bias.requires_grad_(False)
    return module


BY_AUTOGRAD = {
    "a callback that listens": {"callbacks": [Listener]},
    "a module of the user's": {"module": OwnMLP},
    "a hook": {"module": hooked(D, C)},
    "a frozen parameter": {"module": frozen(D, C)},
    "another optimizer": {"optimizer": torch.optim.SGD},
    "amsgrad": {"optimizer__amsgrad": True},
    "options of the criterion": {"criterion__label_smoothing": 0.1},
    "two groups": {
        "optimizer__param_groups": [("0.bias", {"lr": 1e-4})],
    },
}


@pytest.mark.parametrize("name", BY_AUTOGRAD)
def test_whatever_is_the_users_goes_by_autograd(name, epochs):
    distill(make_net(**BY_AUTOGRAD[name]))
    assert not epochs


def test_sparse_rows_and_losses_of_the_users_go_by_autograd(epochs):
    distill(make_net(), rows=sparse.csr_matrix(X))
    distiller = EnsembleDistiller(None, make_net(), random_state=0)
    distiller._make_loss = lambda: OwnLoss(0.5, 1.0)
    distiller.fit(X, FEW, teacher_proba=PROBA)
    assert not epochs


def test_cross_entropies_are_the_terms_of_the_loss():
    torch.manual_seed(0)
    logits, mix = torch.randn(9, C), torch.rand(9, C).softmax(dim=1)
    y = torch.tensor([-1, 0, 1, 2, 3, -1, 0, 1, 2])
    negentropy = (mix * mix.log()).sum(dim=1)
    targets = TargetBatch(y, torch.rand(9), torch.rand(9), negentropy, mix)
    for alpha, temperature in ((0.3, 1.0), (0.3, 2.0), (0.0, 1.0), (1.0, 0.5)):
        loss = DistillationLoss(alpha, temperature)
        form = Logits(nn.CrossEntropyLoss(reduction="none", ignore_index=-1))
        output = Output(form, logits, torch.float32)
        terms = loss(output, targets)
        for name, (t, weight, constant) in loss.cross_entropies(targets).items():
            log_proba = (logits / t).log_softmax(dim=1)
            each = constant - (weight * log_proba).sum(dim=1)
            assert_allclose(each.mean(), terms[name], atol=1e-6)


def test_history_keeps_what_it_had():
    distiller = distill(make_net(), validation_fraction=0.3)
    other = by_autograd(lambda: distill(make_net(), validation_fraction=0.3))
    assert_frame_equal(
        distiller.history_.drop(columns="dur"),
        other.history_.drop(columns="dur"),
        atol=1e-5,
    )
