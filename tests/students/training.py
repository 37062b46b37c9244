"""Train nets of every form on rows with soft targets."""

import numpy as np
import torch
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from sk_ekd._classes import UNLABELED
from sk_ekd._targets import Targets
from sk_ekd.losses import DistillationLoss
from sk_ekd.students import MLP
from sk_ekd.students._kinds import fit_student
from tests.worlds import OneLogit, make_net

N, D, C = 150, 5, 3


class SoftmaxMLP(MLP):
    def forward(self, X):
        return super().forward(X).softmax(dim=1)


def plain_net(module=MLP, kind=NeuralNetClassifier, **params):
    """Return a net whose steps can be repeated by hand."""
    defaults = {
        "module__hidden": (8,),
        "module__dropout": 0.0,
        "max_epochs": 3,
        "batch_size": 32,
        "lr": 0.1,
        "optimizer": torch.optim.SGD,
        "iterator_train__shuffle": False,
    }
    return make_net(module, kind, **{**defaults, **params})


NETS = {
    "logits": plain_net(),
    "proba": plain_net(SoftmaxMLP, criterion=nn.NLLLoss),
    "binary": plain_net(OneLogit, NeuralNetBinaryClassifier),
}


def make_data(n_classes=C, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(N, D).astype(np.float32)
    y = rng.randint(n_classes, size=N)
    target = rng.dirichlet(np.ones(n_classes), N).astype(np.float32)
    return X, y, target


class Unfollowed:
    """Epochs that nobody follows."""

    def start(self, n_epochs, **options):
        pass

    def begin(self):
        pass

    def end(self, student):
        return False

    def close(self):
        pass

    def finish(self, what=None):
        pass


def as_part(X, y, mix, label_weight=None, mix_weight=None):
    """Return rows and their Targets."""
    ones = np.ones(len(y))
    label_weight = ones if label_weight is None else label_weight
    mix_weight = ones if mix_weight is None else mix_weight
    return X, Targets(y, y != UNLABELED, mix, label_weight, mix_weight)


def fit(
    student, X, y, target, *, label_weight=None, weight=None, valid=None,
    alpha=0.5, temperature=1.0, loss=None, **params,
):  # fmt: skip
    """Fit a student, by the loss of the method unless another is passed."""
    train = as_part(X, y, target, label_weight, weight)
    loss = loss or DistillationLoss(alpha, temperature)
    params = {"seed": 0, "epochs": Unfollowed(), **params}
    return fit_student(student, train, valid, loss=loss, **params)
