"""A loss takes the place of the net's criterion, and may own parameters."""

import pickle
from contextlib import nullcontext

import pytest
import torch
from numpy.testing import assert_allclose
from skorch import NeuralNetClassifier
from skorch.hf import AccelerateMixin
from torch import nn

from sk_ekd.losses import DistillationLoss
from sk_ekd.students._net import fit_student, update_student
from sk_ekd.students._predict import student_proba
from tests.students.training import (
    NETS,
    Unfollowed,
    as_part,
    fit,
    make_data,
    plain_net,
)


class Scaled(nn.Module):
    """The loss of the method, and a scale of its distillation term that is learned."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.loss = DistillationLoss(alpha=0.5, temperature=1.0)

    def forward(self, output, targets):
        terms = self.loss(output, targets)
        scaled = self.scale * terms["distillation"]
        return {**terms, "distillation": scaled, "scale": (self.scale - 1) ** 2}


def parameters(net):
    return [p for group in net.optimizer_.param_groups for p in group["params"]]


@pytest.mark.parametrize("form", NETS)
def test_what_a_loss_owns_is_trained_and_is_no_part_of_the_student(form):
    X, y, target = make_data(n_classes=2 if form == "binary" else 3)
    loss = Scaled()
    student, history = fit(NETS[form], X, y, target, loss=loss)
    assert loss.scale.item() != 0.5
    assert not any(p is loss.scale for p in parameters(student))
    assert len(parameters(student)) == len(list(student.module_.parameters()))
    assert b"Scaled" not in pickle.dumps(student)
    assert history["scale_loss"].is_monotonic_decreasing


def test_what_a_loss_owns_trains_on_with_the_next_chunk():
    X, y, target = make_data()
    loss, how = Scaled(), {"seed": 0, "epochs": Unfollowed()}
    part = as_part(X, y, target)
    student, _ = fit_student(plain_net(), part, None, loss=loss, n_epochs=1, **how)
    before = loss.scale.item()
    update_student(student, part, loss=loss, **how)
    assert loss.scale.item() != before


def test_what_a_loss_owns_trains_on_after_a_fit():
    X, y, target = make_data()
    loss, how = Scaled(), {"seed": 0, "epochs": Unfollowed()}
    part = as_part(X, y, target)
    student, _ = fit_student(plain_net(), part, None, loss=loss, **how)
    before = loss.scale.item()
    for _ in range(2):
        update_student(student, part, loss=loss, **how)
        assert loss.scale.item() > before
        before = loss.scale.item()
        assert not any(p is loss.scale for p in parameters(student))


def test_terms_of_a_loss_sum_to_the_loss():
    history = fit(plain_net(), *make_data(), loss=Scaled())[1]
    terms = ["label_loss", "distillation_loss", "scale_loss"]
    assert_allclose(history[terms].sum(axis=1), history["train_loss"], rtol=1e-6)


class Accelerator:
    """What skorch asks of accelerate's, on one device; remembers what it prepared."""

    device_placement = False
    is_main_process = sync_gradients = True
    print = print

    def __init__(self):
        self.prepared = []

    def prepare(self, part):
        self.prepared.append(part)
        return part

    def accumulate(self, module):
        return nullcontext()

    autocast = nullcontext

    def backward(self, loss):
        loss.backward()

    def unwrap_model(self, module, **options):
        return module

    def gather_for_metrics(self, output):
        return output

    def wait_for_everyone(self):
        pass


class Accelerated(AccelerateMixin, NeuralNetClassifier):
    """A net that accelerate prepares."""


def test_accelerate_prepares_the_loss():
    X, y, target = make_data()
    accelerator, loss = Accelerator(), Scaled()
    criterion = nn.CrossEntropyLoss
    net = plain_net(kind=Accelerated, criterion=criterion, accelerator=accelerator)
    part = as_part(X, y, target)
    how = {"loss": loss, "seed": 0, "epochs": Unfollowed(), "n_epochs": 3}
    student, _ = fit_student(net, part, None, **how)
    prepared = {m for p in student.accelerator.prepared for m in modules(p)}
    assert any(isinstance(module, Scaled) for module in prepared)
    expected, _ = fit_student(plain_net(), part, None, **{**how, "loss": Scaled()})
    proba = student_proba(student, X)  # labels are shares where steps are not plain
    assert_allclose(proba, student_proba(expected, X), atol=1e-6)


def modules(part):
    return part.modules() if isinstance(part, nn.Module) else []


class Broken(nn.Module):
    def __init__(self):
        raise RuntimeError("no such file: weights.pt")


def test_error_of_a_module_that_cannot_be_made_is_its_own():
    with pytest.raises(RuntimeError, match=r"no such file: weights\.pt"):
        fit(NeuralNetClassifier(Broken, criterion=nn.CrossEntropyLoss), *make_data())
